"""The label printer and the receipt printer."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LabelPrinterStatus:
    """What `~HS` told; `answered` False is a state of its own (silence)."""

    answered: bool
    ready: bool
    paper_out: bool = False
    paused: bool = False
    head_open: bool = False
    ribbon_out: bool = False
    labels_remaining: int = 0
    formats_waiting: int = 0
    label_waiting: bool = False  # a printed one still hangs at the peel bar


@dataclass(frozen=True, slots=True)
class Label:
    """What a bundle's label says. No account data."""

    bundle_id: str
    copy: int
    lines: tuple[str, ...]  # text, already in words
    qr: str
    barcode: str


class LabelPrinter(Protocol):
    """The label printer. Only its own word counts: bytes sent prove nothing."""

    async def status(self) -> LabelPrinterStatus: ...

    async def print_label(self, label: Label) -> None:
        """Returns when the printer says that the label is out; `LabelNotPrinted` otherwise."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReceiptPrinterStatus:
    """What `DLE EOT` 1 to 4 told; `answered` False is a state of its own (silence, or no link)."""

    answered: bool
    offline: bool = False
    cover_open: bool = False
    paper_near_end: bool = False
    paper_end: bool = False
    cutter_error: bool = False
    other_error: bool = False  # the head is too hot, or it needs service

    @property
    def ready(self) -> bool:
        """Whether a receipt may be begun. Near end is enough for one."""
        return self.answered and not (
            self.offline or self.cover_open or self.paper_end or self.cutter_error or self.other_error
        )

    @property
    def trouble(self) -> str:
        """What stands in the way, in words; empty when it is ready."""
        told = {
            "it does not answer": not self.answered,
            "the cover is open": self.cover_open,
            "the paper is used up": self.paper_end,
            "the cutter is stuck": self.cutter_error,
            "it reports an error": self.other_error,
            "it is offline": self.offline,
        }
        return next((words for words, holds in told.items() if holds), "")

    @property
    def remedy(self) -> str:
        """For the person in front of it."""
        if not self.answered:
            return "Check power and cable of the receipt printer."
        return "Open the receipt printer: put in a new roll, free the cutter, close the cover."


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """One line or paragraph; longer ones are wrapped. What the printer has no character for becomes a `?`."""

    text: str
    large: bool = False
    bold: bool = False
    centred: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptQr:
    """A QR code, level M, as large as the paper allows: at most 1,400 bytes in UTF-8.

    No control characters but newlines: 10 04 in the data could be taken for a real-time command.
    """

    data: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is printed, from top to bottom; the paper is cut after it."""

    parts: tuple[ReceiptText | ReceiptQr, ...]


class ReceiptPrinter(Protocol):
    """The receipt printer. Only its own word counts: bytes sent prove nothing."""

    async def status(self) -> ReceiptPrinterStatus:
        """Raises `LinkDown` when the port is gone."""

    async def print_receipt(self, receipt: Receipt) -> None:
        """Returns when the printer says that it is out and cut; `ReceiptNotPrinted` otherwise."""

    def close(self) -> None: ...
