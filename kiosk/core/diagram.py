"""The deposit table as pictures: `python -m kiosk.core.diagram ARCHITECTURE.md` writes them between its markers.

Every way from one state to another that `TABLE` lists is in exactly one of the three diagrams. What all states of a
group have in common is drawn once, from a node that stands for any of them; so is a fact after which several states are
possible, towards a node that stands for one of them. Facts that leave the state as it is are not drawn.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from kiosk.core import facts as f
from kiosk.core.deposit import (
    AFTER_NOTE,
    BEFORE_PORT,
    CREDITED,
    NOTE_UNDER_WAY,
    PORT_OPEN,
    ROLL_BACK,
    TABLE,
    UNCONFIRMED,
)
from kiosk.core.state import State

BEGIN: Final = "<!-- diagrams: made by `make docs` from kiosk/core/deposit.py; do not edit -->"
END: Final = "<!-- end of diagrams -->"
GROUPS: Final[dict[str, tuple[State, ...]]] = {
    "unconfirmed": UNCONFIRMED,
    "port_open": PORT_OPEN,
    "note_under_way": NOTE_UNDER_WAY,
    "credited": CREDITED,
}
CHOICES: Final[dict[str, tuple[State, ...]]] = {"as_intended": AFTER_NOTE, "roll_back": ROLL_BACK}
MEMBERS_MIN: Final = 2  # fewer are drawn one by one
_UNTIL_CASH_IN_ENDS: Final = frozenset({State.IDLE, *BEFORE_PORT, *PORT_OPEN})


class Way(NamedTuple):
    """One arrow: from a state or any of a group, on facts, to a state or one of a choice."""

    source: str
    facts: tuple[str, ...]
    target: str


def triples() -> Iterator[tuple[State, str, State]]:
    """Every (state, fact, other state) of the table, in its order."""
    for (state, fact), row in TABLE.items():
        for target in sorted(row.targets):
            if target is not state:
                yield state, fact.__name__, target


def members(group: str, target: State | str) -> tuple[State, ...]:
    """The states that an arrow from `group` to `target` speaks of: an arrow to oneself is none."""
    return tuple(state for state in GROUPS[group] if state != target)


def ways(wanted: Iterable[tuple[State, str, State]]) -> list[Way]:
    """Arrows for these triples, what a group has in common drawn together."""
    left: list[tuple[str, str, str]] = [*dict.fromkeys(wanted)]
    for group in GROUPS:
        for fact, target in dict.fromkeys((fact, target) for _, fact, target in left):
            common: list[tuple[str, str, str]] = [(state, fact, target) for state in members(group, target)]
            left = _together(left, common, (group, fact, target))
    for choice, states in CHOICES.items():
        for source, fact in dict.fromkeys((source, fact) for source, fact, _ in left):
            common = [(source, fact, state) for state in states if state != source]
            left = _together(left, common, (source, fact, choice))
    merged: dict[tuple[str, str], list[str]] = {}
    for source, fact, target in left:
        merged.setdefault((str(source), str(target)), []).append(fact)
    return [Way(source, tuple(facts), target) for (source, target), facts in merged.items()]


def _together(
    left: list[tuple[str, str, str]], common: Sequence[tuple[str, str, str]], one: tuple[str, str, str]
) -> list[tuple[str, str, str]]:
    """`left` with `one` arrow in the place of all the `common` ones, if they are all there."""
    if len(common) < MEMBERS_MIN or not set(common) <= set(left):
        return left
    return [*(triple for triple in left if triple not in common), one]


def diagrams() -> dict[str, list[Way]]:
    """Title -> arrows."""
    everything = list(triples())
    recovery = [triple for triple in everything if triple[1] == f.Reconciled.__name__]
    rest = [triple for triple in everything if triple[1] != f.Reconciled.__name__]
    return {
        "From the first touch to the last note": ways(t for t in rest if t[0] in _UNTIL_CASH_IN_ENDS),
        "From the review to the record": ways(t for t in rest if t[0] not in _UNTIL_CASH_IN_ENDS),
        "After a restart or a device's fault (`Reconciled`)": ways(recovery),
    }


def mermaid(arrows: list[Way]) -> str:
    """One state diagram in mermaid's language."""
    lines = ["stateDiagram-v2", "    direction LR"]
    used = {end for way in arrows for end in (way.source, way.target)}
    for words, nodes in (("any of", GROUPS), ("one of", CHOICES)):
        lines.extend(f'    state "{words}: {", ".join(nodes[node])}" as {node}' for node in nodes if node in used)
    if any(way.source == State.IDLE for way in arrows):
        lines.append(f"    [*] --> {State.IDLE}")
    lines.extend(f"    {way.source} --> {way.target}: {', '.join(way.facts)}" for way in arrows)
    return "\n".join(lines)


def section() -> str:
    """What stands between the markers."""
    parts = [f"**{title}**\n\n```mermaid\n{mermaid(arrows)}\n```\n" for title, arrows in diagrams().items()]
    return f"{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}"


def updated(text: str) -> str:
    """`text` with the present diagrams between its markers. Raises ValueError when it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"there are no markers for the diagrams: {BEGIN} ... {END}"
        raise ValueError(message)
    return f"{before}{section()}{after}"


def main() -> None:
    """Update the file that is named."""
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text()))


if __name__ == "__main__":
    main()
