"""`python -m kiosk.monitoring.calibrate`: a model's grades made anew from a site's normal deposits; its graph stays.

What the trainer calibrated on was a simulator; the promise of a false-alarm rate holds for deposits like those that
are given here. The maxima of the smoothed score of each deposit replace those in the manifest, which says where they
are from. For whoever packages a model; at a kiosk `kioskctl model calibrate` does it on what was collected there, by
two people's word and on record.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kiosk.appraisal.conformal import DEPOSITS_MIN, Smoother
from kiosk.appraisal.manifest import ModelError
from kiosk.appraisal.model import StreamModel

DIGITS: Final = 5


def maxima(model: StreamModel, rows: npt.NDArray[np.float32], deposits: npt.NDArray[np.int64]) -> list[float]:
    """The greatest smoothed score of each deposit, ascending. rows: float32 [n, d] by time, deposits: int64 [n]."""
    found = []
    for deposit in np.unique(deposits):
        smoother = Smoother(model.manifest.calibration.smoothing_rows)
        found.append(max(smoother.update(model.judge(row).score) for row in rows[deposits == deposit]))
    return sorted(round(value, DIGITS) for value in found)


def calibrate(folder: Path, table: Path) -> int:
    """Replace the calibration of the model in `folder`; returns how many deposits it rests on. Raises ModelError."""
    path = folder / "manifest.json"
    with np.load(table) as arrays:
        names, rows, deposits = tuple(arrays["names"].tolist()), arrays["X"], arrays["deposit"]
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    model = StreamModel.load(folder, content["stream"], names)
    count = int(np.unique(deposits).size)
    if count < DEPOSITS_MIN:
        message = f"{table} has {count} deposits; a rate of a few in a hundred takes {DEPOSITS_MIN} or more"
        raise ModelError(message, remedy="Record more normal deposits.")
    content["calibration"] |= {
        "deposit_max_scores": maxima(model, rows.astype(np.float32), deposits),
        "source": f"{table.name}: {count} normal deposits, after the training",
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
    return count


def main() -> int:
    """Run from the command line; 1 when it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.monitoring.calibrate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the folder of one stream's model")
    parser.add_argument("--table", type=Path, required=True, help="`kiosk features` of normal deposits")
    options = parser.parse_args()
    try:
        count = calibrate(options.model, options.table)
    except (ModelError, OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"calibrate: {error}\n")
        return 1
    sys.stdout.write(f"{options.model}: grades calibrated on {count} deposits\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
