"""How far each algorithm is to be believed: confusion matrices on validation data -> F-measures -> manifest.

`python -m kiosk.protection.weigh FOLDER VALIDATION.jsonl` reads the four graphs in FOLDER and labelled columns, and
writes FOLDER/manifest.json. The columns' seeds must be none of training's.
"""

import argparse
import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np

from kiosk.protection import fusion
from kiosk.protection.classify import Classifier, Column
from kiosk.protection.kinds import KINDS
from kiosk.protection.networks import ALGORITHMS, MANIFEST, NETWORKS, Manifest, Networks
from kiosk.protection.opinions import INDEX


def weigh(folder: Path, validation: Path, training: dict[str, str | int | float]) -> Manifest:
    """Measure and write the manifest; prints macro F of every algorithm and of the fusion."""
    columns, truth = read(validation)
    blank = np.ones((len(ALGORITHMS), len(KINDS)), dtype=np.float32)
    said = Classifier(Networks(folder), blank, "").said(columns)
    measured = {name: fusion.f_measures(truth, said[at])[0] for at, name in enumerate(ALGORITHMS)}
    weights = np.array([measured[name] for name in ALGORITHMS])
    fused = fusion.f_measures(truth, fusion.fuse(said, weights))[0]
    for name, per_kind in {**measured, "fused": fused}.items():
        print(f"{name:9} macro F {per_kind.mean():.4f}, least {per_kind.min():.4f} ({KINDS[int(per_kind.argmin())]})")  # noqa: T201
    manifest = Manifest(
        schema=1,
        kinds=KINDS,
        sha256={name: hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest() for name in NETWORKS},
        weights={name: tuple(round(float(each), 4) for each in measured[name]) for name in ALGORITHMS},
        training={**training, "validation_cells": len(truth), "validation_macro_f1": round(float(fused.mean()), 4)},
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def read(path: Path) -> tuple[list[Column], "np.typing.NDArray[np.int64]"]:
    """Labelled columns of a JSON lines file, and the kinds of their cells as indices."""
    with path.open(encoding="utf-8") as lines:
        made = [json.loads(line) for line in lines]
    truth = np.array([INDEX[kind] for each in made for kind in each["kinds"]], dtype=np.int64)
    return [Column(each["values"], each["header"]) for each in made], truth


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.protection.weigh", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--training", type=json.loads, default={}, help="what the manifest says of the training, JSON")
    asked = parser.parse_args()
    weigh(asked.folder, asked.validation, asked.training)


if __name__ == "__main__":
    main()
