"""Draws a receipt as it hangs from the printer: 80 mm paper, 576 printable dots, 203 dpi."""

import io
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import segno
from PIL import Image, ImageDraw, ImageFont
from segno import consts
from segno import encoder as untyped_encoder

from hwsim.devices.escpos_parser import Align, Feed, Line, Qr, Raster

DPI: Final = 203
PAPER_DOTS: Final = 640
PRINT_DOTS: Final = 576
CHAR_WIDTH: Final = 12
CHAR_HEIGHT: Final = 24
LEADING: Final = 6
TOP_DOTS: Final = 40  # from the knife to the head: what every receipt begins with
_FONT_SIZE: Final = 20  # DejaVu Sans Mono is 0.6 em wide: 12 dots
CHINESE_FONT: Final = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
HEIGHT_DOTS_MAX: Final = 20_000

encoder: Any = untyped_encoder
Printed = Line | Qr | Raster | Feed


def height_dots(item: Printed) -> int:
    """How much paper it takes."""
    if isinstance(item, Line):
        return max(style.height for _, style in item.runs) * CHAR_HEIGHT + LEADING
    if isinstance(item, Qr):
        return _side_dots(item)
    return item.height if isinstance(item, Raster) else item.dots


def render_png(items: Sequence[Printed]) -> bytes:
    """The PNG of one receipt."""
    total = TOP_DOTS + sum(map(height_dots, items))
    image = Image.new("L", (PAPER_DOTS, min(total, HEIGHT_DOTS_MAX)), 255)
    y = TOP_DOTS
    for item in items:
        if isinstance(item, Line):
            _line(image, item, y)
        elif isinstance(item, Qr):
            symbol = _symbol(item)
            image.paste(symbol, (_left(item.align, symbol.width), y))
        elif isinstance(item, Raster):
            dots = Image.frombytes("1", (item.width_bytes * 8, item.height), item.data, "raw", "1;I")
            image.paste(dots, (_left(item.align, dots.width), y))
        y += height_dots(item)
    out = io.BytesIO()
    image.quantize(4).save(out, "PNG", dpi=(DPI, DPI), optimize=True)
    return out.getvalue()


def _line(image: Image.Image, line: Line, y: int) -> None:
    width = sum(_columns(character) * style.width * CHAR_WIDTH for text, style in line.runs for character in text)
    x = _left(line.runs[0][1].align, width)
    tallest = max(style.height for _, style in line.runs) * CHAR_HEIGHT
    for text, style in line.runs:
        for character in text:
            cell = (_columns(character) * style.width * CHAR_WIDTH, style.height * CHAR_HEIGHT)
            if x + cell[0] > PAPER_DOTS:
                return  # it falls off the edge
            glyph = _glyph(character, style.height, style.bold)
            image.paste(glyph.resize(cell), (x, y + tallest - cell[1]))
            x += cell[0]


@lru_cache(maxsize=512)
def _glyph(character: str, scale: int, bold: bool) -> Image.Image:  # noqa: FBT001 - part of the cache's key
    wide = _columns(character) > 1
    glyph = Image.new("L", (_columns(character) * CHAR_WIDTH * scale, CHAR_HEIGHT * scale), 255)
    draw = ImageDraw.Draw(glyph)
    face = _chinese_face(CHAR_HEIGHT * scale) if wide else _face(_FONT_SIZE * scale)
    for shift in range(scale + 1 if bold else 1):
        if face is None:
            draw.rectangle((2, 2, glyph.width - 3, glyph.height - 3), outline=0)
        elif wide:
            draw.text((glyph.width // 2 + shift, glyph.height // 2), character, font=face, fill=0, anchor="mm")
        else:
            draw.text((shift, scale), character, font=face, fill=0)
    return glyph


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@lru_cache(maxsize=8)
def _chinese_face(size: int) -> ImageFont.FreeTypeFont | None:
    """Debian's fonts-noto-cjk; where it is missing, characters are drawn as boxes."""
    return ImageFont.truetype(CHINESE_FONT, size - 2, index=2) if Path(CHINESE_FONT).exists() else None


@lru_cache(maxsize=8)
def _face(size: int) -> ImageFont.FreeTypeFont:
    """python-barcode brings DejaVu Sans Mono along."""
    return ImageFont.truetype(
        io.BytesIO((resources.files("barcode") / "fonts" / "DejaVuSansMono.ttf").read_bytes()), size
    )


@lru_cache(maxsize=8)
def _side_dots(item: Qr) -> int:
    """How wide and high the symbol is: its version tells, and drawing it takes a hundred times as long."""
    segments = encoder.prepare_data(item.data, consts.MODE_BYTE, None)
    level = encoder.normalize_errorlevel(item.level)
    version = encoder.find_version(segments, level, eci=False, micro=False)
    return int(encoder.calc_matrix_size(version)) * item.module_dots


@lru_cache(maxsize=8)
def _symbol(item: Qr) -> Image.Image:
    code = segno.make(item.data, error=item.level, mode="byte", micro=False, boost_error=False)
    out = io.BytesIO()
    code.save(out, kind="png", scale=item.module_dots, border=0)
    return Image.open(out).convert("L")


def _left(align: Align, width: int) -> int:
    room = max(PRINT_DOTS - width, 0)
    return (PAPER_DOTS - PRINT_DOTS) // 2 + {"left": 0, "centre": room // 2, "right": room}[align]
