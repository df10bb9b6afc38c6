"""What the EBDS acceptor answers: omnibus, extended and auxiliary messages (ebds.md 3 to 6)."""

from collections.abc import Callable
from typing import Final

from hwsim.devices import ebds_body as b
from hwsim.devices.ebds_accept import EbdsAcceptor
from hwsim.devices.ebds_body import EbdsBody, Happened
from hwsim.devices.ebds_frame import Kind, Message
from hwsim.devices.ssp_body import Jam, Phase

NOTE, INHIBITS, VALUE_TABLE = 0x02, 0x03, 0x06
CRC, APPLICATION_PART, VARIANT_NAME, VARIANT_PART, CAPABILITIES, RESET = 0x00, 0x07, 0x08, 0x09, 0x0D, 0x7F
TABLE_ROWS: Final = 7
_NULL_NOTE: Final = bytes(18)
_SUSPECTED: Final = 2
_GENUINE: Final = 4


class EbdsCommands:
    """Carries out one message and builds its reply: kind and data, or None for silence."""

    def __init__(self, body: EbdsBody, acceptor: EbdsAcceptor, reset: Callable[[], None]) -> None:
        self._body = body
        self._acceptor = acceptor
        self._reset = reset

    def execute(self, message: Message) -> tuple[int, bytes] | None:
        data = message.data
        if message.kind == Kind.COMMAND and len(data) == 3:  # noqa: PLR2004 - Data 0 to 2
            self._obey(data)
            return self._poll_reply()
        if message.kind == Kind.EXTENDED and len(data) >= 4:  # noqa: PLR2004 - subtype, Data 0 to 2
            self._obey(data[1:4])
            return self._extended(data[0], data[4:])
        if message.kind == Kind.AUXILIARY and len(data) == 3:  # noqa: PLR2004 - A, B, command
            return self._auxiliary(data)
        return None

    def _obey(self, data: bytes) -> None:
        body = self._body
        body.enables, mode, configuration = data
        body.policy = configuration >> 2 & 3
        body.extended = body.config.profile.extended_notes and bool(configuration & 0x10)
        stack, give_back = bool(mode & 0x20), bool(mode & 0x40)
        obeyed = True
        if stack and give_back:
            obeyed = False
        elif stack:
            obeyed = self._acceptor.stack()
        elif give_back:
            obeyed = self._acceptor.give_back()
        if not obeyed:
            body.events.append(Happened(trouble=b.INVALID))

    # --- how it is ---------------------------------------------------------------------------------------

    def _poll_reply(self) -> tuple[int, bytes]:
        body = self._body
        event = body.events.popleft() if body.events and not body.initialising else Happened()
        told = bool(event.state & b.STACKED)
        in_escrow = not told and body.phase is Phase.ESCROW and not body.held_out_of_order and not body.initialising
        index = event.note if told else body.index if in_escrow else 0
        six = self._six(event, 0 if body.extended else index)
        if not body.events:
            self._acceptor.try_draw()
        if body.extended and (told or in_escrow):
            suspect = event.suspect if told else body.suspect
            return Kind.EXTENDED, bytes((NOTE,)) + six + self._note(index, 0, suspect=suspect)
        return Kind.REPLY, six

    def _six(self, event: Happened, value: int) -> bytes:
        body = self._body
        status = event.status | (0 if body.cassette_removed else b.ATTACHED)
        status |= b.JAMMED if body.jam is not Jam.NONE else 0
        status |= b.FULL if body.cassette_full else 0
        trouble = event.trouble | value << 3 | (b.POWER_UP if body.initialising else 0)
        trouble |= b.FAILURE if body.failed else 0
        return bytes((event.state or self._state(), status, trouble, 0x10, body.config.model, body.config.revision))

    def _state(self) -> int:
        body = self._body
        if body.initialising or body.out_of_order:
            return 0
        return {
            Phase.IDLE: b.IDLING,
            Phase.SCANNING: b.ACCEPTING,
            Phase.ESCROW: b.ESCROWED,
            Phase.MOVING: b.STACKING,
            Phase.PAST_SAFE: b.STACKING,
            Phase.REJECTING: b.RETURNING,
        }[body.phase]

    def _note(self, index: int, shown: int, *, suspect: bool = False) -> bytes:
        """18 bytes: index, ISO, base, sign, exponent, orientation, type, series, compatibility, version, class, 2."""
        if not 1 <= index <= len(self._body.config.notes):
            return _NULL_NOTE
        row = self._body.config.notes[index - 1]
        sign = "-" if row.exponent < 0 else "+"
        text = f"{row.currency}{row.base:03d}{sign}{abs(row.exponent):02d}"
        classified = (_SUSPECTED if suspect else _GENUINE) if self._body.config.profile.classifies else 0
        return bytes((shown,)) + text.encode() + b"\x00AABA" + bytes((classified, 0, 0))

    # --- extended and auxiliary --------------------------------------------------------------------------

    def _extended(self, subtype: int, extra: bytes) -> tuple[int, bytes]:
        body, known = self._body, self._body.config.profile.extended_notes
        if subtype == NOTE and known and len(extra) == 1:
            note = self._note(extra[0], extra[0])
            return Kind.EXTENDED, bytes((NOTE,)) + self._six(Happened(), 0) + note
        if subtype == INHIBITS and known and len(extra) in (8, 19):
            enabled = {7 * j + k + 1 for j, byte in enumerate(extra) for k in range(7) if byte >> k & 1}
            body.inhibited = set(range(1, len(body.config.notes) + 1)) - enabled
            return Kind.REPLY, self._six(Happened(), 0)
        if subtype == VALUE_TABLE and not body.extended and not extra:
            rows = (self._note(index, index)[:10] for index in range(1, TABLE_ROWS + 1))
            table = b"".join(row if any(row) else bytes((n,)) + bytes(9) for n, row in enumerate(rows, start=1))
            return Kind.EXTENDED, bytes((VALUE_TABLE,)) + self._six(Happened(), 0) + table
        body.events.append(Happened(trouble=b.INVALID))
        return self._poll_reply()

    def _auxiliary(self, data: bytes) -> tuple[int, bytes] | None:
        config, command = self._body.config, data[2]
        if data == bytes((RESET,) * 3):
            self._reset()
            return None
        if command == CRC:
            crc = config.software_crc
            return Kind.AUXILIARY, bytes(crc >> shift & 0xF for shift in (12, 8, 4, 0)) + bytes(2)
        if command == CAPABILITIES:
            return Kind.AUXILIARY, bytes((0x04, 0, 0, 0x02 if config.profile.classifies else 0, 0, 0))
        text = {
            APPLICATION_PART: (config.application_part, 9),
            VARIANT_PART: (config.variant_part, 9),
            VARIANT_NAME: (config.variant_name, 32),
        }.get(command)
        return None if text is None else (Kind.AUXILIARY, text[0].encode().ljust(text[1], b"\x00"))
