"""A thermal receipt printer speaking ESC/POS: prints, cuts, and answers DLE EOT whatever else it is doing."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hwsim.config import ReceiptPrinterConfig
from hwsim.devices.escpos_parser import Cut, EscposParser, Line, Op, Qr, Query, StatusBack
from hwsim.devices.receipt_render import Printed, height_dots, render_png
from hwsim.devices.wired import Wired
from hwsim.faults import FaultSpec
from hwsim.world import World

NAME: Final = "receipt"
RECEIPTS_KEPT: Final = 1000
ITEMS_MAX: Final = 2000  # of one piece of paper
DOTS_PER_MM: Final = 8
_FIXED: Final = 0x12  # bits 1 and 4 of every real-time answer
_EOT, _ENQ = 0x04, 0x05
_DLE: Final = 0x10
_QUESTIONS: Final = (1, 2, 3, 4)


@dataclass
class PrintedReceipt:
    """One piece of paper that came out: what it says, and its picture (drawn when first asked for)."""

    number: int
    at_s: float
    items: tuple[Printed, ...]
    cut: bool  # False: torn off by the hand that changed the paper

    @property
    def lines(self) -> list[str]:
        return [item.text for item in self.items if isinstance(item, Line)]

    @property
    def qrs(self) -> list[str]:
        return [item.data.decode("utf-8", "replace") for item in self.items if isinstance(item, Qr)]

    @cached_property
    def png(self) -> bytes:
        """The picture, 203 dpi."""
        return render_png(self.items)

    def fields(self) -> dict[str, Any]:
        """What one can read on it."""
        made = {"number": self.number, "at_s": round(self.at_s, 3), "cut": self.cut}
        return {**made, "lines": self.lines, "qrs": self.qrs}


class ReceiptPrinter(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: ReceiptPrinterConfig) -> None:
        super().__init__(world.scheduler)
        self.printed: list[PrintedReceipt] = []
        self._world = world
        self._config = config
        self._cover_open = False
        self._cutter_stuck = False
        self._cutter_error = False
        self._broken = False
        self._hot = False
        self._paper: list[Printed] = []  # printed and not cut off yet
        self._ops: deque[tuple[Op, int]] = deque()
        self._raw = b""  # the last two bytes, for real-time commands
        self._parser = EscposParser(self._received)
        world.attach(NAME, self, *self._fault_specs())
        world.on_receipt_paper = self._new_roll
        self.power_on()

    # --- power and link --------------------------------------------------------------------------------

    def power_on(self) -> None:
        """An empty buffer; paper that hangs out still hangs there."""
        if not self.powered:
            self.powered = True
            self._cutter_error = self._cutter_stuck
            self._clear()

    def power_off(self) -> None:
        """What was in the buffer is lost."""
        self._dark()
        self._clear()

    def _clear(self) -> None:
        self._ops.clear()
        self._timers.stop("work")
        self._raw = b""
        self._parser = EscposParser(self._received)

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere. Real-time commands act at once, in whatever they are contained."""
        for byte in data:
            if not self.powered:
                return
            command, self._raw = self._raw + bytes((byte,)), (self._raw + bytes((byte,)))[-2:]
            if len(command) == 3 and command[0] == _DLE:  # noqa: PLR2004 - DLE, command, n
                self._real_time(command[1], command[2])
            if self.buffered_bytes < self._config.buffer_bytes:
                self._parser.feed(bytes((byte,)))
            else:
                self._world.announce(NAME, "buffer_full")

    @property
    def buffered_bytes(self) -> int:
        """What lies in the receive buffer, not worked off yet."""
        return sum(size for _, size in self._ops) + self._parser.pending

    def _real_time(self, command: int, n: int) -> None:
        if command == _EOT and n in _QUESTIONS and self._config.status == "answers":
            self._reply(self._status()[n])
        elif command == _ENQ and n in (1, 2):
            self._cutter_error = self._cutter_stuck
            if n == 2:  # noqa: PLR2004 - recover and clear
                self._clear()
            self._advance()

    def _status(self) -> dict[int, int]:
        """The four answers of DLE EOT (escpos.md section 4)."""
        error = self._cutter_error or self._broken or self._hot
        return {
            1: _FIXED | 0x08 * self._offline,
            2: _FIXED | 0x04 * self._cover_open | 0x20 * self._paper_end | 0x40 * error,
            3: _FIXED | 0x08 * self._cutter_error | 0x20 * self._broken | 0x40 * self._hot,
            4: _FIXED | 0x0C * self._near_end | 0x60 * self._paper_end,
        }

    def _reply(self, byte: int) -> None:
        if self.faults.loses(0):
            return
        wire = self.faults.spoil(bytes((byte,)))
        self._leave(wire, self._config.reply_delay_s)

    @property
    def _paper_end(self) -> bool:
        return self._world.receipt_mm <= 0

    @property
    def _near_end(self) -> bool:
        return self._config.near_end_sensor and self._world.receipt_mm <= self._config.near_end_mm

    @property
    def _offline(self) -> bool:
        return self._cover_open or self._paper_end or self._cutter_error or self._broken or self._hot

    # --- printing --------------------------------------------------------------------------------------

    def _received(self, op: Op, size: int) -> None:
        self._ops.append((op, size))
        self._advance()

    def _advance(self) -> None:
        """Work off the next thing, if nothing stands in the way."""
        if self.powered and self._ops and not self._offline and not self._timers.running("work"):
            self._timers.start("work", self._seconds(self._ops[0][0]), self._worked)

    def _seconds(self, op: Op) -> float:
        if isinstance(op, Query | StatusBack):
            return 0.0
        if isinstance(op, Cut):
            return self._config.cut_s
        return height_dots(op) / DOTS_PER_MM / self._config.mm_per_s

    def _worked(self) -> None:
        op, _ = self._ops.popleft()
        if isinstance(op, Cut):
            self._cut()
        elif isinstance(op, Query):
            self._reply(0x03 * self._near_end)
        elif not isinstance(op, StatusBack):
            if len(self._paper) < ITEMS_MAX:
                self._paper.append(op)
            self._world.receipt_mm = max(self._world.receipt_mm - height_dots(op) / DOTS_PER_MM, 0.0)
        self._advance()

    def _cut(self) -> None:
        if self._cutter_stuck:
            self._cutter_error = True
            return
        self._take_off(cut=True)

    def _take_off(self, *, cut: bool) -> None:
        if not self._paper:
            return
        number = (self.printed[-1].number if self.printed else 0) + 1
        self.printed.append(PrintedReceipt(number, self._world.now_s(), tuple(self._paper), cut))
        del self.printed[:-RECEIPTS_KEPT]
        self._paper = []
        self._world.announce(NAME, "printed" if cut else "torn", number=number)

    def _new_roll(self) -> None:
        """A hand changes the paper and tears off what hung out."""
        self._take_off(cut=False)
        self._advance()

    # --- the truth, and faults -------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """For the control page and the judge."""
        return {
            "powered": self.powered,
            "paper_mm": round(self._world.receipt_mm, 1),
            "printed": self.printed[-1].number if self.printed else 0,
            "hangs_out": len(self._paper),
            "buffered_bytes": self.buffered_bytes,
            "cover_open": self._cover_open,
            "cutter_error": self._cutter_error,
            "unknown_commands": list(self._parser.unknown),
        }

    def _fault_specs(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        return (
            spec("cover_open", "the paper cover is open or closed", self._set("_cover_open"), on=True),
            spec("cutter_stuck", "the knife is stuck or free", self._set_cutter, on=True),
            spec("unrecoverable", "it needs service, or has had it", self._set("_broken"), on=True),
            spec("hot", "the head is too hot or cool again", self._set("_hot"), on=True),
            spec("paper_near_end", "little paper is left", self._near, mm=100.0),
            spec("paper_out", "the paper is used up", lambda: self._world.restock(receipt_mm=0.0)),
            spec("paper_loaded", "a new roll", lambda mm: self._world.restock(receipt_mm=mm), mm=60_000.0),
            spec("lost_reply", "replies are lost on the line", self._lose, count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("restart", "it restarts by itself, with an empty buffer", self._restart),
        )

    def _set(self, name: str) -> Callable[[bool], None]:
        def put(on: bool) -> None:  # noqa: FBT001 - parameter of a fault
            setattr(self, name, on)
            self._advance()

        return put

    def _set_cutter(self, on: bool) -> None:  # noqa: FBT001
        self._cutter_stuck = on
        self._cutter_error = self._cutter_error and on
        self._advance()

    def _near(self, mm: float) -> None:
        self._world.receipt_mm = mm

    def _restart(self) -> None:
        if self.powered:
            self.power_off()
            self.power_on()
