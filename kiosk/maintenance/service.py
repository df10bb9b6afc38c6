"""`kioskctl service` and `test`: working on the machine, with what should be and what is at every step."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final, get_args

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.people import Session, signed, with_session
from kiosk.maintenance.session import Exit
from kiosk.messages import (
    Asked,
    DryRun,
    GetService,
    GetStatus,
    Planned,
    RequestAction,
    ServiceView,
    Status,
    TestDevice,
    TestedDevice,
    TestReport,
    TestStep,
)

DEVICES: Final[tuple[TestedDevice, ...]] = get_args(TestedDevice)
POLL_S: Final = 0.3
POLLS_MAX: Final = 600
UNDO: Final = {
    "ServiceEnter": "kioskctl service leave",
    "ServiceLeave": "kioskctl service enter",
    "open": "kioskctl service close",
    "close": "kioskctl service open",
    "ClearJam": "nothing: notes lie in the retract bin, and the books say so; an exchange takes them out",
}
NO_UNDO: Final = "nothing to undo: it ends as it began"
FREEING: Final = """\
  1. Turn the service key and open the cabinet. The board does not move while the door is open.
  2. Look at {where}. Pull notes only in the direction in which they were going.
  3. Lay every note that you find flat into the tray. Take none out of the cabinet.
  4. Count them while you do: the number goes on record, and the machine counts after you.
  5. Look for scraps in front of each sensor; put the tray back, close the door, turn the key back."""
WHERE: Final = {
    "port": "the port, behind the shutter",
    "validator": "the validator: open its head, look along the path",
    "transport": "the belt between validator and tray",
    "tray": "the tray",
    "gate": "the cabinet gate, behind the label applicator",
    "board": "strapper and label applicator",
}


@click.group("service")
def service_group() -> None:
    """Work on the machine: no deposit begins meanwhile, and each movement is on record before and after."""


def moving(command: Callable[..., None]) -> Callable[..., None]:
    """`signed`, with `--dry-run`."""
    option = click.option("--dry-run", is_flag=True, help="Say whether it could be done now and how to undo it.")
    return signed(option(command))


def _act(session: Session, staff: str, action: dict[str, Any], undo: str, *, dry_run: bool) -> Asked | None:
    """Ask for an action, or only whether it could be; what undoes it is said either way."""
    if dry_run:
        planned = session.ask(DryRun(staff, session.secret(staff), action), Planned)
        if session.as_json:
            click.echo(msgspec.json.encode({"dry_run": True, "seats": planned.seats, "undo": undo}))
        else:
            who = " and ".join(" or ".join(seat) for seat in planned.seats)
            click.echo(f"it could be done now, by {who}; nothing was done\nto undo it: {undo}")
        return None
    return session.ask(RequestAction(staff, session.secret(staff), action), Asked)


def _done(session: Session, asked: Asked | None, words: str, undo: str) -> None:
    if asked is None:
        return
    if not asked.done:
        session.fail(
            KioskError(asked.not_yet or "somebody else must sign", remedy=asked.remedy or "kioskctl approvals")
        )
    click.echo(msgspec.json.encode({"done": True}) if session.as_json else f"{words}\nto undo it: {undo}")


@service_group.command("show")
@with_session
def show_command(*, session: Session) -> None:
    """Who works on it, and what the last movement came to."""
    view = session.ask(GetService(), ServiceView)
    if session.as_json:
        click.echo(msgspec.json.encode(view))
        return
    click.echo(f"{view.by} works on it since {view.since}" if view.by else "nobody works on it")
    if view.move:
        click.echo(_move_text(view))


@service_group.command("enter")
@moving
def enter_command(*, session: Session, staff: str, dry_run: bool) -> None:
    """Begin to work on it: from now on no deposit begins. Refused during a deposit. Undone by `service leave`."""
    asked = _act(session, staff, {"action": "ServiceEnter"}, UNDO["ServiceEnter"], dry_run=dry_run)
    _done(session, asked, "in service mode: no deposit begins", UNDO["ServiceEnter"])


@service_group.command("leave")
@moving
def leave_command(*, session: Session, staff: str, dry_run: bool) -> None:
    """The work is done; the shutter must be closed. Undone by `service enter`."""
    asked = _act(session, staff, {"action": "ServiceLeave"}, UNDO["ServiceLeave"], dry_run=dry_run)
    _done(
        session, asked, "service mode has ended: `kioskctl status` says whether it is in service", UNDO["ServiceLeave"]
    )


@service_group.command("open")
@moving
def open_command(*, session: Session, staff: str, dry_run: bool) -> None:
    """Open the shutter. In service mode only, and not while notes are on the way. Undone by `service close`."""
    _move(session, staff, "open", dry_run=dry_run)


@service_group.command("close")
@moving
def close_command(*, session: Session, staff: str, dry_run: bool) -> None:
    """Close the shutter. In service mode only. Undone by `service open`."""
    _move(session, staff, "close", dry_run=dry_run)


@service_group.command("home")
@moving
def home_command(*, session: Session, staff: str, dry_run: bool) -> None:
    """Let the board find where everything is. Moves no note; needs no undoing."""
    _move(session, staff, "home", dry_run=dry_run)


@service_group.command("jog")
@click.argument("part", type=click.Choice(["shutter", "lamp", "alarm", "board"]))
@moving
def jog_command(part: str, *, session: Session, staff: str, dry_run: bool) -> None:
    """Move PART once and back: shutter, port lamp, alarm; the board tests itself. Needs no undoing."""
    _move(session, staff, "self_test" if part == "board" else part, dry_run=dry_run)


def _move(session: Session, staff: str, move: str, *, dry_run: bool) -> None:
    undo = UNDO.get(move, NO_UNDO)
    asked = _act(session, staff, {"action": "ServiceMove", "move": move}, undo, dry_run=dry_run)
    if asked is None:
        return
    if not asked.done:
        session.fail(KioskError(asked.not_yet, remedy=asked.remedy))
    view = session.ask(GetService(), ServiceView)
    for _ in range(POLLS_MAX):
        if view.number != asked.number or not view.moving:
            break
        time.sleep(POLL_S)
        view = session.ask(GetService(), ServiceView)
    click.echo(msgspec.json.encode(view) if session.as_json else f"{_move_text(view)}\nto undo it: {undo}")
    if not view.ok:
        sys.exit(Exit.FAILED)


def _move_text(view: ServiceView) -> str:
    state = click.style("moves", fg="yellow") if view.moving else _mark(ok=view.ok)
    return f"{state}  {view.move}: expected: {view.expected}; seen: {view.seen or '-'}"


@service_group.command("clear")
@click.option("--where", type=click.Choice(sorted(WHERE)), help="Where it jammed; default: as the kiosk says.")
@click.option("--found", type=click.IntRange(0, 1000), help="Notes that you found and laid into the tray; else asked.")
@moving
def clear_command(*, session: Session, staff: str, where: str | None, found: int | None, dry_run: bool) -> None:
    """Free a jam by hand, step by step, and say how many notes you found; the machine then counts after you.

    Your count is on record before the machine's. Then everything goes as with `reset`: notes of an unconfirmed deposit
    become disputed for its account, a confirmed one goes on. It cannot be undone; nothing is lost by it.
    """
    status = session.ask(GetStatus(), Status)
    told = status.deposit.obstacle if status.deposit is not None else ""
    place = where or (told if told in WHERE else "transport")
    if not session.as_json:
        click.echo(FREEING.format(where=WHERE[place]))
    if found is None:
        found = 0 if dry_run else click.prompt("Notes that you found", type=click.IntRange(0, 1000), err=True)
    action = {"action": "ClearJam", "where": place, "found": found}
    asked = _act(session, staff, action, UNDO["ClearJam"], dry_run=dry_run)
    _done(
        session, asked, f"{found} notes found at {place} are on record; the devices are being reset", UNDO["ClearJam"]
    )


@click.command("test")
@click.argument("device", type=click.Choice(DEVICES), required=False)
@signed
def test_command(device: TestedDevice | None, *, session: Session, staff: str) -> None:
    """Look at DEVICE (all without it) step by step: expected, seen, what to do. Moves nothing."""
    secret = session.lasting(staff)
    failed = 0
    rows: list[dict[str, object]] = []
    for each in (device,) if device else DEVICES:
        steps = session.ask(TestDevice(staff, secret, each), TestReport).steps
        failed += sum(1 for step in steps if not step.ok)
        if session.as_json:
            rows += [{"device": each, **msgspec.structs.asdict(step)} for step in steps]
        else:
            click.echo("\n".join((click.style(each.replace("_", " "), bold=True), *map(_step_text, steps))))
    if session.as_json:
        click.echo(msgspec.json.encode(rows))
    else:
        click.echo(f"{failed} steps failed" if failed else "every step is as expected")
    sys.exit(Exit.FAILED if failed else Exit.OK)


test_command.__test__ = False  # type: ignore[attr-defined]  # a command, no test of pytest's


def _step_text(step: TestStep) -> str:
    remedy = f"\n         -> {step.remedy}" if step.remedy and not step.ok else ""
    return f"  {_mark(ok=step.ok)}  {step.name}: expected: {step.expected}; seen: {step.seen}{remedy}"


def _mark(*, ok: bool) -> str:
    return click.style("ok  ", fg="green") if ok else click.style("FAIL", fg="red")
