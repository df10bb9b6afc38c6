# ruff: noqa: PLR2004 - the chances and lengths of a made-up deposit explain themselves where they stand
"""Simulated deposits on disk: camera clips and board readings to train and judge the product's eyes on.

`OUT/clips/deposit_00001.avi` (MJPG), `OUT/machine/deposit_00001.npz` (columns of board readings, one row each
reading), `OUT/deposits.json` (which clip, its frame rate, when the deposit starts and ends in it) and, only for
evaluation, `OUT/labels.json` (what happened from when to when). A clip begins with the empty shop, as the
kiosk's camera would have seen it before anybody came; everything is drawn from one seed.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from hwsim.machine_dataset import write_machine
from hwsim.scene import HEIGHT, WIDTH, SceneRenderer, SceneState

EVENTS: Final = ("none", "onlooker", "crowding", "covered", "frozen", "hand_long")
JPEG_QUALITY: Final = (62, 92)
DURATION_S: Final = (9.0, 42.0)
EMPTY_S: Final = 2.0
FRAMES_PER_SECOND: Final = (9.0, 14.0)
DEPOSITS_MAX: Final = 100_000


@dataclass(slots=True)
class Script:
    """What one deposit looks like: intervals in seconds of the clip."""

    deposit: int
    seed: int
    start_s: float
    end_s: float
    frames_per_second: float
    base: SceneState
    present: tuple[float, float]
    hands: list[tuple[float, float]]
    waiting: tuple[float, float] = (0.0, 0.0)  # when the next one stands in line
    lights: list[tuple[float, float]] = field(default_factory=list)  # (from, level)
    what: str = ""
    event: tuple[float, float] = (0.0, 0.0)

    def state(self, at_s: float) -> SceneState:
        """The scene at a moment of the clip."""
        light = self.base.light
        for since_s, level in self.lights:
            light = level if at_s >= since_s else light
        happening = bool(self.what) and self.event[0] <= at_s < self.event[1]
        return replace(
            self.base,
            light=light,
            depositor=self.present[0] <= at_s < self.present[1],
            hand=_within(self.hands, at_s) or (happening and self.what == "hand_long"),
            onlooker=happening and self.what in ("onlooker", "crowding"),
            crowd=happening and self.what == "crowding",
            waiting=self.waiting[0] <= at_s < self.waiting[1],
            lens=self.what if happening and self.what in ("covered", "frozen") else "clear",  # type: ignore[arg-type]
        )


def _within(intervals: Sequence[tuple[float, float]], at_s: float) -> bool:
    return any(a <= at_s < b for a, b in intervals)


def script(deposit: int, seed: int, event: str) -> Script:
    """Draw one deposit: people, light, pace; and one danger when `event` is not `none`."""
    rng = np.random.default_rng((seed & 0x7FFFFFFF, deposit))
    start_s = float(rng.uniform(3.5, 6.5))
    duration_s = float(np.clip(DURATION_S[0] + rng.gamma(2.0, 3.5), *DURATION_S))
    end_s = start_s + duration_s
    early_s = float(rng.uniform(0.5, 3.5) if rng.random() < 0.65 else rng.uniform(-1.0, 0.5))
    arrives_s = max(EMPTY_S, start_s - early_s)  # the shop is empty first, as the camera mostly sees it
    leaves_s = end_s + float(rng.uniform(-2.0, 6.0))
    made = Script(
        deposit=deposit,
        seed=int(rng.integers(1 << 30)),
        start_s=start_s,
        end_s=end_s,
        frames_per_second=float(rng.uniform(*FRAMES_PER_SECOND)),
        base=SceneState(
            light=float(rng.uniform(0.1, 1.0)),
            depositor_seed=int(rng.integers(1 << 30)),
            onlooker_seed=int(rng.integers(1 << 30)),
            waiting_seed=int(rng.integers(1 << 30)),
            passers_by=float(rng.choice([0.0, 0.2, 0.35, 0.6, 0.85])),
        ),
        present=(arrives_s, leaves_s),
        hands=_feeding(rng, max(start_s, arrives_s) + 1.0, min(end_s, leaves_s) - 2.0),
        waiting=_waiting(rng, end_s),
    )
    if rng.random() < 0.2:  # somebody switches a lamp, or a cloud passes
        made.lights.append((float(rng.uniform(0, end_s)), float(np.clip(made.base.light + rng.normal(0, 0.2), 0.1, 1))))
    if event != "none":
        length_s = float(rng.uniform(3.5, 9.0)) if event != "hand_long" else duration_s
        first_s = max(start_s, arrives_s) + 1.5
        begin_s = float(rng.uniform(first_s, max(first_s, start_s + 2.0, end_s - length_s)))
        made.what, made.event = event, (begin_s, min(end_s, begin_s + length_s))
    return made


def _waiting(rng: np.random.Generator, end_s: float) -> tuple[float, float]:
    """Nobody, somebody who was there before and stays, or somebody who comes meanwhile."""
    kind = rng.random()
    if kind < 0.6:
        return (0.0, 0.0)
    from_s = -1.0 if kind < 0.75 else float(rng.uniform(EMPTY_S, end_s))
    return (from_s, end_s + 10.0 if rng.random() < 0.7 else float(rng.uniform(from_s, end_s)))


def _feeding(rng: np.random.Generator, begin_s: float, end_s: float) -> list[tuple[float, float]]:
    """When the hand is at the port: note by note, in bunches, held there, or below the picture all the time."""
    style = rng.random()
    if style < 0.12 or end_s - begin_s < 2.0:
        return []
    last_s = begin_s + (end_s - begin_s) * float(rng.uniform(0.5, 1.0))
    if style < 0.3:
        return [(begin_s, last_s)]
    hold_s, rest_s = float(rng.uniform(0.4, 2.0)), float(rng.uniform(0.3, 2.5))
    intervals: list[tuple[float, float]] = []
    at_s = begin_s
    while at_s < last_s and len(intervals) < 100:
        until_s = at_s + hold_s * float(rng.uniform(0.6, 1.6))
        intervals.append((at_s, min(until_s, last_s)))
        pause_s = rest_s * float(rng.uniform(0.5, 1.8)) + (float(rng.uniform(2, 5)) if rng.random() < 0.08 else 0.0)
        at_s = until_s + pause_s
    return intervals


def write_clip(path: Path, made: Script) -> int:
    """Render one deposit to an MJPG AVI; returns the number of frames."""
    renderer = SceneRenderer(made.seed)
    rng = np.random.default_rng((made.seed, 5))
    parameters = [cv2.VIDEOWRITER_PROP_QUALITY, int(rng.integers(*JPEG_QUALITY))]
    writer = cv2.VideoWriter(
        str(path),
        cv2.CAP_OPENCV_MJPEG,
        cv2.VideoWriter.fourcc(*"MJPG"),
        made.frames_per_second,
        (WIDTH, HEIGHT),
        parameters,
    )
    if not writer.isOpened():
        message = f"cannot write {path}"
        raise OSError(message)
    frames = int(made.end_s * made.frames_per_second)
    at_s = 0.0
    try:
        for index in range(frames):
            # Exposure times jitter, and now and then a frame is late, as on a busy machine.
            late_s = (0.5 if rng.random() < 0.01 else 0.0) / made.frames_per_second
            at_s = max(at_s + 0.001, index / made.frames_per_second + late_s + float(rng.normal(0, 0.006)))
            writer.write(renderer.render(made.state(at_s), at_s))
    finally:
        writer.release()
    return frames


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hwsim dataset`."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--deposits", type=int, required=True, help="how many deposits")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first deposit (to make a set in parts)")
    parser.add_argument("--events", default="none", help=f"comma-separated, taken in turn, of {', '.join(EVENTS)}")
    parser.add_argument("--only", choices=("all", "scene", "machine"), default="all", help="which data to write")


def run(args: argparse.Namespace) -> int:
    """Write the data set; returns the process's exit code."""
    events = [name.strip() for name in str(args.events).split(",")]
    unknown = sorted(set(events) - set(EVENTS))
    if unknown or not 0 < args.deposits <= DEPOSITS_MAX:
        print(f"hwsim dataset: unknown events {unknown} or a number of deposits outside 1..{DEPOSITS_MAX}")  # noqa: T201
        return 2
    out: Path = args.out
    (out / "clips").mkdir(parents=True, exist_ok=True)
    (out / "machine").mkdir(exist_ok=True)
    index: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for number in range(args.first, args.first + args.deposits):
        made = script(number, args.seed, events[number % len(events)])
        name = f"deposit_{number:05d}"
        if args.only != "machine":
            write_clip(out / "clips" / f"{name}.avi", made)
        if args.only != "scene":
            write_machine(out / "machine" / f"{name}.npz", made.seed, made.start_s, made.end_s)
        index.append(
            {
                "deposit": number,
                "clip": f"clips/{name}.avi",
                "machine": f"machine/{name}.npz",
                "frames_per_second": made.frames_per_second,
                "start_s": made.start_s,
                "end_s": made.end_s,
            }
        )
        if made.what:
            labels.append({"deposit": number, "what": made.what, "from_s": made.event[0], "to_s": made.event[1]})
    (out / "deposits.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    if labels:
        (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")
    return 0
