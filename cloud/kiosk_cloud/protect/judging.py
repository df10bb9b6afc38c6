"""Verdicts for a batch: short cells go to the classifier column by column, running text is searched by windows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.protection import pieces, spans
from kiosk.protection.classify import Classifier, Column, Verdict
from kiosk.protection.folding import fold
from kiosk.protection.judge import FieldJudge
from kiosk.protection.kinds import OTHER
from kiosk.protection.networks import default_folder, read_manifest
from kiosk_cloud.protect.tables import Batch, Cell, LongText

WINDOW_CHARACTERS: Final = 2048  # half of what the classifier reads of a cell
OVERLAP_CHARACTERS: Final = 256  # longer than any one identifier with its label
FREE_TEXT: Final = "free_text"
# How sure a search in running text is; the classifier was trained on cells and says nothing of such texts.
IDENTIFIED: Final = Verdict(FREE_TEXT, 0.9)
NAMED: Final = Verdict(FREE_TEXT, 0.6)
CROWDED: Final = Verdict(FREE_TEXT, 0.5)
CLEAN: Final = Verdict(OTHER, 0.8)
# So many windows of one cell are asked about names; patterns and check digits read all of them. A cell with more
# windows in which something is written like a name, and none found so far, is CROWDED: what was not read is not clean.
NAMED_WINDOWS_MAX: Final = 4096
# A column of remarks in which few hold anything makes the classifier overlook those: they are searched as well.
OVERLOOKED: Final = Verdict(FREE_TEXT, 0.6)
_TELLING: Final = re.compile(r"[0-9](?:[ .()-]{0,2}[0-9]){4}|@|://")
_LETTERS_MIN: Final = 4  # a bare number is no text: of that the classifier decides
_LONE: Final = re.compile("[\ud800-\udfff]")


@dataclass
class Windows:
    """Windows of long texts: read by patterns and check digits; of these also by the networks, or too many for them."""

    read: int = 0
    by_networks: int = 0
    passed_over: int = 0


class Judge:
    """The classifier, before tables. `models` are the hashes of what it was loaded from, by name."""

    def __init__(self, classifier: Classifier, models: dict[str, str] | None = None) -> None:
        self._classifier = classifier
        self._names = FieldJudge(classifier)
        self.models = models or {}
        self.windows = Windows()

    @classmethod
    def load(cls, artifacts: Path | None = None) -> "Judge":
        """The classifier of a folder of artifacts (that of the package). Raises networks.ArtifactError."""
        classifier = Classifier.load(artifacts)
        graphs = read_manifest(artifacts or default_folder()).sha256
        return cls(classifier, {"classifier": classifier.version, **graphs})

    def batch(self, batch: Batch) -> dict[str, list[Verdict]]:
        """For each column, one verdict for each of its cells."""
        names = list(batch.columns)
        short = [[_clean(cell) for cell in batch.columns[name].cells if _is_short(cell)] for name in names]
        judged = self._classifier.cells([Column(values, name) for name, values in zip(names, short, strict=True)])
        found: dict[str, list[Verdict]] = {}
        known: dict[int, Verdict] = {}  # a reader gives a long text that is repeated as one object
        for name, verdicts in zip(names, judged, strict=True):
            coming = iter(verdicts)
            found[name] = [
                _searched(cell, next(coming))
                if _is_short(cell)
                else known.get(id(cell)) or known.setdefault(id(cell), self._long(cell, name))
                for cell in batch.columns[name].cells
            ]
        return found

    def _long(self, cell: Cell, header: str) -> Verdict:
        """Free text if any window holds anything: what check digits and patterns find, then names and addresses."""
        asked, verdict = 0, CLEAN
        for window in windows(cell):
            self.windows.read += 1
            if spans.find(window):
                return IDENTIFIED
            folded = fold(window)
            if not (pieces.names(folded) or pieces.addresses(folded)):
                continue
            asked += 1
            if asked > NAMED_WINDOWS_MAX:
                self.windows.passed_over += 1
                verdict = CROWDED
                continue
            self.windows.by_networks += 1
            try:
                if self._names.find(folded, header):
                    return NAMED
            except ValueError:  # so many that look like names that it would take too long to judge each
                return CROWDED
        return verdict


def _searched(cell: Cell, verdict: Verdict) -> Verdict:
    """The verdict on a short cell, unless it overlooked an identifier among words."""
    if verdict.kind != OTHER or not isinstance(cell, str) or not _TELLING.search(cell):
        return verdict
    words = sum(map(str.isalpha, cell)) >= _LETTERS_MIN
    return OVERLOOKED if words and spans.find(_clean(cell)) else verdict


def _is_short(cell: Cell) -> bool:
    return isinstance(cell, str) and len(cell) <= WINDOW_CHARACTERS


def _clean(cell: Cell) -> str:
    text = cell if isinstance(cell, str) else "".join(cell.parts)
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def windows(cell: Cell) -> Iterator[str]:
    """Pieces of at most WINDOW_CHARACTERS that together are the cell, each beginning with the end of the one before."""
    rest = ""
    for part in cell.parts if isinstance(cell, LongText) else (cell,):
        text, at = rest + part, 0
        while len(text) - at > WINDOW_CHARACTERS:
            yield _clean(text[at : at + WINDOW_CHARACTERS])
            at += WINDOW_CHARACTERS - OVERLAP_CHARACTERS
        rest = text[at:]
    if rest:
        yield _clean(rest)
