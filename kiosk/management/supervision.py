"""Supervision of the supervisors: who looked, and who tried what they may not do, are leaves like what is done.

What is done has records of its own. A look that is repeated (`watch show log`) or a refusal that is tried again and
again would fill the log with nothing: each is on record once in ten minutes, in memory, so once more after a restart.
"""

from collections import OrderedDict
from typing import Final

from kiosk.core.records import service
from kiosk.core.state import RecordDraft
from kiosk.management.controller import Controller

AGAIN_S: Final = 600.0
KNOWN_MAX: Final = 256  # people x requests: more than there are of both in ten minutes
# Codes of a refusal after somebody has shown who they are.
BEYOND: Final = frozenset({"wrong_role", "same_person"})


class Supervision:
    """Called under the authority desk's lock."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._known: OrderedDict[tuple[str, ...], float] = OrderedDict()

    async def looked(self, by: str, what: str) -> None:
        """Somebody looked into the books, or tried a device."""
        await self._once(("looked", by, what), service("looked", {"by": by, "what": what}))

    async def refused(self, by: str, what: str, why: str) -> None:
        """Somebody tried what they may not do."""
        await self._once(("refused", by, what, why), service("refused", {"by": by, "what": what, "why": why}))

    async def _once(self, name: tuple[str, ...], draft: RecordDraft) -> None:
        now_s = self._c.clock.monotonic_s()
        if now_s - self._known.get(name, -AGAIN_S) < AGAIN_S:
            return
        self._known[name] = now_s
        self._known.move_to_end(name)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        await self._c.record(draft)
