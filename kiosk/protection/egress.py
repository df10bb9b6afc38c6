"""The gate by policy: what of a field may leave to where, kind by kind, as the catalogue says now.

    gate = Gate(CatalogueFile(), key=token_key, judge=FieldJudge(Classifier.load()))
    gate.text("call +7 912 345-67-89", "bundle").text        # "call [phone~kpdfbcaomi]"
    for line in gate.lines(journal, "bundle"): ...           # streaming

Spans that a check digit, a pattern or a label tells are found as ever (`spans`); with a judge also names and addresses.
What is done is counted by destination, kind and action; no data is kept. It fails closed: clear text
that cannot be judged is withheld. Sealed bytes do not come here: nothing can delay them.
"""

import contextlib
import hmac
import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kiosk.protection.catalogue import Action, Catalogue, CatalogueFile, Destination
from kiosk.protection.folding import fold
from kiosk.protection.gate import CUT, TEXT_CHARACTERS_MAX, WITHHELD, in_depth
from kiosk.protection.kinds import Found
from kiosk.protection.spans import find, without_overlaps

log = logging.getLogger(__name__)

STOPPED: Final = "[stopped]"
LINES_AT_ONCE: Final = 64
KEY_BYTES_MIN: Final = 16
_PASSES_MAX: Final = 4
_TOKEN_LETTERS: Final = "abcdefghijklmnop"  # noqa: S105 - no digits, so that no check digit ever finds one in a token
_TOKEN_BYTES: Final = 6


class Judge(Protocol):
    """Finds names and addresses: what no pattern tells."""

    def find(self, folded: str, header: str) -> list[Found]:
        """Where they stand in a field. May raise: then nothing of the field leaves."""
        ...

    def prepare(self, folded: Sequence[str]) -> None:
        """These fields will be asked about next, without a header: judge them together now."""
        ...


@dataclass(frozen=True)
class Passed:
    """What may leave of one field, and the kinds that kept all of it here (then `text` is STOPPED or WITHHELD)."""

    text: str
    stopped: tuple[str, ...] = ()


class Gate:
    """Judges fields on their way out. Cheap enough for every field: no network runs where nothing looks like a name."""

    def __init__(
        self, catalogue: Catalogue | CatalogueFile, key: bytes | None = None, judge: Judge | None = None
    ) -> None:
        """`key` makes tokens; without one a mask stands where a token would. Raises ValueError: a short key."""
        if key is not None and len(key) < KEY_BYTES_MIN:
            raise ValueError(f"a token key has at least {KEY_BYTES_MIN} bytes")
        self._catalogue = catalogue
        self._key = key
        self._judge = judge
        self._stops: Counter[str] = Counter()
        self.counts: Counter[tuple[str, str, str]] = Counter()  # (destination, kind, action) -> spans

    def text(self, text: str, destination: Destination, header: str = "") -> Passed:
        """One field; `header`: its name. Raises nothing. What came through once comes through again unchanged."""
        try:
            return self._text(text, destination, header)
        except Exception:  # noqa: BLE001 - fails closed: whatever is wrong, it does not leave in clear
            self.counts[destination, "unjudged", "stop"] += 1
            return Passed(WITHHELD, ("unjudged",))

    def lines(self, lines: Iterable[str], destination: Destination) -> Iterator[str]:
        """Each line as it may leave, in order. `LINES_AT_ONCE` are looked at together: that is much quicker."""
        coming = iter(lines)
        while block := [line.rstrip("\n") for line in itertools.islice(coming, LINES_AT_ONCE)]:
            if self._judge is not None:
                with contextlib.suppress(Exception):  # what cannot be judged together is judged, and withheld, alone
                    self._judge.prepare([fold(line) for line in block if len(line) <= TEXT_CHARACTERS_MAX])
            for line in block:
                yield self.text(line, destination).text

    def fields(self, values: Mapping[str, object], destination: Destination) -> dict[str, object]:
        """A message with every text in it judged under its key, in depth; keys too. Numbers stay numbers."""
        return in_depth(values, lambda text, key: self.text(text, destination, key).text)

    def _text(self, text: str, to: Destination, header: str) -> Passed:
        catalogue = self._catalogue.current if isinstance(self._catalogue, CatalogueFile) else self._catalogue
        policy = catalogue.policies[to]
        left = text[:TEXT_CHARACTERS_MAX] + CUT if len(text) > TEXT_CHARACTERS_MAX + len(CUT) else text
        for _ in range(_PASSES_MAX):
            found = [each for each in self._spans(left, header) if policy[each.kind] != "pass"]
            if not found:
                return Passed(left)
            for each in found:
                self.counts[to, each.kind, policy[each.kind]] += 1
            stopped = sorted({each.kind for each in found if policy[each.kind] == "stop"})
            if stopped:
                self._report(to, stopped)
                return Passed(STOPPED, tuple(stopped))
            left = self._replaced(left, found, policy)
        return Passed(WITHHELD, ("unjudged",))

    def _report(self, to: Destination, stopped: Sequence[str]) -> None:
        """Say what was stopped, without it: the first time, the second, the fourth; no flood can follow."""
        self._stops[to] += 1
        if self._stops[to].bit_count() == 1:
            log.warning(
                "%d fields on their way to %s were stopped, the last for: %s", self._stops[to], to, ", ".join(stopped)
            )

    def _spans(self, text: str, header: str) -> list[Found]:
        found = find(text)
        if self._judge is None:
            return found
        return without_overlaps([*found, *self._judge.find(fold(text), header)])

    def _replaced(self, text: str, found: Sequence[Found], policy: Mapping[str, Action]) -> str:
        parts: list[str] = []
        end = 0
        for each in found:
            parts.append(text[end : each.start])
            token = policy[each.kind] == "tokenise" and self._key is not None
            parts.append(
                f"[{each.kind}~{self.token(each.kind, text[each.start : each.end])}]" if token else f"[{each.kind}]"
            )
            end = each.end
        return "".join(parts) + text[end:]

    def token(self, kind: str, value: str) -> str:
        """The keyed name of a value: the same for the same value however it is spaced or written. Needs the key."""
        assert self._key is not None
        bare = "".join(character for character in fold(value).casefold() if character.isalnum())
        digest = hmac.digest(self._key, f"{kind}\0{bare}".encode(), "sha256")
        return "".join(_TOKEN_LETTERS[byte >> 4] + _TOKEN_LETTERS[byte & 15] for byte in digest[:_TOKEN_BYTES])
