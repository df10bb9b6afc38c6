"""A terminal's text as an SVG picture: rows of a fixed pitch, bold and eight colours. It loads no font."""

import html
import re
from collections.abc import Iterator
from typing import Final

COLUMNS: Final = 110
PITCH_PX: Final = (8.4, 18)  # of a character, of a row
MARGIN_PX: Final = 12
_COLOURS: Final = ("#d4d4d4", "#f48771", "#89d185", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff")
_SGR: Final = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r|\x07")
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
    'aria-label="{label}">\n'
    '<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>\n'
    '<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" fill="#d4d4d4">\n'
)


def svg(text: str, label: str) -> str:
    """The picture of what a terminal has shown, escape sequences included. `label`: for who cannot see it."""
    rows = [row for line in _OTHER.sub("", text).rstrip().splitlines() for row in _wrapped(line)]
    width = int(COLUMNS * PITCH_PX[0] + 2 * MARGIN_PX)
    height = len(rows) * PITCH_PX[1] + 2 * MARGIN_PX
    drawn = []
    for number, row in enumerate(rows):
        y = MARGIN_PX + (number + 1) * PITCH_PX[1] - 5
        drawn.append(f'<text x="{MARGIN_PX}" y="{y}" xml:space="preserve">{"".join(_spans(row))}</text>\n')
    head = _HEAD.format(width=width, height=height, label=html.escape(label, quote=True))
    return f"{head}{''.join(drawn)}</g>\n</svg>\n"


def _wrapped(line: str) -> Iterator[str]:
    """Rows of at most `COLUMNS` characters; what a colour says holds on."""
    row, shown = "", 0
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            row += part
            continue
        for character in part:
            if shown == COLUMNS:
                yield row
                row, shown = "", 0
            row += character
            shown += 1
    yield row


def _spans(row: str) -> Iterator[str]:
    """A row as tspans, each with its colour and weight."""
    style, at = "", 0
    for match in _SGR.finditer(row):
        yield _span(row[at : match.start()], style)
        style, at = _style(match[1]), match.end()
    yield _span(row[at:], style)


def _span(text: str, style: str) -> str:
    if not text:
        return ""
    return f"<tspan{style}>{html.escape(text)}</tspan>" if style else html.escape(text)


def _style(codes: str) -> str:
    found = [int(code) for code in codes.split(";") if code]
    colour = next((_COLOURS[code % 10] for code in found if code in {*range(30, 38), *range(90, 98)}), "")
    return (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if 1 in found else "")
