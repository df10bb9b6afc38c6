"""Who sits at the interactive shell: where the controller is, who is signed in, and for how long.

It travels as click's context object, so that every command is the same one-shot and in the shell: in the shell it need
not be told where the controller is nor who speaks.
"""

from dataclasses import dataclass, field
from pathlib import Path

import click

from kiosk.messages import SignedInAs


@dataclass
class Seat:
    """One interactive shell. `session` is the secret that stands in for PIN and code."""

    where: tuple[Path | None, Path]  # bus directory, configuration
    staff: str = ""
    session: str = field(default="", repr=False)
    roles: tuple[str, ...] = ()
    idle_s: int = 0

    def sign_in(self, staff: str, signed: SignedInAs) -> None:
        """From now on this person speaks."""
        self.staff, self.session, self.roles, self.idle_s = staff, signed.session, signed.roles, signed.idle_s

    def sign_out(self) -> None:
        """Nobody speaks."""
        self.staff, self.session, self.roles, self.idle_s = "", "", (), 0


def present() -> Seat | None:
    """The seat of the shell that this command was typed into; None for a command of its own."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.find_object(Seat)


def present_staff() -> str | None:
    """Who is signed in: whoever `--as` need not name."""
    seat = present()
    return seat.staff or None if seat is not None else None
