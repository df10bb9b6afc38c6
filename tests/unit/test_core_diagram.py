"""The state diagrams of ARCHITECTURE.md: made from the table, complete, not stale."""

import re
from pathlib import Path

import pytest

from kiosk.core import diagram
from kiosk.core.state import State

PAGE = Path(__file__).parents[2] / "ARCHITECTURE.md"


def test_the_diagrams_are_those_of_the_table() -> None:
    text = PAGE.read_text()
    assert diagram.updated(text) == text, "the diagrams of ARCHITECTURE.md are stale: run `make docs`"


def drawn() -> list[tuple[str, str, str]]:
    """Every arrow of the diagrams, written out for single states."""
    ways = [way for arrows in diagram.diagrams().values() for way in arrows]
    found: list[tuple[str, str, str]] = []
    for way in ways:
        for target in diagram.CHOICES.get(way.target, (way.target,)):
            sources = diagram.GROUPS.get(way.source, (way.source,))
            found.extend((source, fact, target) for source in sources for fact in way.facts if source != target)
    return found


def test_every_way_of_the_table_is_drawn_exactly_once() -> None:
    assert sorted(drawn()) == sorted((str(a), fact, str(b)) for a, fact, b in diagram.triples())


def test_every_state_is_drawn() -> None:
    assert {end for source, _, target in drawn() for end in (source, target)} == set(State)


def test_each_line_is_mermaids() -> None:
    for arrows in diagram.diagrams().values():
        first, *lines = diagram.mermaid(arrows).splitlines()
        assert first == "stateDiagram-v2"
        for line in lines:
            assert re.fullmatch(
                r'    (direction LR|\[\*\] --> \w+|\w+ --> \w+: \w+(, \w+)*|state "[a-z_ :,]+" as \w+)', line
            ), line


def test_a_page_without_its_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="markers"):
        diagram.updated("# Architecture\n")
