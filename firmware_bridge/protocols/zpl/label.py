"""The bundle label: 60 x 75 mm at 203 dpi (8 dots per mm), one format per label.

From top to bottom: bundle id and copy, text lines, Code 128, QR code. User text never reaches the printer
as commands: control characters are refused, `^`, `~` and `_` travel as `^FH` hex escapes.
"""

import re
from typing import Final

from firmware_bridge.interfaces import Label
from firmware_bridge.protocols.zpl.errors import ZplError

WIDTH_DOTS: Final = 480
HEIGHT_DOTS: Final = 600
LINES_MAX: Final = 8
LINE_CHARACTERS_MAX: Final = 40
BARCODE_CHARACTERS_MAX: Final = 32

_MARGIN_DOTS: Final = 24
_TITLE_DOTS: Final = 34
_LINE_DOTS: Final = 26
_LINES_TOP: Final = 66
_LINE_PITCH: Final = 28
_BARCODE_TOP: Final = 294
_BARCODE_HEIGHT: Final = 56
_BARCODE_SPACE: Final = WIDTH_DOTS - 2 * _MARGIN_DOTS
_QR_TOP: Final = 396
_QR_SPACE: Final = HEIGHT_DOTS - _QR_TOP - 16
_QR_MAGNIFICATION_MAX: Final = 10
_QR_MAGNIFICATION_MIN: Final = 3  # 0.375 mm a module: smaller ones do not read back reliably
# Bytes that fit QR versions 1, 2, ... at level M in byte mode (ISO/IEC 18004 table 7).
_QR_BYTES_M: Final = (14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251)
_BARCODE_TEXT: Final = re.compile(r"[0-9A-Za-z ./:+-]+")


def build_label(label: Label) -> bytes:
    """The format to send for one label, UTF-8 (`^CI28`); `ZplError` when something does not fit."""
    if len(label.lines) > LINES_MAX:
        msg = f"{len(label.lines)} lines; {LINES_MAX} fit"
        raise ZplError(msg)
    title = f"{label.bundle_id}" if label.copy <= 1 else f"{label.bundle_id}  COPY {label.copy}"
    commands = [
        "^XA",
        "^CI28",
        f"^FO{_MARGIN_DOTS},{_MARGIN_DOTS}^A0N,{_TITLE_DOTS},{_TITLE_DOTS}{field_data(title)}^FS",
    ]
    for index, line in enumerate(label.lines):
        top = _LINES_TOP + index * _LINE_PITCH
        commands.append(f"^FO{_MARGIN_DOTS},{top}^A0N,{_LINE_DOTS},{_LINE_DOTS}{field_data(line)}^FS")
    commands += [_barcode(label.barcode), _qr(label.qr), "^PQ1", "^XZ"]
    return ("\r\n".join(commands) + "\r\n").encode("utf-8")


def field_data(text: str) -> str:
    """`^FD` with `text`, at most a line's length; escaped with `^FH` where needed."""
    if len(text) > LINE_CHARACTERS_MAX:
        msg = f"{len(text)} characters; {LINE_CHARACTERS_MAX} fit a line"
        raise ZplError(msg)
    return _escaped("", text)


def _escaped(prefix: str, text: str) -> str:
    if not text or any(ord(character) < ord(" ") or character == "\x7f" for character in text):
        msg = f"{text!r} is empty or has control characters"
        raise ZplError(msg)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        msg = f"{text!r} has characters outside Unicode's scalar values"
        raise ZplError(msg) from None
    if not set(text) & set("^~_"):
        return f"^FD{prefix}{text}"
    escaped = "".join(f"_{ord(character):02X}" if character in "^~_" else character for character in text)
    return f"^FH^FD{prefix}{escaped}"


def _barcode(text: str) -> str:
    """Code 128, automatic subsets, with its text below; narrower bars when it would not fit."""
    if not _BARCODE_TEXT.fullmatch(text) or len(text) > BARCODE_CHARACTERS_MAX:
        msg = f"{text!r}: up to {BARCODE_CHARACTERS_MAX} digits, letters and . / : + - fit the barcode"
        raise ZplError(msg)
    modules = 11 * (len(text) + 3) + 2  # start, check, stop and its bar
    bar_dots = 2 if 2 * modules <= _BARCODE_SPACE else 1
    return f"^FO{_MARGIN_DOTS},{_BARCODE_TOP}^BY{bar_dots}^BCN,{_BARCODE_HEIGHT},Y,N,N,A^FD{text}^FS"


def _qr(text: str) -> str:
    """QR model 2, level M. The two letters and the comma in front of the data are part of the command."""
    octets = len(text.encode("utf-8", errors="surrogatepass"))
    version = next((number for number, fits in enumerate(_QR_BYTES_M, start=1) if octets <= fits), 0)
    if not version:
        msg = f"{octets} bytes; {_QR_BYTES_M[-1]} fit the QR code"
        raise ZplError(msg)
    magnification = min(_QR_MAGNIFICATION_MAX, _QR_SPACE // (17 + 4 * version))
    if magnification < _QR_MAGNIFICATION_MIN:
        msg = f"a QR code of version {version} does not fit"
        raise ZplError(msg)
    # Automatic mode reads bytes as Shift JIS; anything beyond ASCII goes in manual byte mode with its count.
    prefix = "MA," if text.isascii() else f"MM,B{octets:04d}"
    return f"^FO{2 * _MARGIN_DOTS},{_QR_TOP}^BQN,2,{magnification}{_escaped(prefix, text)}^FS"
