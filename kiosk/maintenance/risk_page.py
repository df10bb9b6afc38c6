"""The map as a page for technicians: one HTML file, pictures in SVG, no script, nothing fetched from anywhere.

Per stream: the U-matrix (dark borders between what is unlike), where the training's rows fell, where this kiosk's fall
and those of the last hour, every feature over the map, and the deposits of late with what made each as it was.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from kiosk.maintenance.risk_text import clipped, drift_text, score_text, strongest
from kiosk.messages import Plane, RecentView, RiskMap

LEVELS: Final = 16  # colours of a picture: cells of one colour are one path, so a page stays below a megabyte
DEPOSITS_SHOWN: Final = 8
FEATURES_SHOWN: Final = 6
GREY: Final = ((250, 250, 250), (25, 25, 35))
BLUE: Final = ((244, 248, 252), (8, 48, 107))
GREEN: Final = ((245, 251, 243), (0, 68, 27))
HEAT: Final = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_GRADES: Final = {"low": "#2a7d3f", "medium": "#e08a00", "high": "#d0272d"}
_BARS: Final = (
    '<p class="quiet">At its worst moment: red is what was, the dark line the nearest normal moment, the band the '
    "usual range. The features that differ most come first.</p>"
)
_PLANES: Final = '<p class="quiet">What each cell stands for: dark is low, yellow is high; from and to below each.</p>'
_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem }
.maps, .planes { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)) }
.planes { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); font-size: .8rem }
figure { margin: 0 } figcaption { margin-top: .3rem } svg { display: block; width: 100%; height: auto }
figcaption small, .quiet { color: #777 }
.low { color: #2a7d3f } .medium { color: #b26a00 } .high { color: #c0272d } .low, .medium, .high { font-weight: 600 }
details { border: 1px solid #8884; border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer } .bars { display: grid; grid-template-columns: minmax(9rem, 16rem) 1fr; gap: .2rem 1rem }
@media print { details { break-inside: avoid } }
"""
_HEAD: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)


def page(maps: Sequence[RiskMap], made_at: str) -> str:
    """The whole page. `made_at`: RFC 3339, shown."""
    parts = [
        _HEAD,
        f"<title>Risk map</title><style>{_STYLE}</style><h1>What the models see on this kiosk</h1>",
        f"<p>Made at {escape(made_at)} by <code>kioskctl risk map</code>. Nothing here says who deposited what.</p>",
        *(_stream(each) for each in maps),
    ]
    return "\n".join(parts) + "\n"


def _stream(seen: RiskMap) -> str:
    drawn = bool(seen.distance)
    grades = f"Medium from a score of {score_text(seen.medium_from)}, high from {score_text(seen.high_from)}."
    parts = [
        f"<h2>{escape(seen.stream)}</h2>",
        f"<p>Edition {escape(seen.version)}, graph <code>{escape(seen.model_sha256[:16])}</code>. {grades}</p>",
        f"<p>{escape(drift_text(seen))}</p>",
        _maps(seen) if drawn else "<p>This model came without its map (<code>map.json</code>): nothing to draw.</p>",
        _deposits(seen),
    ]
    if drawn:
        planes = "".join(_plane(plane, seen) for plane in seen.planes)
        parts.append(f'<h3>Every feature over the map</h3>{_PLANES}<div class="planes">{planes}</div>')
    return "\n".join(parts)


def _maps(seen: RiskMap) -> str:
    here, hour = dict(seen.here), dict(seen.hour)
    cells = range(seen.rows * seen.columns)
    used = [here.get(cell, 0.0) for cell in cells]
    lately = [float(hour.get(cell, 0)) for cell in cells]
    borders = "dark: a border between unlike things; circles: worst moments of late, the newest is full"
    rows = f"{sum(hour.values())} rows" if hour else "no deposit"
    figures = (
        _figure(_grid(seen, clipped(seen.distance), GREY, _marks(seen)), "U-matrix", borders),
        _figure(_grid(seen, _rooted(seen.trained), BLUE), "Training", "where its rows fell"),
        _figure(_grid(seen, _rooted(used), GREEN), "This kiosk", f"where its rows fall, {sum(map(bool, used))} cells"),
        _figure(_grid(seen, _rooted(lately), GREEN), "Last hour", rows),
    )
    return f'<div class="maps">{"".join(figures)}</div>'


def _figure(svg: str, title: str, words: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(title)} <small>{escape(words)}</small></figcaption></figure>"


def _plane(plane: Plane, seen: RiskMap) -> str:
    low, high = min(plane.values), max(plane.values)
    words = f"{low:.3g} to {high:.3g} {plane.unit}"
    return _figure(_grid(seen, plane.values, HEAT), plane.name.replace("_", " "), words)


def _rooted(values: Iterable[float]) -> list[float]:
    """Square roots: a few cells hold most rows, and the others should be seen, too."""
    return [max(0.0, value) ** 0.5 for value in values]


def _marks(seen: RiskMap) -> str:
    circles = []
    numbered = enumerate(reversed(seen.recent[-DEPOSITS_SHOWN:]))
    for age, view in sorted(numbered, key=lambda one: (list(_GRADES).index(one[1].seen.grade), -one[0])):
        row, column = view.seen.bmu
        colour = _GRADES[view.seen.grade]
        look = f'fill="{colour if age == 0 else "none"}" stroke="{colour}" stroke-width=".3"'
        circles.append(f'<circle cx="{column + 0.5}" cy="{row + 0.5}" r=".75" {look}/>')
    return "".join(circles)  # the gravest on top, of those the newest


def _grid(seen: RiskMap, values: Sequence[float], ramp: Sequence[tuple[int, int, int]], marks: str = "") -> str:
    """One picture, a unit square a cell."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = high - low
    by_level: dict[int, list[str]] = {}
    for cell, value in enumerate(values):
        level = round((value - low) / span * (LEVELS - 1)) if span > 0 else 0
        by_level.setdefault(level, []).append(f"M{cell % seen.columns} {cell // seen.columns}h1v1h-1z")
    paths = "".join(f'<path fill="{_colour(ramp, level)}" d="{"".join(d)}"/>' for level, d in sorted(by_level.items()))
    return f'<svg viewBox="0 0 {seen.columns} {seen.rows}" shape-rendering="crispEdges" role="img">{paths}{marks}</svg>'


def _colour(ramp: Sequence[tuple[int, int, int]], level: int) -> str:
    place = level / (LEVELS - 1) * (len(ramp) - 1)
    first = min(int(place), len(ramp) - 2)
    part = place - first
    mixed = (round(one + (other - one) * part) for one, other in zip(ramp[first], ramp[first + 1], strict=True))
    return "#" + "".join(f"{each:02x}" for each in mixed)


def _deposits(seen: RiskMap) -> str:
    if not seen.recent:
        return '<h3>Deposits of late</h3><p class="quiet">None since the controller started.</p>'
    newest = reversed(seen.recent[-DEPOSITS_SHOWN:])
    items = "".join(_deposit(view, seen, opened=at == 0) for at, view in enumerate(newest))
    return f"<h3>Deposits of late, and why each was graded so</h3>{_BARS}{items}"


def _deposit(view: RecentView, seen: RiskMap, *, opened: bool) -> str:
    told = view.seen
    cell = f"{told.bmu[0] + 1},{told.bmu[1] + 1}"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in told.reasons)
    fused = "" if view.fused == told.grade else f' <span class="quiet">(all streams: {escape(view.fused)})</span>'
    unsound = "" if view.sound else '<p class="quiet">Not seen whole, so it counts for no calibration.</p>'
    shown = strongest(seen.planes, told, FEATURES_SHOWN)
    bars = "".join(_bar(plane, told.row[at], told.nearest[at]) for at, plane in shown)
    grade = f'<span class="{escape(told.grade)}">{escape(told.grade)}</span>'
    figures = f"score {told.score:.2f}, p {told.p_value:.4f}, cell {cell}"
    return (
        f"<details{' open' if opened else ''}><summary>{escape(view.at)} {grade}{fused}: {figures}</summary>"
        f'{unsound}<ul>{reasons}</ul><div class="bars">{bars}</div></details>'
    )


def _bar(plane: Plane, value: float, nearest: float) -> str:
    """A feature at the worst moment: band = usual range, line = nearest normal, dot = what it was."""
    ends = (plane.normal_low, plane.normal_high, value, nearest)
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def at(number: float) -> float:
        return 4 + 92 * (number - low) / span

    band = at(plane.normal_high) - at(plane.normal_low)
    svg = (
        '<svg viewBox="0 0 100 6" preserveAspectRatio="none" style="height:1.3rem" role="img">'
        f'<rect x="{at(plane.normal_low):.2f}" y="1.5" width="{max(band, 0.6):.2f}" height="3" fill="#8cb4dc"/>'
        f'<rect x="{at(nearest) - 0.25:.2f}" y="0" width=".5" height="6" fill="#1f5f9f"/>'
        f'<rect x="{at(value) - 0.6:.2f}" y="1" width="1.2" height="4" fill="#d0272d"/></svg>'
    )
    words = f"{plane.name.replace('_', ' ')} {value:.3g} {plane.unit}"
    usual = f"usually {plane.normal_low:.3g} to {plane.normal_high:.3g}; nearest normal {nearest:.3g}"
    return f'<div>{escape(words)}<br><small class="quiet">{escape(usual)}</small></div><div>{svg}</div>'
