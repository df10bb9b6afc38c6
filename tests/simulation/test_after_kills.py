"""What kills of the real process brought to light (`make kill-test`), here in virtual time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from kiosk.core.facts import Evidence
from kiosk.core.ledger import late_arrivals
from kiosk.core.money import Claim
from kiosk.core.state import Deposit, State
from kiosk.messages import GetStatus, Status
from tests.simulation.judge import judge
from tests.simulation.rig import Rig
from tests.simulation.scripts import ENDED, afterwards
from tests.unit.test_core_deposit import board, validator


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


async def two_notes(rig: Rig) -> None:
    await rig.identify()
    for value_minor in (10_000, 5000):
        await rig.feed(value_minor)
    await rig.touch("done")
    await rig.state(State.REVIEW)


async def back_in_service(rig: Rig) -> None:
    """Nobody may have to touch the screen for that: it says out of service."""
    await rig.touch("finish")
    for _ in range(100):
        status = await rig.desk.handle("terminal", GetStatus())
        if isinstance(status, Status) and status.in_service:
            return
        await rig.clock.sleep(0.1)
    pytest.fail("the kiosk stays out of service")


def test_a_store_that_was_full_at_the_restart_does_not_keep_the_kiosk_out_of_service(rig: Rig) -> None:
    rig.start()
    rig.run(two_notes(rig))
    rig.run(rig.touch("confirm"))
    rig.run(rig.state(State.COMMITTING, State.COLLECTING))
    rig.bury()
    rig.start()  # the devices went on: the notes are still in the store when the levels are read
    rig.run(rig.state(*ENDED))
    rig.run(back_in_service(rig))
    assert judge(rig).complaints == []


def test_cancelling_while_the_port_opens_for_a_note_given_back_returns_everything_once(rig: Rig) -> None:
    rig.start()

    async def feed() -> None:
        await rig.identify()
        await rig.feed(10_000)
        rig.world.insert("CNY", 5000, "genuine")

    rig.run(feed())
    rig.bury()
    rig.loop.run_until_complete(asyncio.sleep(0.6))  # the validator reads the note, and nobody decides
    rig.start()

    async def come_back_and_cancel() -> None:
        await rig.state(State.SUSPENDED)
        await rig.resume()
        await rig.state(State.REVIEW)
        await rig.touch("cancel")

    rig.run(come_back_and_cancel())
    rig.run(afterwards(rig, comes_back=True))
    verdict = judge(rig)
    assert verdict.complaints == []
    assert verdict.claims == {"returned": 10_000}
    log = rig.journal.log
    records = [log.record(sequence) for sequence in range(log.size())]
    assert [record.content for record in records if record.kind == "alert"] == []  # the validator was told once


def test_counters_that_fell_below_their_baseline_are_no_notes() -> None:
    """Seed 4000010: a validator that forgot its counters while a deposit was being closed."""
    base = Evidence(validator(stored=17), board())
    deposit = replace(Deposit(state=State.CLOSING), baseline=base)
    assert late_arrivals(deposit, Evidence(validator(stored=0), board())).notes == ()
    wrapped = Evidence(validator(stored=(1 << 32) - 1), board())
    found = late_arrivals(replace(deposit, baseline=wrapped), Evidence(validator(stored=1), board()))
    assert [note.claim for note in found.notes] == [Claim.DISPUTED] * 2
