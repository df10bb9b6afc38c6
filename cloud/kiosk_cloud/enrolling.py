"""`kiosk-cloud enrol`: a kiosk's signing request, looked at and approved at the bank (docs/commissioning.md).

The kiosk made its own keys; here its public halves are pinned, a certificate is issued for its TLS key, and what it
has to know of the bank is answered, sealed to it. Approving the same request again gives an answer to the same effect;
another request of a kiosk that is known already is refused: that would be another kiosk under its name.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

import click
from cryptography.hazmat.primitives.serialization import Encoding

from kiosk.core import topics
from kiosk.errors import ConfigError
from kiosk.guarantee import enrolment, files, policy, seal
from kiosk.guarantee.commands import SECOND_FILE
from kiosk.guarantee.directory import HASH_BYTES, KEY_FILE
from kiosk.guarantee.enrolment import Asked
from kiosk.guarantee.keys import Ed25519Signer
from kiosk_cloud import broker, trusting
from kiosk_cloud.explained import explained
from kiosk_cloud.files import private_dir, write_once, write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import Authority, utc_now

_DIR = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Where the bank's side was provisioned.",
)
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def enrol() -> None:
    """Let a kiosk in that made its own keys."""


@enrol.command("bank")
@_DIR
def bank(directory: Path) -> None:
    """Say the bank's fingerprint, for the letter that announces a kiosk."""
    with explained():
        command = Ed25519Signer.load(directory / "bank" / "keys" / "command.key")
    click.echo(enrolment.fingerprint(command.kid))


@enrol.command("show")
@click.argument("request_file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(request_file: Path, *, as_json: bool) -> None:
    """Say whose request it is and its fingerprint, to be compared with the one at the kiosk."""
    with explained():
        asked = enrolment.read_request(request_file.read_bytes())
    said = _said(asked)
    click.echo(json.dumps(said) if as_json else "\n".join(f"{name:12} {value}" for name, value in said.items()))


@enrol.command("approve")
@_DIR
@click.argument("request_file", type=_FILE)
@click.option("--fingerprint", required=True, help="As the person at the kiosk reads it out.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The answer, for the kiosk."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def approve(directory: Path, request_file: Path, fingerprint: str, out: Path, *, as_json: bool) -> None:
    """Pin the kiosk's keys, issue its certificate, write the answer. Give the broker its new access list then."""
    with explained():
        asked = enrolment.read_request(request_file.read_bytes())
        if "".join(fingerprint.split()).lower() != enrolment.fingerprint(asked.digest).replace(" ", ""):
            raise ConfigError(
                f"this request has the fingerprint {enrolment.fingerprint(asked.digest)}",
                remedy="It is not the one that was made at the kiosk, or was read out wrongly. Compare again.",
            )
        write_private(out, approved(directory.absolute(), asked))
    said = {**_said(asked), "answer": str(out)}
    click.echo(json.dumps(said) if as_json else f"{asked.kiosk} is enrolled; bring {out} to it.")
    click.echo("Next: restart broker and receivers, publish the account directory.", err=True)


def _said(asked: Asked) -> dict[str, str]:
    return {
        "kiosk": asked.kiosk,
        "asked_at": asked.at,
        "record_key": asked.record.kid.hex()[:16],
        "fingerprint": enrolment.fingerprint(asked.digest),
    }


def approved(root: Path, asked: Asked) -> bytes:
    """The answer to a request that was compared. Raises ConfigError when the kiosk is known by other keys."""
    if asked.kiosk == broker.BANK_USER:
        raise ConfigError(f"{asked.kiosk!r} cannot be a kiosk's id")
    keys = root / "bank" / "keys"
    command = Ed25519Signer.load(keys / "command.key")
    pinned = private_dir(private_dir(keys / "kiosks") / asked.kiosk)
    _pin(pinned / "record.pub", asked.record.pem)
    _pin(pinned / "checkpoint.vkey", f"{asked.checkpoint.vkey}\n".encode())
    if not (secret := pinned / KEY_FILE).exists():
        files.save_key(secret, "hmac-sha256", os.urandom(HASH_BYTES))
    authority = Authority(root / "pki", utc_now())
    issued = root / "pki" / f"kiosk-{asked.kiosk}.pem"  # where `renew` finds it
    if not issued.exists():
        certificate = authority.sign_request(asked.certificate_request, asked.kiosk)
        write_private(issued, certificate.public_bytes(Encoding.PEM))
    trust = root / "policy.txt"
    text = trusting.renewed(trust.read_text(encoding="utf-8"), Keyring(keys), keys / "kiosks")
    policy.parse(text.encode())
    write_private(trust, text.encode())
    trust.chmod(0o644)
    known = [path.name for path in (keys / "kiosks").iterdir() if topics.is_kiosk_id(path.name)]
    for path in root.glob("mosquitto*/acl"):
        write_private(path, broker.acl(known).encode())
    with tempfile.TemporaryDirectory() as name:
        sealing = Path(name) / "bank_seal.pub"
        seal.SealPrivateKey.load(keys / "seal.key").public.save(sealing)
        sealing_line = sealing.read_bytes()
    content = {
        enrolment.CERTIFICATE: issued.read_bytes(),
        enrolment.AUTHORITY: (root / "pki" / "ca.pem").read_bytes(),
        "bank_seal.pub": sealing_line,
        "bank_ack.pub": Ed25519Signer.load(keys / "ack.key").public.pem,
        "bank_command.pub": command.public.pem,
        "second_signer.pub": (keys / SECOND_FILE).read_bytes(),
        "directory.key": secret.read_bytes(),
        "policy.txt": text.encode(),
    }
    return enrolment.answer(asked, content, command)


def _pin(path: Path, data: bytes) -> None:
    if not write_once(path, data) and path.read_bytes() != data:
        raise ConfigError(
            f"{path} pins another key: this kiosk's id is taken",
            remedy="Give the kiosk another id. A kiosk that changes its keys signs a rotation (docs/keys.md).",
        )
