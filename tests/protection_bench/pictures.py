"""The confusion matrix and the F-table as SVG, drawn here: no plotting library is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from kiosk.protection.kinds import KINDS

_CELL = 22
_LEFT = 130
_TOP = 120
_STYLE = "font: 11px sans-serif"


def _shade(share: float) -> str:
    """White to dark blue."""
    red, green, blue = (round(255 + (to - 255) * min(1.0, share) ** 0.5) for to in (20, 60, 130))
    return f"rgb({red},{green},{blue})"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(words)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" style="{_STYLE}">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>\n"])


def confusion(matrix: "np.typing.NDArray[np.int64]", path: Path) -> None:
    """Rows are the truth, columns the verdict; shades and tooltips are shares of the row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    parts = [_text(_LEFT, 14, "said (columns) for each truth (rows); the number is a share of the row in percent")]
    for row, kind in enumerate(KINDS):
        y = _TOP + row * _CELL
        parts.append(_text(_LEFT - 6, y + 15, kind, 'text-anchor="end"'))
        x = _LEFT + row * _CELL + 15
        parts.append(_text(x, _TOP - 6, kind, f'transform="rotate(-60 {x} {_TOP - 6})"'))
        for column, other in enumerate(KINDS):
            share = float(shares[row, column])
            at = _LEFT + column * _CELL
            parts.append(
                f'<rect x="{at}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}" fill="{_shade(share)}">'
                f"<title>{kind} as {other}: {matrix[row, column]} ({share:.1%})</title></rect>"
            )
            if share >= 0.005:
                colour = "white" if share > 0.3 else "black"
                parts.append(
                    _text(at + 10, y + 15, f"{share * 100:.0f}", f'fill="{colour}" text-anchor="middle" font-size="9"')
                )
    path.write_text(_svg(_LEFT + len(KINDS) * _CELL + 60, _TOP + len(KINDS) * _CELL + 10, parts), encoding="utf-8")


def f_table(columns: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """One column per algorithm and one for the fusion: F1 of each kind, on the benchmark's cells."""
    wide = 68
    parts = [_text(_LEFT, 14, "F-measure of each algorithm alone and of the fusion, by kind, on the benchmark")]
    for number, name in enumerate(columns):
        parts.append(_text(_LEFT + number * wide + wide / 2, 40, name, 'text-anchor="middle" font-weight="bold"'))
    for row, kind in enumerate(KINDS):
        y = 50 + row * _CELL
        parts.append(_text(_LEFT - 6, y + 15, kind, 'text-anchor="end"'))
        for number, by in enumerate(columns.values()):
            found = by.get(kind, 0.0)
            at = _LEFT + number * wide
            parts.append(f'<rect x="{at}" y="{y}" width="{wide - 1}" height="{_CELL - 1}" fill="{_shade(found**4)}"/>')
            colour = "white" if found > 0.75 else "black"
            parts.append(_text(at + wide / 2, y + 15, f"{found:.3f}", f'text-anchor="middle" fill="{colour}"'))
    path.write_text(_svg(_LEFT + len(columns) * wide + 10, 60 + len(KINDS) * _CELL, parts), encoding="utf-8")
