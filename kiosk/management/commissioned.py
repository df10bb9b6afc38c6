"""The steps of commissioning become leaves: those from before the log at the first start, later ones as they are told.

How many were taken, and the hash of the last one, is remembered in the transaction of the leaf. A file whose taken
lines are gone or changed is on record once, and taken anew from its beginning: the first leaves stay.
"""

import logging
from pathlib import Path
from typing import Final

import msgspec

from kiosk.core.commissioning import FILE_BYTES_MAX, Entries, Entry, read
from kiosk.core.records import service
from kiosk.core.state import RecordDraft
from kiosk.management.controller import Controller
from kiosk.messages import Ok

_log = logging.getLogger(__name__)
KEPT: Final = "commissioning"  # in the journal's memory


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    taken: int = 0
    last: str = ""  # hash of the last line that was taken
    doubt: str = ""  # as it is on record


class Commissioned:
    """Reads the file of steps; only root writes it."""

    def __init__(self, controller: Controller, path: Path) -> None:
        self._c, self._path = controller, path

    async def start(self) -> None:
        """What was done before this start."""
        await self.take()

    async def take(self) -> Ok:
        """Put on record what is new in the file."""
        found = await self._c.runner.run(_entries, self._path)
        text = await self._c.runner.run(self._c.journal.memory, KEPT)
        kept = msgspec.json.decode(text, type=_Kept) if text else _Kept()
        if not _stands(found, kept):
            why = f"{kept.taken} steps are on record, and the file has others or fewer"
            kept = await self._doubted(_Kept(), why, kept.taken)
        if found.trouble and found.trouble != kept.doubt:
            kept = await self._doubted(kept, found.trouble, kept.taken)
        for number, entry in enumerate(found.steps[kept.taken :], start=kept.taken + 1):
            kept = _Kept(number, entry.sha256, kept.doubt)
            await self._keep(kept, service("commissioned", _body(entry)))
        return Ok()

    async def _doubted(self, kept: _Kept, why: str, taken: int) -> _Kept:
        _log.warning("commissioning: %s", why)
        kept = _Kept(kept.taken, kept.last, why)
        await self._keep(kept, service("commissioning_doubted", {"why": why, "taken": taken}))
        return kept

    async def _keep(self, kept: _Kept, draft: RecordDraft) -> None:
        text, now = msgspec.json.encode(kept).decode(), self._c.clock.now_utc()
        await self._c.runner.run(self._c.journal.remember, KEPT, text, draft, now)
        self._c.recorded()


def _stands(found: Entries, kept: _Kept) -> bool:
    """Whether the lines that were taken are there as they were."""
    return len(found.steps) >= kept.taken and (not kept.taken or found.steps[kept.taken - 1].sha256 == kept.last)


def _entries(path: Path) -> Entries:
    try:
        with path.open("rb") as file:
            return read(file.read(FILE_BYTES_MAX + 1))
    except FileNotFoundError:
        return Entries(())
    except OSError as error:
        return Entries((), f"the file cannot be read: {error.strerror}")


def _body(entry: Entry) -> dict[str, object]:
    body: dict[str, object] = msgspec.to_builtins(entry.step)
    del body["before"]
    body["done_at"] = body.pop("at")  # a record's own time is when it was put on record
    return {**body, "line_sha256": bytes.fromhex(entry.sha256)}
