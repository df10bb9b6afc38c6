"""`python -m tests.dangers.ped2 --data ../shared/data/ped2`: the watcher that ships on somebody else's walkway.

The clips go through the watcher's file source at their own pace, newest frame first, as a camera's would, and what
counts is the score that the scene's model gives while it watches. Two models: the one that ships, which knows people at
a kiosk and nothing of a walkway, and with `--table OUT.npz` a table of the training clips' frames, through the same
features, to train one for this camera (`python -m somgan train --stream scene`), which `--model DIR` then names. The
training clips also give the empty picture that a watcher keeps over restarts. Frame labels as in UCSD Ped2.

The last line is JSON: `auroc_micro` and `auroc_macro` over frames, of the watcher's own trailing mean (`causal`) and of
the mean of 15 frames around each, which is the field's custom; `dropped`: the share of frames that came too fast.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from kiosk.appraisal.model import Judged, Row, StreamModel
from kiosk.clock import SystemClock
from kiosk.messages import StageChanged
from kiosk.monitoring.extract import write
from kiosk.monitoring.features import NAMES, SceneFeatures
from kiosk.monitoring.frames import CaptureSource, Frame
from kiosk.monitoring.shop import ShopFile
from kiosk.monitoring.still import StillRing
from kiosk.monitoring.watcher import Watcher
from somgan.benchmark.video import labels
from somgan.metrics import auroc

MODELS = Path(__file__).parents[2] / "models" / "artifacts"
FRAMES_PER_SECOND = 10.0
PIECE_FRAMES = 8  # what counts as a deposit when the table is split
CUSTOM_FRAMES = 15
Floats = npt.NDArray[np.float64]


def frames(path: Path) -> list[npt.NDArray[np.uint8]]:
    """All frames of a clip."""
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(np.asarray(read[1], np.uint8))
    capture.release()
    return found


def empty(data: Path, folder: Path) -> None:
    """The walkway as it mostly is, learnt from the training clips one after another, kept as the watcher keeps it."""
    scene, keeper, at_s = SceneFeatures(), ShopFile(folder), 0.0
    for path in sorted(data.glob("train_*.avi")):
        for image in frames(path):
            scene.update(image, at_s, idle=True)
            at_s += 1 / FRAMES_PER_SECOND
    keeper.keep(scene, at_s)


def table(data: Path, out: Path) -> None:
    """Features of the training clips, each clip seen by a watcher that knows the empty picture."""
    rows: list[Row] = []
    owner: list[int] = []
    with tempfile.TemporaryDirectory(prefix="ped2-") as folder:
        empty(data, Path(folder))
        for number, path in enumerate(sorted(data.glob("train_*.avi"))):
            scene = SceneFeatures()
            ShopFile(Path(folder)).recall(scene)
            for index, image in enumerate(frames(path)):
                row = scene.update(image, index / FRAMES_PER_SECOND, idle=False)
                if row is not None:
                    rows.append(row.values)
                    owner.append(number * 1000 + index // PIECE_FRAMES)
    blank = np.full(len(rows), "", np.str_)
    write(
        {
            "X": np.array(rows, np.float32),
            "deposit": np.array(owner, np.int64),
            "at_s": np.arange(len(rows), dtype=np.float32),
            "names": np.array(NAMES),
            "what": blank,
            "lens": blank,
            "y": np.zeros(len(rows), np.int64),
        },
        out,
        "scene",
    )


class Heard(StreamModel):
    """A model whose scores are kept, by the frame that was being looked at."""

    def __init__(self, model: StreamModel, source: "Counted") -> None:
        self._model, self._source, self.manifest = model, source, model.manifest
        self.scores: dict[int, float] = {}

    def judge(self, row: Row) -> Judged:
        """As the model judges."""
        judged = self._model.judge(row)
        self.scores[self._source.number] = judged.score
        return judged


class Counted:
    """The watcher's file source, with the number of the frame it gave last; `done` when it has worked on `count`."""

    def __init__(self, source: CaptureSource, count: int) -> None:
        self._source, self._count, self.number = source, count, 0
        self.done = asyncio.Event()

    @property
    def trouble(self) -> str:
        return self._source.trouble

    async def newer(self, number: int, timeout_s: float) -> Frame | None:
        if number >= self._count:  # whoever asks for more is done with that one
            self.done.set()
        frame = await self._source.newer(number, timeout_s)
        self.number = self.number if frame is None else frame.number
        return frame


async def watched(clip: Path, count: int, model: StreamModel, folder: Path) -> dict[int, float]:
    """Scores by frame number, 1 being the first, of a clip of `count` frames seen in real time during a deposit."""
    clock = SystemClock()
    capture = CaptureSource(str(clip), clock, width=0, height=0, frames_per_second=0)
    source = Counted(capture, count)
    heard = Heard(model, source)
    watcher = Watcher(source, {"scene": heard}, clock, StillRing(folder / "stills"), shop=ShopFile(folder))
    watcher.on_push(StageChanged("P", "access"))
    capture.start()
    look = asyncio.create_task(watcher.run_frames())
    try:
        async with asyncio.timeout(10 + 3 * count / FRAMES_PER_SECOND):
            await source.done.wait()
    finally:
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        await watcher.close()
        await capture.close()
    return {number: score for number, score in heard.scores.items() if number <= count}


def smooth(scores: Floats, rows: int, *, causal: bool) -> Floats:
    """Mean over `rows` scores: those before, or those around."""
    reach = (rows - 1, 0) if causal else (rows // 2, rows // 2)
    return np.array([scores[max(0, at - reach[0]) : at + reach[1] + 1].mean() for at in range(scores.size)])


def figures(data: Path, model: StreamModel) -> dict[str, Any]:
    """Watch every test clip."""
    found: list[tuple[npt.NDArray[np.bool_], Floats]] = []
    dropped = 0
    with tempfile.TemporaryDirectory(prefix="ped2-") as folder:
        empty(data, Path(folder))
        for name, anomalous in sorted(labels(data).items()):
            seen = asyncio.run(watched(data / f"{name}.avi", anomalous.size, model, Path(folder)))
            dropped += anomalous.size - len(seen)
            numbers = np.array(sorted(seen))
            # A frame that was not looked at has the score of the one before, the first one that of the next.
            places = np.clip(np.searchsorted(numbers, np.arange(1, anomalous.size + 1), side="right") - 1, 0, None)
            found.append((anomalous, np.array([seen[int(n)] for n in numbers])[places]))
            sys.stderr.write(f"ped2: {name}: {len(seen)} of {anomalous.size} frames seen\n")
    result: dict[str, Any] = {"frames": sum(truth.size for truth, _ in found)}
    result["dropped"] = round(dropped / result["frames"], 4)
    own = model.manifest.calibration.smoothing_rows
    for words, rows, causal in (("causal", own, True), ("custom", CUSTOM_FRAMES, False)):
        clips = [(truth, smooth(scores, rows, causal=causal)) for truth, scores in found]
        micro = auroc(np.concatenate([one for _, one in clips]), np.concatenate([truth for truth, _ in clips]))
        macro = np.mean([auroc(one, truth) for truth, one in clips if 0 < truth.sum() < truth.size])
        result[words] = {"auroc_micro": round(float(micro), 4), "auroc_macro": round(float(macro), 4)}
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train_*.avi, test_*.avi and labels.json")
    parser.add_argument("--model", type=Path, default=MODELS / "scene", help="folder of the scene's model")
    parser.add_argument("--table", type=Path, help="write the training clips' features here (.npz) and do nothing else")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.table is not None:
        table(options.data, options.table)
        return
    found = figures(options.data, StreamModel.load(options.model, "scene", NAMES))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
