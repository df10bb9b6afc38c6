"""Which kind each cell of a table is, with the column around it: check digits, patterns and four networks, fused.

    classifier = Classifier.load()
    verdicts = classifier.column(["4111 1111 1111 1111", ...], header="card")

Needs onnxruntime, so the controller does not import it.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from kiosk.protection import encoding, fusion
from kiosk.protection.encoding import Floats
from kiosk.protection.folding import fold
from kiosk.protection.forms import possible
from kiosk.protection.kinds import KINDS, OTHER
from kiosk.protection.networks import ALGORITHMS, Networks, default_folder, read_manifest, say
from kiosk.protection.opinions import opinions

TEXT_CHARACTERS_MAX: Final = 1 << 12  # of a longer cell the beginning is judged
_CELLS_MAX: Final = 8192  # judged at once; of a longer column the first so many are its context
_BATCH: Final = 512


@dataclass(frozen=True)
class Verdict:
    """A kind of the catalogue, and how sure: from 0 to 1."""

    kind: str
    score: float


@dataclass(frozen=True)
class Column:
    """Cells of one column, top down, as texts (empty where there is nothing), and the header above them."""

    values: Sequence[str]
    header: str = ""


_EMPTY: Final = Verdict(OTHER, 1.0)
# What programs and people write where there is nothing.
_NOTHING: Final = frozenset(
    ("", "-", "--", "—", "nan", "null", "none", "n/a", "na", "nil", "нет", "не указано", "无", "空", "未填写")
)
_FORM_CHARACTERS_MAX: Final = 64  # a longer cell has enough of everything
_CHECKS: Final = ALGORITHMS.index("checks")
_WITH_CHECK: Final = tuple(KINDS.index(kind) for kind in ("inn_ru", "ogrn_ru", "snils_ru", "resident_id_cn"))
_PASSING_SHARE_MIN: Final = 0.2
_HELD_SCORE: Final = 0.9  # at least, of words around something that a check digit tells, whatever networks say
_FREE_TEXT: Final = KINDS.index("free_text")
_OTHER: Final = KINDS.index(OTHER)


@dataclass(frozen=True)
class _Judged:
    said: Floats  # [A, n, K]
    holds: "np.typing.NDArray[np.bool_]"  # [n], see `opinions`
    mean: Floats  # [columns, F]: what was seen of each column


class Classifier:
    """Judges cells; holds no data between two calls, and may be used by several threads."""

    def __init__(self, networks: Networks, weights: Floats, version: str) -> None:
        """`weights` [A, K]: each algorithm's F-measure per kind. `load` is the usual way."""
        self._networks = networks
        self._weights = weights
        self.version = version  # for reports

    @classmethod
    def load(cls, artifacts: Path | None = None) -> "Classifier":
        """The classifier of a folder of artifacts (that of the package). Raises networks.ArtifactError."""
        folder = artifacts or default_folder()
        manifest = read_manifest(folder)
        weights = np.array([manifest.weights[name] for name in ALGORITHMS], dtype=np.float32)
        return cls(Networks(folder, manifest.sha256), weights, manifest.version)

    def column(self, values: Sequence[str], header: str = "") -> list[Verdict]:
        """One verdict for each value, in order. Any length; of a very long one the beginning is the context."""
        return self.cells([Column(values, header)])[0]

    def cells(self, columns: Sequence[Column]) -> list[list[Verdict]]:
        """One list of verdicts for each column. Many columns at once are quicker than one after the other."""
        done: list[list[Verdict]] = []
        for group in _groups(columns):
            if len(group) == 1 and len(group[0].values) > _CELLS_MAX:
                done.append(self._long(group[0]))
            else:
                done += self._verdicts(group)
        return done

    def lone(self, values: Sequence[str], header: str = "") -> list[Verdict]:
        """What `cells` says when each value is alone in a column under this header; for a few in half its time."""
        if not values:
            return []
        folded = [fold(value[:TEXT_CHARACTERS_MAX]).strip() for value in values]
        bits, holds = opinions(folded)
        three, stats = say(self._networks, folded, _BATCH)
        seen = np.concatenate([stats, bits, *three], axis=1)
        headers = np.repeat(_header(header), len(folded), axis=0)
        none = np.zeros((len(folded), 1), dtype=np.float32)  # the logarithm of one row
        fourth = self._networks.run_columns(seen, seen, none, headers)  # a column's mean is that of its one cell
        said = np.concatenate([np.stack(fusion.votes(bits)), three, fourth[None]])
        return self._decided(values, _Judged(said, holds, seen), np.arange(len(values)))

    def said(self, columns: Sequence[Column]) -> Floats:
        """What each algorithm says of every cell, one column after the other: [A, n, K]. For measuring."""
        parts = [self._said(group, None).said for group in _groups(columns)]
        return np.concatenate(parts, axis=1)

    def _long(self, column: Column) -> list[Verdict]:
        done: list[Verdict] = []
        context: Floats | None = None
        for at in range(0, len(column.values), _CELLS_MAX):
            part = Column(column.values[at : at + _CELLS_MAX], column.header)
            judged = self._said([part], context)
            context = judged.mean if context is None else context
            done += self._decided(part.values, judged, np.zeros(len(part.values), dtype=np.int64))
        return done

    def _verdicts(self, columns: Sequence[Column]) -> list[list[Verdict]]:
        judged = self._said(columns, None)
        owner = np.repeat(np.arange(len(columns)), [len(column.values) for column in columns])
        every = self._decided([value for column in columns for value in column.values], judged, owner)
        ends = np.cumsum([0, *(len(column.values) for column in columns)])
        return [every[a:b] for a, b in itertools.pairwise(ends.tolist())]

    def _decided(self, values: Sequence[str], judged: "_Judged", owner: encoding.Ints) -> list[Verdict]:
        """`owner` [n]: which column a cell is of."""
        if not values:
            return []
        scores = fusion.fuse(judged.said, self._weights)
        _without_checks(scores, judged.said[_CHECKS] > 0, owner)
        best = _best(scores, values)
        best[judged.holds & (best == _OTHER)] = _FREE_TEXT
        sure = scores[np.arange(len(best)), best]
        sure[judged.holds] = np.maximum(sure[judged.holds], _HELD_SCORE)
        return [
            Verdict(KINDS[kind], score) if value.strip().lower() not in _NOTHING else _EMPTY
            for value, kind, score in zip(values, best.tolist(), sure.tolist(), strict=True)
        ]

    def _said(self, columns: Sequence[Column], context: Floats | None) -> "_Judged":
        """What is said of all cells, one column after the other; `context`: an earlier `mean` to be used instead."""
        sizes = np.array([len(column.values) for column in columns])
        texts = [fold(value[:TEXT_CHARACTERS_MAX]).strip() for column in columns for value in column.values]
        if not texts:
            nothing = np.zeros((len(ALGORITHMS), 0, len(KINDS)), dtype=np.float32)
            return _Judged(nothing, np.zeros(0, np.bool_), np.zeros((len(columns), 0), np.float32))
        at: dict[str, int] = {}
        place = np.array([at.setdefault(text, len(at)) for text in texts])
        distinct = list(at)
        bits, holds = opinions(distinct)
        three, stats = say(self._networks, distinct, _BATCH)
        seen = np.concatenate([stats, bits, *three], axis=1)[place]
        owner = np.repeat(np.arange(len(columns)), sizes)
        mean = context if context is not None else _means(seen, sizes)
        rows = (np.log(np.maximum(sizes, 1)) / 5).astype(np.float32)
        headers = encoding.encode_headers([fold(column.header) for column in columns])
        fourth = self._networks.run_columns(seen, mean[owner], rows[owner, None], headers[owner])
        checked, shaped = fusion.votes(bits)
        said = np.stack([checked[place], shaped[place], *(each[place] for each in three), fourth])
        return _Judged(said, holds[place], mean)


def _without_checks(scores: Floats, checked: "np.typing.NDArray[np.bool_]", owner: encoding.Ints) -> None:
    """No kind with a check digit for cells of a column in which hardly any passes it; in place.

    A typing error keeps its kind among cells that pass. Where next to none does, it is another kind's column: area code
    and number of a telephone in China are twelve digits like a tax number.
    """
    best = scores.argmax(axis=1)
    for kind in _WITH_CHECK:
        mine = best == kind
        if not mine.any():
            continue
        total = np.bincount(owner[mine], minlength=int(owner[-1]) + 1)
        passing = np.bincount(owner[mine & checked[:, kind]], minlength=len(total))
        scores[mine & ~checked[:, kind] & (passing < _PASSING_SHARE_MIN * total)[owner], kind] = 0.0


def _best(scores: Floats, values: Sequence[str]) -> "np.typing.NDArray[np.int64]":
    """The kind of the highest score that a cell may be of by its form; `other` may be anything."""
    best: np.typing.NDArray[np.int64] = scores.argmax(axis=1)
    for row, (value, kind) in enumerate(zip(values, best.tolist(), strict=True)):
        if kind == _OTHER or len(value) > _FORM_CHARACTERS_MAX:
            continue
        text = fold(value)
        if not possible(KINDS[kind], text):
            ranked = scores[row].argsort()[::-1].tolist()
            best[row] = next(each for each in ranked if each == _OTHER or possible(KINDS[each], text))
    return best


@lru_cache(maxsize=256)  # names of fields are few
def _header(header: str) -> encoding.Ints:
    return encoding.encode_headers([fold(header)])


def _means(seen: Floats, sizes: np.typing.NDArray[np.int64]) -> Floats:
    """The mean of each column's cells, [columns, F]; of an empty one 0."""
    ends = np.cumsum(sizes)
    mean = np.zeros((len(sizes), seen.shape[1]), dtype=np.float32)
    for number, (size, end) in enumerate(zip(sizes.tolist(), ends.tolist(), strict=True)):
        if size:
            mean[number] = seen[end - size : end].mean(axis=0)
    return mean


def _groups(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Columns in order, as many at once as have at most _CELLS_MAX cells together; a longer one is alone."""
    group: list[Column] = []
    cells = 0
    for column in columns:
        if group and cells + len(column.values) > _CELLS_MAX:
            yield group
            group, cells = [], 0
        group.append(column)
        cells += len(column.values)
    if group:
        yield group
