"""Names and addresses within a field: what looks like one is cut out and judged as a cell by the classifier.

For the gate where onnxruntime may be loaded: the watcher's log lines and captions at the kiosk, texts and tables at the
bank (elsewhere: `suspects`). Verdicts of pieces seen before are remembered, so many at most, in memory alone, by a hash
under a key that is drawn anew at each start: never the pieces.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from kiosk.protection import pieces
from kiosk.protection.classify import Classifier, Verdict
from kiosk.protection.egress import Judge
from kiosk.protection.kinds import Found, Kind

SURE: Final = 0.5  # least score to be taken for one
_REMEMBERED_MAX: Final = 8192
_CANDIDATES_MAX: Final = 64  # in one field; more of them, and the field is a list of names: all of it is judged unsafe
_TEXT_CHARACTERS_MAX: Final = 4096  # what is longer is withheld: the patterns above are bounded, not linear
_WHOLE_CHARACTERS_MAX: Final = 48
_SOUGHT: Final = frozenset(("person_name", "postal_address"))


class FieldJudge:
    """`egress.Judge` by the classifier."""

    def __init__(self, classifier: Classifier, too_long: Judge | None = None, *, release: float = 0.0) -> None:
        """Any classifier; it is asked only for pieces that look like a name or an address.

        `too_long`: judges fields with too many of them, or too long ones (a traceback); without it they are refused.
        `release`: what is written like a full name passes only if the networks are so sure that it is something else.
        """
        self._release = release
        self._classifier = classifier
        self._too_long = too_long
        self._key = os.urandom(16)
        self._seen: OrderedDict[bytes, Verdict] = OrderedDict()

    def find(self, folded: str, header: str) -> list[Found]:
        """Names and addresses in a folded field. Raises ValueError: too long, or too many pieces that look like one."""
        long = len(folded) > _TEXT_CHARACTERS_MAX
        spans = [] if long else _spans(folded)
        if long or len(spans) > _CANDIDATES_MAX:
            if self._too_long is None:
                raise ValueError("too long to be looked through, or too many pieces that look like names")
            return self._too_long.find(folded, header)
        verdicts = self._verdicts([folded[start:end] for start, end in spans], header)
        found: list[Found] = []
        for (start, end), verdict in zip(spans, verdicts, strict=True):
            if verdict.kind in _SOUGHT and verdict.score >= SURE:
                kind: Kind = "person_name" if verdict.kind == "person_name" else "postal_address"
                found.append(Found(start, end, kind))
            elif verdict.score < self._release and (start, end) in pieces.names(folded):
                found.append(Found(start, end, "person_name"))
        return found

    def prepare(self, folded: Sequence[str]) -> None:
        """Judge the pieces of many fields at once, and remember. One verdict costs a tenth of one asked for alone."""
        cut = [text[start:end] for text in folded if len(text) <= _TEXT_CHARACTERS_MAX for start, end in _spans(text)]
        self._verdicts(list(dict.fromkeys(cut))[: _REMEMBERED_MAX // 2], "")

    def _verdicts(self, cut: list[str], header: str) -> list[Verdict]:
        keys = [hashlib.blake2b(f"{header}\0{piece}".encode(), key=self._key, digest_size=16).digest() for piece in cut]
        new = {key: piece for key, piece in zip(keys, cut, strict=True) if key not in self._seen}
        for key, verdict in zip(new, self._classifier.lone(list(new.values()), header), strict=True):
            self._seen[key] = verdict
        said = []
        for key in keys:
            self._seen.move_to_end(key)
            said.append(self._seen[key])
        while len(self._seen) > _REMEMBERED_MAX:
            self._seen.popitem(last=False)
        return said


def _spans(folded: str) -> list[pieces.Span]:
    """Where something stands that looks like a name or an address; of a short field also the whole."""
    found = pieces.names(folded) + pieces.addresses(folded)
    whole = folded.strip()
    if found and len(whole) <= _WHOLE_CHARACTERS_MAX:
        start = folded.index(whole)
        found.append((start, start + len(whole)))
    return list(dict.fromkeys(found))
