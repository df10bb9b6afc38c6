"""`kiosk-cloud keys`: which keys speak for a kiosk, what the policy file says of them, and a key that was stolen."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from kiosk.clock import rfc3339
from kiosk.errors import ConfigError
from kiosk.guarantee import bank_keys, policy, rotation
from kiosk.guarantee.bank_keys import BankPurpose
from kiosk.guarantee.keys import Ed25519Signer, load_public
from kiosk.guarantee.rotation import Compromise, Span
from kiosk.guarantee.signers import PURPOSES, Purpose
from kiosk_cloud import config as bank_config
from kiosk_cloud import trusting
from kiosk_cloud.commanding import giving
from kiosk_cloud.directory import kiosks
from kiosk_cloud.explained import explained
from kiosk_cloud.files import write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_config = click.option(
    "--config", "config_path", type=_FILE, required=True, help="bank.toml, as `provision` writes it."
)
_kiosk = click.option("--kiosk", required=True, help="Whose keys.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def keys() -> None:
    """The kiosks' signing keys, as the bank believes them."""


@keys.command("show")
@_config
@_kiosk
@_json
def show(config_path: Path, kiosk: str, *, as_json: bool) -> None:
    """Each key with the part of the log that it speaks for: leaves, or tree sizes, from one and below another."""
    with explained():
        found = Keyring(bank_config.load(config_path).keys).kiosk(kiosk)
    rows = [
        {"purpose": purpose, **_row(span)}
        for purpose, history in (("record", found.records), ("checkpoint", found.checkpoints))
        for span in history.spans
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        until = "signs now" if row["end"] is None else f"below {row['end']}: {row['why']}"
        click.echo(f"{row['purpose']:<10}  {row['kid']}  from {row['first']}, {until}")


def _row(span: Span) -> dict[str, Any]:
    return {"kid": span.key.kid.hex(), "first": span.first, "end": span.end, "why": span.why}


@keys.command("policy")
@_config
@_json
def write_policy(config_path: Path, *, as_json: bool) -> None:
    """Write the policy file anew with every kiosk's keys and their ranges; witnesses and quorum stay as they are.

    Its hash changes: give it to kiosks (`kiosk-cloud command`), cabinets and mirrors.
    """
    with explained():
        config = bank_config.load(config_path)
        if config.policy is None:
            raise ConfigError("bank.toml names no policy", remedy="Set `policy`, as `provision` does.")
        text = trusting.renewed(config.policy.read_text(encoding="utf-8"), Keyring(config.keys), config.keys / "kiosks")
        found = policy.parse(text.encode())
        write_private(config.policy, text.encode())
        config.policy.chmod(0o644)
    said = {"policy": str(config.policy), "sha256": found.sha256.hex()}
    click.echo(json.dumps(said) if as_json else f"{said['policy']}: SHA-256 {said['sha256']}")


@keys.command("compromise")
@_config
@_kiosk
@click.option("--purpose", type=click.Choice(PURPOSES), default="record", show_default=True, help="What the key signs.")
@click.option("--kid", required=True, help="The stolen key, or the beginning of it, as `keys show` has it.")
@click.option("--trusted-size", type=click.IntRange(min=0), required=True, help="Of the last tree that is believed.")
@click.option("--successor", type=_FILE, required=True, help="PEM of the public key that signs from there on.")
@click.option("--second", type=_FILE, required=True, help="The second signer's private key, brought by them.")
def compromise(
    config_path: Path, kiosk: str, purpose: Purpose, kid: str, trusted_size: int, successor: Path, second: Path
) -> None:
    """Declare a kiosk's key stolen: what it signed at or beyond the trusted size is not believed any more.

    Signed by the bank's command key and by a second signer. It cannot be taken back. Write the policy file next.
    """
    with explained():
        keyring = Keyring(bank_config.load(config_path).keys)
        known = keyring.kiosk(kiosk)
        history = known.records if purpose == "record" else known.checkpoints
        found = {span.key.kid for span in history.spans if kid and span.key.kid.hex().startswith(kid.lower())}
        if len(found) != 1:
            raise ConfigError(f"{kid!r} begins {len(found)} {purpose} keys of {kiosk}", remedy="Look at `keys show`.")
        said = Compromise(kiosk, purpose, found.pop(), trusted_size, load_public(successor), rfc3339(utc_now()))
        keyring.declare(kiosk, rotation.declare(said, keyring.command, Ed25519Signer.load(second)))
    click.echo(f"{kiosk}: {purpose} key {said.kid.hex()[:16]} is trusted up to size {trusted_size} only")
    click.echo("Next: kiosk-cloud keys policy, and a restart of the receivers is not needed.")


_purpose = click.argument("purpose", type=click.Choice(bank_keys.PURPOSES))


@keys.command("successor")
@_purpose
@_config
@click.option("--until", required=True, help="So long the present key counts beside it, e.g. 2026-12-24T18:00+08:00.")
@click.option("--kiosk", "chosen", multiple=True, help="Tell this kiosk only; may be repeated. Else all are told.")
@click.option("--life-h", type=click.IntRange(1, 24 * 90), default=24 * 30, show_default=True, help="Hours to its end.")
def successor(purpose: BankPurpose, config_path: Path, until: str, chosen: tuple[str, ...], life_h: int) -> None:
    """Name to the kiosks the bank's next key for acknowledgements or commands, made here if there is none yet.

    A command for each kiosk, which the second signer signs as well. `keys take-over` when they have answered.
    """
    with explained():
        config = bank_config.load(config_path)
        keyring = Keyring(config.keys)
        old, new = keyring.own(purpose), keyring.next_own(purpose, make=True)
        assert new is not None
        moment, life = giving.moment(until), timedelta(hours=life_h)
        for kiosk in chosen or kiosks(config, None):
            make = giving.new_bank_key(kiosk, purpose, moment, old, new)
            given = giving.give(config, kiosk, make, utc_now(), life)
            click.echo(f"{kiosk}: command {given.sequence} names {purpose} key {new.kid.hex()[:16]}: {given.state}")
    click.echo("Next: kiosk-cloud command export, sign and import for each; then kiosk-cloud keys take-over")


@keys.command("take-over")
@_purpose
@_config
@click.option("--without", multiple=True, help="Leave this kiosk behind: it will not believe us; may be repeated.")
def take_over(purpose: BankPurpose, config_path: Path, without: tuple[str, ...]) -> None:
    """Sign with the next key from now on, once every kiosk has said that it takes it. Restart the receivers then."""
    with explained():
        config = bank_config.load(config_path)
        keyring = Keyring(config.keys)
        new = keyring.next_own(purpose)
        if new is None:
            raise ConfigError(f"there is no next {purpose} key", remedy="Make and announce one: `keys successor`.")
        waiting = [kiosk for kiosk in giving.not_told(config, purpose, new.public) if kiosk not in without]
        if waiting:
            raise ConfigError(
                f"{', '.join(waiting)} would not believe key {new.kid.hex()[:16]} yet",
                remedy="Wait for their results (`command list`), or leave them behind by --without.",
            )
        keyring.take_over(purpose)
    click.echo(f"{purpose} key {new.kid.hex()[:16]} signs from now on. Next: restart the receivers.")
