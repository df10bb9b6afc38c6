"""The gate by policy: what of a field may leave to where, kind by kind, as the catalogue says now.

    gate = Gate(CatalogueFile(), key=token_key, judge=FieldJudge(Classifier.load()))
    gate.text("call +7 912 345-67-89", "bundle").text        # "call [phone~kpdfbcaomi]"
    for line in gate.lines(journal, "bundle"): ...           # streaming

Spans that a check digit, a pattern or a label tells are found as ever (`spans`); with a judge also names and addresses:
`suspects.Suspects`, which needs no network, or `judge.FieldJudge`.
What is done is counted by destination, kind and action; no data is kept. It fails closed: clear text
that cannot be judged is withheld. Sealed bytes do not come here: nothing can delay them.
"""

import contextlib
import hmac
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kiosk.protection import closer
from kiosk.protection.catalogue import Action, Catalogue, CatalogueFile, Destination
from kiosk.protection.folding import fold
from kiosk.protection.gate import CUT, TEXT_CHARACTERS_MAX, WITHHELD, in_depth
from kiosk.protection.kinds import KINDS, Found
from kiosk.protection.spans import every, without_overlaps

log = logging.getLogger(__name__)

STOPPED: Final = "[stopped]"
LINES_AT_ONCE: Final = 64
KEY_BYTES_MIN: Final = 16
_PASSES_MAX: Final = 4
_WORDS_LETTERS_MIN: Final = 4
_INSTEAD: Final = re.compile(rf"\[(?:{'|'.join(KINDS)})(?:[~!][a-p]{{1,32}})?\]")
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


class Vault(Protocol):
    """Takes the values that may leave sealed only, beside the text that their tokens stand in."""

    def keep(self, token: str, value: str) -> None:
        """Seal `value` under this name. May raise: then nothing of the field leaves."""
        ...


@dataclass(frozen=True)
class Passed:
    """What may leave of one field, and the kinds that kept all of it here (then `text` is STOPPED or WITHHELD)."""

    text: str
    stopped: tuple[str, ...] = ()


class Gate:
    """Judges fields on their way out. Cheap enough for every field: no network runs where nothing looks like a name."""

    def __init__(
        self,
        catalogue: Catalogue | CatalogueFile,
        key: bytes | None = None,
        judge: Judge | None = None,
        vault: Vault | None = None,
    ) -> None:
        """`key` makes tokens, `vault` carries what is to be encrypted: without them a mask stands there.

        Raises ValueError: a short key.
        """
        if key is not None and len(key) < KEY_BYTES_MIN:
            raise ValueError(f"a token key has at least {KEY_BYTES_MIN} bytes")
        self._catalogue = catalogue
        self._key = key
        self._judge = judge
        self._vault = vault
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
            found = self._spans(left, header, policy)
            if not found:
                return Passed(left)
            for each in found:
                self.counts[to, each.kind, policy[each.kind]] += 1
            stopped = sorted({each.kind for each in found if policy[each.kind] == "stop"})
            if not stopped and policy["free_text"] == "stop" and _has_words(left, found):
                stopped = ["free_text"]
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

    def _spans(self, text: str, header: str, policy: Mapping[str, Action]) -> list[Found]:
        """What does not pass. What passes is left out first: it must not stand over what does not."""
        folded = fold(text)
        named = [] if self._judge is None else self._judge.find(folded, header)
        found = itertools.chain(every(folded), closer.find(folded), named)
        return without_overlaps(
            each for each in found if policy[each.kind] != "pass" and not _ours(folded[each.start : each.end])
        )

    def _replaced(self, text: str, found: Sequence[Found], policy: Mapping[str, Action]) -> str:
        parts: list[str] = []
        end = 0
        for each in found:
            parts += (text[end : each.start], self._instead(each.kind, text[each.start : each.end], policy[each.kind]))
            end = each.end
        return "".join(parts) + text[end:]

    def _instead(self, kind: str, value: str, action: Action) -> str:
        if self._key is None or action not in ("tokenise", "encrypt") or (action == "encrypt" and self._vault is None):
            return f"[{kind}]"
        token = self.token(kind, value)
        if action == "tokenise":
            return f"[{kind}~{token}]"
        assert self._vault is not None
        self._vault.keep(f"{kind}!{token}", value)
        return f"[{kind}!{token}]"

    def token(self, kind: str, value: str) -> str:
        """The keyed name of a value: the same for the same value however it is spaced or written. Needs the key."""
        assert self._key is not None
        bare = "".join(character for character in fold(value).casefold() if character.isalnum())
        digest = hmac.digest(self._key, f"{kind}\0{bare}".encode(), "sha256")
        return "".join(_TOKEN_LETTERS[byte >> 4] + _TOKEN_LETTERS[byte & 15] for byte in digest[:_TOKEN_BYTES])


def _ours(span: str) -> bool:
    """Whether what was found is nothing but what stands there instead of something: "password: [secret]"."""
    return "[" in span and not any(map(str.isalnum, _INSTEAD.sub("", span)))


def _has_words(text: str, found: Sequence[Found]) -> bool:
    """Whether it is a text that holds something, and not that thing alone."""
    left = sum(map(str.isalpha, text)) - sum(sum(map(str.isalpha, text[each.start : each.end])) for each in found)
    return left >= _WORDS_LETTERS_MIN
