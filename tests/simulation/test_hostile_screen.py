"""Hostile touches and requests at the real controller with notes inside: no money moves, nothing is journalled, and the
depositor finishes as if nobody had been there. `HOSTILE=10000` sends more; the seed is fixed.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from kiosk.bus.frames import FrameError, decode_request
from kiosk.core.money import Claim, sums
from kiosk.core.state import State
from kiosk.messages import (
    ALLOWED,
    ApproveAction,
    Depositor,
    ExchangeStep,
    FoundPeople,
    GetStatus,
    Identify,
    LookUp,
    NewPerson,
    Ok,
    Refused,
    Reply,
    ReprintLabel,
    Request,
    RequestAction,
    Resume,
    RiskReport,
    SeekTicket,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    Status,
    Subscribe,
    TicketSeen,
    UseTicket,
)
from kiosk.messages.staff_view import STAFF_ACTS
from kiosk.terminal.render import House
from kiosk.terminal.terminal import Terminal
from tests.simulation.rig import ACCOUNT, Rig
from tests.unit.test_terminal_touches import ACTS, SCREENS

TOUCHES: Final = int(os.environ.get("HOSTILE", "1500"))
SEED: Final = int(os.environ.get("SEED", "7"))
FOREIGN: Final[tuple[Request, ...]] = (
    RequestAction("ben", "402867", {"action": "ExchangeStart", "units": ["cabinet"]}),
    ApproveAction("ben", "402867", 1, bytes(32)),
    ExchangeStep("remove", "cabinet", ""),
    FoundPeople((NewPerson("eve", ("supervisor",), "739155"), NewPerson("mal", ("staff",), "402867"))),
    TicketSeen("DKT1:"),
    RiskReport(None, None, "access", "low", (), "clear", 10.0, None),
)


class Screen:
    """The terminal on the rig's desk, held to its own list of requests as the bus holds it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.terminal = Terminal(House(("en", "zh"), "en"), rig.clock, idle_s=60.0)
        self.terminal._client = self  # type: ignore[assignment]  # noqa: SLF001 - the bus, in one process

    async def request(self, message: Request, *, timeout_s: float = 0.0) -> Reply:
        assert timeout_s >= 0.0
        if isinstance(message, Subscribe):
            return Ok()
        if type(message) not in ALLOWED["terminal"]:
            return Refused("not_allowed", "not for the terminal")
        return await self.rig.desk.handle("terminal", message)

    async def look(self) -> None:
        status = await self.request(GetStatus())
        assert isinstance(status, Status)
        self.terminal.pushed(status)

    async def hostile_touch(self, chance: random.Random) -> bool:
        """Any act on any screen, but none that this screen offers now; whether one was made."""
        seen, act = chance.choice(SCREENS), chance.choice(ACTS)
        present = self.terminal.screen()
        if seen == present.name and act in present.actions:
            return False
        await self.terminal.touch(seen, act)
        return True


def said(chance: random.Random) -> Request:
    """What a terminal that somebody has taken over could say to the controller, but for a depositor's own touches."""
    asked: list[Request] = [
        *FOREIGN,
        Identify(ACCOUNT),
        Identify("1" * 19),
        LookUp(f"{chance.randrange(10**12)}"),
        Resume(f"{chance.randrange(10**12):012}"),
        Depositor("finish"),
        Depositor("reprint"),
        Depositor("consent"),
        SeekTicket(on=True, kind=chance.choice(("ticket", "badge"))),
        UseTicket(chance.randrange(1, 9)),
        StaffSignIn(chance.randrange(1, 9), "402867"),
        StaffDo(chance.choice(STAFF_ACTS)),
        ReprintLabel("B00000001"),
        StaffLeave(),
    ]
    return chance.choice(asked)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def journalled(rig: Rig) -> tuple[int, int]:
    """Facts and leaves: nothing that is refused may leave either."""
    facts: Any = rig.journal._connection.execute("SELECT count(*) FROM facts").fetchone()[0]  # noqa: SLF001
    return int(facts), rig.journal.log.size()


@pytest.mark.parametrize("state", [State.CASH_IN, State.REVIEW])
def test_with_notes_inside_nothing_that_is_not_offered_moves_money(rig: Rig, state: State) -> None:
    chance = random.Random(SEED)

    async def attacked() -> None:
        assert await rig.identify() == Ok()
        await rig.state(State.CASH_IN)
        await rig.feed(10_000)
        await rig.feed(5000)
        if state is State.REVIEW:
            await rig.touch("done")
            await rig.state(State.REVIEW)
        screen = Screen(rig)
        await screen.look()
        before, notes, totals = journalled(rig), rig.deposit.notes, rig.world.totals()
        made = 0
        while made < TOUCHES:
            made += await screen.hostile_touch(chance)
            if chance.randrange(3) == 0:
                reply = await screen.request(said(chance))
                assert isinstance(reply, Refused) or journalled(rig) == before, reply
                made += 1
        assert rig.deposit.state is state, f"again: HOSTILE={TOUCHES} SEED={SEED}"
        assert (journalled(rig), rig.deposit.notes, rig.world.totals()) == (before, notes, totals)
        if state is State.CASH_IN:
            await rig.touch("done")
            await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)
        assert sums(rig.deposit.notes, Claim.CREDITED) == {"CNY": 15_000}

    rig.run(attacked())


def test_frames_that_are_no_requests_are_told_from_those_that_are() -> None:
    chance = random.Random(SEED)
    for _ in range(TOUCHES):
        with pytest.raises(FrameError):
            decode_request(chance.randbytes(chance.randrange(1, 400)))
