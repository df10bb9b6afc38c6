"""The whole table, in some seconds: every pair is on a directed walk, or listed as impossible, and none is both."""

from tests.model.coverage import Coverage, table
from tests.model.impossible import IMPOSSIBLE
from tests.model.walks import reached_by_walks

ANEW = "python -m tests.model --walks 300"


def test_every_pair_of_the_table_is_reached_by_a_walk_or_listed_as_impossible() -> None:
    found = Coverage(table(), frozenset(), reached_by_walks(), frozenset())
    assert found.missing == [], f"if the table has changed, look for other ways with `{ANEW}`, or explain"
    assert found.wrong == []


def test_each_explanation_says_why() -> None:
    for reason, facts in IMPOSSIBLE.items():
        assert len(reason.split()) >= 10
        assert facts
