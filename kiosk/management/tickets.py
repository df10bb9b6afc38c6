"""Deposit tickets: looked for while the screen asks for an account, verified here, used by the deposit that begins.

The watcher has the camera and knows no key; the terminal has the screen and sees neither ticket nor account number. The
controller tells the watcher to look, for seconds at a time, verifies what it reports, and tells the terminal the masked
name under a number. What is shown is held in memory only, until a deposit begins by it or somebody leaves.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from kiosk.clock import rfc3339
from kiosk.core import accounts
from kiosk.core.facts import TicketUse
from kiosk.core.state import State
from kiosk.guarantee import badge
from kiosk.guarantee import ticket as statement
from kiosk.guarantee.ticket import Ticket, TicketRefused
from kiosk.management.controller import Controller
from kiosk.management.directory import AccountDirectory
from kiosk.messages import (
    BadgeShown,
    LookForTicket,
    Ok,
    Push,
    Refused,
    Reply,
    SeekTicket,
    TicketSeen,
    TicketShown,
    Topic,
)

_log = logging.getLogger(__name__)
SEEK_S: Final = 12.0  # the terminal asks again every 4 s while the screen asks for an account
SHOWN_S: Final = 300.0  # from the ticket to the beginning of the deposit
NO_TICKET: Final = Refused("no_ticket", "No ticket was shown just now.", "Show the ticket again, or type the number.")
_BEFORE: Final = (State.IDLE, State.DONE)
TicketRequest = SeekTicket | TicketSeen


class TicketDesk:
    """One for the desk. `tell` pushes on a topic of the bus, once there is one."""

    def __init__(self, controller: Controller, directory: AccountDirectory) -> None:
        self._c, self._directory = controller, directory
        self.tell: Callable[[Topic, Push], None] = lambda _topic, _push: None
        self.badge_shown: Callable[[int, badge.Badge], Awaitable[bool]] = _nobody
        self._seek_until_s = float("-inf")
        self._kind = "ticket"
        self._number = 0
        self._shown: tuple[Ticket, float] | None = None

    @property
    def possible(self) -> bool:
        """Whether a ticket could be read and verified now: there are keys, and a watcher with a camera."""
        report = self._c.risk.latest
        return self._directory.keys is not None and report is not None and report.lens != "absent"

    async def handle(self, request: TicketRequest) -> Reply:
        """What the terminal and the watcher say of tickets."""
        if isinstance(request, SeekTicket):
            self._kind = request.kind
            return self._seek(on=request.on)
        await self._seen(request.text)
        return Ok()

    def _seek(self, *, on: bool) -> Reply:
        self._shown = None
        if on and (not self.possible or self._c.deposit.state not in _BEFORE):
            return Refused("not_now", "No ticket can be read now.", "Type the account number.")
        now_s = self._c.clock.monotonic_s()
        sought = now_s < self._seek_until_s
        self._seek_until_s = now_s + SEEK_S if on else now_s
        if on or sought:
            self.tell("stage", LookForTicket(SEEK_S if on else 0.0))
        return Ok()

    async def _seen(self, text: str) -> None:
        if self._c.clock.monotonic_s() >= self._seek_until_s:
            return  # nobody asks for it any more
        if self._kind == "badge":
            await self._badge_seen(text)
            return
        try:
            ticket = await self._believed(text)
        except TicketRefused as refused:
            _log.info("a deposit ticket is refused: %s", refused.args[0])
            self.tell("ticket", TicketShown(problem=refused.why))
            return
        if self._c.clock.monotonic_s() >= self._seek_until_s:  # they left while it was verified
            return
        self._number += 1
        self._shown = ticket, self._c.clock.monotonic_s()
        self._seek_until_s = float("-inf")
        self.tell("stage", LookForTicket(0.0))
        self.tell("ticket", TicketShown(self._number, accounts.masked(ticket.account), ticket.name))

    async def _badge_seen(self, text: str) -> None:
        keys = self._directory.keys
        assert keys is not None, "without them nobody looks"
        try:
            found = badge.verify(text, keys.bank_commands, self._directory.kiosk, self._now())
        except TicketRefused as refused:
            _log.info("a badge is refused: %s", refused.args[0])
            self.tell("ticket", BadgeShown(problem=refused.why))
            return
        self._number += 1
        self._seek_until_s = float("-inf")
        number = self._number
        second = await self.badge_shown(number, found)
        self.tell("stage", LookForTicket(0.0))
        self.tell("ticket", BadgeShown(number, found.staff, second))

    def _now(self) -> str:
        return max(self._c.journal.log.latest, rfc3339(self._c.clock.now_utc()))

    async def _believed(self, text: str) -> Ticket:
        keys = self._directory.keys
        if keys is None:
            raise TicketRefused("foreign", "no directory key is here")
        found = statement.verify(text, keys.bank_commands, self._directory.kiosk, keys.key, self._now())
        await self._check_uses(found)
        return found

    async def _check_uses(self, ticket: Ticket) -> None:
        uses = await self._c.runner.run(self._c.journal.tickets.uses, ticket.serial)
        if uses >= ticket.uses:
            raise TicketRefused("used", f"ticket {ticket.serial.hex()} has been used {uses} of {ticket.uses} times")

    async def take(self, number: int) -> tuple[str, TicketUse] | Refused:
        """The account and the use of the ticket that was shown under this number, once."""
        shown, self._shown = self._shown, None
        if shown is None or number != self._number or self._c.clock.monotonic_s() - shown[1] > SHOWN_S:
            return NO_TICKET
        ticket = shown[0]
        try:
            await self._check_uses(ticket)
        except TicketRefused as refused:
            return Refused("ticket_used", refused.args[0], refused.remedy)
        return ticket.account, TicketUse(ticket.serial, ticket.ends)


async def _nobody(_number: int, _badge: badge.Badge) -> bool:
    return False
