"""The controller's half of the soak: a real journal that grows, on a real bus, for a real uplink. A process of its own.

It says every half second, as a line of JSON, how many records there are and how many the bank has signed for.
"""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kiosk.bus import BusServer
from kiosk.core.state import RecordDraft
from kiosk.errors import VerificationError
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.management.desk import outbox_rows
from kiosk.management.store import ThreadRunner
from kiosk.messages import (
    DeliverAck,
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
BATCH: Final = 20  # records between two looks at the outbox


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
            for number in range(size, min(size + BATCH, self._records)):
                draft = RecordDraft("deposit", deposit_content(number))
                await self._runner.run(self._journal.append, draft, datetime.now(UTC))
            size = await self._runner.run(self._journal.log.size)
            self._bus.push("outbox", OutboxGrew(size))

    async def _say(self) -> None:
        while True:
            log = self._journal.log
            said = {
                "appended": await self._runner.run(log.size),
                "acknowledged": await self._runner.run(log.acknowledged),
                "outbox": await self._runner.run(log.outbox_rows),
                "refused": self._refused,
            }
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(SAY_S)

    async def _handle(self, role: Role, request: Request) -> Reply:
        match request:
            case GetStatus():
                return await self._runner.run(status_of, self._journal.log)
            case FetchOutbox():
                return await self._runner.run(outbox_rows, self._journal, request)
            case DeliverAck(ack):
                return await self._acknowledge(ack)
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
