"""ccTalk bill events in the words of `interfaces.NoteEvent` (pure), and what they say about the note inside."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from firmware_bridge.interfaces import Channel, NoteEvent, NoteEventKind, Value
from firmware_bridge.protocols.cctalk.events import BillEvent, Meaning

_K = NoteEventKind
_M = Meaning

_KINDS: Final[dict[Meaning, NoteEventKind]] = {
    _M.MASTER_INHIBIT: _K.DISABLED,
    _M.RETURNED: _K.REFUSED,
    _M.INVALID: _K.REFUSED,
    _M.TRANSPORT_PROBLEM: _K.REFUSED,
    _M.INHIBITED_SERIAL: _K.REFUSED,
    _M.INHIBITED_SWITCHES: _K.REFUSED,
    _M.JAM_UNSAFE: _K.JAM_UNSAFE,
    _M.JAM_SAFE: _K.JAM_SAFE,
    _M.JAM_STACKER: _K.JAM_SAFE,
    _M.STACKER_FAULTY: _K.JAM_SAFE,
    _M.STACKER_JAMMED: _K.JAM_SAFE,
    _M.PULLED_BACK: _K.FRAUD,
    _M.TAMPER: _K.FRAUD,
    _M.OPTO_FRAUD: _K.FRAUD,
    _M.STRING_FRAUD: _K.FRAUD,
    _M.STACKER_FULL: _K.STACKER_FULL,
    _M.STACKER_REMOVED: _K.STACKER_REMOVED,
    _M.STACKER_INSERTED: _K.STACKER_REPLACED,
    _M.UNKNOWN_STACKED: _K.CLEARED_INTO_CASHBOX,
}
_CAUSES: Final = frozenset({_M.INVALID, _M.TRANSPORT_PROBLEM, _M.INHIBITED_SERIAL, _M.INHIBITED_SWITCHES})
JAMS: Final = frozenset({_M.JAM_UNSAFE, _M.JAM_SAFE, _M.JAM_STACKER, _M.STACKER_FAULTY, _M.STACKER_JAMMED})
FRAUDS: Final = frozenset({_M.PULLED_BACK, _M.TAMPER, _M.OPTO_FRAUD, _M.STRING_FRAUD})


class Standing(Enum):
    """What the newest event about a note says of it."""

    NONE = auto()  # no note, or one that is where its last event said
    HELD = auto()  # in escrow, or on its way since
    IN_DOUBT = auto()  # jammed or fished for: no event will say where it came to lie


def standing_of(newest_first: Sequence[BillEvent]) -> Standing | None:
    """By the newest event that is about a note; None when there is none among these."""
    for event in newest_first:
        meaning = event.meaning
        if meaning is _M.HELD:
            return Standing.HELD
        if meaning in JAMS or meaning in FRAUDS:
            return Standing.IN_DOUBT
        if meaning in _CAUSES or meaning in {_M.CREDIT, _M.RETURNED, _M.UNKNOWN_STACKED}:
            return Standing.NONE
    return None


def note_events(
    events: Sequence[BillEvent],
    channels: Mapping[int, Channel],
    *,
    before: BillEvent | None = None,
    after_restart: bool = False,
) -> Iterator[NoteEvent]:
    """What these events, oldest first, mean for the controller; `before` is the one that came before them.

    A bill held and gone again within the same batch is not reported as held: nobody can decide about it any more. A
    bill that was stacked while the device started is no credit but evidence, which the journal pairs with its open
    note or disputes. Of cause and return, the two events of a bill that was not taken, the first is the refusal.
    """
    caused = before is not None and before.meaning in _CAUSES
    for index, event in enumerate(events):
        meaning = event.meaning
        values = _values(event, channels)
        name = meaning.name.lower()
        if meaning is _M.HELD:
            if standing_of(events[index + 1 :][::-1]) is None:
                yield NoteEvent(_K.READ, event.bill_type, values, name=name)
        elif meaning is _M.CREDIT and after_restart:
            yield NoteEvent(_K.INTO_STACKER_AT_RESET, event.bill_type, values, name=name)
        elif meaning is _M.CREDIT:
            yield NoteEvent(_K.CREDITED, event.bill_type, values, name=name)
            yield NoteEvent(_K.STACKED, event.bill_type, values, name=name)
        elif not (caused and meaning is _M.RETURNED):
            kind = _KINDS.get(meaning, _K.OTHER)
            if kind is _K.REFUSED and after_restart:  # a device may put a first event there by itself, of no meaning
                kind = _K.OTHER
            yield NoteEvent(kind, 0, reason=name if kind is _K.REFUSED else None, name=name)
        caused = meaning in _CAUSES


def _values(event: BillEvent, channels: Mapping[int, Channel]) -> tuple[Value, ...]:
    channel = channels.get(event.bill_type or 0)
    return () if channel is None else (Value(channel.value_minor, channel.currency),)
