"""The field book at the controller: fed by the watcher at the end of each deposit, kept in a file, told to technicians.

The watcher says what its models saw; whether the deposit was one without incident is the controller's knowledge. The
book only informs: nothing in it grades a depositor before people have signed a calibration. A file that is lost costs
the time until enough deposits are collected again.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from kiosk.clock import Clock, rfc3339
from kiosk.core import field_book, map_use
from kiosk.core.field_book import Collected, StreamBook
from kiosk.core.model_shelf import STREAMS, Stream
from kiosk.core.state import Deposit
from kiosk.messages import DepositSeen, DriftView, RecentView, StreamSeen

_log = logging.getLogger(__name__)
FILE_BYTES_MAX: Final = 2 << 20
ENDED_MAX: Final = 8  # the watcher tells of a deposit shortly after its end
RECENT_MAX: Final = 24
HOUR: Final = timedelta(hours=1)
WITHOUT_INCIDENT: Final = frozenset({"credited", "returned", "cancelled", "nothing_inserted"})
Books = dict[Stream, StreamBook]


class FieldFile:
    """The books on disk, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Books:
        """What is kept; empty when there is no file, or one that cannot be read."""
        try:
            with self._path.open("rb") as file:
                return msgspec.msgpack.decode(file.read(FILE_BYTES_MAX), type=Books)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("models: %s cannot be read; deposits are collected anew: %s", self._path.name, error)
            return {}

    def save(self, content: bytes) -> None:
        """Replace the file; a disk that does not take it costs what was collected, not the deposit."""
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(content)
            part.chmod(0o600)
            part.replace(self._path)
        except OSError as error:
            _log.warning("models: %s could not be kept: %s", self._path.name, error)


class Map(NamedTuple):
    """The size of a model's map, and where the training's rows fell."""

    rows: int
    columns: int
    trained: tuple[float, ...]


class Judge(NamedTuple):
    """The model that judges a stream, as far as the book needs it."""

    model_sha256: str
    maxima: tuple[float, ...]  # that its grades rest on
    map: Map | None


class FieldBook:
    """Give it every durable fact and what the watcher saw; ask it for views and warnings."""

    def __init__(self, clock: Clock, books: Books, *, save: Callable[[bytes], None], tau: Callable[[], float]) -> None:
        """`save` is given the file's new content, on the loop. `tau`: uniform on [0, 1], for ties of scores."""
        self._clock, self._save, self._tau = clock, save, tau
        self.books = books
        self._ended: OrderedDict[str, bool] = OrderedDict()  # code -> without incident
        self._recent: dict[Stream, deque[tuple[datetime, RecentView]]] = {
            stream: deque(maxlen=RECENT_MAX) for stream in STREAMS
        }
        self.judges: Mapping[Stream, Judge] = {}  # as whoever knows the models last said

    def heard(self, deposit: Deposit) -> None:
        """A fact is durable and the deposit is as it left it."""
        if deposit.code and deposit.outcome:
            self._ended[deposit.code] = deposit.outcome in WITHOUT_INCIDENT and not deposit.doubts
            while len(self._ended) > ENDED_MAX:
                self._ended.popitem(last=False)

    def seen(self, said: DepositSeen) -> None:
        """The watcher's summary of a deposit that has ended."""
        now = self._clock.now_utc()
        normal = said.sound and self._ended.get(said.deposit_code, False)
        for each in said.streams:
            self._recent[each.stream].append((now, RecentView(rfc3339(now), said.grade, said.sound, each)))
            judge = self.judges.get(each.stream)
            if normal and judge is not None and judge.model_sha256 == each.model_sha256:
                self._collect(each, judge, now)
        if normal:
            self._save(msgspec.msgpack.encode(self.books))

    def _collect(self, seen: StreamSeen, judge: Judge, now: datetime) -> None:
        book = self.book(seen.stream, judge)
        deposit = Collected(0, rfc3339(now), seen.score, seen.duration_s, seen.grade)
        before = book.run.alarmed
        book = field_book.collected(book, deposit, dict(seen.cells), judge.maxima, self._tau())
        self.books[seen.stream] = book
        if before is None and book.run.alarmed is not None:
            _log.warning("models: %s", drift_in_words(seen.stream, book))

    def book(self, stream: Stream, judge: Judge) -> StreamBook:
        """The stream's book for the model that judges now."""
        known = self.books.get(stream)
        return (
            known if known is not None and known.model_sha256 == judge.model_sha256 else StreamBook(judge.model_sha256)
        )

    def calibrated(self, stream: Stream) -> None:
        """The grades rest on this kiosk's own deposits from here on."""
        if stream in self.books:
            self.books[stream] = self.books[stream].anew()
            self._save(msgspec.msgpack.encode(self.books))

    # --- views ------------------------------------------------------------------------------------------

    def recent(self, stream: Stream) -> tuple[RecentView, ...]:
        """Deposits of late, newest last; in memory only."""
        return tuple(view for _, view in self._recent[stream])

    def hour(self, stream: Stream) -> tuple[tuple[int, int], ...]:
        """Judged rows of the last hour by cell."""
        since = self._clock.now_utc() - HOUR
        cells: dict[int, int] = {}
        for at, view in self._recent[stream]:
            if at >= since:
                for cell, rows in view.seen.cells:
                    cells[cell] = cells.get(cell, 0) + rows
        return tuple(sorted(cells.items()))

    def drift(self, stream: Stream, judge: Judge) -> DriftView:
        """Whether deposits here are still like those that the grades rest on."""
        book = self.book(stream, judge)
        run = book.run
        return DriftView(run.deposits, run.evidence, run.mean_p, run.alarmed, elsewhere(book, judge.map))

    def warnings(self) -> tuple[str, ...]:
        """For status: what a technician should look at."""
        told: list[str] = []
        for stream, judge in self.judges.items():
            book = self.book(stream, judge)
            if book.run.alarmed is not None:
                told.append(drift_in_words(stream, book))
            share = elsewhere(book, judge.map)
            if share is not None and share > map_use.ELSEWHERE_MAX:
                told.append(
                    f"{share:.0%} of what the {stream} model sees here falls elsewhere on its map than in training: "
                    f"look at `kioskctl risk map {stream}`"
                )
        return tuple(told)


def elsewhere(book: StreamBook, map_: Map | None) -> float | None:
    """The share of rows in other regions than the training's; None with too few deposits, or without a map."""
    if map_ is None or book.last < map_use.ENOUGH_DEPOSITS:
        return None
    return map_use.elsewhere(book.use, map_.trained, map_.rows, map_.columns)


def drift_in_words(stream: Stream, book: StreamBook) -> str:
    """One line for a technician."""
    way = "higher" if book.run.mean_p < 0.5 else "lower"  # noqa: PLR2004 - the middle
    return (
        f"deposits here score {way} for the {stream} model than those that its grades rest on "
        f"(noticed after {book.run.alarmed} deposits): look at `kioskctl risk map {stream}`; if nothing is wrong with "
        f"camera and cabinet, `kioskctl model calibrate {stream}`"
    )
