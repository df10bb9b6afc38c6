"""The gate, first form: clear text goes in, the same text without protected data comes out, and never an exception.

What is found is replaced by its kind in brackets. It fails closed: text that the gate cannot judge becomes `WITHHELD`
whole. Sealed records do not come this way: nothing here can delay or change them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from kiosk.protection import numbers, patterns
from kiosk.protection.folding import fold
from kiosk.protection.kinds import Found

WITHHELD: Final = "[withheld]"
TEXT_CHARACTERS_MAX: Final = 1 << 14  # a traceback has some thousand
CUT: Final = " [cut]"
DEPTH_MAX: Final = 8
_PASSES_MAX: Final = 4


def find(text: str) -> list[Found]:
    """What of `text` is protected, in order, without overlaps: the longest of those that overlap, joined to its end."""
    spans = sorted(_all(fold(text)), key=lambda found: (found.start, -found.end))
    kept: list[Found] = []
    for found in spans:
        if kept and found.start < kept[-1].end:
            last = kept[-1]
            kept[-1] = Found(last.start, max(last.end, found.end), last.kind)
        else:
            kept.append(found)
    return kept


def _all(folded: str) -> Iterator[Found]:
    yield from patterns.find(folded)
    yield from numbers.find(folded)
    yield from numbers.find_phones(folded)
    yield from numbers.find_lettered(folded)


def mask(text: str) -> str:
    """`text` with everything protected replaced by `[kind]`. Idempotent; raises nothing: withholds instead."""
    try:
        return _masked(text)
    except Exception:  # noqa: BLE001 - fails closed: whatever is wrong with this text, it does not leave in clear
        return WITHHELD


def _masked(text: str) -> str:
    cut = text[:TEXT_CHARACTERS_MAX] + CUT if len(text) > TEXT_CHARACTERS_MAX + len(CUT) else text
    for _ in range(_PASSES_MAX):
        done = _once(cut)
        if done == cut:
            return done
        cut = done  # a bracket where digits were may make neighbours readable that were not: look again
    return WITHHELD


def _once(text: str) -> str:
    parts: list[str] = []
    end = 0
    for found in find(text):
        parts += (text[end : found.start], f"[{found.kind}]")
        end = found.end
    return "".join(parts) + text[end:]


def mask_values(values: Mapping[str, object]) -> dict[str, object]:
    """A telemetry message with every text in it masked, keys too; numbers stay numbers.

    What is neither text, number, bool, None, mapping, list nor tuple, or is nested too deep, is withheld.
    """
    return {mask(str(key)): _value(value, DEPTH_MAX) for key, value in values.items()}


def _value(value: object, depth: int) -> object:
    if depth == 0:
        return WITHHELD
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return mask(value)
        case Mapping():
            return {mask(str(key)): _value(each, depth - 1) for key, each in value.items()}
        case list() | tuple():
            return [_value(each, depth - 1) for each in value]
        case _:
            return WITHHELD
