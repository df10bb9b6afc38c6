"""A peel-off label printer speaking ZPL II: prints one label, offers it on the peel bar, answers ~HS and ~HI."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hwsim.config import LabelPrinterConfig
from hwsim.devices.label_render import render_png
from hwsim.devices.wired import Wired
from hwsim.devices.zpl_parser import Format, ZplParser
from hwsim.faults import FaultSpec
from hwsim.world import PeeledLabel, World

NAME: Final = "label"
SETTINGS_9600_8N1: Final = 30
PRINTED_FRACTION: Final = 0.9  # of a label's time: from here on it hangs out of the printer, power or not
LABELS_KEPT: Final = 1000


@dataclass
class PrintedLabel:
    """One label that came out: what it says, and its picture (drawn when first asked for)."""

    number: int
    at_s: float
    format: Format
    width_dots: int
    height_dots: int

    @cached_property
    def png(self) -> bytes:
        """The picture, 203 dpi."""
        return render_png(self.format, self.width_dots, self.height_dots)

    def fields(self) -> dict[str, Any]:
        """What one can read on it."""
        return {
            "number": self.number,
            "at_s": round(self.at_s, 3),
            "lines": list(self.format.lines),
            "qr": self.format.qr,
            "barcode": self.format.barcode,
        }


@dataclass(slots=True)
class _Job:
    format: Format
    remaining: int


class LabelPrinter(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: LabelPrinterConfig) -> None:
        super().__init__(world.scheduler)
        self.printed: list[PrintedLabel] = []
        self._world = world
        self._config = config
        self._head_open = False
        self._ribbon_out = False
        self._hot = False
        self._paused = False
        self._jobs: deque[_Job] = deque()
        self._parser = ZplParser(self._received, self._control)
        world.attach(NAME, self, *self._fault_specs())
        world.on_label_taken = self._advance
        world.on_restocked = self.resume
        self.power_on()

    # --- power and link --------------------------------------------------------------------------------

    def power_on(self) -> None:
        """An empty buffer; a label on the peel bar is still there."""
        if not self.powered:
            self.powered = True
            self._paused = False
            self._jobs.clear()
            self._parser = ZplParser(self._received, self._control)

    def power_off(self) -> None:
        """Formats in the buffer are lost, and a label that was less than nearly out is spoilt."""
        self._dark()
        self._jobs.clear()

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere."""
        if self.powered:
            self._parser.feed(data)

    def _control(self, name: str, _parameters: str) -> None:
        if name == "HS" and not (self._in_error and self._config.status_in_error == "silent"):
            self._reply("".join(f"\x02{text}\x03\r\n" for text in self._status()))
        elif name == "HI":
            self._reply(f"\x02{self._config.model},{self._config.firmware},8,8192KB\x03\r\n")
        elif name == "PS":
            self.resume()
        elif name == "PP":
            self._paused = True
        elif name == "JA":
            self._jobs.clear()
            self._timers.stop("print")
            self._timers.stop("out")

    def _reply(self, text: str) -> None:
        if self.faults.loses(0):
            return
        wire = self.faults.spoil(text.encode("ascii"))
        self._leave(wire, self._config.reply_delay_s)

    @property
    def _paper_out(self) -> bool:
        return self._world.labels <= 0

    @property
    def _in_error(self) -> bool:
        return self._paper_out or self._head_open or self._ribbon_out or self._hot

    def _status(self) -> tuple[str, str, str]:
        """The three strings of ~HS (zpl.md section 3)."""
        current = self._jobs[0].remaining if self._jobs else 0
        waiting = max(0, len(self._jobs) - 1) if self._printing else len(self._jobs)
        full = len(self._jobs) >= self._config.formats_max
        first = (
            f"{SETTINGS_9600_8N1:03d},{self._paper_out:d},{self._paused:d},{self._config.height_dots:04d},{waiting:03d},"
            f"{full:d},0,{self._parser.partial:d},000,0,0,{self._hot:d}"
        )
        second = (
            f"001,0,{self._head_open:d},{self._ribbon_out:d},0,1,6,{self._world.peel_bar is not None:d},"
            f"{current:08d},1,000"
        )
        return first, second, "1234,0"

    # --- printing --------------------------------------------------------------------------------------

    @property
    def _printing(self) -> bool:
        return self._timers.running("print")

    def _received(self, label: Format) -> None:
        if len(self._jobs) >= self._config.formats_max:
            self._world.announce("label", "buffer_full")
            return
        self._jobs.append(_Job(label, label.quantity))
        self._advance()

    def resume(self) -> None:
        """The technician (or ~PS) ends a pause."""
        self._paused = False
        self._advance()

    def _advance(self) -> None:
        """Print the next label if there is paper and the peel bar is free."""
        blocked = self._in_error or self._paused or self._world.peel_bar is not None or self._printing
        if self.powered and self._jobs and not blocked:
            self._timers.start("out", self._config.print_s * PRINTED_FRACTION, self._out)
            self._timers.start("print", self._config.print_s, self._done)

    def _out(self) -> None:
        """The label hangs on the peel bar."""
        self._world.labels -= 1
        job = self._jobs[0]
        number = (self.printed[-1].number if self.printed else 0) + 1
        config = self._config
        label = PrintedLabel(number, self._world.now_s(), job.format, config.width_dots, config.height_dots)
        self.printed.append(label)
        del self.printed[:-LABELS_KEPT]
        self._world.peel_bar = PeeledLabel(number, job.format.lines, job.format.qr, job.format.barcode)
        self._world.announce("label", "printed", number=number)

    def _done(self) -> None:
        job = self._jobs[0]
        job.remaining -= 1
        if not job.remaining:
            self._jobs.popleft()
        if self._paper_out:
            self._paused = True  # as the printers do: new paper, then the pause key
        self._advance()

    # --- the truth, and faults -------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """For the control page and the judge."""
        return {
            "powered": self.powered,
            "labels_left": self._world.labels,
            "printed": self.printed[-1].number if self.printed else 0,
            "waiting_on_peel_bar": self._world.peel_bar is not None,
            "formats": len(self._jobs),
            "paused": self._paused,
            "head_open": self._head_open,
            "ribbon_out": self._ribbon_out,
        }

    def _fault_specs(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        return (
            spec("head_open", "the print head is open or closed", self._set_head, on=True),
            spec("ribbon_out", "the ribbon is used up or new", self._set_ribbon, on=True),
            spec("hot", "the head is too hot or cool again", self._set_hot, on=True),
            spec("paused", "the pause key", self._set_paused, on=True),
            spec("paper_out", "the label roll is used up", lambda: self._world.restock(labels=0)),
            spec("paper_loaded", "a new roll, and the pause key", self._load, labels=100),
            spec("label_torn_off", "a hand takes the label from the peel bar", self._tear),
            spec("lost_reply", "replies are lost on the line", self._lose, count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("restart", "it restarts by itself, with an empty buffer", self._restart),
        )

    def _set_head(self, on: bool) -> None:  # noqa: FBT001 - parameter of a fault
        self._head_open = on
        self._advance()

    def _set_ribbon(self, on: bool) -> None:  # noqa: FBT001
        self._ribbon_out = on
        self._advance()

    def _set_hot(self, on: bool) -> None:  # noqa: FBT001
        self._hot = on
        self._advance()

    def _set_paused(self, on: bool) -> None:  # noqa: FBT001
        self._paused = on
        self._advance()

    def _load(self, labels: int) -> None:
        self._world.restock(labels=labels)

    def _tear(self) -> None:
        self._world.take_label()

    def _restart(self) -> None:
        if self.powered:
            self.power_off()
            self.power_on()
