"""EBDS replies in the words of `interfaces.NoteEvent` (pure)."""

from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.interfaces import NoteEvent, NoteEventKind
from firmware_bridge.protocols.ebds.extended import NoteSpecification
from firmware_bridge.protocols.ebds.omnibus import Miscellany, OmnibusReply, State, Status, Trouble

_K = NoteEventKind
Ordered = Literal["", "stack", "return"]
OUT_OF_SERVICE: Final = "out_of_service"  # it does nothing, and no bit says why
_ONCE: Final = State.STACKED | State.RETURNED
_RUNNING: Final = {
    State.ACCEPTING: _K.READING,
    State.STACKING: _K.STACKING,
    State.RETURNING: _K.REFUSING,
}


@dataclass(frozen=True, slots=True)
class Report:
    """One reply: how the device is, and which channel its note is of (0: unknown, blank or suspect).

    `note` is what an extended message says of it; the channel is looked up when the table is there.
    """

    reply: OmnibusReply
    channel: int = 0
    note: NoteSpecification | None = None

    @property
    def once(self) -> bool:
        """Whether it carries something that the device tells only once."""
        reply = self.reply
        told = reply.state & _ONCE or reply.status & (Status.CHEATED | Status.REJECTED)
        return bool(told or reply.trouble & Trouble.INVALID_COMMAND)

    @property
    def escrowed(self) -> bool:
        """Whether a note is held for the host's word."""
        return bool(self.reply.state & State.ESCROWED) and not self.reply.trouble & Trouble.POWER_UP

    @property
    def starting(self) -> bool:
        """Whether the device initialises after power-up."""
        return bool(self.reply.trouble & Trouble.POWER_UP)

    @property
    def settled(self) -> bool:
        """Idle: whatever was ordered is over."""
        return bool(self.reply.state & State.IDLING)


def events_of(report: Report, ordered: Ordered) -> list[NoteEvent]:
    """The events of one reply but READ, which the driver says once a note. `ordered` is what was asked for its note."""
    return [*_once(report, ordered), *_states(report)]


def _once(report: Report, ordered: Ordered) -> list[NoteEvent]:
    reply, found = report.reply, []
    if reply.state & State.STACKED and report.channel:
        found += [
            NoteEvent(_K.CREDITED, channel=report.channel, name="stacked"),
            NoteEvent(_K.STACKED, channel=report.channel, name="stacked"),
        ]
    elif reply.state & State.STACKED:
        found.append(NoteEvent(_K.OTHER, name="blank_stack"))  # at power-up or when the cassette comes back: no credit
    if reply.state & State.RETURNED:
        reason = "reject_by_host" if ordered == "return" else "escrow_time_out"
        found.append(NoteEvent(_K.REFUSED, reason=reason, name="returned"))
    if reply.status & Status.REJECTED:
        found.append(NoteEvent(_K.REFUSED, reason="rejected", name="rejected"))
    if reply.status & Status.CHEATED:
        found.append(NoteEvent(_K.FRAUD, channel=report.channel, name="cheated"))
    if reply.trouble & Trouble.INVALID_COMMAND:
        found.append(NoteEvent(_K.OTHER, name="invalid_command"))
    return found


def _states(report: Report) -> list[NoteEvent]:
    reply = report.reply
    if report.starting:
        return [NoteEvent(_K.INITIALISING, name="power_up")]
    found = [NoteEvent(kind, name=bit.name or "") for bit, kind in _RUNNING.items() if reply.state & bit]
    if reply.status & Status.JAMMED or reply.miscellany & Miscellany.STALLED:
        found.append(NoteEvent(_K.JAM_UNSAFE, name="jammed"))  # EBDS does not tell that a note is out of reach
    if reply.status & Status.STACKER_FULL:
        found.append(NoteEvent(_K.STACKER_FULL, name="stacker_full"))
    if not reply.status & Status.CASSETTE_ATTACHED:
        found.append(NoteEvent(_K.STACKER_REMOVED, name="cassette_removed"))
    if reply.trouble & Trouble.TRANSPORT_OPEN:
        found.append(NoteEvent(_K.PATH_OPEN, name="transport_open"))
    if reply.trouble & Trouble.FAILURE or (not reply.state and not found):
        found.append(NoteEvent(_K.OUT_OF_ORDER, name="failure" if reply.trouble & Trouble.FAILURE else OUT_OF_SERVICE))
    return found
