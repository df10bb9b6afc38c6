"""The soak in small, and that its judge would notice."""

import os
from collections import Counter
from pathlib import Path

import pytest

from kiosk_cloud.store import Store
from tests.uplink_kit import KIOSK
from tests.uplink_soak.run import Plan, judge, soak
from tests.uplink_soak.stage import Memory, Stage

pytestmark = pytest.mark.mosquitto


async def test_each_record_arrives_exactly_once_whatever_dies(tmp_path: Path) -> None:
    outcome = await soak(tmp_path, records=400, kills=2, seed=7)
    assert outcome.wrong == []
    line = outcome.line
    assert (line["arrived"], line["duplicates_stored"], line["posted"], line["posted_in_files"]) == (400, 0, 400, 400)
    assert (line["broker_stops"], line["broker_kills"], line["uplink_kills"], line["receiver_kills"]) == (1, 1, 1, 1)
    assert sum(line["network"].values()) > 0
    assert set(line["memory_kb"]) == {"broker", "controller", "poster", "receiver-1", "receiver-2", "uplink"}


def test_the_judge_misses_what_is_not_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path, seed=1, records=2)
    Store(stage.bank().store).close()
    outcome = judge(stage, Counter(), 0.0)
    assert outcome.line["arrived"] == 0
    assert "2 deposits did not arrive, 0 were never made" in outcome.wrong
    assert "0 records are stored, 2 were made" in outcome.wrong
    assert "2 deposits were not posted, 0 were never made" in outcome.wrong
    assert "the files credit 0 deposits, 0 times, of 2" in outcome.wrong
    assert Store(stage.bank().store, read_only=True).forks(KIOSK) == []


def test_memory_that_climbs_above_all_that_was_used_before_is_growth() -> None:
    memory = Memory()
    memory.sample(os.getpid())
    memory.watch()
    memory.settle()
    assert not memory.grew(0.15, 8192)
    memory.end = memory.peak + 8193
    assert memory.grew(0.0, 8192)
    assert not memory.grew(10.0, 8192)


def test_a_process_that_is_still_starting_is_not_what_its_end_is_held_against() -> None:
    starting, working = Memory(), Memory()
    working.end = working.peak = 60_000
    starting.end = starting.peak = 20_000
    for each in (starting, working):
        each.watch()
    starting.settle((starting, working))
    starting.end = 60_000
    assert not starting.grew(0.15, 8192)
    starting.end = 80_000
    assert starting.grew(0.15, 8192)


def test_a_plan_ends_the_broker_as_often_as_asked() -> None:
    ends = Counter(who for _, who in Plan.make(100_000, 50).ends)
    assert ends["broker stop"] == ends["broker kill"] == 25
    assert (ends["uplink"], ends["poster"]) == (5, 7)
    assert (ends["receiver-1"], ends["receiver-2"]) == (5, 4)
