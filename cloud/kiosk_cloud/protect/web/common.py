"""What the page and the API share: who may see which job, uploads into the vault, downloads, limits, headers."""

import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kiosk.clock import Clock, rfc3339
from kiosk.protection.catalogue import CatalogueFile
from kiosk_cloud.depositor.limits import Limits as Asking
from kiosk_cloud.depositor.limits import Rate
from kiosk_cloud.protect.web import worker
from kiosk_cloud.protect.web.book import Job, User
from kiosk_cloud.protect.web.queue import Queue, new_id
from kiosk_cloud.protect.web.sessions import Sessions
from kiosk_cloud.protect.web.settings import Limits, Place
from kiosk_cloud.protect.web.uploads import UploadRefused

OK, SEE_OTHER, BAD, UNKNOWN, FORBIDDEN, NOT_FOUND, FULL, TOO_MANY = 200, 303, 400, 401, 403, 404, 503, 429
SIGN_IN_RATE: Final = Rate(5, 12.0)
SIGN_IN_ALL: Final = Rate(30, 2.0)
USE_RATE: Final = Rate(120, 0.2)
USE_ALL: Final = Rate(1000, 0.01)
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
DOWNLOADS: Final = {
    worker.TAGGED: "tagged",
    worker.CELLS: "cells.jsonl",
    worker.HTML: "report.html",
    worker.REPORT: "report.json",
}


@dataclass(frozen=True)
class Parts:
    """What the application is made of."""

    place: Place
    queue: Queue
    clock: Clock
    limits: Limits
    catalogue: CatalogueFile
    sessions: Sessions = field(default_factory=Sessions)
    signing: Asking = field(default_factory=lambda: Asking(SIGN_IN_RATE, SIGN_IN_ALL))
    using: Asking = field(default_factory=lambda: Asking(USE_RATE, USE_ALL))


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is signed in, by session (then `csrf`) or by token."""

    user: User
    csrf: str = ""


class Refused(Exception):
    """A status and what is said with it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Common:
    """What page and API share."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _theirs(self, visit: Visit, job: str) -> Job:
        """The job, if they may know of it. Raises Refused."""
        with self._parts.place.book() as book:
            found = book.job(job)
        if found is None or not (visit.user.role == "reviewer" or found.owner == visit.user.name):
            raise Refused(NOT_FOUND, "There is no such job, or its time is over.")
        return found

    def _enqueue(self, job: str, owner: str, name: str, size: int) -> bool:
        now = self._parts.clock.now_utc()
        with self._parts.place.book() as book:
            added = book.add_job(job, owner, name, size, rfc3339(now), now.timestamp() + self._parts.limits.keep_s)
        if added:
            self._parts.queue.add()
        else:
            self._parts.place.vault().remove(f"{job}.{worker.UPLOAD}")
        return added

    async def _take(self, visit: Visit, take: Callable[[Any], Awaitable[str]]) -> str:
        """An upload into the vault and the queue; the job's id. Raises Refused."""
        if visit.user.role == "admin":
            raise Refused(FORBIDDEN, "An administrator sees no tables. Sign in as somebody who works with them.")
        job = new_id()
        writer = self._parts.place.vault().writer(f"{job}.{worker.UPLOAD}")
        try:
            name = await take(writer)
            await run_in_threadpool(writer.close)
        except UploadRefused as error:
            writer.abandon()
            raise Refused(error.status, str(error)) from error
        except BaseException:
            writer.abandon()
            raise
        if not await run_in_threadpool(self._enqueue, job, visit.user.name, name, writer.size):
            raise Refused(FULL, "The queue is full. Try again when jobs are done.")
        return job

    def _file(self, job: Job, part: str) -> Response:
        if part not in DOWNLOADS or job.state != "done":
            raise Refused(NOT_FOUND, "There is no such file.")
        kept, name = self._parts.place.vault(), f"{job.id}.{part}"
        if not kept.path(name).exists():
            raise Refused(NOT_FOUND, "There is no such file.")
        shown = _download_name(job.name, part)
        quoted = urllib.parse.quote(shown)
        headers = {**HEADERS, "content-disposition": f"attachment; filename*=UTF-8''{quoted}"}
        return StreamingResponse(kept.read(name), media_type="application/octet-stream", headers=headers)

    def _wait(self, request: Request, asking: Asking) -> None:
        wait_s = asking.wait_s(request.client.host if request.client else "", self._parts.clock.monotonic_s())
        if wait_s > 0:
            raise Refused(TOO_MANY, f"Too many requests. Try again in {ceil(wait_s)} seconds.")


def _download_name(name: str, part: str) -> str:
    if part != worker.TAGGED:
        return f"{name}.{DOWNLOADS[part]}"
    suffix = name.rpartition(".")[2].lower()
    return f"{name}.tagged.{({'xls': 'xlsx', 'xlsm': 'xlsx'}).get(suffix, suffix)}"


def as_json(job: Job) -> dict[str, Any]:
    """A job as the API and the page's script are told of it."""
    return {
        "id": job.id,
        "file": job.name,
        "bytes": job.size,
        "state": job.state,
        "share": round(job.share, 4),
        "rows": job.rows,
        "grade": job.grade,
        "error": job.error,
        "made_at": job.made_at,
    }
