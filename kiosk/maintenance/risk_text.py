"""The map in a terminal: shades of a picture, marks of the last deposits, drift and reasons in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from kiosk.messages import Plane, RecentView, RiskMap, StreamSeen

SHADES: Final = " .:-=+*#%@"
DEPOSITS_SHOWN: Final = 5
PICTURES: Final = ("distance", "trained", "here", "hour")
_WORDS: Final = {
    "distance": "U-matrix: dense where neighbouring cells are unlike",
    "trained": "where the training's rows fell",
    "here": "where this kiosk's rows fall, fading over about 100 deposits",
    "hour": "rows of the last hour",
}


def map_text(seen: RiskMap, picture: str) -> str:
    """The whole of it. `picture`: one of `PICTURES`, or a feature's name. Raises KeyError for another."""
    return "\n".join(_lines(seen, picture))


def _lines(seen: RiskMap, picture: str) -> Iterator[str]:
    yield f"{seen.stream}, edition {seen.version}, graph {seen.model_sha256[:16]}"
    if not seen.distance:
        yield "this model came without its map (map.json): nothing to draw"
    else:
        values, words = _picture(seen, picture)
        yield f"{picture.replace('_', ' ')}: {words}"
        yield from _grid(seen, values)
        yield "the last deposits' worst moments: 1 is the newest"
    yield f"medium from a score of {score_text(seen.medium_from)}, high from {score_text(seen.high_from)}"
    yield drift_text(seen)
    yield from _recent(seen)


def _picture(seen: RiskMap, picture: str) -> tuple[Sequence[float], str]:
    cells = range(seen.rows * seen.columns)
    if picture in ("here", "hour"):
        shares = dict(seen.here) if picture == "here" else dict(seen.hour)
        return [shares.get(cell, 0) ** 0.5 for cell in cells], _WORDS[picture]
    if picture == "trained":
        return [value**0.5 for value in seen.trained], _WORDS[picture]
    if picture == "distance":
        return clipped(seen.distance), _WORDS[picture]
    plane = next((each for each in seen.planes if each.name == picture), None)
    if plane is None:
        raise KeyError(picture)
    return plane.values, f"{min(plane.values):.3g} to {max(plane.values):.3g} {plane.unit}"


def _grid(seen: RiskMap, values: Sequence[float]) -> Iterator[str]:
    """Two characters a cell, so that it looks square."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    marks = {view.seen.bmu: str(age) for age, view in reversed(_newest(seen))}
    for row in range(seen.rows):
        line = ""
        for column in range(seen.columns):
            shade = SHADES[round((values[row * seen.columns + column] - low) / span * (len(SHADES) - 1))]
            line += shade + marks.get((row, column), shade)
        yield f"  {line}"


def _newest(seen: RiskMap) -> list[tuple[int, RecentView]]:
    """The last deposits, newest first, numbered from 1."""
    return list(enumerate(reversed(seen.recent[-DEPOSITS_SHOWN:]), start=1))


def clipped(values: Sequence[float]) -> list[float]:
    """With the greatest twentieth cut down to the rest: a few steep borders would hide all the others."""
    most = sorted(values)[int(0.95 * (len(values) - 1))] if values else 0.0
    return [min(value, most) for value in values]


def drift_text(seen: RiskMap) -> str:
    """How far deposits here are from those that the grades rest on, in one line."""
    drift = seen.drift
    collected = f"{len(seen.collected)} deposits collected, {seen.needed} are needed for a calibration"
    evidence = f"{drift.evidence:.3g} to 1 after {drift.deposits} deposits that scores have changed"
    if drift.alarmed is not None:
        way = "higher" if drift.mean_p < 0.5 else "lower"  # noqa: PLR2004 - the middle
        evidence = f"scores have drifted {way}: noticed after {drift.alarmed} deposits, now {evidence}"
    where = "" if drift.elsewhere is None else f"; {drift.elsewhere:.0%} of its rows fall elsewhere than in training"
    return f"{collected}; {evidence}{where}"


def _recent(seen: RiskMap) -> Iterator[str]:
    if not seen.recent:
        yield "no deposit since the controller started"
    for age, view in _newest(seen):
        told = view.seen
        fused = "" if view.fused == told.grade else f" (all streams: {view.fused})"
        cell = f"{told.bmu[0] + 1},{told.bmu[1] + 1}"
        yield f"{age}  {view.at}  {told.grade}{fused}: score {told.score:.2f}, p {told.p_value:.4f}, cell {cell}"
        yield from (f"     {reason}" for reason in told.reasons)


def strongest(planes: Sequence[Plane], seen: StreamSeen, count: int) -> list[tuple[int, Plane]]:
    """The features that differ most from the nearest normal row, in units of their usual range: place and plane."""
    if not len(planes) == len(seen.row) == len(seen.nearest):
        return []

    def strength(at: int) -> float:
        plane = planes[at]
        span = max(plane.normal_high - plane.normal_low, 0.1 * max(abs(plane.normal_low), abs(plane.normal_high)))
        return abs(seen.row[at] - seen.nearest[at]) / span if span > 0 else 0.0

    return [(at, planes[at]) for at in sorted(range(len(planes)), key=strength, reverse=True)[:count]]


def score_text(score: float | None) -> str:
    """A threshold; None is one that no score reaches."""
    return "no score" if score is None else f"{score:.2f}"
