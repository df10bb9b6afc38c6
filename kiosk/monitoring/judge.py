"""`python -m kiosk.monitoring.judge`: whole deposits from feature tables, graded as the watcher would grade them.

Scene and machine are judged and fused together; what the lens rules saw is told beside the grades, because
core's hard rules act on it. The last line is one JSON object: per kind of deposit ("normal", or the danger
that happened in it) n, the shares graded low, medium and high, of lens alarms, and found by either.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kiosk.appraisal.manifest import ModelError, Stream
from kiosk.appraisal.model import StreamModel
from kiosk.monitoring import features, machine
from kiosk.monitoring.deposit_watch import DepositWatch

Table = dict[str, npt.NDArray[Any]]
NAMES: Final[dict[Stream, tuple[str, ...]]] = {"scene": features.NAMES, "machine": machine.NAMES}


def judge(models: dict[Stream, StreamModel], tables: dict[Stream, Table]) -> dict[str, dict[str, float]]:
    """Shares by kind of deposit; tables of the streams are made from the same deposits."""
    seen: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    scene = tables["scene"]
    for number in np.unique(scene["deposit"]):
        watch = DepositWatch(str(number), "access", 0.0, "clear", streams=len(tables))
        for stream, table in tables.items():
            rows = np.flatnonzero(table["deposit"] == number)
            for index in rows:
                row = table["X"][index]
                passed_s = float(table["at_s"][index] - table["at_s"][rows[0]])
                watch.score(models[stream].manifest, row, models[stream].judge(row), passed_s)
        own = scene["deposit"] == number
        kinds = sorted(set(scene["what"][own].tolist()) - {""})
        lens = bool((scene["lens"][own] != "clear").any())
        seen[kinds[0] if kinds else "normal"].append((watch.summary("access").grade, lens))
    return {kind: _shares(graded) for kind, graded in sorted(seen.items())}


def _shares(graded: list[tuple[str, bool]]) -> dict[str, float]:
    n = len(graded)
    shares = {grade: round(sum(one == grade for one, _ in graded) / n, 4) for grade in ("low", "medium", "high")}
    lens = sum(alarm for _, alarm in graded) / n
    found = sum(grade != "low" or alarm for grade, alarm in graded) / n
    return {"n": n, **shares, "lens": round(lens, 4), "found": round(found, 4)}


def main() -> int:
    """Run on the command line's tables; 1 when a model cannot be used."""
    parser = argparse.ArgumentParser(prog="kiosk.monitoring.judge", description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder with scene/ and machine/")
    parser.add_argument("--scene", type=Path, required=True, help="table of `kiosk features --stream scene`")
    parser.add_argument("--machine", type=Path, help="table of the same deposits' readings")
    args = parser.parse_args()
    files: dict[Stream, Path] = {"scene": args.scene} | ({"machine": args.machine} if args.machine else {})
    try:
        models = {stream: StreamModel.load(args.models / stream, stream, NAMES[stream]) for stream in files}
    except ModelError as error:
        sys.stderr.write(f"judge: {error}\n")
        return 1
    tables: dict[Stream, Table] = {}
    for stream, path in files.items():
        with np.load(path) as table:
            tables[stream] = {key: table[key] for key in table.files}
    sys.stdout.write(json.dumps(judge(models, tables)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
