"""The gate without a catalogue, for what processes say of themselves: text in, the same without protected data out.

What check digits, patterns and labels find is replaced by its kind in brackets. It reads no file, loads no network and
raises nothing, so log lines can always go through it; it fails closed: text that cannot be judged becomes `WITHHELD`
whole. By destination and policy: `egress`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from kiosk.protection.spans import find

WITHHELD: Final = "[withheld]"
TEXT_CHARACTERS_MAX: Final = 1 << 14  # a traceback has some thousand
CUT: Final = " [cut]"
DEPTH_MAX: Final = 8
_PASSES_MAX: Final = 4


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
    """A message with every text in it masked; see `in_depth`."""
    return in_depth(values, lambda text, _: mask(text))


def in_depth(values: Mapping[str, object], let: Callable[[str, str], str], depth: int = DEPTH_MAX) -> dict[str, object]:
    """A message with `let(text, key)` for every text in it; keys, too, under no key. Numbers stay numbers.

    What is neither text, number, bool, None, mapping, list nor tuple, or is nested too deep, is withheld.
    """
    return {let(str(key), ""): _value(value, str(key), let, depth) for key, value in values.items()}


def _value(value: object, key: str, let: Callable[[str, str], str], depth: int) -> object:
    if depth == 0:
        return WITHHELD
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return let(value, key)
        case Mapping():
            return in_depth(value, let, depth - 1)
        case list() | tuple():
            return [_value(each, key, let, depth - 1) for each in value]
        case _:
            return WITHHELD
