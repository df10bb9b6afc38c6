"""Evidence at the controller: taken from the watcher, kept within bounds, given to the uplink until the bank has it.

The controller looks into none of it: a part is sealed to the bank as it comes in.
"""

from collections.abc import Callable
from typing import Final

from kiosk.core.records import service
from kiosk.guarantee.evidence import Piece
from kiosk.guarantee.evidence_queue import Bounds, EvidenceRefused, Taken
from kiosk.management.controller import Controller
from kiosk.messages import (
    ClipTaken,
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

EvidenceRequest = HandOver | ClipTaken | FetchEvidence | DeliverEvidenceAck
CLIPS_MAX: Final = 2  # of a deposit: when it became medium, and when it became high
_NO_ROOM = Refused("no_room", "There is no room for more evidence.", "It is lost; the record of its hash stays.")


class EvidenceDesk:
    """Answers `EvidenceRequest`s."""

    def __init__(self, controller: Controller, free_bytes: Callable[[], int] | None = None) -> None:
        """`free_bytes`: what the journal's file system has left; else it is asked."""
        self._c = controller
        self._free_bytes = free_bytes or controller.journal.free_bytes
        self._clips: tuple[bytes, int] = b"", 0  # how many of which deposit

    async def handle(self, request: EvidenceRequest) -> Reply:
        """Answer one. VerificationError for parts out of turn, and for what the bank did not sign."""
        match request:
            case HandOver(part):
                return await self._take(part)
            case ClipTaken():
                return await self._clip(request)
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

    async def _clip(self, taken: ClipTaken) -> Reply:
        """A clip counts as evidence because a signed record names it: of the open deposit, and not many."""
        deposit = self._c.deposit
        if not deposit.code or deposit.code != taken.deposit_code:
            return Refused("no_deposit", "This deposit is not open any more.", "Nothing is to be done.")
        count = 1 + (self._clips[1] if self._clips[0] == deposit.id else 0)
        if count > CLIPS_MAX:
            return Refused("too_many", f"A deposit has at most {CLIPS_MAX} clips.", "Nothing is to be done.")
        self._clips = deposit.id, count
        told = {"deposit_id": deposit.id, "sha256": bytes.fromhex(taken.sha256), "size": taken.size}
        await self._c.record(service("clip", {**told, "grade": taken.grade, "stage": taken.stage}))
        return Ok()

    async def _tend(self) -> None:
        """The uplink looks every minute: often enough to give the disk back to the records."""
        tend, now = self._c.journal.tend_evidence, self._c.clock.now_utc()
        if await self._c.runner.run(tend, self._bounds, self._free_bytes(), now):
            self._c.grown()

    @property
    def _bounds(self) -> Bounds:
        return self._c.settings.evidence
