"""The peers on the kinds they share with us: the same cells, one at a time, and how often the kind was found."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

from cellkinds.columns import Labelled

_FOLDER: Final = Path(".cache/bench-protection")
PYTHONS: Final = {  # DataProfiler wants other versions of the same libraries
    "argus-redact": _FOLDER / "bin/python",
    "presidio": _FOLDER / "bin/python",
    "dataprofiler": Path(".cache/bench-protection-dp/bin/python"),
}
SHARED: Final[Mapping[str, frozenset[str]]] = {
    "argus-redact": frozenset(
        (
            "person_name",
            "postal_address",
            "phone",
            "email",
            "resident_id_cn",
            "passport_cn",
            "bank_card",
            "iban",
            "ip_address",
            "mac_address",
            "vehicle_plate",
        )
    ),
    "dataprofiler": frozenset(
        ("person_name", "postal_address", "phone", "email", "bank_card", "iban", "ip_address", "mac_address")
    ),
    "presidio": frozenset(("phone", "email", "bank_card", "iban", "ip_address", "mac_address")),
}
CELLS_MAX: Final = 6000  # of one peer: some take a millisecond a cell
_SECONDS_MAX: Final = 900


def compare(columns: Sequence[Labelled], verdicts: Sequence[str], number: int) -> dict[str, dict[str, object]]:
    """F1 of peer and of ours on cells of the shared kinds and `other`, where a verdict of another kind counts as none.

    `verdicts`: ours, for every cell in order, given the columns; a peer sees cells alone, as it is made to.
    """
    cells = [
        (value, kind, each.script) for each in columns for value, kind in zip(each.values, each.kinds, strict=True)
    ]
    found: dict[str, dict[str, object]] = {}
    for name, shared in SHARED.items():
        if not PYTHONS[name].exists():
            continue
        mine = [at for at, (_, kind, _) in enumerate(cells) if kind in shared or kind == "other"]
        mine = Random(number).sample(mine, min(len(mine), CELLS_MAX))
        lines = "\n".join(json.dumps({"value": cells[at][0], "script": cells[at][2]}) for at in mine)
        asked = [str(PYTHONS[name]), str(Path(__file__).with_name("peer.py")), name]
        done = subprocess.run(asked, input=lines, capture_output=True, text=True, check=False, timeout=_SECONDS_MAX)
        if done.returncode != 0:
            found[name] = {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it ended"}
            continue
        *said, last = map(json.loads, done.stdout.splitlines())
        truth = [cells[at][1] for at in mine]
        theirs = [next((kind for kind in kinds if kind in shared), "other") for kinds in said]
        ours = [verdicts[at] if verdicts[at] in shared else "other" for at in mine]
        found[name] = {
            "cells": len(mine),
            "macro_f1": round(_macro(truth, theirs, shared), 4),
            "ours_macro_f1": round(_macro(truth, ours, shared), 4),
            "microseconds_a_cell": round(last["microseconds"], 1),
            "per_kind": {
                kind: [round(_f1(truth, theirs, kind), 3), round(_f1(truth, ours, kind), 3)] for kind in sorted(shared)
            },
        }
    return found


def _macro(truth: Sequence[str], said: Sequence[str], kinds: frozenset[str]) -> float:
    return sum(_f1(truth, said, kind) for kind in kinds) / len(kinds)


def _f1(truth: Sequence[str], said: Sequence[str], kind: str) -> float:
    hits = sum(a == kind == b for a, b in zip(truth, said, strict=True))
    both = sum(a == kind for a in truth) + sum(b == kind for b in said)
    return 2 * hits / both if both else 0.0
