"""A byte-stream parser of the ZPL II subset of zpl.md: formats, fields, and control commands that act at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FORMAT_BYTES_MAX: Final = 64_000
QUANTITY_MAX: Final = 99_999_999
_NUMBER: Final = re.compile("[0-9]{1,9}")  # to Python, other characters are digits, too


@dataclass(frozen=True, slots=True)
class TextField:
    """Text in the scalable font: position, height and width in dots, rotation N R I B."""

    x: int
    y: int
    text: str
    height: int
    width: int
    rotation: str = "N"


@dataclass(frozen=True, slots=True)
class Code128Field:
    """A Code 128 barcode: height and width of its narrow bar in dots."""

    x: int
    y: int
    data: str
    height: int
    module: int
    text_line: bool


@dataclass(frozen=True, slots=True)
class QrField:
    """A QR code; the payload without its ^FD prefix."""

    x: int
    y: int
    data: bytes
    magnification: int
    level: str  # H Q M L


@dataclass(frozen=True, slots=True)
class Format:
    """One finished ^XA ... ^XZ."""

    fields: tuple[TextField | Code128Field | QrField, ...]
    quantity: int

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(field.text for field in self.fields if isinstance(field, TextField))

    @property
    def qr(self) -> str:
        return next((f.data.decode("utf-8", "replace") for f in self.fields if isinstance(f, QrField)), "")

    @property
    def barcode(self) -> str:
        return next((field.data for field in self.fields if isinstance(field, Code128Field)), "")


@dataclass(slots=True)
class _Draft:
    """The format being received."""

    fields: list[TextField | Code128Field | QrField] = field(default_factory=list)
    quantity: int = 1
    utf8: bool = False
    x: int = 0
    y: int = 0
    font: tuple[str, int, int] = ("N", 15, 12)
    module: int = 2
    bar_height: int = 10
    barcode: tuple[str, list[str]] | None = None  # ("BC" or "BQ", parameters)
    hexes: bool = False
    data: bytes | None = None


class ZplParser:
    """Bytes in, calls out: `on_format(format)` at ^XZ, `on_control(name, parameters)` at each ~ command."""

    def __init__(self, on_format: Callable[[Format], None], on_control: Callable[[str, str], None]) -> None:
        self._on_format = on_format
        self._on_control = on_control
        self._draft: _Draft | None = None
        self._lead = 0  # 0, or the ^ or ~ that began the command being read
        self._command = bytearray()
        self._size = 0

    @property
    def partial(self) -> bool:
        """A format has begun and not ended."""
        return self._draft is not None

    def feed(self, data: bytes) -> None:
        for byte in data:
            self._byte(byte)

    def _byte(self, byte: int) -> None:
        if byte in b"^~":
            self._finish()
            self._lead = byte
            return
        if not self._lead:
            return  # anything outside a command is skipped
        if byte in b"\r\n":
            return
        self._command.append(byte)
        self._size += 1
        if self._size > FORMAT_BYTES_MAX:  # nobody sends a label like that
            self._draft, self._size = None, 0
            self._command.clear()
            self._lead = 0
            return
        if self._complete():
            self._finish()

    def _complete(self) -> bool:
        """Commands without parameters act at their second letter; the others at the next ^ or ~."""
        name = bytes(self._command[:2]).upper()
        if self._lead == ord("~"):
            return len(self._command) == 2 and name in {b"HS", b"HI", b"PS", b"PP", b"JA", b"JR"}  # noqa: PLR2004
        return name in {b"XA", b"XZ", b"FS"}

    def _finish(self) -> None:
        """Carry out what has been read of the present command."""
        if not self._lead or len(self._command) < 2:  # noqa: PLR2004 - commands have two letters
            self._command.clear()
            self._lead = 0
            return
        lead, raw = self._lead, bytes(self._command)
        self._lead = 0
        self._command.clear()
        name, rest = raw[:2].decode("latin-1").upper(), raw[2:]
        if lead == ord("~"):
            self._on_control(name, rest.decode("latin-1"))
            return
        if name == "XA":
            self._draft, self._size = _Draft(), 0
        elif self._draft is not None:
            self._format_command(self._draft, name, rest)

    def _format_command(self, draft: _Draft, name: str, rest: bytes) -> None:
        parameters = rest.decode("latin-1").split(",")
        if name == "XZ":
            self._draft = None
            self._on_format(Format(tuple(draft.fields), draft.quantity))
        elif name == "FD":
            draft.data = rest
        elif name == "FS":
            _end_field(draft)
        elif name == "FH":
            draft.hexes = True
        elif name in {"BC", "BQ"}:
            draft.barcode = (name, parameters)
        elif name[0] == "A":  # ^Afo,h,w: the font is the second letter
            _font(draft, parameters)
        else:
            _setting(draft, name, parameters)


def _setting(draft: _Draft, name: str, parameters: list[str]) -> None:
    if name == "FO":
        draft.x, draft.y = _number(parameters, 0, 0), _number(parameters, 1, 0)
    elif name == "CI":
        draft.utf8 = _number(parameters, 0, 0) == 28  # noqa: PLR2004 - ^CI28 is UTF-8
    elif name == "BY":
        draft.module = _number(parameters, 0, draft.module)
        draft.bar_height = _number(parameters, 2, draft.bar_height)
    elif name == "PQ":
        draft.quantity = max(1, min(QUANTITY_MAX, _number(parameters, 0, 1)))


def _font(draft: _Draft, parameters: list[str]) -> None:
    rotation = parameters[0][:1] or draft.font[0]
    height = _number(parameters, 1, draft.font[1])
    draft.font = (rotation, height, _number(parameters, 2, height))


def _end_field(draft: _Draft) -> None:
    """^FS: what was drafted becomes a field; font, barcode and hex escapes hold for one field only."""
    if draft.data is not None:
        data = _unescape(draft.data) if draft.hexes else draft.data
        encoding = "utf-8" if draft.utf8 else "cp850"
        if draft.barcode is None:
            rotation, height, width = draft.font
            text = data.decode(encoding, "replace")
            draft.fields.append(TextField(draft.x, draft.y, text, height, width, rotation))
        elif draft.barcode[0] == "BC":
            draft.fields.append(_code128(draft, draft.barcode[1], data))
        else:
            draft.fields.append(_qr(draft, draft.barcode[1], data))
    draft.data, draft.barcode, draft.hexes, draft.font = None, None, False, ("N", 15, 12)


def _code128(draft: _Draft, parameters: list[str], data: bytes) -> Code128Field:
    text = data.decode("latin-1")
    text = text.removeprefix(">:").replace("><", "^").replace(">=", "~").replace(">0", ">")
    shown = len(parameters) < 3 or parameters[2] != "N"  # noqa: PLR2004 - f is the third parameter
    return Code128Field(draft.x, draft.y, text, _number(parameters, 1, draft.bar_height), draft.module, shown)


def _qr(draft: _Draft, parameters: list[str], data: bytes) -> QrField:
    """The prefix of ^FD after ^BQ: level, input mode, comma; manual mode B has a four-digit byte count."""
    level, mode = data[:1].decode("latin-1"), data[1:2]
    payload = data[3:]
    if mode == b"M":
        kind, payload = payload[:1], payload[1:]
        if kind == b"B":
            count = payload[:4]
            payload = payload[4 : 4 + int(count)] if count.isdigit() else b""
    level = level if level in "HQML" else "M"
    return QrField(draft.x, draft.y, payload, max(1, min(10, _number(parameters, 2, 3))), level)


def _unescape(data: bytes) -> bytes:
    """^FH: `_5E` is one byte."""
    head, *rest = data.split(b"_")
    out = bytearray(head)
    for part in rest:
        try:
            out.append(int(part[:2], 16))
        except ValueError:
            out += b"_" + part
        else:
            out += part[2:]
    return bytes(out)


def _number(parameters: list[str], index: int, default: int) -> int:
    text = parameters[index].strip() if index < len(parameters) else ""
    return int(text) if _NUMBER.fullmatch(text) else default
