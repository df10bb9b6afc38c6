"""What the two algorithms without training say of cells: check digits and patterns, as bits for networks and fusion."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from kiosk.protection.kinds import KINDS
from kiosk.protection.spans import find
from kiosk.protection.whole import CELL_CHARACTERS_MAX, see

INDEX: Final[dict[str, int]] = {kind: at for at, kind in enumerate(KINDS)}
OPINIONS: Final = 3 * len(KINDS)  # checked, shaped, and what stands somewhere inside a text
_PHRASE_CHARACTERS_MIN: Final = 12
_SPAN_CHARACTERS_MAX: Final = (
    512  # looked through; what a comment holds stands near its beginning or nobody would find it
)
_SIGNS: Final = frozenset("0123456789@:")


# What a check digit or an unmistakable form tells: a text with one of these in it is protected whoever says otherwise.
_PLAIN: Final = frozenset((
    "phone", "email", "resident_id_cn", "uscc_cn", "ogrn_ru", "snils_ru", "bank_card", "iban", "ip_address",
    "mac_address", "secret", "device_token",
))  # fmt: skip


def opinions(folded: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """[n, OPINIONS] of 0 and 1; and [n], whether words stand around something that is plainly protected."""
    found = np.zeros((len(folded), OPINIONS), dtype=np.float32)
    holds = np.zeros(len(folded), dtype=np.bool_)
    kinds = len(KINDS)
    for row, text in enumerate(folded):
        seen = see(text) if len(text) <= CELL_CHARACTERS_MAX else None
        if seen is not None and (seen.checked or seen.shaped):
            for kind in seen.checked:
                found[row, INDEX[kind]] = 1.0
            for kind in seen.shaped:
                found[row, kinds + INDEX[kind]] = 1.0
            holds[row] = seen.labelled and not _PLAIN.isdisjoint(seen.checked)
        elif len(text) >= _PHRASE_CHARACTERS_MIN and not _SIGNS.isdisjoint(text):
            for each in find(text[:_SPAN_CHARACTERS_MAX]):
                found[row, 2 * kinds + INDEX[each.kind]] = 1.0
                holds[row] |= each.kind in _PLAIN
    return found, holds
