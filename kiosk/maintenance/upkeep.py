"""`kioskctl set`, `backup` and `bundle`: settings at the running kiosk, and what people carry away from it."""

import hashlib
import os
from pathlib import Path
from typing import Final, Literal

import click
import msgspec

from kiosk.errors import KioskError, VerificationError
from kiosk.guarantee import bundles
from kiosk.maintenance.people import Session, signed, with_session
from kiosk.maintenance.seat import present_staff
from kiosk.maintenance.session import fail
from kiosk.maintenance.words import duration_in_words
from kiosk.messages import (
    FetchFile,
    FileMade,
    FilePart,
    GetSettings,
    MakeFile,
    PlanSetting,
    SettingPlan,
    Settings,
    SettingView,
)

MAKE_S_MAX: Final = 300.0  # a large journal is copied and looked through
OUT: Final = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


# --- set ------------------------------------------------------------------------------------------------


class _SetGroup(click.Group):
    """`set KEY VALUE` is `set value KEY VALUE`: a key has a dot in it, and no command has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and "." in args[0]:
            return "value", self.commands["value"], args
        return super().resolve_command(ctx, args)


@click.group("set", cls=_SetGroup)
def set_group() -> None:
    """Change a setting at the running kiosk, from the next deposit on. Undone after 10 minutes unless confirmed."""


@set_group.command("show")
@with_session
def show_command(*, session: Session) -> None:
    """What can be set: the value in force, where it comes from, what waits to be confirmed."""
    settings = session.ask(GetSettings(), Settings)
    if session.as_json:
        click.echo(msgspec.json.encode(settings))
        return
    click.echo("\n".join(map(_setting_text, settings.settings)))
    if settings.undone_in_s:
        left = duration_in_words(settings.undone_in_s)
        click.echo(f"what is tentative is undone in {left}; to keep it: kioskctl set confirm")


def _setting_text(setting: SettingView) -> str:
    by = f" by {' and '.join(setting.by)}, {setting.at}" if setting.by else ""
    told = {
        "configured": "as configured",
        "set": f"set{by}; configured: {setting.configured}",
        "tentative": f"TENTATIVE, set{by}; configured: {setting.configured}",
    }[setting.origin]
    two = "  (two people)" if setting.two_people else ""
    return f"{setting.key:<32} {setting.value:>12}  {told}{two}"


@set_group.command("value")
@click.argument("key")
@click.argument("value")
@click.option("--dry-run", is_flag=True, help="Only show the change and who must allow it.")
@click.option("--as", "staff", default=None, metavar="STAFF", help="Your staff id; not needed with --dry-run.")
@click.option("--pin-stdin", is_flag=True, help="Read PINs from standard input, one line each.")
@with_session
def value_command(key: str, value: str, *, dry_run: bool, staff: str | None, session: Session) -> None:
    """Set KEY to VALUE (as in the file). A technician; for limits and risk two people. Undo: `set revert`, or wait."""
    plan = session.ask(PlanSetting(key, value), SettingPlan)
    who = "staff or supervisor, and another supervisor" if plan.two_people else "a technician"
    if not session.as_json:
        click.echo(f"- {plan.key} = {plan.before}\n+ {plan.key} = {plan.value}")
    if dry_run:
        told = {"key": plan.key, "before": plan.before, "value": plan.value, "two_people": plan.two_people}
        click.echo(msgspec.json.encode(told) if session.as_json else f"it takes {who}; nothing was done")
        return
    staff = staff or present_staff()
    if not staff:
        session.fail(KioskError("nobody asks for it", remedy="Say who you are: --as STAFF"))
    kind = "ChangeRule" if plan.two_people else "ChangeSetting"
    session.act(staff, {"action": kind, "key": plan.key, "before": plan.before, "value": plan.value})
    if not session.as_json:
        click.echo("once it is carried out it holds from the next deposit on; undone after 10 min unless you say:")
        click.echo("  kioskctl set confirm")


@set_group.command("confirm")
@signed
def confirm_command(*, session: Session, staff: str) -> None:
    """Keep what was set: nothing is undone any more. To undo it later, set the old value."""
    session.act(staff, {"action": "ConfirmSettings"})


@set_group.command("revert")
@signed
def revert_command(*, session: Session, staff: str) -> None:
    """Undo at once what waits to be confirmed."""
    session.act(staff, {"action": "RevertSettings"})


# --- backup and bundle --------------------------------------------------------------------------------


@click.command("backup")
@OUT
@signed
def backup_command(file: Path, *, session: Session, staff: str) -> None:
    """A copy of the journal into FILE, of one moment, while the kiosk works. It is on record.

    Personal data in it stays sealed; it opens with this kiosk's keys only. `kioskctl restore` verifies it and takes it
    back. Keep it where nobody else reads it: it says what happened here.
    """
    _carry("backup", file, session, staff)


@click.group("bundle")
def bundle_group() -> None:
    """Support bundles: what somebody far away needs to help, without personal data and secrets, signed by the kiosk."""


@bundle_group.command("make")
@OUT
@signed
def make_command(file: Path, *, session: Session, staff: str) -> None:
    """Status, devices and their tests, journal, log, outbox and configuration into FILE (ZIP). It is on record."""
    _carry("bundle", file, session, staff)


@bundle_group.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--kid", default="", help="The signer's kid as the bank or `keys show` has it, or its beginning.")
@click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
def verify_command(file: Path, kid: str, *, as_json: bool) -> None:
    """Whether FILE is as a kiosk signed it: nothing changed, left out or added. Needs no kiosk.

    Who signed it is the kid that is shown: compare it, or let --kid do so.
    """
    with file.open("rb") as opened:
        data = opened.read(bundles.BYTES_MAX + 1)
    try:
        found = bundles.verify(data)
        if kid and not found.kid.startswith(kid.lower()):
            raise VerificationError(f"it is signed by another key: {found.kid}")  # noqa: TRY301 - told like the others
    except VerificationError as error:
        fail(error, as_json=as_json)
    about = {key: found.manifest.get(key, "") for key in ("kiosk", "made_at", "version")}
    if as_json:
        click.echo(msgspec.json.encode({"ok": True, "kid": found.kid, **about, "files": sorted(found.files)}))
        return
    click.echo(f"whole: {len(found.files)} files of {about['kiosk']}, {about['made_at']}, software {about['version']}")
    click.echo(f"signed by {found.kid}" + ("" if kid else "\n-> compare it with what the bank has of this kiosk"))


def _carry(kind: Literal["backup", "bundle"], file: Path, session: Session, staff: str) -> None:
    """Let it be made, and fetch it; a file that is there already is never overwritten."""
    secret = session.lasting(staff)
    if file.exists():
        session.fail(KioskError(f"{file} is there already", remedy="Name another file."))
    carried(session.ask(MakeFile(staff, secret, kind), FileMade, MAKE_S_MAX), file, session, staff, secret)


def carried(made: FileMade, file: Path, session: Session, staff: str, secret: str) -> None:
    """Fetch what was made, part by part, into a new file."""
    digest = hashlib.sha256()
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as opened:
            for part in range(made.parts):
                data = session.ask(FetchFile(staff, secret, made.sha256, part), FilePart).data
                digest.update(data)
                opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        session.fail(KioskError(f"{file} cannot be written: {error.strerror}", remedy="Name another place."))
    if digest.hexdigest() != made.sha256:
        session.fail(KioskError(f"{file} did not come over whole", remedy="Delete it and make it again."))
    if session.as_json:
        click.echo(msgspec.json.encode({"file": str(file), "sha256": made.sha256, "size": made.size}))
    else:
        click.echo(f"{file}: {made.size} bytes, SHA-256 {made.sha256}\n{made.about}")
