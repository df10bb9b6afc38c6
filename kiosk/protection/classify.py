"""Which kind each cell of a table is, with the column around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.protection.folding import fold
from kiosk.protection.gate import find
from kiosk.protection.kinds import OTHER
from kiosk.protection.whole import Seen, see

TEXT_CHARACTERS_MAX: Final = 1 << 12  # of a longer cell the beginning is judged


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


class Classifier:
    """Judges cells; holds no data between two calls."""

    @classmethod
    def load(cls, artifacts: Path | None = None) -> "Classifier":
        """The classifier of a folder of artifacts (that of the package)."""
        del artifacts  # no networks yet
        return cls()

    def column(self, values: Sequence[str], header: str = "") -> list[Verdict]:
        """One verdict for each value, in order."""
        return self.cells([Column(values, header)])[0]

    def cells(self, columns: Sequence[Column]) -> list[list[Verdict]]:
        """One list of verdicts for each column. Many columns at once are quicker than one after the other."""
        return [self._column(column) for column in columns]

    def _column(self, column: Column) -> list[Verdict]:
        texts = [fold(value[:TEXT_CHARACTERS_MAX]) for value in column.values]
        seen = [see(text) for text in texts]
        share: dict[str, float] = {}
        for each in seen:
            for kind in (*each.checked, *each.shaped):
                share[kind] = share.get(kind, 0.0) + 1.0 / len(texts)
        return [_decided(text, each, share) for text, each in zip(texts, seen, strict=True)]


def _decided(text: str, seen: Seen, share: dict[str, float]) -> Verdict:
    """A check digit counts more than a shape, and what the column is full of more than what it is not."""
    if seen.checked or seen.shaped:
        return max(
            (Verdict(kind, min(1.0, base + 0.3 * share[kind]))
             for base, kinds in ((0.65, seen.checked), (0.55, seen.shaped)) for kind in kinds),
            key=lambda verdict: verdict.score,
        )  # fmt: skip
    return Verdict("free_text", 0.6) if find(text) else Verdict(OTHER, 0.5)
