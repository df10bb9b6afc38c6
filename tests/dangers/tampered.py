"""`python -m tests.dangers.tampered --clips DIR`: sensors that are stuck, replayed or spoofed, before and after.

DIR is made by `hwsim dataset --only machine --events none`. Each deposit is judged three times as it was and then with
its readings tampered with from its middle on: `stuck` (one sensor keeps its last value), `all_stuck`, `replayed` (the
readings of some seconds before come again with new times), `spoofed` (an attacker sends the mean of each sensor with
noise of its own, so that what the machine does is not felt). `model` is the share that the machine's model grades
above low for a stream alone, `watch` that of which SensorWatch says something, `either` of both. The last line is JSON.
"""

import argparse
import json
import sys
from pathlib import Path

import msgspec
import numpy as np

from kiosk.appraisal.conformal import Smoother
from kiosk.appraisal.model import StreamModel
from kiosk.messages import SensorReading
from kiosk.monitoring.extract import Recorded
from kiosk.monitoring.machine import NAMES, MachineFeatures
from kiosk.monitoring.steadiness import ANALOGUE, SensorWatch

MODELS = Path(__file__).parents[2] / "models" / "artifacts"
KINDS = ("normal", "stuck", "all_stuck", "replayed", "spoofed")
MEDIUM = 0.05
REPLAYED_READINGS = 24  # four seconds


def readings(path: Path, end_s: float) -> list[SensorReading]:
    """The readings of one recorded deposit and of the quiet before it."""
    with np.load(path) as table:
        columns = {name: table[name].tolist() for name in SensorReading.__struct_fields__}
    rows = zip(*columns.values(), strict=True)
    made = [SensorReading(**dict(zip(columns, values, strict=True))) for values in rows]
    return [one for one in made if one.at_monotonic_s <= end_s]


def tampered(kind: str, lived: list[SensorReading], rng: np.random.Generator) -> list[SensorReading]:
    """The same deposit with its sensors tampered with from the middle on."""
    middle = len(lived) // 2
    head, tail = lived[:middle], lived[middle:]
    if kind == "normal":
        return lived
    changed = []
    sensor = str(rng.choice(ANALOGUE))
    for index, one in enumerate(tail):
        if kind == "stuck":
            values = {sensor: getattr(head[-1], sensor)}
        elif kind == "all_stuck":
            values = {name: getattr(head[-1], name) for name in ANALOGUE}
        elif kind == "replayed":
            old = head[-REPLAYED_READINGS:][index % min(REPLAYED_READINGS, len(head))]
            values = {name: getattr(old, name) for name in ANALOGUE}
        else:
            past = {name: np.array([getattr(each, name) for each in head[-40:]]) for name in ANALOGUE}
            values = {name: round(float(rng.normal(np.median(p), p.std() + 0.5))) for name, p in past.items()}
        changed.append(msgspec.structs.replace(one, **values))
    return head + changed


def judged(model: StreamModel, told: list[SensorReading], start_s: float) -> tuple[bool, bool]:
    """Whether the model would have said more than low of the deposit, and whether the sensors' life was doubted."""
    features, watch = MachineFeatures(), SensorWatch()
    calibration = model.manifest.calibration
    smoother, worst, doubted = Smoother(calibration.smoothing_rows), float("-inf"), False
    for reading in told:
        wrong, row = watch.update(reading), features.update(reading)
        if reading.at_monotonic_s >= start_s:
            doubted = doubted or bool(wrong)
            if row is not None:
                worst = max(worst, smoother.update(model.judge(row).score))
    above = sum(score >= worst for score in calibration.deposit_max_scores)
    return (1 + above) / (len(calibration.deposit_max_scores) + 1) <= MEDIUM, doubted


def shares(clips: Path, model: StreamModel, seed: int) -> dict[str, dict[str, float]]:
    """By kind of tampering: how many deposits, and the shares noticed by the model, the watch, either."""
    index = msgspec.json.decode((clips / "deposits.json").read_bytes(), type=list[Recorded])
    result = {}
    for kind in KINDS:
        rng = np.random.default_rng(seed)
        seen = [
            judged(model, tampered(kind, readings(clips / one.machine, one.end_s), rng), one.start_s) for one in index
        ]
        graded, doubted = (np.array(column) for column in zip(*seen, strict=True))
        result[kind] = {
            "n": len(seen),
            "model": round(float(graded.mean()), 4),
            "watch": round(float(doubted.mean()), 4),
            "either": round(float((graded | doubted).mean()), 4),
        }
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of `hwsim dataset`")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with machine/")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = shares(options.clips, StreamModel.load(options.models / "machine", "machine", NAMES), options.seed)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
