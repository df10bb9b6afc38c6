"""Signing in at the shell, and what people change of their own signing in: telephone and code for duress."""

import sys
from typing import Final

import click
import msgspec
import segno

from kiosk.errors import KioskError
from kiosk.maintenance.people import PIN_STDIN, Session, signed, with_session
from kiosk.maintenance.seat import Seat, present
from kiosk.maintenance.words import duration_in_words
from kiosk.messages import (
    ConfirmSecondFactor,
    OfferSecondFactor,
    Ok,
    SecondFactorOffer,
    SetDuress,
    SignedInAs,
    SignIn,
    SignOut,
)


@click.command("sign-in")
@click.argument("staff")
@PIN_STDIN
@with_session
def sign_in_command(staff: str, *, session: Session) -> None:
    """Say who you are, by PIN and one-time code, once for all that follows. Ends by itself when nothing is done."""
    seat = _seat(session)
    signed_in = session.ask(SignIn(staff, session.secret(staff)), SignedInAs)
    sign_off(seat, session)
    seat.sign_in(staff, signed_in)
    words = f"signed in as {staff}, {', '.join(signed_in.roles)}; for {duration_in_words(signed_in.idle_s)}"
    click.echo(
        msgspec.json.encode({"staff": staff, "roles": signed_in.roles, "idle_s": signed_in.idle_s})
        if session.as_json
        else f"{words} without a command"
    )


@click.command("sign-out")
@with_session
def sign_out_command(*, session: Session) -> None:
    """Nobody is signed in any more."""
    seat = _seat(session)
    sign_off(seat, session)
    click.echo(msgspec.json.encode({"done": True}) if session.as_json else "signed out")


@click.command("whoami")
@with_session
def whoami_command(*, session: Session) -> None:
    """Who is signed in here, and with which roles."""
    seat = _seat(session)
    if session.as_json:
        click.echo(msgspec.json.encode({"staff": seat.staff, "roles": seat.roles}))
    else:
        click.echo(f"{seat.staff}: {', '.join(seat.roles)}" if seat.staff else "nobody is signed in")


def sign_off(seat: Seat, session: Session) -> None:
    """End the session of this seat, if there is one, at the controller and here."""
    if seat.session:
        staff, secret = seat.staff, seat.session
        seat.sign_out()
        session.ask(SignOut(staff, secret), Ok)


def _seat(session: Session) -> Seat:
    seat = present()
    if seat is None:
        remedy = "Type `kioskctl` to open it; a single command takes --as STAFF instead."
        session.fail(KioskError("this is for the interactive shell", remedy=remedy))
    return seat


@click.command("second-factor")
@signed
def second_factor_command(*, session: Session, staff: str) -> None:
    """Enrol your telephone: scan the QR code with an authenticator app, and type the code that it shows.

    The QR code is shown once and kept nowhere but in the telephone and, sealed, in this kiosk. A second telephone
    replaces the first. Lost it? Two others renew your PIN, and you begin anew.
    """
    secret = session.lasting(staff)
    offer = session.ask(OfferSecondFactor(staff, secret), SecondFactorOffer)
    if session.as_json:
        click.echo(msgspec.json.encode({"uri": offer.uri}))
    else:
        segno.make(offer.uri, error="m").terminal(out=sys.stdout, compact=True)
        click.echo(f"or type it: {offer.text}   (time-based, 6 digits, 30 s)")
    code = session.code(staff)
    session.done(
        ConfirmSecondFactor(staff, secret, code), f"from now on the codes of this telephone are asked for: {staff}"
    )


@click.command("duress")
@click.option("--remove", is_flag=True, help="Have none any more.")
@signed
def duress_command(*, session: Session, staff: str, remove: bool) -> None:
    """Choose a second PIN for when somebody threatens you.

    With it everything goes on exactly as with your PIN, and the bank is alerted at once. Nothing here shows which of
    the two was used, nor whether there is one.
    """
    secret = session.secret(staff)
    new = "" if remove else session.secret(staff, new=True, other="PIN for duress")
    session.done(SetDuress(staff, secret, new), "done")


SHELL_COMMANDS: Final = (sign_in_command, sign_out_command, whoami_command)
OWN_COMMANDS: Final = (second_factor_command, duress_command)
