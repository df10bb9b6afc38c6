"""A few of each kind in `make test`; `make scenarios` has the figures."""

import pytest

from kiosk.processes.watcher import load_models
from tests.dangers.__main__ import MODELS, REPLAY, result
from tests.dangers.report import Result, last_line, wilson
from tests.dangers.script import KINDS, play
from tests.dangers.stage import perform

SEED = 70_000  # of deposits that nothing was chosen by


@pytest.mark.parametrize("kind", ["normal", *KINDS])
def test_a_deposit_of_each_kind_is_graded_as_it_should_be(kind: str) -> None:
    seen = perform(play(kind, SEED), load_models(MODELS))
    told = result(seen)
    assert not told.wrong, f"{told.words or 'no alarm'}: {REPLAY.format(kind, SEED)}"


def test_a_seed_is_one_deposit() -> None:
    models = load_models(MODELS)
    one, two = (perform(play("opened", SEED + 1), models) for _ in range(2))
    assert one.grades == two.grades


def test_the_last_line_counts_what_was_found() -> None:
    results = [
        Result("normal", 1, alarm=True, early=False, found_s=None, words=""),
        Result("normal", 2, alarm=False, early=False, found_s=None, words=""),
        Result("covered", 1, alarm=True, early=False, found_s=0.5, words=""),
        Result("covered", 2, alarm=False, early=False, found_s=None, words=""),
    ]
    assert last_line(results) == (
        '{"normal": 2, "false_alarms": 1, "dangers": {"covered": {"n": 2, "found": 1, "seconds_median": 0.5}}}'
    )
    low, high = wilson(27, 30)
    assert 0.74 < low < 0.9 < high < 0.97
