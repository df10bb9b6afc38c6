"""A counterexample as a file that a person can read, and that can be played again, step by step, through the table."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from kiosk.core.facts import Fact
from kiosk.core.orders import AnyOrder
from tests.model.books import Books, Effect
from tests.model.explore import Counterexample
from tests.model.invariants import Violation
from tests.model.parts import World
from tests.model.world import Bounds, Model, Move


class WatchedBooks(Books):
    """Books that remember which facts were applied since they were last asked."""

    def __init__(self) -> None:
        super().__init__()
        self.since: list[tuple[Fact, Effect | None]] = []

    def apply(self, book: int, fact: Fact) -> Effect:
        self.since.append((fact, None))
        effect = super().apply(book, fact)
        self.since[-1] = (fact, effect)
        return effect


class Player:
    """Walks one way through the model."""

    def __init__(self, bounds: Bounds) -> None:
        self.books = WatchedBooks()
        self.model = Model(bounds, self.books)
        self.world: World = self.model.first()

    def moves(self) -> Iterator[tuple[Move, list[tuple[Fact, Effect | None]]]]:
        """What may happen, with the facts of each. `Violation` as in the exploration; `books.since` has its fact."""
        self.books.since = []
        for move in self.model.moves(self.world):
            yield move, self.books.since
            self.books.since = []

    def go(self, label: str) -> list[tuple[Fact, Effect | None]] | None:
        """Take the move of this name; None when it cannot happen any more."""
        for move, facts in self.moves():
            if move.label == label:
                self.world = move.world
                self.model.check(move.world)
                return facts
        return None


def written(example: Counterexample) -> str:
    """The file's text: every step with the facts that it stores, then the fact that broke the rule, if any did."""
    player = Player(example.bounds)
    steps: list[dict[str, Any]] = []
    try:
        for label in example.labels:
            steps.append({"happens": label, "stores": []})
            steps[-1]["stores"] = [_plain(fact) for fact, _ in player.go(label) or []]
        for _ in player.moves():
            pass
    except Violation:
        if player.books.since:
            steps.append({"happens": "", "stores": [_plain(player.books.since[-1][0])]})
    scenario = {
        "breaks": example.invariant,
        "because": example.detail,
        "bounds": example.bounds._asdict(),
        "steps": steps,
    }
    return json.dumps(scenario, indent=1, ensure_ascii=False) + "\n"


def _plain(fact: Fact) -> Any:
    return msgspec.to_builtins(fact)


def replay(path: Path, told: Callable[[str], None]) -> Violation | None:
    """Play the file again. None: the rule holds now (or the way there is closed)."""
    scenario = json.loads(path.read_text())
    player = Player(Bounds(**scenario["bounds"]))
    told(f"breaks: {scenario['breaks']}")
    try:
        for number, step in enumerate(scenario["steps"], start=1):
            if not step["happens"]:
                break
            facts = player.go(step["happens"])
            if facts is None:
                told(f"{number}. {step['happens']}: this cannot happen here any more")
                return None
            told(f"{number}. {step['happens']} -> {player.model.state(player.world)}")
            for fact, effect in facts:
                told(f"      {fact!r}")
                for order in effect.orders if effect is not None else ():
                    told(f"        order {_short(order)}")
        for _ in player.moves():
            pass
    except Violation as violation:
        for fact, _ in player.books.since:
            told(f"      {fact!r}")
        told(f"broken: {violation}")
        return violation
    told("it holds")
    return None


def _short(order: AnyOrder) -> str:
    return repr(order)
