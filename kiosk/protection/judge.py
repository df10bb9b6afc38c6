"""Names and addresses within a field: what looks like one is cut out and judged as a cell by the classifier.

For the gate where onnxruntime may be loaded, the support bundle first of all: log lines are masked by patterns when
they are written, and come through here when a bundle takes them out of the kiosk. Verdicts of pieces seen before are
remembered by a keyed hash, never the pieces.
"""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from kiosk.protection.classify import Classifier, Column, Verdict
from kiosk.protection.kinds import Found, Kind

SURE: Final = 0.5  # least score to be taken for one
_REMEMBERED_MAX: Final = 8192
_CANDIDATES_MAX: Final = 64  # in one field; more of them, and the field is a list of names: all of it is judged unsafe
_RU_WORD: Final = r"[А-ЯЁ](?:[а-яё]{1,20}|[А-ЯЁ]{1,20})"  # noqa: RUF001
_EN_WORD: Final = r"[A-Z](?:[a-z]{1,20}|[A-Z]{1,20})"
_SURNAMES_ZH: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康"
    "毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAME: Final = re.compile(
    rf"(?<![А-Яа-яЁёA-Za-z]){_RU_WORD}(?:(?: |-| ?\.){_RU_WORD}){{1,3}}"  # noqa: RUF001
    rf"|(?<![А-Яа-яЁё]){_RU_WORD},? [А-ЯЁ]\. ?[А-ЯЁ]\."  # noqa: RUF001
    rf"|(?<![А-Яа-яЁё])[А-ЯЁ]\. ?[А-ЯЁ]\. ?{_RU_WORD}"  # noqa: RUF001
    rf"|(?<![A-Za-zА-Яа-я]){_EN_WORD}(?:,? {_EN_WORD}|,? [A-Z]\.){{1,3}}(?![A-Za-z])"  # noqa: RUF001
)
_NAME_ZH: Final = re.compile(rf"(?=([{_SURNAMES_ZH}][\u4e00-\u9fff]{{1,2}}))")
_ADDRESS: Final = re.compile(
    r"[\u4e00-\u9fff]{2,24}[路街道巷弄村镇区里园苑城][\u4e00-\u9fffA-Za-z0-9-]{0,20}\d{1,5}"
    r"[号栋幢室组楼0-9A-Za-z\u4e00-\u9fff-]{0,24}"
    r"|(?:\d{6}, ?)?(?:[А-ЯЁ][а-яё-]{2,20} (?:обл|край)[а-я.]{0,5},? ?)?"  # noqa: RUF001
    r"(?:(?:г|с|пос|д)\. ?[А-ЯЁ][А-Яа-яё -]{2,30}, ?)?"  # noqa: RUF001
    r"(?:ул|пр-т|пр|пер|наб|б-р|ш|алл)\.? ?[А-ЯЁ][А-Яа-яё -]{2,40}"  # noqa: RUF001
    r"(?:, ?(?:д|дом|кв|к|корп|стр|оф)?\.? ?\d{1,4}(?:/\d{1,3})?){1,4}"
    r"|\d{1,5} [A-Z][A-Za-z.]{1,20}(?: [A-Z][A-Za-z.]{1,20}){0,3},? (?:[A-Z][A-Za-z ]{2,20},? )?(?:[A-Z]{2} \d{5})?"
)
_TEXT_CHARACTERS_MAX: Final = 4096  # what is longer is withheld: the patterns above are bounded, not linear
_WHOLE_CHARACTERS_MAX: Final = 48
_SOUGHT: Final = frozenset(("person_name", "postal_address"))


class FieldJudge:
    """`egress.Judge` by the classifier."""

    def __init__(self, classifier: Classifier) -> None:
        """Any classifier; it is asked only for pieces that look like a name or an address."""
        self._classifier = classifier
        self._key = os.urandom(16)
        self._seen: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def find(self, folded: str, header: str) -> list[Found]:
        """Names and addresses in a folded field. Raises ValueError: too long, or too many pieces that look like one."""
        if len(folded) > _TEXT_CHARACTERS_MAX:
            raise ValueError("too long to be looked through")
        pieces = _spans(folded)
        if len(pieces) > _CANDIDATES_MAX:
            raise ValueError("too many pieces that look like names")
        verdicts = self._verdicts([folded[start:end] for start, end in pieces], header)
        found: list[Found] = []
        for (start, end), verdict in zip(pieces, verdicts, strict=True):
            if verdict.kind in _SOUGHT and verdict.score >= SURE:
                kind: Kind = "person_name" if verdict.kind == "person_name" else "postal_address"
                found.append(Found(start, end, kind))
        return found

    def prepare(self, folded: Sequence[str]) -> None:
        """Judge the pieces of many fields at once, and remember. One verdict costs a tenth of one asked for alone."""
        pieces = [
            text[start:end] for text in folded if len(text) <= _TEXT_CHARACTERS_MAX for start, end in _spans(text)
        ]
        self._verdicts(list(dict.fromkeys(pieces))[: _REMEMBERED_MAX // 2], "")

    def _verdicts(self, pieces: list[str], header: str) -> list[Verdict]:
        keys = [
            hashlib.blake2b(f"{header}\0{piece}".encode(), key=self._key, digest_size=16).digest() for piece in pieces
        ]
        new = [at for at, key in enumerate(keys) if key not in self._seen]
        if new:
            asked = [Column([pieces[at]], header) for at in new]
            for at, (verdict,) in zip(new, self._classifier.cells(asked), strict=True):
                self._seen[keys[at]] = (verdict.kind, verdict.score)
        said = [Verdict(*self._seen[key]) for key in keys]
        while len(self._seen) > _REMEMBERED_MAX:
            self._seen.popitem(last=False)
        return said


def _spans(folded: str) -> list[tuple[int, int]]:
    """Where something stands that looks like a name or an address; of a short field also the whole."""
    pieces = _pieces(folded)
    whole = folded.strip()
    if pieces and len(whole) <= _WHOLE_CHARACTERS_MAX:
        start = folded.index(whole)
        pieces.append((start, start + len(whole)))
    return pieces


def _pieces(folded: str) -> list[tuple[int, int]]:
    found = [match.span() for match in _NAME.finditer(folded)]
    if not folded.isascii():
        for match in _NAME_ZH.finditer(folded):
            start, end = match.span(1)
            found += [(start, end), (start, end - 1)] if end - start > 2 else [(start, end)]  # noqa: PLR2004
    found += [match.span() for match in _ADDRESS.finditer(folded)]
    return found
