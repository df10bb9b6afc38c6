"""What is kept of the deposits that the models judged on this kiosk: enough to calibrate and to notice drift. Pure.

Of a deposit: when it was, its greatest score, how long it took, how it was graded. No account, no code, no feature. A
stream's book begins anew with another model, whose scores are others. Everything is bounded.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from kiosk.core import drift, map_use
from kiosk.core.drift import Run
from kiosk.core.facts import Grade
from kiosk.core.model_shelf import Sha256Hex, Stream

COLLECTED_MAX: Final = 1000
DIGITS: Final = 5  # of a score, as in a manifest


class Collected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deposit without incident. `n`: its number in this book, from 1."""

    n: int
    at: str
    score: float
    duration_s: float
    grade: Grade


class StreamBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's, for the model of this hash."""

    model_sha256: Sha256Hex
    last: int = 0  # the number of the newest deposit
    deposits: Annotated[tuple[Collected, ...], msgspec.Meta(max_length=COLLECTED_MAX)] = ()
    run: Run = Run()
    run_first: int = 1  # the run's first deposit
    use: dict[int, float] = {}  # share of rows by cell of the map, fading

    def chosen(self, until: int, without: Sequence[int]) -> tuple[Collected, ...]:
        """Those up to number `until` but some."""
        return tuple(each for each in self.deposits if each.n <= until and each.n not in without)

    def anew(self) -> "StreamBook":
        """The grades rest on something else from here on: another run of the test."""
        return msgspec.structs.replace(self, run=Run(), run_first=self.last + 1)


def collected(
    book: StreamBook, deposit: Collected, cells: Mapping[int, int], calibration: Sequence[float], tau: float
) -> StreamBook:
    """The book with a deposit more; its number is given here. `calibration`: the maxima that the grades rest on.

    cells: cell -> judged rows. `tau`: uniform on [0, 1], drawn anew.
    """
    if book.run.over:
        book = book.anew()
    before = sorted([*calibration, *(each.score for each in book.deposits if each.n >= book.run_first)])
    numbered = msgspec.structs.replace(deposit, n=book.last + 1, score=round(deposit.score, DIGITS))
    return StreamBook(
        model_sha256=book.model_sha256,
        last=numbered.n,
        deposits=(*book.deposits, numbered)[-COLLECTED_MAX:],
        run=book.run.after(drift.rank_p(numbered.score, before, tau)),
        run_first=book.run_first,
        use=map_use.faded(book.use, cells, book.last),
    )


def maxima(deposits: Sequence[Collected]) -> tuple[float, ...]:
    """The calibration that these deposits make, ascending."""
    return tuple(sorted(each.score for each in deposits))


def maxima_sha256(stream: Stream, model_sha256: str, values: Sequence[float]) -> bytes:
    """What people sign and the record names: the hash of the JSON array of stream, model and maxima."""
    return hashlib.sha256(msgspec.json.encode([stream, model_sha256, list(values)])).digest()
