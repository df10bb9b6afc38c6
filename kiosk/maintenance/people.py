"""`kioskctl people`, `approvals` and what goes with them: who may allow what, and doing so.

A PIN is asked for on the terminal without showing it, or read from standard input (`--pin-stdin`: one line each, in
the order in which they would be asked for). It is never an argument: arguments can be read by everybody.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance.seat import present, present_staff
from kiosk.maintenance.session import REQUEST_TIMEOUT_S, Answer, ask, bus_options, fail, placed, run
from kiosk.maintenance.words import action_in_words, duration_in_words
from kiosk.messages import (
    ApproveAction,
    Asked,
    CarryOut,
    ChangeSecret,
    Confidential,
    FoundPeople,
    GetPeople,
    NewPerson,
    Ok,
    People,
    Request,
    RequestAction,
    RequestEnrolment,
    RequestRenewal,
    RequestView,
    SignedInAs,
    SignIn,
    WithdrawAction,
)

PIN_S: Final = 30.0  # a PIN is slow to compute on purpose: some two seconds of a small board that does nothing else
ROLES: Final = ("staff", "technician", "supervisor", "courier", "auditor")


def read_secret(whose: str, *, pin_stdin: bool, new: bool = False, other: str = "") -> str:
    """A PIN; a new one is asked for twice. Raises `KioskError` when there is none."""
    if pin_stdin:
        line = sys.stdin.readline().rstrip("\n")
        if not line:
            raise KioskError("there is no PIN on standard input", remedy="Give one line for each PIN.")
        return line
    prompt = f"{other or ('New PIN' if new else 'PIN')} of {whose}"
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True))


def read_code(whose: str, *, pin_stdin: bool) -> str:
    """The one-time code that a telephone shows. Raises `KioskError` when there is none."""
    if pin_stdin:
        return read_secret(whose, pin_stdin=True)
    return str(click.prompt(f"Code of {whose}", hide_input=True, err=True)).replace(" ", "")


class Session:
    """One command's connection data and its way to say things."""

    def __init__(self, *, as_json: bool, bus_dir: Path | None, config_path: Path, pin_stdin: bool = False) -> None:
        self.as_json = as_json
        self.where = placed(bus_dir, config_path)
        self._pin_stdin = pin_stdin
        self._codes: dict[str, str] = {}  # one-time codes that were typed, by staff id

    def secret(self, whose: str, *, new: bool = False, other: str = "") -> str:
        """Ask for a PIN, and for the one-time code of those who have a second factor; in a session for neither.

        `other` names what is asked for when it is not the PIN.
        """
        seat = present()
        if not new and seat is not None and seat.session and whose == seat.staff:
            return seat.session
        try:
            secret = read_secret(whose, pin_stdin=self._pin_stdin, new=new, other=other)
            if not new and self._has_second(whose):
                self._codes[whose] = read_code(whose, pin_stdin=self._pin_stdin)
        except KioskError as error:
            self.fail(error)
        return secret

    def lasting(self, staff: str) -> str:
        """What stands for this person in several requests, one after another: a one-time code is good for one only."""
        secret = self.secret(staff)
        if staff not in self._codes:
            return secret
        signed_in = self.ask(SignIn(staff, secret), SignedInAs)
        del self._codes[staff]
        return signed_in.session

    def code(self, whose: str) -> str:
        """Ask for a one-time code."""
        try:
            return read_code(whose, pin_stdin=self._pin_stdin)
        except KioskError as error:
            self.fail(error)

    def _has_second(self, staff: str) -> bool:
        try:
            people = asyncio.run(ask(*self.where, GetPeople(), People)).people
        except KioskError:  # the request itself will tell
            return False
        return any(person.staff == staff and person.second for person in people)

    def people(self) -> People:
        """Who and what there is."""
        return self.ask(GetPeople(), People)

    def ask(self, request: Request, answer: type[Answer], timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """One request, and its answer of this type."""
        if isinstance(request, Confidential):
            timeout_s = max(timeout_s, PIN_S)
            if code := self._codes.get(getattr(request, "staff", "")):
                request = msgspec.structs.replace(request, code=code)
        return run(ask(*self.where, request, answer, timeout_s), as_json=self.as_json)

    def fail(self, error: KioskError) -> NoReturn:
        """Tell the error and end."""
        fail(error, as_json=self.as_json)

    def done(self, request: Request, words: str, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Send what is answered with `Ok`."""
        self.ask(request, Ok, timeout_s)
        click.echo(msgspec.json.encode({"done": True}) if self.as_json else words)

    def act(self, staff: str, action: dict[str, Any]) -> None:
        """Ask for an action of kiosk/core/actions.py and say how it stands."""
        self.tell(RequestAction(staff, self.secret(staff), action))

    def tell(self, request: Request) -> None:
        """Send what is answered with `Asked` and say how it stands."""
        asked = self.ask(request, Asked)
        click.echo(msgspec.json.encode(asked) if self.as_json else asked_text(asked))


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where the controller is; the command gets a `Session`."""

    @wraps(command)
    def invoked(
        *, as_json: bool, bus_dir: Path | None, config_path: Path, pin_stdin: bool = False, **arguments: object
    ) -> None:
        session = Session(as_json=as_json, bus_dir=bus_dir, config_path=config_path, pin_stdin=pin_stdin)
        command(session=session, **arguments)

    return bus_options(invoked)


def _speaker(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Who speaks: named, or signed in at this shell."""
    staff = value or present_staff()
    if not staff and not context.resilient_parsing:
        raise click.MissingParameter(ctx=context, param=parameter)
    return staff


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """`with_session`, and who speaks (`staff`) with a PIN."""
    for option in (
        PIN_STDIN,
        click.option(
            "--as", "staff", callback=_speaker, metavar="STAFF",
            help="Your staff id; needed outside of the shell, where whoever is signed in speaks.",
        ),
    ):  # fmt: skip
        command = option(command)
    return with_session(command)


PIN_STDIN: Final = click.option("--pin-stdin", is_flag=True, help="Read PINs from standard input, one line each.")


def asked_text(asked: Asked) -> str:
    """How a request stands, and what to do next."""
    if asked.done:
        return f"request {asked.number} is carried out, signed by {' and '.join(asked.signers)}"
    if asked.not_yet:
        return (
            f"request {asked.number} is signed by {' and '.join(asked.signers)}, but cannot be done now: "
            f"{asked.not_yet}\n-> {asked.remedy} Then: kioskctl carry-out {asked.number}"
        )
    return (
        f"request {asked.number} waits for {' or '.join(asked.waits_for)}\n"
        f"-> Somebody else approves it: kioskctl approve {asked.number} --as STAFF"
    )


def request_text(request: RequestView) -> str:
    """An open request in one line."""
    by = " and ".join(request.signers)
    state = f"waits for {' or '.join(request.waits_for)}" if request.waits_for else "waits to be carried out"
    left = duration_in_words(request.ends_in_s)
    return f"{request.number:>4}  {action_in_words(request.action)}\n      signed by {by}, {state}; ends in {left}"


@click.group("people")
def people_group() -> None:
    """Who may allow what on this kiosk."""


@people_group.command("list")
@with_session
def list_command(*, session: Session) -> None:
    """Staff ids, roles, and who is revoked or locked out."""
    people = session.people()
    if session.as_json:
        click.echo(msgspec.json.encode(people.people))
        return
    for person in people.people:
        state = "revoked" if not person.active else f"locked out for {person.locked_s} s" if person.locked_s else ""
        click.echo(f"{person.staff:<32}  {', '.join(person.roles):<32}  {state}".rstrip())
    if not people.people:
        click.echo("nobody is enrolled: nothing that needs a person's word can be done")
        click.echo("-> The first people: kioskctl people found STAFF:supervisor STAFF:staff")


@people_group.command("found")
@click.argument("people", nargs=-1, required=True, metavar="STAFF:ROLE[,ROLE]...")
@PIN_STDIN
@with_session
def found_command(people: tuple[str, ...], *, session: Session) -> None:
    """Enrol the first people, once, at commissioning; everybody types a PIN.

    One of them must be a supervisor, another staff or supervisor: from then on two such people enrol the others.
    The bank is told by a signed record. It cannot be undone.
    """
    parted = [person.partition(":") for person in people]
    founders = tuple(
        NewPerson(staff, tuple(roles.split(",")) if roles else (), session.secret(staff, new=True))
        for staff, _, roles in parted
    )
    session.done(FoundPeople(founders), f"{len(founders)} people are enrolled", PIN_S * max(len(founders), 1))


@people_group.command("enrol")
@click.argument("new_staff", metavar="NEW_STAFF")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES), help="May be repeated.")
@signed
def enrol_command(new_staff: str, roles: tuple[str, ...], *, session: Session, staff: str) -> None:
    """Ask to enrol NEW_STAFF, who then types a PIN. A second person approves it. `people revoke` undoes it."""
    secret = session.secret(staff)
    session.tell(RequestEnrolment(staff, secret, new_staff, roles, session.secret(new_staff, new=True)))


@people_group.command("revoke")
@click.argument("whom", metavar="STAFF")
@signed
def revoke_command(whom: str, *, session: Session, staff: str) -> None:
    """Ask that STAFF allows nothing any more. A second person approves it. `people enrol` undoes it."""
    session.act(staff, {"action": "Revoke", "staff": whom})


@people_group.command("renew")
@click.argument("whom", metavar="STAFF")
@signed
def renew_command(whom: str, *, session: Session, staff: str) -> None:
    """Ask for a new PIN of STAFF, who forgot theirs or is locked out, and types it. A second person approves it."""
    secret = session.secret(staff)
    session.tell(RequestRenewal(staff, secret, whom, session.secret(whom, new=True)))


@people_group.command("pin")
@signed
def pin_command(*, session: Session, staff: str) -> None:
    """Change your own PIN."""
    secret = session.secret(staff)
    session.done(ChangeSecret(staff, secret, session.secret(staff, new=True)), "the PIN is changed")


@click.command("approvals")
@with_session
def approvals_command(*, session: Session) -> None:
    """What is being asked for, who signed it and who must."""
    requests = session.people().requests
    if session.as_json:
        click.echo(msgspec.json.encode(requests))
        return
    click.echo("\n".join(map(request_text, requests)) if requests else "nothing is being asked for")


@click.command("approve")
@click.argument("number", type=click.IntRange(min=1))
@signed
def approve_command(number: int, *, session: Session, staff: str) -> None:
    """Sign request NUMBER, which somebody else made; it is shown first. Done at once, if it can be."""
    request = _shown(session, number)
    session.tell(ApproveAction(staff, session.secret(staff), number, request.content))


@click.command("carry-out")
@click.argument("number", type=click.IntRange(min=1))
@signed
def carry_out_command(number: int, *, session: Session, staff: str) -> None:
    """Do what everybody signed and was not possible then. You are one of those who signed."""
    _shown(session, number)
    session.tell(CarryOut(staff, session.secret(staff), number))


@click.command("withdraw")
@click.argument("number", type=click.IntRange(min=1))
@signed
def withdraw_command(number: int, *, session: Session, staff: str) -> None:
    """Take request NUMBER back. To undo that, make it again."""
    session.done(WithdrawAction(staff, session.secret(staff), number), f"request {number} is withdrawn")


def _shown(session: Session, number: int) -> RequestView:
    """What a person is about to sign, put before their eyes."""
    request = next((request for request in session.people().requests if request.number == number), None)
    if request is None:
        remedy = "Look at `kioskctl approvals`; requests end by themselves."
        session.fail(KioskError(f"there is no open request {number}", remedy=remedy))
    click.echo(request_text(request), err=True)
    return request


@click.command("accept-device")
@click.argument("device", type=click.Choice(["validator"]))
@click.argument("serial_number", type=click.IntRange(0, 0xFFFFFFFF))
@signed
def accept_command(device: Literal["validator"], serial_number: int, *, session: Session, staff: str) -> None:
    """Vouch for another DEVICE after an exchange, by the SERIAL_NUMBER that `status` shows. Takes a technician.

    Until then the kiosk stays out of service. It is recorded. While a deposit is open the new device must be connected
    already; what the old one held is then disputed, or short where it was credited. To undo it, accept the old
    device again.
    """
    action = {"action": "AcceptDevice", "device": device, "serial_number": serial_number}
    session.act(staff, action)


@click.command("reset")
@signed
def reset_command(*, session: Session, staff: str) -> None:
    """Bring every device to a known state: the validator restarts, its store is emptied, the board looks again.

    Notes that are found go to the retract bin, never to the port; the record `reset` says how many, and what the books
    did not know. Notes of an unconfirmed deposit become disputed for its account; a confirmed one goes on. Takes
    staff, a supervisor or a technician. It cannot be undone; nothing is lost by it.
    """
    session.act(staff, {"action": "Reset"})


COMMANDS: Final[tuple[click.Command, ...]] = (
    people_group,
    approvals_command,
    approve_command,
    carry_out_command,
    withdraw_command,
    accept_command,
    reset_command,
)
