"""Deposits on validators without bunch escrow: credited note by note, cut anywhere, judged by the world."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from hwsim.config import CctalkConfig, CctalkProfile, EbdsConfig, EbdsProfile
from kiosk.core.ledger import HELD, IN_DOUBT, UNHEARD
from kiosk.core.state import State
from tests.simulation.judge import Verdict, deposit_records, judge
from tests.simulation.rig import Interrupted, PowerCut, Rig, books
from tests.simulation.scripts import DARK_S, ENDED, FINAL_SCRIPTS, afterwards, crash_once, glitch_once
from tests.simulation.test_power_cuts import CHUNK_STEP, STEPS, memory
from tests.simulation.validators import ValidatorKind

__all__ = ["memory"]  # a fixture
POINTS_MAX = 2000
STACKED_UNASKED = "unpaired cleared_into_cashbox at power-up"  # held when the power went, and nobody had let it in
EBDS = EbdsConfig()
KINDS: dict[str, ValidatorKind] = {
    "ebds": EBDS,
    "ebds-naive": EbdsConfig(profile=EbdsProfile(repeats_reply=False, held_at_power_up="out_of_order")),
    "ebds-standard": EbdsConfig(profile=EbdsProfile(extended_notes=False, unread_event_survives=True)),
    "cctalk": CctalkConfig(),
    "cctalk-mute": CctalkConfig(  # says nothing of what it did while it had no power
        profile=CctalkProfile(checksum="crc16", repeated_route="silent", cut_while_stacking="unreported")
    ),
    "cctalk-vague": CctalkConfig(  # stacks what it finds, and does not know what it was
        profile=CctalkProfile(
            echo=False, first_event="0,2", cut_in_escrow="stacked_unknown", cut_while_stacking="stacked_unknown"
        )
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def deposit(folder: Path, kind: ValidatorKind, script: str = "final") -> Rig:
    rig = Rig(folder, validator=kind)
    rig.start()
    rig.run(FINAL_SCRIPTS[script](rig))
    return rig


@each_kind
def test_each_note_is_credited_in_the_cassette(tmp_path: Path, kind: str) -> None:
    rig = deposit(tmp_path, KINDS[kind])
    try:
        assert books(rig)["credited"] == 25000
        assert judge(rig).complaints == []
        assert State.CONSENTING in rig.states
        assert not {State.COMMITTING, State.COLLECTING, State.MARKING, State.REVIEW} & set(rig.states)
        assert rig.printer.printed == []
    finally:
        rig.close()


def _points(folder: Path, what: str, step: int, play: object) -> list[tuple[int, Verdict]]:
    verdicts: list[tuple[int, Verdict]] = []
    for number in range(1, POINTS_MAX, step):
        here = folder / f"{what[0]}{number}"
        verdict = play(here, (what, number))  # type: ignore[operator]  # a closure of the test
        shutil.rmtree(here, ignore_errors=True)
        if verdict is None:
            return verdicts
        verdicts.append((number, verdict))
    pytest.fail(f"the script never ended before crash point {POINTS_MAX}")


CUTS = (
    *(("ebds", "final", what, power) for what in ("before-write", "after-write", "frame") for power in (True, False)),
    *(
        ("cctalk", "final", what, power)
        for what, power in (("before-write", True), ("after-write", False), ("frame", True))
    ),
    ("ebds", "final_cancelled", "before-write", True),
    ("cctalk", "final_cancelled", "before-write", True),
    *(
        (kind, "final", what, True)
        for kind in ("ebds-naive", "ebds-standard", "cctalk-mute", "cctalk-vague")
        for what in ("before-write", "frame")
    ),
)


@pytest.mark.parametrize(("kind", "script", "what", "power"), CUTS)
def test_whatever_dies_no_note_is_lost(memory: Path, kind: str, script: str, what: str, power: bool) -> None:
    step = STEPS[what]

    def play(folder: Path, at: tuple[str, int]) -> Verdict | None:
        return crash_once(folder, script, at, comes_back=True, power=power, validator=KINDS[kind])

    verdicts = _points(memory, what, step, play)
    assert len(verdicts) >= (10 if step == 1 else 5)
    assert {number: verdict.complaints for number, verdict in verdicts if verdict.complaints} == {}
    explained = {IN_DOUBT, HELD} | ({STACKED_UNASKED} if kind == "cctalk-vague" else set())
    assert {reason for _, verdict in verdicts for reason in verdict.disputes} <= explained
    if kind == "ebds" and not power:
        assert [number for number, verdict in verdicts if verdict.disputes] == [], "the device still knows"


def test_a_second_death_while_an_event_list_that_lost_a_note_is_heard_out(memory: Path) -> None:
    """The place in the list is of its new life by then, and complete since: the note was ordered in before that."""
    stacked = 0
    for number in range(1, 9):
        rig = Rig(memory / str(number), validator=KINDS["cctalk-mute"])
        rig.start()

        async def until_stacking(rig: Rig = rig) -> None:
            await rig.identify()
            await rig.feed(10000)
            rig.world.insert("CNY", 5000)
            await rig.until(lambda: rig.deposit.accepting is not None)
            await asyncio.sleep(0.4)
            rig.crash_at = ("frame", rig.counts["frame"] + 1)
            await asyncio.sleep(10)

        try:
            with pytest.raises(PowerCut):
                rig.run(until_stacking())
            rig.bury()
            rig.loop.run_until_complete(asyncio.sleep(DARK_S))
            rig.start()
            rig.crash_takes_power = False
            rig.crash_at = ("after-write", rig.counts["after-write"] + number)
            with contextlib.suppress(PowerCut):
                rig.run(afterwards(rig, comes_back=True))
            if rig.crashed:
                rig.bury()
                rig.start()
                rig.run(afterwards(rig, comes_back=True))
            assert judge(rig).complaints == [], f"dead again {number} writes after the start"
            stacked += sum(1 for note in rig.world.notes.all() if note.inserted) == 2
        finally:
            rig.close()
    assert stacked == 8


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        *((kind, f"validator{way}") for kind in ("ebds", "cctalk") for way in "><"),
        ("ebds", "board<"),
        *((kind, "validator<") for kind in ("ebds-naive", "cctalk-mute", "cctalk-vague")),
    ],
)
def test_one_device_loses_its_power_for_a_moment(memory: Path, kind: str, line: str) -> None:
    def play(folder: Path, at: tuple[str, int]) -> Verdict | None:
        return glitch_once(folder, "final", at, comes_back=True, validator=KINDS[kind])

    verdicts = _points(memory, line, CHUNK_STEP, play)
    assert len(verdicts) >= 1
    assert {number: verdict.complaints for number, verdict in verdicts if verdict.complaints} == {}


def test_two_power_cuts_upon_a_held_note_are_told_in_the_record(tmp_path: Path) -> None:
    """The validator takes it in by itself after the first; the second wipes the report: nothing can tell of it."""
    rig = Rig(tmp_path, validator=KINDS["cctalk-vague"])
    rig.start()

    async def play() -> None:
        await rig.identify()
        await rig.feed(10000)
        read, stacked = asyncio.Event(), asyncio.Event()
        rig.world.observe(lambda happening: read.set() if happening.what == "read" else None)
        hand = asyncio.ensure_future(rig.feed(5000))
        await read.wait()
        rig.world.observe(lambda happening: stacked.set() if happening.what == "stacked" else None)
        for _ in range(2):
            rig.world.power("validator", on=False)
            await asyncio.sleep(1)
            rig.world.power("validator", on=True)
            await stacked.wait()
        with contextlib.suppress(Interrupted):
            await hand
        await rig.state(*ENDED)

    try:
        rig.run(play())
        (record,) = deposit_records(rig.journal)
        assert record["sums"]["CNY"]["credited"] == 10000
        assert UNHEARD in record["remarks"]
    finally:
        rig.close()
