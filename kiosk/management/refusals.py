"""What came in the bank's name and was refused, on record, but not as often as a broker that sends rubbish could wish.

The same message leaves one record however often it comes, and at most `REFUSALS_MAX` others do within `WINDOW_S`.
"""

import hashlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from kiosk.clock import Clock
from kiosk.core.records import service
from kiosk.errors import VerificationError
from kiosk.guarantee.journal import Journal
from kiosk.management.controller import Controller

REFUSALS_MAX: Final = 10
WINDOW_S: Final = 3600.0
REASON_CHARACTERS_MAX: Final = 300


class Refusals:
    """Puts refused messages on record, within bounds."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._times: deque[float] = deque(maxlen=REFUSALS_MAX)

    async def note(self, lane: str, data: bytes, why: str) -> None:
        """One refusal. Never raises for its own sake but with the journal."""
        clock: Clock = self._c.clock
        now_s = clock.monotonic_s()
        if len(self._times) == REFUSALS_MAX and now_s - self._times[0] < WINDOW_S:
            return
        digest = hashlib.sha256(data).digest()
        draft = service("statement_refused", {"lane": lane, "sha256": digest, "why": why[:REASON_CHARACTERS_MAX]})

        def write(journal: Journal, now: datetime) -> bool:
            new = journal.bank.refuse(digest)
            if new:
                journal.append(draft, now)
            return new

        if await self._c.runner.run(self._c.journal.commit_bank, write, clock.now_utc()):
            self._times.append(now_s)
            self._c.recorded()

    @asynccontextmanager
    async def noting(self, lane: str, data: bytes) -> AsyncIterator[None]:
        """Note a `VerificationError` of `data` on its way out."""
        try:
            yield
        except VerificationError as error:
            await self.note(lane, data, str(error.args[0]))
            raise
