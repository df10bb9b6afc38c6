"""Why a row is strange, in words: what differs most from the nearest normal row, in units of the usual range."""

from typing import Final

import numpy as np

from kiosk.appraisal.manifest import Feature, Manifest
from kiosk.appraisal.model import Judged, Row

REASONS_MAX: Final = 3
RESIDUAL_MIN: Final = 0.25  # of the usual range; less is not worth telling
RANGE_MIN: Final = 1e-6


def reasons(manifest: Manifest, row: Row, judged: Judged) -> tuple[str, ...]:
    """Sentences for a branch manager, strongest first; at least one, the last of them with the map's cell.

    row: float32 [d] in raw units, as judged.
    """
    spans = np.array([max(RANGE_MIN, f.normal_high - f.normal_low) for f in manifest.features])
    residuals = (row.astype(float) - judged.nearest_normal.astype(float)) / spans
    told: list[str] = []
    for index in np.argsort(-np.abs(residuals)):
        if len(told) == REASONS_MAX or abs(residuals[index]) < RESIDUAL_MIN:
            break
        sentence = _sentence(manifest.features[index], float(row[index]), high=residuals[index] > 0)
        if not any(sentence.split(" (")[0] == other.split(" (")[0] for other in told):
            told.append(sentence)
    cell = f"map cell {judged.bmu[0] + 1},{judged.bmu[1] + 1} of {manifest.map.rows} x {manifest.map.columns}"
    if not told:
        return (f"an unusual combination of otherwise usual values ({cell})",)
    return (*told[:-1], f"{told[-1]} [{cell}]")


def _sentence(feature: Feature, value: float, *, high: bool) -> str:
    words = feature.words_high if high else feature.words_low
    usual = f"usually {_number(feature.normal_low)} to {_number(feature.normal_high)}"
    return f"{words} ({feature.name.replace('_', ' ')} {_number(value)} {feature.unit}, {usual})"


def _number(value: float) -> str:
    return f"{value:.3g}"
