"""`kiosk features`: recorded deposits to feature tables, through the very code that runs in the watcher.

Input is a folder with `deposits.json` (deposit, clip, machine, frames_per_second, start_s, end_s) and, for
evaluation, `labels.json` (deposit, what, from_s, to_s). Output: `NAME.npz` with X float32 [n, d], deposit
int64 [n], at_s float32 [n], names, labels as y int64 [n] and what, and what the lens rules said at each row as
lens; beside it `NAME.features.json` with units and words for the model's manifest. Transactions are one file,
`transactions.jsonl`, of whole lives of kiosks; their tables say under which pseudonym, too (depositor).
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from kiosk.core import facts
from kiosk.core.habits import Habit
from kiosk.core.transaction import Session, features
from kiosk.errors import ConfigError
from kiosk.messages import SensorReading
from kiosk.monitoring.feature_words import Stream, describe, sidecar
from kiosk.monitoring.features import SceneFeatures
from kiosk.monitoring.lens import Lens, LensWatch
from kiosk.monitoring.machine import MachineFeatures

FRAMES_MAX: Final = 100_000  # of one clip
LABEL_DELAY_S: Final = 0.5  # a danger is not visible at the instant it begins

Rows = Iterator[tuple[float, npt.NDArray[np.float32], Lens]]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deposit of the index; paths relative to the folder, times in seconds of the clip."""

    deposit: int
    clip: str
    machine: str
    frames_per_second: float
    start_s: float
    end_s: float


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What really happened, from when to when in the clip."""

    deposit: int
    what: str
    from_s: float
    to_s: float


def scene_rows(clip: Path, frames_per_second: float, start_s: float, end_s: float) -> Rows:
    """Rows of a clip's frames between start and end; what comes before teaches the background only.

    Raises ConfigError when the clip cannot be read.
    """
    capture = cv2.VideoCapture(str(clip))
    features, watch = SceneFeatures(), LensWatch()
    read = 0
    try:
        while read < FRAMES_MAX:
            good, frame = capture.read()
            at_s = read / frames_per_second
            if not good or at_s > end_s:
                break
            read += 1
            row = features.update(frame, at_s, idle=at_s < start_s)  # type: ignore[arg-type]
            if row is None:
                continue
            lens = watch.update(row)
            if at_s >= start_s:
                yield at_s, row.values, lens
    finally:
        capture.release()
    if read == 0:
        message = f"no frame could be read from {clip}"
        raise ConfigError(message, remedy="Name a clip that OpenCV can play, e.g. MJPG in AVI.")


def machine_rows(path: Path, start_s: float, end_s: float) -> Rows:
    """Rows of the readings in an .npz whose columns are named like SensorReading's fields, between start and end."""
    features = MachineFeatures()
    with np.load(path) as table:
        columns = {name: table[name].tolist() for name in SensorReading.__struct_fields__}
    for values in zip(*columns.values(), strict=True):
        reading = SensorReading(**dict(zip(columns, values, strict=True)))
        row = features.update(reading)
        if row is not None and start_s <= reading.at_monotonic_s <= end_s:
            yield reading.at_monotonic_s, row, "clear"


class Traded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deposit of `transactions.jsonl`; events are seconds since the beginning, what happened, channel."""

    kiosk: int
    deposit: int
    depositor: int
    at_s: float
    hour: int
    worth: dict[str, int]
    events: tuple[tuple[float, str, int], ...]


def transaction_rows(traded: Traded, own: Habit, kiosk: Habit) -> tuple[Session, list[tuple[float, tuple[float, ...]]]]:
    """One deposit as the controller would tell it, row by row, and what it came to."""
    session = Session(tuple((int(channel), minor) for channel, minor in traded.worth.items()), 0.0)
    rows = []
    for at_s, what, channel in ((0.0, "begun", 0), *traded.events):
        session = session.heard(_FACTS[what](channel), at_s)
        wall_s = traded.at_s + at_s
        row = features(session, own, kiosk, now_s=at_s, wall_s=wall_s, hour=traded.hour)
        rows.append((at_s, row))
    return session, rows


_FACTS: Final[dict[str, Callable[[int], facts.Fact]]] = {
    "begun": lambda _: facts.Done(),  # says nothing about behaviour, as Begin
    "read": facts.NoteRead,
    "credited": facts.NoteCredited,
    "refused": lambda _: facts.NoteRefused("invalidBill"),
    "corrected": lambda _: facts.MoreTime(),
    "confirmed": lambda _: facts.Confirm(""),
}
PAST_SHARE: Final = 3  # the first third of a kiosk's life teaches habits only


def transaction_table(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Rows of all deposits of `transactions.jsonl` but for each kiosk's first third."""
    lives: dict[int, list[Traded]] = {}
    for line in path.read_bytes().splitlines():
        traded = msgspec.json.decode(line, type=Traded)
        lives.setdefault(traded.kiosk, []).append(traded)
    values: list[tuple[float, ...]] = []
    times: list[float] = []
    owners: list[int] = []
    people_of: list[str] = []
    for life in lives.values():
        kiosk, people = Habit(), dict[int, Habit]()
        for number, traded in enumerate(life):
            own = people.get(traded.depositor, Habit())
            session, rows = transaction_rows(traded, own, kiosk)
            if number >= len(life) // PAST_SHARE:
                owners += [traded.kiosk * FRAMES_MAX + traded.deposit] * len(rows)
                people_of += [f"{traded.kiosk}-{traded.depositor}"] * len(rows)
                times += [at_s for at_s, _ in rows]
                values += [row for _, row in rows]
            kiosk = kiosk.after(traded.at_s, session.amount, traded.hour)
            people[traded.depositor] = own.after(traded.at_s, session.amount, traded.hour)
    names = [words.name for words in describe("transaction")]
    count = len(values)
    return {
        "X": np.array(values, np.float32).reshape(-1, len(names)),
        "deposit": np.array(owners, np.int64),
        "depositor": np.array(people_of, np.str_),
        "at_s": np.array(times, np.float32),
        "names": np.array(names),
        "what": np.full(count, "", dtype=np.str_),
        "lens": np.full(count, "clear", dtype=np.str_),
        "y": np.zeros(count, np.int64),
    }


def extract(folder: Path, stream: Stream) -> dict[str, npt.NDArray[Any]]:
    """The feature table of one folder; see the module's docstring for its arrays."""
    if stream == "transaction":
        return transaction_table(folder / "transactions.jsonl")
    index = msgspec.json.decode((folder / "deposits.json").read_bytes(), type=list[Recorded])
    labels_file = folder / "labels.json"
    labels = msgspec.json.decode(labels_file.read_bytes(), type=list[Label]) if labels_file.exists() else []
    values: list[npt.NDArray[np.float32]] = []
    deposits: list[int] = []
    times: list[float] = []
    kinds: list[str] = []
    lenses: list[str] = []
    for recorded in index:
        own = [label for label in labels if label.deposit == recorded.deposit]
        if stream == "scene":
            clip = folder / recorded.clip
            rows = scene_rows(clip, recorded.frames_per_second, recorded.start_s, recorded.end_s)
        else:
            rows = machine_rows(folder / recorded.machine, recorded.start_s, recorded.end_s)
        for at_s, row, lens in rows:
            values.append(row)
            deposits.append(recorded.deposit)
            lenses.append(lens)
            times.append(at_s)
            kinds.append(next((lb.what for lb in own if lb.from_s + LABEL_DELAY_S <= at_s <= lb.to_s), ""))
    names = [words.name for words in describe(stream)]
    table: dict[str, npt.NDArray[Any]] = {
        "X": np.array(values, np.float32).reshape(-1, len(names)),
        "deposit": np.array(deposits, np.int64),
        "at_s": np.array(times, np.float32),
        "names": np.array(names),
        "what": np.array(kinds, dtype=np.str_),
        "lens": np.array(lenses, dtype=np.str_),
    }
    table["y"] = (table["what"] != "").astype(np.int64)
    return table


def join(tables: Iterable[Path]) -> dict[str, npt.NDArray[Any]]:
    """Several tables of one stream as one, in the given order."""
    parts = []
    for path in tables:
        with np.load(path) as part:
            parts.append({key: part[key] for key in part.files})
    if not parts or any(not np.array_equal(part["names"], parts[0]["names"]) for part in parts):
        message = "the tables to be joined have other features, or there is none"
        raise ConfigError(message, remedy="Name tables of one stream, made by one version of `kiosk features`.")
    keys = [key for key in parts[0] if key != "names"]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in keys}
    return {**joined, "names": parts[0]["names"]}


def write(table: dict[str, npt.NDArray[Any]], out: Path, stream: Stream) -> None:
    """The table as `out` (.npz) and its feature words beside it."""
    np.savez_compressed(out, **table)  # type: ignore[arg-type]
    out.with_name(f"{out.stem}.features.json").write_text(
        json.dumps(sidecar(stream), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `kiosk features`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--clips", type=Path, help="folder with deposits.json")
    source.add_argument("--join", type=Path, nargs="+", help="tables to make one of")
    parser.add_argument("--stream", choices=("scene", "machine", "transaction"), default="scene")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")


def run(args: argparse.Namespace) -> int:
    """Write the feature table; returns the process's exit code."""
    cv2.setNumThreads(1)
    table = extract(args.clips, args.stream) if args.clips is not None else join(args.join)
    write(table, args.out, args.stream)
    deposits = np.unique(table["deposit"]).size
    print(f"{args.out}: {table['X'].shape[0]} rows of {table['X'].shape[1]} features from {deposits} deposits")  # noqa: T201
    return 0
