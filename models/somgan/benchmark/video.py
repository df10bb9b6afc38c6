"""Frame-level detection on fixed-camera video, labels as in UCSD Ped2's `labels.json`.

Train on `train_*.avi`, which are normal; score `test_*.avi`. Frame scores are averaged over SMOOTHING frames around
each (the field's custom; a running kiosk can only look back, `auroc_micro_causal`). Micro: all test frames together;
macro: mean over clips that have both kinds. Source of the data: Mahadevan et al., "Anomaly detection in crowded
scenes" (2010).
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats, Floats32
from somgan.benchmark import motion, peers
from somgan.errors import DataError
from somgan.metrics import auroc

SMOOTHING = 15
REMEDY = "Give a folder with train_*.avi, test_*.avi and labels.json (frames, anomalous_first, anomalous_last)."


@dataclass(frozen=True)
class Clip:
    """Features [n, 2] of each frame of a test clip and which are anomalous [n]."""

    name: str
    features: Floats
    anomalous: Bools


def labels(folder: Path) -> dict[str, Bools]:
    """Read `labels.json`: clip -> anomalous [frames]. Raises: DataError: missing or not as REMEDY says."""
    path = folder / "labels.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        result = {}
        for name, entry in listed.items():
            frames, first, last = (int(entry[key]) for key in ("frames", "anomalous_first", "anomalous_last"))
            index = np.arange(frames)
            result[str(name)] = (index >= first) & (index <= last)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: {error!r}"
        raise DataError(msg, remedy=REMEDY) from error
    return result


def run(folder: Path, names: Sequence[str], seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return figures by detector; `flow` is the strongest sustained motion alone, without any model.

    Raises: DataError: clips or labels are missing, damaged, or do not fit together.

    """
    for name in names:
        peers.make(name, seed, len(motion.KINDS))
    truth = labels(folder)
    training = sorted(folder.glob("train_*.avi"))
    missing = [name for name in truth if not (folder / f"{name}.avi").is_file()]
    if not training or not truth or missing:
        msg = f"{folder}: {len(training)} training clips, {len(truth)} labelled ones, missing {', '.join(missing) or 0}"
        raise DataError(msg, remedy=REMEDY)
    empty = motion.background(motion.frames(path) for path in training)
    cells = []
    for number, path in enumerate(training, 1):
        watch = motion.Motion(empty)
        cells.append(np.stack([watch.cells(frame) for frame in motion.frames(path)]))
        progress(f"training clip {number}/{len(training)}: {len(cells[-1])} frames")
    usual = motion.usual(np.concatenate(cells))
    rows = np.stack([usual.features(frame) for clip in cells for frame in clip])
    clips, milliseconds = _test_clips(folder, truth, empty, usual)
    progress(f"{len(clips)} test clips: {milliseconds:.1f} ms a frame, decoded and measured")
    result = {"flow": _figures([clip.features[:, 0] for clip in clips], clips, milliseconds)}
    for name in names:
        detector = peers.make(name, seed, rows.shape[1])
        detector.fit(rows)
        started = time.perf_counter()
        scores = [detector.score(clip.features) for clip in clips]
        spent = (time.perf_counter() - started) * 1e3 / sum(len(score) for score in scores)
        result[name] = _figures(scores, clips, milliseconds + spent)
        progress(f"{name}: {result[name]}")
    return {"clips": len(clips), "frames": sum(len(clip.anomalous) for clip in clips), "detectors": result}


def _test_clips(
    folder: Path, truth: dict[str, Bools], empty: Floats32, usual: motion.Usual
) -> tuple[list[Clip], float]:
    clips = []
    started = time.perf_counter()
    for name, anomalous in truth.items():
        watch = motion.Motion(empty)
        features = np.stack([usual.features(watch.cells(frame)) for frame in motion.frames(folder / f"{name}.avi")])
        if len(features) != anomalous.size:
            msg = f"{name}.avi has {len(features)} frames, labels.json says {anomalous.size}"
            raise DataError(msg, remedy=REMEDY)
        clips.append(Clip(name, features, anomalous))
    milliseconds = (time.perf_counter() - started) * 1e3 / sum(clip.anomalous.size for clip in clips)
    return clips, milliseconds


def smoothed(score: Floats, *, causal: bool = False) -> Floats:
    """Mean over SMOOTHING frames around each, or up to each; at the ends over those there are."""
    reach_back, reach_on = (SMOOTHING - 1, 0) if causal else (SMOOTHING // 2, SMOOTHING // 2)
    index = np.arange(score.size)
    total = np.concatenate(([0.0], np.cumsum(score)))
    begin, end = np.maximum(index - reach_back, 0), np.minimum(index + reach_on + 1, score.size)
    return np.asarray((total[end] - total[begin]) / (end - begin), dtype=np.float64)


def _figures(scores: Sequence[Floats], clips: Sequence[Clip], milliseconds: float) -> dict[str, float]:
    together = np.concatenate([clip.anomalous for clip in clips])
    around = [smoothed(score) for score in scores]
    back = [smoothed(score, causal=True) for score in scores]
    both = [auroc(score, clip.anomalous) for score, clip in zip(around, clips, strict=True)]
    return {
        "auroc_micro": round(auroc(np.concatenate(around), together), 6),
        "auroc_macro": round(float(np.nanmean(both)), 6),
        "auroc_micro_causal": round(auroc(np.concatenate(back), together), 6),
        "milliseconds_per_frame": round(milliseconds, 3),
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Say the report to a person."""
    result = [
        f"{report['clips']} clips, {report['frames']} frames",
        f"{'detector':<12} micro   macro   causal  ms/frame",
    ]
    for name, figures in report["detectors"].items():
        result.append(f"{name:<12} " + "  ".join(f"{value:.4f}" for value in figures.values()))
    return result
