"""A clock that is wrong: records say that it was not synchronised, and that it was set; a deposit ends right."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.state import State
from kiosk.processes.timesync import clock_synchronised
from tests.simulation.judge import judge
from tests.simulation.rig import Rig
from tests.simulation.scripts import ENDED


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def contents(rig: Rig, kind: str) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = [log.record(sequence) for sequence in range(log.size())]
    return [dict(record.content) for record in records if record.kind == kind]


@pytest.mark.parametrize("synchronised", [True, False])
def test_every_record_says_whether_the_clock_was_synchronised(rig: Rig, synchronised: bool) -> None:
    rig.synchronised = synchronised
    rig.start()
    rig.run(_deposit(rig, timedelta()))
    for kind in ("service", "deposit_start", "deposit"):
        found = contents(rig, kind)
        assert found
        assert {record["clock_synchronised"] for record in found} == {synchronised}
    assert not [record for record in contents(rig, "service") if record["event"] == "clock_stepped"]


@pytest.mark.parametrize("step", [timedelta(days=400), timedelta(days=-400), timedelta(seconds=-90)])
def test_a_clock_that_is_set_during_a_deposit_breaks_nothing_and_is_on_record(rig: Rig, step: timedelta) -> None:
    rig.start()
    rig.run(_deposit(rig, step))
    assert judge(rig).complaints == []
    assert judge(rig).disputes == []
    assert judge(rig).claims["credited"] == 15_000
    steps = [record for record in contents(rig, "service") if record["event"] == "clock_stepped"]
    assert [record["moved_ms"] for record in steps] == [step / timedelta(milliseconds=1)]
    assert [record["seq"] for record in steps] == sorted(record["seq"] for record in steps)
    rig.journal.log.audit()  # order is by sequence, whatever the time says


@pytest.mark.parametrize(
    ("state", "synchronised"),
    [(0, True), (1, True), (4, True), (5, False), (-1, False)],  # TIME_OK .. TIME_WAIT, TIME_ERROR, no permission
)
def test_the_kernels_word_is_what_counts(state: int, synchronised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def adjtimex(self, buffer: Any) -> int:
            assert buffer.raw == bytes(len(buffer.raw))  # all zero: it only asks
            return state

    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: Library())
    assert clock_synchronised() is synchronised


def test_this_kernel_has_an_opinion() -> None:
    assert clock_synchronised() in (True, False)


async def _deposit(rig: Rig, step: timedelta) -> None:
    await rig.identify()
    await rig.feed(10_000)
    rig.clock.step += step
    await rig.feed(5000)
    await rig.touch("done")
    await rig.state(State.REVIEW)
    await rig.touch("confirm")
    await rig.state(*ENDED)
