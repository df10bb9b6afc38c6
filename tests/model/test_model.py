"""The model, small; every counterexample that was ever found; mutants of the table, each of which it must kill."""

import random
from pathlib import Path

import pytest

from kiosk.core.deposit import step
from kiosk.core.state import Deposit
from tests.model.books import canonical
from tests.model.coverage import Coverage, explained, report, table
from tests.model.explore import explore
from tests.model.scenario import Player, replay
from tests.model.world import Bounds

STEPS = 150
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.json"))


def walk_with_whole_deposits(seed: int) -> None:
    draw = random.Random(seed)
    player = Player(Bounds(3, 2, 2, "ABSX"))
    whole = Deposit()
    for _ in range(STEPS):
        moves = [(move, tuple(facts)) for move, facts in player.moves()]
        if not moves:
            return
        move, facts = draw.choice(moves)
        for fact, effect in facts:
            outcome = step(whole, fact)
            whole = outcome.deposit
            assert effect is not None
            assert (outcome.orders, canonical(whole)) == (effect.orders, player.books.deposits[effect.book])
        player.world = move.world


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


def test_no_explanation_is_of_a_pair_that_is_reached_or_not_in_the_table() -> None:
    space = explore(Bounds(1, 1, 1, "A"), states_max=20_000)
    reached = frozenset((str(state), fact.__name__) for state, fact in space.model.books.reached)
    assert Coverage(table(), reached, frozenset(), frozenset()).wrong == []


def test_an_explanation_that_is_not_true_fails_the_report() -> None:
    pair = next(iter(explained()))
    coverage = Coverage(table(), frozenset(), frozenset(), frozenset({pair}))
    assert len(coverage.wrong) == 1
    assert f"wrong: {coverage.wrong[0]}" in list(report(coverage))
    assert coverage.missing  # nothing else was reached


def test_what_the_model_leaves_out_of_a_deposit_changes_nothing_later() -> None:
    """Walks at random with whole deposits beside those of the model: the same orders, the same states."""
    for seed in range(10):
        walk_with_whole_deposits(seed)
