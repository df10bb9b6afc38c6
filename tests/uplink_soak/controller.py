"""The controller's half of the soak: a real journal that grows, on a real bus, for a real uplink. A process of its own.

It says every half second, as a line of JSON, how many records there are and how many the bank has signed for.
"""

import argparse
import asyncio
import json
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kiosk.bus import BusServer
from kiosk.core.state import RecordDraft
from kiosk.errors import VerificationError
from kiosk.guarantee import evidence
from kiosk.guarantee.evidence_queue import Bounds
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.management.desk import outbox_rows
from kiosk.management.store import ThreadRunner
from kiosk.messages import (
    DeliverAck,
    DeliverEvidenceAck,
    EvidenceRow,
    EvidenceRows,
    FetchEvidence,
    FetchOutbox,
    GetStatus,
    LinkReport,
    Ok,
    OutboxGrew,
    Refused,
    Reply,
    Request,
    Role,
    Subscribe,
)
from tests.uplink_kit import KIOSK, deposit_content, status_of

SAY_S: Final = 0.5
CLIP_RECORDS: Final = 5000  # with every so many records a file of evidence
CLIP_BYTES: Final = 500_000
BATCH: Final = 20  # records between two looks at the outbox


def clips(records: int) -> int:
    """How many files of evidence are handed over on the way to so many records."""
    return records // CLIP_RECORDS


def clip(number: int) -> bytes:
    """One of them."""
    return random.Random(number).randbytes(CLIP_BYTES + number)


class Half:
    """Journal, bus and the records that are made meanwhile."""

    def __init__(self, folder: Path, keys: Path, records: int, ahead: int) -> None:
        self._records, self._ahead = records, ahead
        kek = load_kek(keys / "vault.key")
        log_keys = LogKeys.load(KIOSK, keys)
        self._journal = Journal(folder / "journal.db", log_keys, kek, clock_synchronised=lambda: True)
        self._runner = ThreadRunner()
        self._bus = BusServer(folder / "bus", self._handle, {"uplink": os.getuid()}, single_user=True)
        self._news = asyncio.Event()
        self._refused = 0

    async def run(self) -> None:
        """Until every record is signed for and somebody ends us."""
        await self._bus.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._grow())
                group.create_task(self._say())
        finally:
            await self._bus.close()
            self._runner.close()
            self._journal.close()

    async def _grow(self) -> None:
        """Append while the outbox is not longer than `ahead`: an endless queue would say nothing about memory."""
        size = await self._runner.run(self._journal.log.size)
        while size < self._records:
            while size - await self._runner.run(self._journal.log.acknowledged) > self._ahead:
                self._news.clear()
                await self._news.wait()
            end = min(size + BATCH, self._records)
            for number in range(size, end):
                draft = RecordDraft("deposit", deposit_content(number))
                await self._runner.run(self._journal.append, draft, datetime.now(UTC))
            if end // CLIP_RECORDS != size // CLIP_RECORDS:
                await self._hand_over(clip(size // CLIP_RECORDS))
            size = end
            self._bus.push("outbox", OutboxGrew(size))

    async def _hand_over(self, content: bytes) -> None:
        for piece, data in evidence.pieces(content):
            await self._runner.run(self._journal.take_evidence, piece, data, Bounds(), 1 << 40, datetime.now(UTC))

    async def _say(self) -> None:
        while True:
            log = self._journal.log
            said = {
                "appended": await self._runner.run(log.size),
                "acknowledged": await self._runner.run(log.acknowledged),
                "outbox": await self._runner.run(log.outbox_rows),
                "refused": self._refused,
                "evidence": await self._runner.run(self._journal.evidence.files_kept),
            }
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(SAY_S)

    async def _handle(self, role: Role, request: Request) -> Reply:  # noqa: PLR0911 - one answer a request
        match request:
            case GetStatus():
                return await self._runner.run(status_of, self._journal.log)
            case FetchOutbox():
                return await self._runner.run(outbox_rows, self._journal, request)
            case DeliverAck(ack):
                return await self._acknowledge(ack)
            case FetchEvidence(after, rows_max):
                rows = await self._runner.run(self._journal.evidence.chunks, after, rows_max)
                return EvidenceRows(tuple(EvidenceRow(row.id, row.sealed) for row in rows))
            case DeliverEvidenceAck(ack):
                await self._runner.run(self._journal.acknowledge_evidence, ack)
                return Ok()
            case Subscribe() | LinkReport():
                return Ok()
        return Refused("not_here", type(request).__name__)

    async def _acknowledge(self, ack: bytes) -> Reply:
        try:
            await self._runner.run(self._journal.acknowledge, ack)
        except VerificationError as error:
            self._refused += 1
            return Refused("ack", str(error))
        self._news.set()
        return Ok()


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--ahead", type=int, default=2000)
    options = parser.parse_args()
    asyncio.run(Half(options.folder, options.keys, options.records, options.ahead).run())


if __name__ == "__main__":
    main()
