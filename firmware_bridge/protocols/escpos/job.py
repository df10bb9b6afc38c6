"""A receipt as ESC/POS bytes, made by python-escpos without a printer (its `Dummy`), in parts.

Parts are small enough for any printer's buffer: the driver sends the next one only when the one before has been
worked off, so no flow-control wires are needed. Text is ASCII, because code pages differ from printer to printer;
where the configuration says that the printer has other letters, Chinese is sent as GB 2312 (`FS &`) and Russian in code
page 866 (`FS .`, `ESC t 17`).
"""

import re
import shutil
import unicodedata
from bisect import bisect_left
from typing import Final, Literal

from escpos import capabilities
from escpos.constants import QR_ECLEVEL_M, QR_MODEL_2
from escpos.printer import Dummy

from firmware_bridge.interfaces import Receipt, ReceiptQr, ReceiptText
from firmware_bridge.protocols.escpos.errors import EscposError
from firmware_bridge.protocols.escpos.status import ASB_OFF

PAPER_DOTS: Final = 576  # printable on paper 80 mm wide, at 203 dpi
COLUMNS: Final = 48  # of font A, 12 dots wide
QR_BYTES_MAX: Final = 1400
QR_DOTS_MAX: Final = 5  # 0.6 mm: easy for any phone; more would only cost paper
PART_BYTES_MAX: Final = 1600
_QUIET_MODULES: Final = 4
_MARGIN_DOTS: Final = 32  # white on either side of what the head can reach: 80 mm paper, 72 mm printed
# ISO/IEC 18004 table 7: bytes that versions 1 to 31 hold at level M.
_QR_CAPACITY: Final = (
    *(14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450),
    *(504, 560, 624, 666, 711, 779, 857, 911, 997, 1059, 1125, 1190, 1264, 1370, 1452),
)

Letters = Literal["ascii", "gb2312", "cp866"]  # by Python's name
LETTERS_ON: Final[dict[Letters, bytes]] = {
    "ascii": b"",
    "gb2312": b"\x1c&",  # both bytes of a character are 0xA1 or more: none is taken for a command
    "cp866": b"\x1c.\x1bt\x11",  # a printer made for China begins with pairs of bytes
}
LETTERS_OF: Final[dict[str, Letters]] = {"en": "ascii", "zh": "gb2312", "ru": "cp866"}  # by the paper's language
_WORDS: Final = re.compile(r"[!-~\u0400-\u04ff\u2116]+|.")  # what is not broken: Latin, Cyrillic, the sign for number
_CLOSING: Final = "\uff0c\u3002\uff1b\uff1a\u3001\uff09"  # punctuation that begins no line
_CLOSING_RUN_MAX: Final = 8  # characters that a break moves down; a longer run is no sentence

# Importing python-escpos leaves a cache of its printer database in a temporary directory of its own.
shutil.rmtree(capabilities.pickle_dir, ignore_errors=True)


def build_job(receipt: Receipt, *, letters: Letters = "ascii") -> list[bytes]:
    """The parts of the job, in order; the last ends with the cut. Raises EscposError."""
    printer = Dummy()
    printer.hw("INIT")
    parts: list[bytes] = []
    text = bytes(printer.output) + ASB_OFF + LETTERS_ON[letters]
    for part in receipt.parts:
        printer.clear()
        piece = _qr(printer, part) if isinstance(part, ReceiptQr) else _text(printer, part, letters)
        if len(text) + len(piece) > PART_BYTES_MAX:
            parts.append(text)
            text = b""
        text += piece
    printer.clear()
    printer.cut(mode="PART", feed=False)  # GS V B 0: feed to the cutter, leave one point: the portable form
    return [*parts, text + printer.output]


def qr_module_dots(data_bytes: int) -> int:
    """Dots of one module: symbol and quiet zone fill the paper, whose blank margins are part of that zone.

    Raises EscposError when there is no room.
    """
    if not 0 < data_bytes <= QR_BYTES_MAX:
        raise EscposError(f"{data_bytes} bytes in a QR code, 1 to {QR_BYTES_MAX} are possible")
    version = bisect_left(_QR_CAPACITY, data_bytes) + 1
    modules = 17 + 4 * version
    quiet = (PAPER_DOTS + 2 * _MARGIN_DOTS) // (modules + 2 * _QUIET_MODULES)
    return min(QR_DOTS_MAX, PAPER_DOTS // modules, quiet)


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most `columns`; a Chinese character takes two, and a line may break before and after it."""
    lines, line = [], ""
    for word in _WORDS.findall(text):
        for piece in (word[start : start + columns] for start in range(0, len(word), columns)):
            if width(line) + width(piece) <= columns:
                line += piece
                continue
            kept = _kept(line) if piece in _CLOSING else len(line)
            lines.append(line[:kept].rstrip())
            line = line[kept:] + piece.lstrip()
    return [*lines, line.rstrip()]


def _kept(line: str) -> int:
    """Where to break before closing punctuation: it takes the character before it along, and others of its kind."""
    last = len(line.rstrip(_CLOSING)) - 1
    return last if last > 0 and len(line) - last <= _CLOSING_RUN_MAX else len(line)


def width(text: str) -> int:
    """Columns that `text` takes on paper."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _text(printer: Dummy, part: ReceiptText, encoding: str) -> bytes:
    columns = COLUMNS // 2 if part.large else COLUMNS
    printer.set(
        align="center" if part.centred else "left",
        bold=part.bold,
        custom_size=True,  # GS !: for Chinese characters too, which ESC ! leaves as they are
        width=2 if part.large else 1,
        height=2 if part.large else 1,
    )
    lines = wrap(_printable(part.text, encoding), columns)
    return bytes(printer.output) + "".join(f"{line}\n" for line in lines).encode(encoding)


def _qr(printer: Dummy, part: ReceiptQr) -> bytes:
    data = part.data.encode()
    if any(byte < ord(" ") and byte != ord("\n") for byte in data):
        raise EscposError("a control character in a QR code could be taken for a command")
    printer.set(align="center", custom_size=True, width=1, height=1)
    printer.qr(part.data, ec=QR_ECLEVEL_M, size=qr_module_dots(len(data)), model=QR_MODEL_2, native=True)
    return bytes(printer.output) + b"\n"  # quiet zone below; the one above is the feed of the caption's line


def _printable(text: str, encoding: str) -> str:
    """What the printer has no character for becomes a question mark."""
    shown = text.encode(encoding, "replace").decode(encoding)
    return "".join(character if character.isprintable() else "?" for character in shown)
