"""No note is lost or credited wrongly, wherever the power goes or a process dies. The world is the judge.

Every journal write of a deposit is a crash point, right after the commit; some of those are before it, too, and every
few serial chunks; the depositor comes back with the code, or does not. `make crash-points` takes every point.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.judge import Verdict
from tests.simulation.scripts import SCRIPTS, crash_once, glitch_once

CHUNK_STEP = int(os.environ.get("CRASH_STEP", "17"))
STEPS = {"frame": CHUNK_STEP, "before-write": min(CHUNK_STEP, 3), "after-write": 1}
POINTS_MAX = 2000


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of commits, and no disk is on trial here."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of its own inside
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def _all_points(memory: Path, play: object, kind: str, step: int) -> list[tuple[int, Verdict]]:
    """The verdict of every crash point of a kind, until the script ends before it."""
    verdicts: list[tuple[int, Verdict]] = []
    for number in range(1, POINTS_MAX, step):
        folder = memory / f"{kind[0]}{number}"
        verdict = play(folder, (kind, number))  # type: ignore[operator]  # a closure of the test
        shutil.rmtree(folder, ignore_errors=True)
        if verdict is None:
            return verdicts
        verdicts.append((number, verdict))
    pytest.fail(f"the script never ended before crash point {POINTS_MAX}")


def _nothing_wrong(verdicts: list[tuple[int, Verdict]], least: int) -> Counter[str]:
    assert len(verdicts) >= least, "the script has fewer crash points than it should"
    wrong = {number: verdict.complaints for number, verdict in verdicts if verdict.complaints}
    assert wrong == {}
    return Counter(reason for _, verdict in verdicts for reason in verdict.disputes)


@pytest.mark.parametrize("comes_back", [True, False], ids=["resumes", "gone"])
@pytest.mark.parametrize("power", [True, False], ids=["power", "process"])
@pytest.mark.parametrize("script", sorted(SCRIPTS))
@pytest.mark.parametrize("kind", ["before-write", "after-write", "frame"])
def test_everything_or_the_controller_dies(memory: Path, kind: str, script: str, power: bool, comes_back: bool) -> None:
    step = STEPS[kind]
    verdicts = _all_points(
        memory,
        lambda folder, at: crash_once(folder, script, at, comes_back=comes_back, power=power),
        kind,
        step,
    )
    disputes = _nothing_wrong(verdicts, least=20 // step if kind != "frame" else 5)
    if comes_back and script == "confirmed":
        assert disputes == {}, "a depositor who comes back and confirms loses nothing to a dispute"


@pytest.mark.parametrize("power", [True, False], ids=["power", "process"])
@pytest.mark.parametrize("kind", ["before-write", "after-write", "frame"])
def test_everything_or_the_controller_dies_after_a_fraud_attempt(memory: Path, kind: str, power: bool) -> None:
    step = STEPS[kind]
    verdicts = _all_points(
        memory, lambda folder, at: crash_once(folder, "kept", at, comes_back=False, power=power), kind, step
    )
    _nothing_wrong(verdicts, least=10 // step if kind != "frame" else 5)


@pytest.mark.parametrize("line", ["validator>", "validator<", "board<", "label<"])
@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_one_device_loses_its_power_for_a_moment(memory: Path, script: str, line: str) -> None:
    verdicts = _all_points(
        memory,
        lambda folder, at: glitch_once(folder, script, at, comes_back=True),
        line,
        1 if line == "label<" else CHUNK_STEP,
    )
    _nothing_wrong(verdicts, least=1)
