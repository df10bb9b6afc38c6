"""Evidence at the controller: taken from the watcher, kept within bounds, given to the uplink until the bank has it.

The controller looks into none of it: a part is sealed to the bank as it comes in.
"""

from collections.abc import Callable

from kiosk.guarantee.evidence import Piece
from kiosk.guarantee.evidence_queue import Bounds, EvidenceRefused, Taken
from kiosk.management.controller import Controller
from kiosk.messages import (
    DeliverEvidenceAck,
    EvidencePart,
    EvidenceRow,
    EvidenceRows,
    FetchEvidence,
    HandOver,
    Ok,
    Refused,
    Reply,
)

EvidenceRequest = HandOver | FetchEvidence | DeliverEvidenceAck
_NO_ROOM = Refused("no_room", "There is no room for more evidence.", "It is lost; the record of its hash stays.")


class EvidenceDesk:
    """Answers `EvidenceRequest`s."""

    def __init__(self, controller: Controller, free_bytes: Callable[[], int] | None = None) -> None:
        """`free_bytes`: what the journal's file system has left; else it is asked."""
        self._c = controller
        self._free_bytes = free_bytes or controller.journal.free_bytes

    async def handle(self, request: EvidenceRequest) -> Reply:
        """Answer one. VerificationError for parts out of turn, and for what the bank did not sign."""
        match request:
            case HandOver(part):
                return await self._take(part)
            case FetchEvidence(after, rows_max):
                await self._tend()
                rows = await self._c.runner.run(self._c.journal.evidence.chunks, after, rows_max)
                return EvidenceRows(tuple(EvidenceRow(row.id, row.sealed) for row in rows))
            case DeliverEvidenceAck(ack):
                await self._c.runner.run(self._c.journal.acknowledge_evidence, ack)
                return Ok()

    async def _take(self, part: EvidencePart) -> Reply:
        piece = Piece(bytes.fromhex(part.sha256), part.index, part.chunks, part.size)
        if len(part.data) != piece.bytes:
            raise EvidenceRefused(f"{len(part.data)} bytes for a part of {piece.bytes}")
        now, bounds, free_bytes = self._c.clock.now_utc(), self._bounds, self._free_bytes()
        journal = self._c.journal
        taken: Taken = await self._c.runner.run(journal.take_evidence, piece, part.data, bounds, free_bytes, now)
        if taken.records:
            self._c.grown()
        return Ok() if taken.kept else _NO_ROOM

    async def _tend(self) -> None:
        """The uplink looks every minute: often enough to give the disk back to the records."""
        tend, now = self._c.journal.tend_evidence, self._c.clock.now_utc()
        if await self._c.runner.run(tend, self._bounds, self._free_bytes(), now):
            self._c.grown()

    @property
    def _bounds(self) -> Bounds:
        return self._c.settings.evidence
