"""A receipt as ESC/POS bytes, made by python-escpos without a printer (its `Dummy`), in parts.

Parts are small enough for any printer's buffer: the driver sends the next one only when the one before has been
worked off, so no flow-control wires are needed. Text is ASCII: code pages differ from printer to printer.
"""

import shutil
import textwrap
from bisect import bisect_left
from typing import Final

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
# ISO/IEC 18004 table 7: bytes that versions 1 to 31 hold at level M.
_QR_CAPACITY: Final = (
    *(14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450),
    *(504, 560, 624, 666, 711, 779, 857, 911, 997, 1059, 1125, 1190, 1264, 1370, 1452),
)

# Importing python-escpos leaves a cache of its printer database in a temporary directory of its own.
shutil.rmtree(capabilities.pickle_dir, ignore_errors=True)


def build_job(receipt: Receipt) -> list[bytes]:
    """The parts of the job, in order; the last ends with the cut. Raises EscposError."""
    printer = Dummy()
    printer.hw("INIT")
    parts: list[bytes] = []
    text = bytes(printer.output) + ASB_OFF
    for part in receipt.parts:
        printer.clear()
        piece = _qr(printer, part) if isinstance(part, ReceiptQr) else _text(printer, part)
        if len(text) + len(piece) > PART_BYTES_MAX:
            parts.append(text)
            text = b""
        text += piece
    printer.clear()
    printer.cut(mode="PART", feed=False)  # GS V B 0: feed to the cutter, leave one point: the portable form
    return [*parts, text + printer.output]


def qr_module_dots(data_bytes: int) -> int:
    """Dots of one module, so that symbol and quiet zone fill the paper. Raises EscposError when there is no room."""
    if not 0 < data_bytes <= QR_BYTES_MAX:
        raise EscposError(f"{data_bytes} bytes in a QR code, 1 to {QR_BYTES_MAX} are possible")
    version = bisect_left(_QR_CAPACITY, data_bytes) + 1
    modules = 17 + 4 * version + 2 * _QUIET_MODULES
    return min(QR_DOTS_MAX, PAPER_DOTS // modules)


def _text(printer: Dummy, part: ReceiptText) -> bytes:
    columns = COLUMNS // 2 if part.large else COLUMNS
    lines = textwrap.wrap(_ascii(part.text), columns) or [""]
    printer.set(
        align="center" if part.centred else "left",
        bold=part.bold,
        normal_textsize=not part.large,
        double_width=part.large,
        double_height=part.large,
    )
    printer.text("".join(f"{line}\n" for line in lines))
    return bytes(printer.output)


def _qr(printer: Dummy, part: ReceiptQr) -> bytes:
    data = part.data.encode()
    if any(byte < ord(" ") and byte != ord("\n") for byte in data):
        raise EscposError("a control character in a QR code could be taken for a command")
    printer.set(align="center", normal_textsize=True)
    printer.qr(part.data, ec=QR_ECLEVEL_M, size=qr_module_dots(len(data)), model=QR_MODEL_2, native=True)
    printer.text("\n")  # the quiet zone above is the feed of the caption's line
    return bytes(printer.output)


def _ascii(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
