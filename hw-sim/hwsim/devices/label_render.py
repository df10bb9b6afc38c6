"""Draws a label as the print head would: 203 dpi, black on white, whatever falls off the edge is cut."""

import io
from functools import lru_cache
from typing import Final

import segno
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from hwsim.devices.zpl_parser import Code128Field, Format, QrField, TextField

DPI: Final = 203
_TURNS: Final = {"N": 0, "R": 270, "I": 180, "B": 90}
_LINE_HEIGHT: Final = 24


def render_png(label: Format, width_dots: int, height_dots: int) -> bytes:
    """The PNG of one label."""
    image = Image.new("L", (width_dots, height_dots), 255)
    for field in label.fields:
        if isinstance(field, TextField):
            _text(image, field)
        elif isinstance(field, QrField):
            _qr(image, field)
        else:
            _code128(image, field)
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(DPI, DPI))
    return out.getvalue()


@lru_cache(maxsize=32)
def _face(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(8, size))


def _text(image: Image.Image, field: TextField) -> None:
    face = _face(round(field.height * 0.85))  # the em box of a scalable font is a little taller than its capitals
    left, _, right, bottom = ImageDraw.Draw(image).textbbox((0, 0), field.text, font=face)
    stamp = Image.new("L", (max(1, round(right - left)), max(1, round(bottom))), 255)
    ImageDraw.Draw(stamp).text((-left, 0), field.text, font=face, fill=0)
    if field.width != field.height:
        stamp = stamp.resize((max(1, stamp.width * field.width // max(1, field.height)), stamp.height))
    image.paste(stamp.rotate(_TURNS.get(field.rotation, 0), expand=True), (field.x, field.y))


def _qr(image: Image.Image, field: QrField) -> None:
    code = segno.make(field.data, error=field.level, micro=False, boost_error=False)
    out = io.BytesIO()
    code.save(out, kind="png", scale=field.magnification, border=0)
    image.paste(Image.open(out).convert("L"), (field.x, field.y))


def _code128(image: Image.Image, field: Code128Field) -> None:
    code = zxingcpp.create_barcode(field.data, zxingcpp.BarcodeFormat.Code128)
    bars = Image.fromarray(code.to_image(scale=1, add_quiet_zones=False))
    bars = bars.convert("L").resize((bars.width * field.module, field.height), Image.Resampling.NEAREST)
    image.paste(bars, (field.x, field.y))
    if field.text_line:
        _text(image, TextField(field.x, field.y + field.height + 4, field.data, _LINE_HEIGHT, _LINE_HEIGHT))
