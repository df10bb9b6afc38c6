"""The model, small; every counterexample that was ever found; mutants of the table, each of which it must kill."""

from pathlib import Path

import pytest

from tests.model.explore import explore
from tests.model.scenario import replay
from tests.model.world import Bounds

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.json"))


@pytest.mark.parametrize(
    "bounds",
    [Bounds(1, 1, 0), Bounds(2, 0, 0, "AS"), Bounds(1, 0, 1, "A")],
    ids=lambda bounds: f"{bounds.notes}-notes-{bounds.crashes}-crashes-{bounds.faults}-faults",
)
def test_every_invariant_holds_in_every_state(bounds: Bounds) -> None:
    space = explore(bounds)
    assert space.counterexample is None
    assert space.complete


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    told: list[str] = []
    assert replay(path, told.append) is None, "\n".join(told)
