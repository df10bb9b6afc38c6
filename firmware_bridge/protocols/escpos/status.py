"""What an ESC/POS printer answers: real-time status `DLE EOT n`, and `GS r 1` queued behind the print data.

Source: fact sheet `escpos.md` sections 4 to 6. An answer is one byte and says neither to which question it belongs
nor when it was true; so there is one question at a time, and late answers are waited out by the driver. The reply to
`GS r` comes only when everything sent before it has been worked off: here it is a mark in the job, and what else its
bits say (unconfirmed) is not read.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from firmware_bridge.interfaces import ReceiptPrinterStatus

QUESTIONS: Final = (1, 2, 3, 4)  # printer, offline cause, error cause, paper sensors
MARK: Final = b"\x1dr\x01"
ASB_OFF: Final = b"\x1da\x00"  # its bytes could be taken for the reply to a mark
# Recover from an error and clear the buffers, so that a receipt in doubt does not come out later, in front of
# somebody else. The sheet confirms it after errors; where a printer ignores it, nothing is worse than before.
RECOVER_AND_CLEAR: Final = b"\x10\x05\x02"
_FIXED_MASK, _FIXED = 0x93, 0x12
_MARK_MASK: Final = 0x90  # bits 4 and 7 are 0 in a reply to GS r; XON and XOFF have bit 4
OFFLINE: Final = 0x08  # of answer 1
COVER_OPEN, PAPER_STOP, ERROR = 0x04, 0x20, 0x40  # of answer 2
CUTTER, UNRECOVERABLE, RECOVERABLE = 0x08, 0x20, 0x40  # of answer 3
NEAR_END, END = 0x0C, 0x60  # of answer 4; set means no paper (CT, TG02H)


class Heard(NamedTuple):
    """One byte from the printer that means something."""

    kind: Literal["answer", "mark"]
    byte: int


def question(number: int) -> bytes:
    """`DLE EOT n`. Never sent inside another command."""
    return bytes((0x10, 0x04, number))


def heard(chunk: bytes) -> Iterator[Heard]:
    """The answers and marks in a chunk; flow control, status nobody asked for and noise are skipped."""
    for byte in chunk:
        if byte & _FIXED_MASK == _FIXED:
            yield Heard("answer", byte)
        elif not byte & _MARK_MASK:
            yield Heard("mark", byte)


def told(answers: Mapping[int, int]) -> ReceiptPrinterStatus:
    """The status that the answers to all four questions make; one that is missing means silence."""
    if any(number not in answers for number in QUESTIONS):
        return ReceiptPrinterStatus(answered=False)
    printer, cause, error, paper = (answers[number] for number in QUESTIONS)
    return ReceiptPrinterStatus(
        answered=True,
        offline=bool(printer & OFFLINE),
        cover_open=bool(cause & COVER_OPEN),
        paper_near_end=bool(paper & NEAR_END),
        paper_end=bool(paper & END or cause & PAPER_STOP),
        cutter_error=bool(error & CUTTER),
        other_error=bool(cause & ERROR or error & (UNRECOVERABLE | RECOVERABLE)) and not error & CUTTER,
    )
