"""What the screen may say of a deposit that stands still: where its notes are, and where a person must help."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core.state import State
from kiosk.management.view import deposit_view
from kiosk.messages import Amount, DepositView, NotesAt
from tests.simulation.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def view(rig: Rig) -> DepositView:
    found = deposit_view(rig.deposit, None, rig.clock, board=rig.controller.machine.snapshot)
    assert found is not None
    return found


def test_notes_of_a_deposit_that_was_left_are_in_the_store(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(10_000)
        await rig.feed(5_000)
        await rig.state(State.SUSPENDED, limit_s=600)

    rig.run(play())
    assert view(rig).notes_at == (NotesAt("escrow", 2),)
    assert view(rig).obstacle == ""


def test_a_board_that_jams_says_where_it_needs_a_person(rig: Rig) -> None:
    seen: list[DepositView] = []

    async def play() -> None:
        await rig.identify()
        await rig.feed(10_000)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        rig.world.fault("board", "jam", place="gate", stubborn=True)
        await rig.touch("confirm")
        await rig.until(lambda: rig.deposit.waiting, limit_s=600)
        seen.append(view(rig))

    rig.run(play())
    assert seen[0].obstacle == "gate"
    assert seen[0].notes_at != ()


def test_the_room_under_the_limits_ends_at_nothing_once_no_note_fits(rig: Rig) -> None:
    async def play() -> None:
        await rig.identify()
        await rig.feed(10_000)

    rig.run(play())
    room = view(rig).room
    assert [amount.currency for amount in room] == ["CNY"]
    limit = rig.deposit.policy.room_minor("CNY")
    assert room == (Amount(limit - 10_000, "CNY"),)
