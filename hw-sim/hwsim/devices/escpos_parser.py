"""A byte-stream parser of the ESC/POS subset of escpos.md: bytes in, things to print out, in order.

Real-time commands (DLE EOT, DLE ENQ) act on the raw stream before this parser; here they are only skipped.
Anything unknown is noted and its letter skipped, as printers do.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

Align = Literal["left", "centre", "right"]
_ALIGN: Final[tuple[Align, ...]] = ("left", "centre", "right")
_LEVELS: Final = {0x30: "L", 0x31: "M", 0x32: "Q", 0x33: "H"}
UNKNOWN_KEPT: Final = 100
LINE_CHARS_MAX: Final = 4000
_PAGES = {0: "cp437", 17: "cp866"}  # of ESC t, as far as this printer has them
_DLE, _ESC, _FS, _GS, _LF = 0x10, 0x1B, 0x1C, 0x1D, 0x0A
_SPACE: Final = 0x20
_GB_FROM: Final = 0xA1
_FORM_B_FROM: Final = 65  # of GS k and GS V: the form with a length byte
Bytes = Generator[None, int, int]


@dataclass(frozen=True, slots=True)
class Style:
    """How characters look; width and height are multiples of font A's 12 x 24 dots."""

    width: int = 1
    height: int = 1
    bold: bool = False
    align: Align = "left"


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line: runs of text, each in its style; the line's place is that of its first run."""

    runs: tuple[tuple[str, Style], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.runs)


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR code as the printer's firmware draws it: without a quiet zone."""

    data: bytes
    module_dots: int
    level: str
    align: Align


@dataclass(frozen=True, slots=True)
class Raster:
    """GS v 0: rows of `width_bytes` bytes, the leftmost dot in the highest bit, 1 is black."""

    width_bytes: int
    height: int
    data: bytes
    align: Align


@dataclass(frozen=True, slots=True)
class Feed:
    """Empty paper."""

    dots: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The knife; partial leaves one point."""

    partial: bool


@dataclass(frozen=True, slots=True)
class Query:
    """GS r: answered when everything before it has been worked off."""

    number: int


@dataclass(frozen=True, slots=True)
class StatusBack:
    """GS a: automatic status back, a mask."""

    mask: int


Op = Line | Qr | Raster | Feed | Cut | Query | StatusBack


@dataclass(slots=True)
class _Code:
    """The QR settings and storage; ESC @ resets them."""

    module_dots: int = 3
    level: str = "L"
    data: bytes = b""


@dataclass(slots=True)
class _State:
    style: Style = field(default_factory=Style)
    pitch: int = 30
    chinese: bool = False  # FS &: bytes from A1 on come in pairs, GB 2312
    page: str = "cp437"  # ESC t: what single bytes from 80 on are
    code: _Code = field(default_factory=_Code)


class EscposParser:
    """`on_op(op, size)` is told each finished thing and how many bytes it took in the receive buffer."""

    def __init__(self, on_op: Callable[[Op, int], None]) -> None:
        self.unknown: list[str] = []
        self._on_op = on_op
        self._state = _State()
        self._runs: list[tuple[str, Style]] = []
        self._size = 0
        self._machine = self._commands()
        next(self._machine)

    @property
    def pending(self) -> int:
        """Bytes of something unfinished."""
        return self._size

    def feed(self, data: bytes) -> None:
        for byte in data:
            self._size += 1
            self._machine.send(byte)

    # --- the grammar: generators that are sent one byte at a time -----------------------------------------

    def _commands(self) -> Generator[None, int, None]:
        while True:
            if not self._runs:
                self._size = 0  # a setting takes no room once it is understood
            byte = yield
            if byte == _LF:
                self._end_line()
            elif self._state.chinese and byte >= _GB_FROM:
                self._character(bytes((byte, (yield))).decode("gb2312", "replace")[:1])
            elif byte >= _SPACE:
                self._character(bytes((byte,)).decode(self._state.page))
            elif byte == _ESC:
                yield from self._esc()
            elif byte == _GS:
                yield from self._gs()
            elif byte == _FS:
                yield from self._skip_fs()
            elif byte == _DLE:
                yield from self._skip_real_time()
            # CR, HT, CAN and other control characters print nothing here

    def _next(self) -> Bytes:
        return (yield)

    def _word(self) -> Bytes:
        low = yield from self._next()
        high = yield from self._next()
        return low + 256 * high

    def _block(self, count: int) -> Generator[None, int, bytes]:
        data = bytearray()
        for _ in range(count):
            data.append((yield))
        return bytes(data)

    def _esc(self) -> Generator[None, int, None]:
        command = chr((yield))
        if command == "@":
            self._state, self._runs = _State(), []
        elif command == "2":
            self._state.pitch = 30
        elif command in "a!EGdJ3-MtR {V%=rSU":
            self._esc_one(command, (yield))
        elif command in "$\\":
            yield from self._word()
        elif command == "p":
            yield from self._block(3)
        elif command == "c":
            yield from self._block(2)
        elif command == "D":
            while (yield):  # tab stops up to a zero
                pass
        elif command in "im":
            self._emit(Cut(partial=command == "m"))
        else:
            self._unknown(f"ESC {command!r}")

    def _esc_one(self, command: str, n: int) -> None:
        state = self._state
        if command == "a":
            state.style = replace(state.style, align=_ALIGN[n % 0x30 if n % 0x30 < len(_ALIGN) else 0])
        elif command == "!":
            state.style = Style(2 if n & 0x20 else 1, 2 if n & 0x10 else 1, bool(n & 0x08), state.style.align)
        elif command in "EG":
            state.style = replace(state.style, bold=bool(n & 1))
        elif command == "t":
            state.page = _PAGES.get(n, "cp437")
        elif command == "3":
            state.pitch = n
        elif command == "d":
            self._end_line()
            self._emit(Feed(n * state.pitch))
        elif command == "J":
            self._end_line()
            self._emit(Feed(n))

    def _gs(self) -> Generator[None, int, None]:
        command = chr((yield))
        if command == "!":
            n = yield
            self._state.style = replace(self._state.style, width=(n >> 4 & 7) + 1, height=(n & 7) + 1)
        elif command == "V":
            yield from self._cut()
        elif command == "(":
            yield from self._extended()
        elif command == "r":
            self._emit(Query((yield)))
        elif command == "a":
            self._emit(StatusBack((yield)))
        elif command == "v":
            yield from self._raster()
        elif command == "k":
            yield from self._skip_barcode()
        else:
            yield from self._skip_gs(command)

    def _skip_gs(self, command: str) -> Generator[None, int, None]:
        if command in "BHfhwIb":
            yield
        elif command in "LWP":
            yield from self._word()
        else:
            self._unknown(f"GS {command!r}")

    def _cut(self) -> Generator[None, int, None]:
        m = yield
        if m >= _FORM_B_FROM:
            self._emit(Feed((yield)))
        self._emit(Cut(partial=m in (1, 49, 66)))

    def _extended(self) -> Generator[None, int, None]:
        letter = chr((yield))
        count = yield from self._word()
        block = yield from self._block(count)
        if letter == "k" and len(block) > 1 and block[0] == ord("1"):
            self._qr(block[1], block[2:])
        else:
            self._unknown(f"GS ( {letter!r}")

    def _qr(self, function: int, block: bytes) -> None:
        code = self._state.code
        first = block[0] if block else 0
        if function == 0x43:  # noqa: PLR2004 - 167: module size
            code.module_dots = max(1, min(16, first))
        elif function == 0x45:  # noqa: PLR2004 - 169: error correction
            code.level = _LEVELS.get(first, "L")
        elif function == 0x50:  # noqa: PLR2004 - 180: store
            code.data = block[1:]
        elif function == 0x51 and code.data:  # noqa: PLR2004 - 181: print; the data stays stored
            self._end_line()
            self._emit(Qr(code.data, code.module_dots, code.level, self._state.style.align))
        elif function != 0x41:  # noqa: PLR2004 - 165: model; both forms mean model 2 here
            self._unknown(f"GS ( k {function:#04x}")

    def _raster(self) -> Generator[None, int, None]:
        yield  # "0"
        yield  # m: scaling, taken as none
        width = yield from self._word()
        height = yield from self._word()
        data = yield from self._block(width * height)
        self._emit(Raster(width, height, data, self._state.style.align))

    def _skip_barcode(self) -> Generator[None, int, None]:
        m = yield
        if m >= _FORM_B_FROM:
            count = yield
            yield from self._block(count)
        else:
            while (yield):
                pass
        self._unknown("GS k")

    def _skip_fs(self) -> Generator[None, int, None]:
        command = chr((yield))
        if command in "&.":
            self._state.chinese = command == "&"
        else:
            yield

    def _skip_real_time(self) -> Generator[None, int, None]:
        command = yield
        if command in (0x04, 0x05):
            yield
            self._size -= 3  # it never went into the buffer
        elif command == 0x14:  # noqa: PLR2004 - DLE DC4 fn m t
            yield from self._block(3)

    # --- what comes out -----------------------------------------------------------------------------------

    def _character(self, text: str) -> None:
        if sum(len(run) for run, _ in self._runs) >= LINE_CHARS_MAX:
            return
        if self._runs and self._runs[-1][1] == self._state.style:
            self._runs[-1] = (self._runs[-1][0] + text, self._state.style)
        else:
            self._runs.append((text, self._state.style))

    def _end_line(self) -> None:
        self._emit(Line(tuple(self._runs)) if self._runs else Feed(self._state.pitch))
        self._runs = []

    def _emit(self, op: Op) -> None:
        size, self._size = self._size, 0
        self._on_op(op, size)

    def _unknown(self, what: str) -> None:
        if len(self.unknown) < UNKNOWN_KEPT:
            self.unknown.append(what)
