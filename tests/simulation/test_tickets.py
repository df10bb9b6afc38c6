"""A deposit by a bank-signed ticket: on record, used once, given back when nothing came in, over restarts too."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kiosk.core.state import State
from kiosk.guarantee import ticket
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.ticket import Ticket
from kiosk.management.tickets import SEEK_S, SHOWN_S
from kiosk.management.view import deposit_view
from kiosk.messages import (
    LookForTicket,
    Ok,
    Push,
    Refused,
    Reply,
    RiskReport,
    SeekTicket,
    TicketSeen,
    TicketShown,
    Topic,
    UseTicket,
)
from tests.simulation.rig import ACCOUNT, KIOSK, Rig

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))
SEEN = RiskReport(None, None, "access", "low", (), "clear", 10.0, None)


class Till:
    """A rig whose camera sees tickets; what the controller pushes is kept."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.rig.directory_keys = KEYS
        self.start()

    def start(self) -> None:
        self.rig.start()
        self.told: list[tuple[Topic, Push]] = []
        self.rig.desk.tickets.tell = lambda topic, push: self.told.append((topic, push))

    def paper(self, serial: int = 1, uses: int = 1) -> str:
        now = self.rig.clock.now_utc()
        ends = ticket.minute(now + timedelta(days=30))
        said = Ticket(KIOSK, bytes([serial] * 12), uses, ticket.minute(now), ends, "J*** D**", ACCOUNT)
        return ticket.make(said, KEYS.key, SIGNER)

    async def show(self, text: str) -> TicketShown:
        await self.rig.ready()
        await self.rig.desk.handle("watcher", SEEN)
        assert await self.rig.desk.handle("terminal", SeekTicket(on=True)) == Ok()
        assert await self.rig.desk.handle("watcher", TicketSeen(text)) == Ok()
        shown = self.told[-1][1]
        assert isinstance(shown, TicketShown)
        return shown

    async def use(self, shown: TicketShown) -> Reply:
        return await self.rig.desk.handle("terminal", UseTicket(shown.number))

    async def deposit(self) -> None:
        await self.rig.state(State.CASH_IN)
        await self.rig.feed(10_000)
        await self.rig.touch("done")
        await self.rig.state(State.REVIEW)
        await self.rig.touch("confirm")
        await self.rig.state(State.DONE)


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    found = Till(tmp_path)
    yield found
    found.rig.close()


def test_a_ticket_is_on_record_and_good_once_also_after_a_restart(till: Till) -> None:
    async def first() -> None:
        shown = await till.show(till.paper())
        assert (shown.problem, shown.account_masked, shown.name_masked) == ("", f"****{ACCOUNT[-4:]}", "J*** D**")
        assert (topic_of(till, LookForTicket)) == "stage"
        assert await till.use(shown) == Ok()
        await till.deposit()
        log = till.rig.journal.log
        contents = [log.record(sequence).content for sequence in range(log.size())]
        record = next(content for content in contents if content["kind"] == "deposit")
        assert (record["account"], record["account_known"], record["ticket"]) == (ACCOUNT, True, bytes([1] * 12))
        await till.rig.touch("finish")
        assert (await till.show(till.paper())).problem == "used"

    async def again() -> None:
        assert (await till.show(till.paper())).problem == "used"
        assert (await till.show(till.paper(serial=2))).problem == ""

    till.rig.run(first())
    till.rig.die()
    till.rig.bury()
    till.start()
    till.rig.run(again())


def topic_of(till: Till, kind: type[Push]) -> Topic:
    return next(topic for topic, push in till.told if isinstance(push, kind))


def test_who_leaves_before_a_note_came_in_has_used_nothing_up(till: Till) -> None:
    async def leave() -> None:
        for _ in range(2):
            assert await till.use(await till.show(till.paper())) == Ok()
            await till.rig.state(State.CASH_IN)
            await till.rig.touch("cancel")
            await till.rig.state(State.DONE)
            await till.rig.touch("finish")
        assert (await till.show(till.paper())).problem == ""

    till.rig.run(leave())


def test_a_ticket_for_two_deposits_is_good_for_two(till: Till) -> None:
    async def twice() -> None:
        for _ in range(2):
            assert await till.use(await till.show(till.paper(uses=2))) == Ok()
            await till.deposit()
            await till.rig.touch("finish")
        assert (await till.show(till.paper(uses=2))).problem == "used"

    till.rig.run(twice())


def test_nothing_is_taken_that_nobody_asked_for_or_that_is_too_old(till: Till) -> None:
    async def wrong() -> None:
        await till.rig.ready()
        assert isinstance(await till.rig.desk.handle("terminal", SeekTicket(on=True)), Refused)  # no watcher yet
        await till.rig.desk.handle("watcher", TicketSeen(till.paper()))
        assert [push for _, push in till.told if isinstance(push, TicketShown)] == []
        shown = await till.show(till.paper())
        for number in (shown.number + 1, shown.number):  # a wrong one spoils it
            assert isinstance(await till.use(TicketShown(number)), Refused)
        shown = await till.show(till.paper())
        await till.rig.clock.sleep(SHOWN_S + 1)
        assert isinstance(await till.use(shown), Refused)
        shown = await till.show(till.paper())
        await till.rig.desk.handle("terminal", SeekTicket(on=False))
        assert isinstance(await till.use(shown), Refused)
        await till.rig.desk.handle("terminal", SeekTicket(on=True))
        await till.rig.clock.sleep(SEEK_S + 0.1)
        told = len(till.told)
        await till.rig.desk.handle("watcher", TicketSeen(till.paper()))
        assert len(till.told) == told
        assert till.rig.deposit.state is State.IDLE

    till.rig.run(wrong())


def test_a_clock_that_is_put_back_prolongs_no_ticket(till: Till) -> None:
    async def late() -> None:
        text = till.paper()
        till.rig.journal.log.latest = "2099-01-01T00:00:00.000Z"  # as the bank has signed
        assert (await till.show(text)).problem == "expired"

    till.rig.run(late())


def test_the_language_of_the_screen_is_kept_with_the_deposit_and_told_after_a_power_cut(till: Till) -> None:
    async def begin() -> None:
        shown = await till.show(till.paper())
        assert await till.rig.desk.handle("terminal", UseTicket(shown.number, "zh")) == Ok()
        await till.rig.state(State.CASH_IN)
        await till.rig.feed(10_000)

    async def back() -> None:
        await till.rig.state(State.SUSPENDED)
        view = deposit_view(till.rig.deposit, None, till.rig.clock)
        assert view is not None
        assert view.language == "zh"

    till.rig.run(begin())
    till.rig.die()
    till.rig.bury()
    till.start()
    till.rig.run(back())
    log = till.rig.journal.log
    contents = [log.record(sequence).content for sequence in range(log.size())]
    assert [content for content in contents if "language" in content] == []  # nobody else's business
