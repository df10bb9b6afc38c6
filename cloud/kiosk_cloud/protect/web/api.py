"""The HTTP API for bulk work: `Authorization: Bearer TOKEN`, the file as the body, JSON answers."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kiosk_cloud.protect.web import uploads
from kiosk_cloud.protect.web.book import Job, User
from kiosk_cloud.protect.web.common import BAD, HEADERS, UNKNOWN, Common, Refused, Visit, as_json


class Api(Common):
    """`Authorization: Bearer TOKEN`; JSON answers."""

    def signed(
        self, answer: Callable[[Request, Visit], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """`answer` for whose token it is."""

        async def respond(request: Request) -> Response:
            try:
                self._wait(request, self._parts.using)
                scheme, _, token = request.headers.get("authorization", "").partition(" ")
                user = await run_in_threadpool(self._of_token, scheme, token)
                return await answer(request, Visit(user))
            except Refused as refused:
                return JSONResponse({"error": str(refused)}, refused.status, headers=dict(HEADERS))

        return respond

    def _of_token(self, scheme: str, token: str) -> User:
        with self._parts.place.book() as book:
            user = book.of_token(token) if scheme.lower() == "bearer" else None
        if user is None:
            raise Refused(UNKNOWN, "A token is needed: Authorization: Bearer TOKEN.")
        return user

    async def jobs(self, _: Request, visit: Visit) -> Response:
        """Theirs."""

        def read() -> list[Job]:
            with self._parts.place.book() as book:
                return book.jobs(visit.user.name)

        return JSONResponse([as_json(job) for job in await run_in_threadpool(read)], headers=dict(HEADERS))

    async def add(self, request: Request, visit: Visit) -> Response:
        """The body is the file."""
        name = uploads.name_of_header(request.headers.get("x-file-name", ""))
        if not name:
            raise Refused(BAD, "Name the file: X-File-Name, percent-encoded.")

        async def take(writer: Any) -> str:  # noqa: ANN401 - a Writer
            await uploads.take_body(request.stream(), writer, self._parts.limits.upload_bytes_max)
            return name

        job = await self._take(visit, take)
        headers = {**HEADERS, "location": f"/api/jobs/{job}"}
        return JSONResponse({"id": job, "state": "queued"}, 202, headers=headers)

    async def job(self, request: Request, visit: Visit) -> Response:
        """How far it is."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        return JSONResponse(as_json(found), headers=dict(HEADERS))

    async def remove(self, request: Request, visit: Visit) -> Response:
        """A job and its files, at once."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        await run_in_threadpool(self._parts.queue.remove, found.id)
        return JSONResponse({"removed": found.id}, headers=dict(HEADERS))

    async def download(self, request: Request, visit: Visit) -> Response:
        """tagged, cells, report or html."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        return self._file(found, request.path_params["part"])
