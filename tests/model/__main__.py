"""`python -m tests.model`: explore, and print one JSON line; `--replay FILE`: play a counterexample again."""

import argparse
import json
import sys
from pathlib import Path

from tests.model.coverage import Coverage, explained, reached_by_model, reached_by_simulation, report, table
from tests.model.explore import Space, explore
from tests.model.invariants import RECORD_INVARIANTS, SPACE_INVARIANTS, STATE_INVARIANTS, STEP_INVARIANTS
from tests.model.scenario import replay, written
from tests.model.walks import hunt, reached_by_walks, write
from tests.model.world import Bounds

# Each space is explored completely unless its limit is met. Faults and crashes are bounded together: what takes many
# of both is the simulation's business, which draws its schedules and does not have to meet them all.
FULL = (
    Bounds(notes=1, crashes=1, faults=0, kinds="AS", resets=1),
    Bounds(notes=2, crashes=2, faults=0, kinds="AX", final="ebds"),
    Bounds(notes=1, crashes=2, faults=0, kinds="AX", final="cctalk"),
    Bounds(notes=2, crashes=1, faults=0, kinds="A", final="ssp"),
    Bounds(notes=1, crashes=1, faults=1, kinds="A", final="ebds"),
    Bounds(notes=1, crashes=1, faults=1, kinds="A", final="cctalk"),
    Bounds(notes=1, crashes=0, faults=1, kinds="AS", wild=True),
    Bounds(notes=3, crashes=1, faults=0, kinds="ABS"),
    Bounds(notes=2, crashes=2, faults=0, kinds="ABS"),
    Bounds(notes=1, crashes=2, faults=1, kinds="ASXU"),
    Bounds(notes=2, crashes=0, faults=2, kinds="AS"),
    Bounds(notes=3, crashes=2, faults=0, kinds="ABS"),
)
EXAMPLE = Path("run/model-check.json")


def main() -> int:
    """The exit status: 0 when everything holds."""
    arguments = _arguments()
    if arguments.replay is not None:
        return int(replay(arguments.replay, _say) is not None)
    if arguments.coverage is not None:
        model, simulation = reached_by_model(), reached_by_simulation(arguments.coverage)
        found = Coverage(table(), model, reached_by_walks(), simulation)
        for line in report(found):
            _say(line)
        return int(bool(found.missing or found.wrong))
    if arguments.walks is not None:
        write(hunt(table() - set(explained()), arguments.walks, _say))
        return 0
    _say("invariants, in every state:")
    for words in (*STEP_INVARIANTS, *STATE_INVARIANTS, *RECORD_INVARIANTS, *SPACE_INVARIANTS):
        _say(f"  - {words}")
    spaces: list[Space] = []
    for bounds in FULL if arguments.notes is None else (_asked(arguments),):
        _say(f"exploring {bounds}")
        spaces.append(explore(bounds, states_max=arguments.states, told=_progress))
        space = spaces[-1]
        _say(f"  {_words(space)}")
        if space.counterexample is not None:
            EXAMPLE.parent.mkdir(parents=True, exist_ok=True)
            EXAMPLE.write_text(written(space.counterexample))
            _say(f"  BROKEN: {space.counterexample.invariant}: {space.counterexample.detail}")
            _say(f"  play it again with: python -m tests.model --replay {EXAMPLE}")
            break
    reached = {(str(state), fact.__name__) for space in spaces for state, fact in space.model.books.reached}
    false = sorted(reached & set(explained()))
    for pair in false:
        _say(f"WRONG: {pair} is listed as impossible and was reached")
    _say(json.dumps(_summary(spaces)))
    return int(bool(false) or any(space.counterexample is not None for space in spaces))


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replay", type=Path, help="a scenario file")
    parser.add_argument("--coverage", type=Path, nargs="*", help="of the table; files that the simulation wrote")
    parser.add_argument("--walks", type=float, metavar="SECONDS", help="look for the directed walks anew, so long")
    parser.add_argument("--notes", type=int, help="one space of your own: notes that may be inserted")
    parser.add_argument("--crashes", type=int, default=1)
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--kinds", default="ABSXU", help="A, B genuine, S suspect, X not accepted, U not recognised")
    parser.add_argument("--states", type=int, default=1_500_000, help="the most states of one space")
    return parser.parse_args()


def _asked(arguments: argparse.Namespace) -> Bounds:
    return Bounds(arguments.notes, arguments.crashes, arguments.faults, arguments.kinds)


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r  {words}")
        sys.stderr.flush()


def _words(space: Space) -> str:
    whole = "the whole space" if space.complete else "stopped"
    return (
        f"{len(space.worlds)} states, {space.transitions} transitions, depth {space.depth}, "
        f"{len(space.model.books.deposits)} deposits, {space.seconds:.0f} s: {whole}"
    )


def _summary(spaces: list[Space]) -> dict[str, object]:
    return {
        "states": sum(len(space.worlds) for space in spaces),
        "transitions": sum(space.transitions for space in spaces),
        "complete": all(space.complete for space in spaces),
        "notes": max(space.model.bounds.notes for space in spaces),
        "crashes": max(space.model.bounds.crashes for space in spaces),
        "faults": max(space.model.bounds.faults for space in spaces),
        "depth": max(space.depth for space in spaces),
        "pairs_reached": len(set().union(*(space.model.books.reached for space in spaces))),
        "invariants": sum(map(len, (STEP_INVARIANTS, STATE_INVARIANTS, RECORD_INVARIANTS, SPACE_INVARIANTS))),
        "counterexamples": sum(space.counterexample is not None for space in spaces),
        "seconds": round(sum(space.seconds for space in spaces), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
