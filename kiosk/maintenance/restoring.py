"""`kioskctl restore`: a copy of the journal taken back, verified before, while the controller does not run.

Nothing is rolled back in silence. Where the present journal has not one record or fact more than the copy, it is only
put in its place. Otherwise it takes a technician and a supervisor, by the people and credentials of the copy, and the
journal it leaves takes no deposit before the bank and a second signer have opened a new log epoch.
"""

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk.config import Config, load_config
from kiosk.core import actions as a
from kiosk.core import people
from kiosk.core.authority_facts import Authority
from kiosk.errors import JournalError, KioskError, VerificationError
from kiosk.guarantee import backups, signers
from kiosk.guarantee.backups import JournalState
from kiosk.guarantee.credentials import Credentials
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.guarantee.signers import TokenPlace
from kiosk.maintenance.people import PIN_STDIN, read_code, read_secret
from kiosk.maintenance.session import DEFAULT_CONFIG, NotAllowed, fail

VAULT_KEY: Final = "vault.key"
_STOP: Final = "Stop the controller first: systemctl stop kiosk-controller"


@dataclass(frozen=True)
class _Kiosk:
    """What opens a journal of this kiosk."""

    journal: Path
    keys: LogKeys
    kek: bytes

    @classmethod
    def of(cls, config: Config) -> "_Kiosk":
        token = config.record_token
        place = None if token is None else TokenPlace(token.module, token.token, token.key, token.next_key)
        keys = LogKeys.load(config.kiosk.id, config.keys_dir, place)
        return cls(config.paths.state_dir / "journal.db", keys, load_kek(signers.find(config.keys_dir, VAULT_KEY)))

    def examine(self, path: Path) -> JournalState:
        return backups.examine(path, self.keys, self.kek)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as", "staff", default="", metavar="STAFF", help="A technician or supervisor, if it takes two.")
@click.option("--and", "other", default="", metavar="STAFF", help="The other of the two.")
@click.option("--dry-run", is_flag=True, help="Verify FILE and say what it would roll back; change nothing.")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, envvar="KIOSK_CONFIG",
    show_default=True, help="The kiosk's configuration.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
@PIN_STDIN
def restore_command(
    file: Path, staff: str, other: str, *, dry_run: bool, config_path: Path, as_json: bool, pin_stdin: bool
) -> None:
    """Verify FILE, a copy made by `backup`, and take it back as the journal. The controller must not run.

    Refused if it would roll back anything that the present journal knows, unless a technician and a supervisor sign for
    it; then no deposit is taken before the bank has opened a new log epoch. To undo it: the journal before is kept
    beside it.
    """
    try:
        kiosk = _Kiosk.of(load_config(config_path))
        state, lost, aside = _restore(kiosk, file, (staff, other), dry_run=dry_run, pin_stdin=pin_stdin)
    except KioskError as error:
        fail(error, as_json=as_json)
    if as_json:
        told = {"log": state.log, "size": state.size, "rolls_back": lost, "kept": str(aside or ""), "done": not dry_run}
        click.echo(msgspec.json.encode(told))
        return
    click.echo(f"whole: the journal of {state.log}, {state.size} records, root {state.root.hex()[:16]}")
    click.echo(lost or "it rolls nothing back")
    if not dry_run:
        click.echo(f"it is the journal now; the one before is {aside}" if aside else "it is the journal now")
        if lost:
            click.echo("no deposit is taken before the bank has opened a new log epoch: call the bank")


def _restore(
    kiosk: _Kiosk, file: Path, who: tuple[str, str], *, dry_run: bool, pin_stdin: bool
) -> tuple[JournalState, str, Path | None]:
    """The copy's state, what it rolls back, and where the journal before lies."""
    backups.sound(file)
    folder = kiosk.journal.parent / "restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        copied = folder / "journal.db"
        shutil.copyfile(file, copied)
        old = kiosk.examine(copied)
        present = _present(kiosk)
        lost = backups.rolled_back(present, old, kiosk.journal, kiosk.keys, kiosk.kek)
        if dry_run:
            return old, lost, None
        if lost:
            _two_people(
                kiosk, copied, a.RestoreBackup(bytes.fromhex(backups.sha256_of(file)), old.size), who, pin_stdin
            )
            why = f"a copy was taken back by {who[0]} and {who[1]}: {lost}"
            backups.distrust(copied, kiosk.keys, kiosk.kek, why)
        aside = None
        if kiosk.journal.exists():
            aside = kiosk.journal.with_name(f"journal.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.db")
        backups.put_in_place(copied, kiosk.journal, aside or kiosk.journal.with_name("journal.before"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return old, lost, aside


def _present(kiosk: _Kiosk) -> JournalState | None:
    """How far the present journal has come; None when it cannot be read, or is not there: nobody knows what it held."""
    if not kiosk.journal.exists():
        return None
    try:
        return kiosk.examine(kiosk.journal)
    except JournalError as error:
        if str(error.args[0]).startswith("another controller"):
            raise KioskError("the controller runs", remedy=_STOP) from error
        return None
    except VerificationError:  # it does not add up: it may have lost anything
        return None


def _two_people(
    kiosk: _Kiosk,
    copied: Path,
    action: a.RestoreBackup,
    who: tuple[str, str],
    pin_stdin: bool,  # noqa: FBT001
) -> None:
    """Both sign, with PIN and code. Raises KioskError when they do not."""
    first, second = who
    if not first or not second or first == second:
        message = "it would roll back what the present journal knows, and nobody signed for that"
        raise KioskError(message, remedy="Look with --dry-run. If it must be: --as STAFF --and STAFF, two people.")
    with contextlib.closing(Journal(copied, kiosk.keys, kiosk.kek, clock_synchronised=lambda: False)) as journal:
        state = journal.authority()
    roles = [_signed(kiosk, state, staff, pin_stdin=pin_stdin) for staff in who]
    if not people.fill(action.seats, roles):
        raise NotAllowed("wrong_role", f"{first} and {second} may not do this.", "A technician and a supervisor sign.")


def _signed(kiosk: _Kiosk, state: Authority, staff: str, *, pin_stdin: bool) -> tuple[people.Role, ...]:
    person = state.person(staff)
    if person is None or not person.active:
        raise NotAllowed("unknown_person", f"{staff} is not enrolled in this copy.", "Name somebody who is.")
    credentials = Credentials(kiosk.kek)
    matches = credentials.matches(read_secret(staff, pin_stdin=pin_stdin), person.credential)
    if person.second is not None:
        code = read_code(staff, pin_stdin=pin_stdin)
        step = credentials.codes.step(staff, person.second.sealed, code, int(time.time()), synchronised=False)
        matches = matches and step is not None and step > person.second.used
    if not matches:
        raise NotAllowed("wrong_pin", f"PIN and code are not those of {staff}.", "Try again.")
    return person.roles
