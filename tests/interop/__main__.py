"""`make test-interop`: what the product makes before verifiers that are not ours; the last line is JSON.

Ends with 1 when any of them, or our own verifier, says something else than it should of any case, or when one of them
had fewer than 20 of a kind.
"""

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.interop import contract, notes, peers, sealed, signed, trees
from tests.interop.case import Case
from tests.interop.verdicts import LEAST, Tally, judge
from tests.interop.world import World


def main() -> int:
    """Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="kiosk-interop-") as folder:
        world = World(Path(folder))
        try:
            tallies = {name: _tally(name, parts) for name, parts in suite(world).items()}
        finally:
            world.close()
    pages = contract.wrong()
    verdict = "fails" if pages else "holds"
    _say(
        f"asyncapi: the page {verdict} before AsyncAPI's own schema; {len(contract.SPOILED)} spoiled ones were put too"
    )
    for line in (*pages, *(line for tally in tallies.values() for line in tally.wrong)):
        _say(line)
    _say(json.dumps({"verifiers": {name: tally.as_json() for name, tally in tallies.items()}}))
    return 0 if not pages and all(tally.holds for tally in tallies.values()) else 1


def suite(world: World) -> dict[str, Iterator[tuple[str, Iterable[Case]]]]:
    """By verifier: what is put before it, part by part."""
    return {
        "go-note": iter([("checkpoints, cosigned and not", notes.go_note(world))]),
        "go-tlog": iter([("proofs, receipts and tiles", trees.go_tlog(world))]),
        "cose": _cose(world),
        "hpke": _hpke(world),
        "ml-dsa": iter([("cosignatures 0x06", notes.noble(world))]),
    }


def _cose(world: World) -> Iterator[tuple[str, Iterable[Case]]]:
    yield "ours, read by them", signed.they_read(world)
    payloads = signed.to_sign(world)
    yield "theirs, read by us", signed.we_read(payloads, peers.ask("cose", payloads))


def _hpke(world: World) -> Iterator[tuple[str, Iterable[Case]]]:
    yield "ours, opened by them", sealed.they_open(world)
    made = peers.ask("hpke", sealed.to_seal(world))
    yield "theirs, opened by us", sealed.we_open(world, made)


def _tally(name: str, parts: Iterator[tuple[str, Iterable[Case]]]) -> Tally:
    whole = Tally()
    for what, cases in parts:
        part = Tally()
        judge(name, cases, part)
        _say(f"{name}: {what}: {part.accepted} accepted, {part.tampered_refused} tampered refused")
        if min(part.accepted, part.tampered_refused) < LEAST:
            whole.wrong.append(f"{name}: {what}: fewer than {LEAST} of a kind")
        whole.accepted += part.accepted
        whole.tampered_refused += part.tampered_refused
        whole.wrong += part.wrong
    return whole


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
