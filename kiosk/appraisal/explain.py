"""Why a row is strange, in words: what differs most from the nearest normal row, in units of the usual range."""

from typing import Final

from kiosk.appraisal.manifest import Feature, Manifest
from kiosk.appraisal.model import Judged, Row

REASONS_MAX: Final = 3
RESIDUAL_MIN: Final = 0.25  # of the usual range; less is not worth telling
RELATIVE_SPAN_MIN: Final = 0.1  # of the range's ends: a value that hardly ever changes has hardly any range


def reasons(manifest: Manifest, row: Row, judged: Judged) -> tuple[str, ...]:
    """Sentences for a branch manager, strongest first; at least one, the last of them with the map's cell.

    Values outside their usual range come first, then those that differ from what the other values lead one to
    expect. row: float32 [d] in raw units, as judged.
    """
    strengths = [
        _strength(feature, float(value), float(nearest))
        for feature, value, nearest in zip(manifest.features, row, judged.nearest_normal, strict=True)
    ]
    told: list[str] = []
    for index in sorted(range(len(strengths)), key=lambda i: strengths[i], reverse=True):
        if len(told) == REASONS_MAX or strengths[index][1] < RESIDUAL_MIN:
            break
        value, nearest = float(row[index]), float(judged.nearest_normal[index])
        sentence = _sentence(manifest.features[index], value, high=value > nearest)
        if not any(sentence.split(" (")[0] == other.split(" (")[0] for other in told):
            told.append(sentence)
    cell = f"map cell {judged.bmu[0] + 1},{judged.bmu[1] + 1} of {manifest.map.rows} x {manifest.map.columns}"
    if not told:
        return (f"an unusual combination of otherwise usual values ({cell})",)
    return (*told[:-1], f"{told[-1]} [{cell}]")


def _strength(feature: Feature, value: float, nearest: float) -> tuple[bool, float]:
    """(Outside its usual range on the side it differs to, difference from the nearest normal in ranges)."""
    low, high = feature.normal_low, feature.normal_high
    outside = value > max(high, nearest) or value < min(low, nearest)
    ends = max(abs(low), abs(high))
    span = max(high - low, RELATIVE_SPAN_MIN * ends)
    if span > 0:
        return outside, abs(value - nearest) / span
    return outside, float(outside)  # never anything but zero so far


def _sentence(feature: Feature, value: float, *, high: bool) -> str:
    words = feature.words_high if high else feature.words_low
    usual = f"usually {_number(feature.normal_low)} to {_number(feature.normal_high)}"
    return f"{words} ({feature.name.replace('_', ' ')} {_number(value)} {feature.unit}, {usual})"


def _number(value: float) -> str:
    return f"{value:.3g}"
