"""Feedback into the fusion: how far each algorithm is to be believed about each kind, learnt again without torch.

Each weight is an F-measure that was measured on validation data. It is taken as the outcome of so many cells of a kind
(`STRENGTHS`), and what people have corrected is counted in. Of the strengths that keep nearly all verdicts on the cells
around, which nobody corrected, that is taken which gets most of the corrected cells right; of equals the one that
changes least.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from kiosk.errors import ConfigError
from kiosk.protection import fusion
from kiosk.protection.classify import Classifier, Column
from kiosk.protection.encoding import Floats
from kiosk.protection.kinds import KINDS
from kiosk.protection.networks import ALGORITHMS, MANIFEST, Manifest, default_folder, read_manifest
from kiosk_cloud.files import write_private

STRENGTHS: Final = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)
KEPT_MIN: Final = 0.995  # of the verdicts on cells that nobody corrected
CHANGE_MIN: Final = 0.005
_PLACE: Final[dict[str, int]] = {kind: at for at, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Correction:
    """A cell, its header, cells around it, what it was said to be and what it is."""

    value: str
    column: str
    around: tuple[str, ...]
    said: str
    right: str

    @classmethod
    def parse(cls, data: bytes) -> "Correction":
        """As the page keeps it."""
        found: dict[str, Any] = json.loads(data)
        return cls(found["value"], found["column"], tuple(found["around"]), found["said"], found["right"])


@dataclass(frozen=True)
class Change:
    """One weight."""

    algorithm: str
    kind: str
    before: float
    after: float


@dataclass(frozen=True)
class Outcome:
    """What another set of weights does: cells of the feedback that are right, share of the others that stay."""

    corrections: int
    right_before: int
    right_after: int
    kept: float
    strength: float
    weights: Floats
    changes: list[Change]

    @property
    def better(self) -> bool:
        """Whether there is a reason to take it."""
        return self.right_after > self.right_before


def refit(classifier: Classifier, before: Floats, corrections: Sequence[Correction]) -> Outcome:
    """The best weights [A, K] after these corrections. `before`: the classifier's own."""
    known = [each for each in corrections if each.right in _PLACE]
    if not known:
        raise ConfigError("there is no feedback", remedy="Correct cells in the page's coloured tables first.")
    said = classifier.said([Column((each.value, *each.around), each.column) for each in known])
    sizes = [1 + len(each.around) for each in known]
    firsts = np.cumsum([0, *sizes[:-1]])
    truth = np.array([_PLACE[each.right] for each in known])
    corrected = said[:, firsts]
    others = np.delete(said, firsts, axis=1)
    counts = _counts(corrected, truth)
    right_before = _right(corrected, truth, before)
    best = Outcome(len(known), right_before, right_before, 1.0, float("inf"), before, [])
    for strength in STRENGTHS:
        weights = _pooled(before, counts, strength)
        kept = _kept(others, before, weights)
        right = _right(corrected, truth, weights)
        if kept >= KEPT_MIN and right > best.right_after:
            best = Outcome(len(known), right_before, right, kept, strength, weights, _changes(before, weights))
    return best


def _counts(said: Floats, truth: npt.NDArray[np.int64]) -> Floats:
    """[A, K, 2]: hits, and misses with false alarms, of each algorithm and kind."""
    counts = np.zeros((len(ALGORITHMS), len(KINDS), 2), dtype=np.float32)
    for at, each in enumerate(said):
        speaks = each.sum(axis=1) > 0
        chosen = each.argmax(axis=1)
        for right, choice, spoke in zip(truth.tolist(), chosen.tolist(), speaks.tolist(), strict=True):
            if spoke and choice == right:
                counts[at, right, 0] += 1
                continue
            counts[at, right, 1] += 1
            if spoke:
                counts[at, choice, 1] += 1
    return counts


def _pooled(before: Floats, counts: Floats, strength: float) -> Floats:
    """F = 2 TP / (2 TP + FP + FN), with the old F as `strength` hits and misses together."""
    hits = 2 * (before * strength + counts[:, :, 0])
    wrong = 2 * (1 - before) * strength + counts[:, :, 1]
    pooled: Floats = np.round(hits / (hits + wrong), 4).astype(np.float32)
    touched = counts.sum(axis=2) > 0
    return np.where(touched, pooled, before).astype(np.float32)


def _right(said: Floats, truth: npt.NDArray[np.int64], weights: Floats) -> int:
    return int((fusion.fuse(said, weights).argmax(axis=1) == truth).sum())


def _kept(said: Floats, before: Floats, after: Floats) -> float:
    if not said.shape[1]:
        return 1.0
    same = fusion.fuse(said, before).argmax(axis=1) == fusion.fuse(said, after).argmax(axis=1)
    return float(same.mean())


def _changes(before: Floats, after: Floats) -> list[Change]:
    found = [
        Change(algorithm, kind, float(before[a, k]), float(after[a, k]))
        for a, algorithm in enumerate(ALGORITHMS)
        for k, kind in enumerate(KINDS)
        if abs(before[a, k] - after[a, k]) >= CHANGE_MIN
    ]
    return sorted(found, key=lambda change: -abs(change.after - change.before))


def weights_of(models: Path | None) -> Floats:
    """[A, K] of a folder (that of the package). Raises networks.ArtifactError."""
    manifest = read_manifest(models or default_folder())
    return np.array([manifest.weights[name] for name in ALGORITHMS], dtype=np.float32)


def write(models: Path | None, out: Path, outcome: Outcome) -> str:
    """A folder with the same graphs and the new weights; its version. Raises ConfigError when `out` exists, OSError."""
    source = models or default_folder()
    if out.exists():
        raise ConfigError(f"{out} is there already", remedy="Name a new folder: the old one may be in use.")
    before = read_manifest(source)
    weights = {name: tuple(round(float(each), 4) for each in outcome.weights[at]) for at, name in enumerate(ALGORITHMS)}
    training = {**before.training, "feedback_cells": outcome.corrections}
    manifest: Manifest = msgspec.structs.replace(before, weights=weights, training=training)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        made = Path(folder) / "made"
        made.mkdir()
        for graph in sorted(source.glob("*.onnx")):
            shutil.copyfile(graph, made / graph.name)
        write_private(made / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        Classifier.load(made)  # what cannot be loaded is not put there
        made.rename(out)
    return manifest.version


def exported(corrections: Sequence[Correction]) -> str:
    """As `scripts/train-protection.sh FEEDBACK.jsonl` takes it: labelled columns, in clear."""
    rows = [
        {"header": each.column, "values": [each.value], "kinds": [each.right]}
        for each in corrections
        if each.right in _PLACE
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
