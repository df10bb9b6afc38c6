"""`kioskctl keys`: which keys sign for this kiosk, and the change to another one, which takes two people."""

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.people import Session, signed, with_session
from kiosk.messages import GetKeys, Keys, KeyView

PURPOSES = ("record", "checkpoint")


@click.group("keys")
def keys_group() -> None:
    """The kiosk's own signing keys."""


@keys_group.command("show")
@with_session
def show_command(*, session: Session) -> None:
    """Each key by its kid, what it signs and since when; a new one that lies beside it, ready to be taken up."""
    keys = session.ask(GetKeys(), Keys).keys
    if session.as_json:
        click.echo(msgspec.json.encode([{**msgspec.structs.asdict(key), "kid": key.kid.hex()} for key in keys]))
        return
    for key in keys:
        click.echo(f"{key.purpose:<10}  {key.algorithm:<5}  {key.kid.hex()}  {_when(key)}")


@keys_group.command("rotate")
@click.argument("purpose", type=click.Choice(PURPOSES))
@signed
def rotate_command(purpose: str, *, session: Session, staff: str) -> None:
    """Ask that the new PURPOSE key, which lies beside the present one, sign from now on.

    Takes a technician and a supervisor; who approves compares the kid with `keys show`. The log's next leaf says so,
    signed by both keys. The old key is never used again: destroy it when the bank has acknowledged that leaf.
    """
    following = [key for key in session.ask(GetKeys(), Keys).keys if key.purpose == purpose and key.first is None]
    if not following:
        session.fail(
            KioskError(f"no new {purpose} key lies beside the present one", remedy="docs/keys.md says how to lay one.")
        )
    session.act(staff, {"action": "RotateKey", "purpose": purpose, "kid": following[0].kid})


def _when(key: KeyView) -> str:
    place = "leaf" if key.purpose == "record" else "size"
    if key.first is None:
        return "new, has signed nothing yet"
    return (
        f"signs since {place} {key.first}" if key.end is None else f"signed from {place} {key.first} to {key.end - 1}"
    )
