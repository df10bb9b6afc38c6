"""Seeded schedules: what they hold, that they repeat themselves, and that the judge finds nothing wrong."""

from collections import Counter
from pathlib import Path

import pytest

from hwsim.config import CctalkConfig, EbdsConfig, ValidatorConfig
from tests.simulation import kinds
from tests.simulation.__main__ import REPLAY, play, wrong
from tests.simulation.rig import Rig
from tests.simulation.schedule import NOTES_MAX, NOTES_MIN, make

SHARDS, OF_EACH = 30, 10
FIRST_SEED = 4_000_000  # never one of `make simulate`, whose fleets begin at multiples of a million


def test_every_kind_of_trouble_comes_in_a_hundredth_of_all_schedules() -> None:
    schedules = [make(seed) for seed in range(2000)]
    found = Counter(label for schedule in schedules for label in schedule.kinds())
    assert {label: found[label] for label in kinds.labels() if found[label] < len(schedules) / 100} == {}
    assert set(found) <= set(kinds.labels())


def test_every_schedule_attempts_a_deposit_and_most_plan_a_crash() -> None:
    schedules = [make(seed) for seed in range(2000)]
    for schedule in schedules:
        assert all(NOTES_MIN <= len(visit.notes) <= NOTES_MAX for visit in schedule.visits)
    assert sum(bool(schedule.crashes) for schedule in schedules) > len(schedules) / 2
    assert {len(schedule.crashes) for schedule in schedules} == {0, 1, 2, 3}


def test_every_fault_of_the_simulator_is_a_kind_or_a_repair(tmp_path: Path) -> None:
    found: set[tuple[str, str]] = set()
    for validator in (ValidatorConfig(), EbdsConfig(), CctalkConfig()):
        rig = Rig(tmp_path, validator=validator)
        found |= {(spec.device, spec.name) for spec in rig.world.faults.all()}
        rig.loop.close()
    assert found == {(kind.device, kind.fault) for kind in kinds.FAULTS} | kinds.REPAIRS


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_one_seed_is_one_run_byte_for_byte(seed: int) -> None:
    (first, once), (second, again) = (play(make(seed), trace=True) for _ in range(2))
    assert once == again
    assert first == second
    assert len(once) > 100


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_note_is_lost_or_credited_twice(shard: int) -> None:
    first = FIRST_SEED + shard * OF_EACH
    for seed in range(first, first + OF_EACH):
        result, _ = play(make(seed))
        assert result.ruling.good, f"{wrong(result)}; replay it: {REPLAY.format(seed)}"


@pytest.mark.parametrize("seed", [891004562, 901003499, 903004793])
def test_the_judge_is_just(seed: int) -> None:
    """Schedules of which it said once that a note was lost, or double: the product had done what could be done."""
    result, _ = play(make(seed))
    assert result.ruling.good, f"{wrong(result)}; replay it: {REPLAY.format(seed)}"
