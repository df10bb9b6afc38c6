"""The pages: sign-in, uploads, coloured tables, corrections, people. Forms carry the session's token."""

import json
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Final

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from kiosk.clock import rfc3339
from kiosk.errors import KioskError
from kiosk.protection.kinds import KINDS, OTHER
from kiosk_cloud.protect import report
from kiosk_cloud.protect.colours import colour
from kiosk_cloud.protect.web import uploads, worker
from kiosk_cloud.protect.web.book import ROLES, Job, User
from kiosk_cloud.protect.web.common import (
    BAD,
    DOWNLOADS,
    FORBIDDEN,
    FULL,
    HEADERS,
    NOT_FOUND,
    OK,
    SEE_OTHER,
    UNKNOWN,
    Common,
    Parts,
    Refused,
    Visit,
    as_json,
)
from kiosk_cloud.protect.web.sessions import Session, same

BODY_BYTES_MAX: Final = 8192
FIELDS_MAX: Final = 12
COOKIE: Final = "__Host-kiosk-protect"
_FILES: Final = resources.files(__package__) / "templates"
_PARENT: Final = resources.files("kiosk_cloud.protect") / "templates"
Fields = dict[str, str]


class Pages(Common):
    """For people."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        loader = jinja2.FunctionLoader(_template)
        self._environment = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )

    async def style(self, _: Request) -> Response:
        """The style sheet: the report's, and ours."""
        text = report.STYLE + (_FILES / "page.css").read_text(encoding="utf-8")
        return Response(text, media_type="text/css; charset=utf-8", headers=dict(HEADERS))

    async def script(self, _: Request) -> Response:
        """What shows progress; everything works without it."""
        text = (_FILES / "app.js").read_text(encoding="utf-8")
        return Response(text, media_type="text/javascript; charset=utf-8", headers=dict(HEADERS))

    # --- who it is ----------------------------------------------------------------------------------------

    def signed(
        self, answer: Callable[[Request, Visit], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """`answer` for somebody who is signed in; others are asked to sign in."""

        async def respond(request: Request) -> Response:
            try:
                self._wait(request, self._parts.using)
                return await answer(request, await self._visit(request))
            except Refused as refused:
                return self._refuse(refused)

        return respond

    def form(
        self, answer: Callable[[Request, Visit, Fields], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The same for a form, which has to be ours."""

        async def act(request: Request, visit: Visit) -> Response:
            fields = await _fields(request)
            if not same(fields.get("csrf", ""), visit.csrf):
                raise Refused(FORBIDDEN, "This form is not of your session. Go back and try again.")
            return await answer(request, visit, fields)

        return self.signed(act)

    async def _visit(self, request: Request) -> Visit:
        session = self._session(request)
        user = await run_in_threadpool(self._user, session.user) if session else None
        if session is None or user is None:
            raise Refused(UNKNOWN, "")
        return Visit(user, session.csrf)

    def _session(self, request: Request) -> Session | None:
        return self._parts.sessions.get(request.cookies.get(COOKIE, ""), self._parts.clock.monotonic_s())

    def _user(self, name: str) -> User | None:
        with self._parts.place.book() as book:
            return book.user(name)

    def _refuse(self, refused: Refused) -> Response:
        if refused.status == UNKNOWN:
            return RedirectResponse("/sign-in", SEE_OTHER, headers=dict(HEADERS))
        return self._draw("message.html", None, status=refused.status, message=str(refused))

    async def sign_in_form(self, request: Request) -> Response:
        """Asks for name and password."""
        if self._session(request) is not None:
            return RedirectResponse("/", SEE_OTHER, headers=dict(HEADERS))
        return self._draw("sign-in.html", None, message="")

    async def sign_in(self, request: Request) -> Response:
        """One answer for everything that is wrong."""
        try:
            self._wait(request, self._parts.signing)
            _of_us(request)
            fields = await _fields(request)
        except Refused as refused:
            return self._draw("sign-in.html", None, status=refused.status, message=str(refused))

        def check() -> User | None:
            with self._parts.place.book() as book:
                return book.signed_in(fields.get("name", ""), fields.get("password", ""))

        user = await run_in_threadpool(check)
        if user is None:
            return self._draw("sign-in.html", None, status=FORBIDDEN, message="Name or password is wrong.")
        value = self._parts.sessions.begin(user.name, self._parts.clock.monotonic_s())
        answer = RedirectResponse("/", SEE_OTHER, headers=dict(HEADERS))
        answer.set_cookie(COOKIE, value, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def sign_out(self, request: Request, _: Visit, __: Fields) -> Response:
        """Ends this session."""
        self._parts.sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/sign-in", SEE_OTHER, headers=dict(HEADERS))
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    # --- jobs ---------------------------------------------------------------------------------------------

    async def jobs(self, _: Request, visit: Visit) -> Response:
        """What is there."""

        def read() -> list[Job]:
            with self._parts.place.book() as book:
                return book.jobs(None if visit.user.role == "reviewer" else visit.user.name)

        if visit.user.role == "admin":
            return RedirectResponse("/users", SEE_OTHER, headers=dict(HEADERS))
        found = await run_in_threadpool(read)
        return self._draw("jobs.html", visit, jobs=found, mib=self._parts.limits.upload_bytes_max >> 20)

    async def upload(self, request: Request) -> Response:
        """A form with a file, streamed."""
        try:
            self._wait(request, self._parts.using)
            visit = await self._visit(request)

            async def take(writer: Any) -> str:  # noqa: ANN401 - a Writer
                return await uploads.take_form(
                    request.stream(),
                    request.headers.get("content-type", ""),
                    writer,
                    self._parts.limits.upload_bytes_max,
                    lambda csrf: same(csrf, visit.csrf),
                )

            job = await self._take(visit, take)
        except Refused as refused:
            return self._refuse(refused)
        return RedirectResponse(f"/jobs/{job}", SEE_OTHER, headers=dict(HEADERS))

    async def job(self, request: Request, visit: Visit) -> Response:
        """How far it is; when it is done, the report."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        shown = await run_in_threadpool(self._report, found)
        return self._draw("job.html", visit, job=found, report=shown, downloads=DOWNLOADS)

    async def state(self, request: Request, visit: Visit) -> Response:
        """For the script."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        return JSONResponse(as_json(found), headers=dict(HEADERS))

    def _report(self, job: Job) -> dict[str, Any] | None:
        if job.state != "done":
            return None
        found: dict[str, Any] = json.loads(b"".join(self._parts.place.vault().read(f"{job.id}.{worker.REPORT}")))
        return found

    def _review(self, job: Job) -> list[dict[str, Any]]:
        if job.state != "done":
            raise Refused(NOT_FOUND, "This job is not done.")
        found: list[dict[str, Any]] = json.loads(b"".join(self._parts.place.vault().read(f"{job.id}.{worker.REVIEW}")))
        return found

    async def table(self, request: Request, visit: Visit) -> Response:
        """The first rows, coloured, with their texts."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        tables = await run_in_threadpool(self._review, found)

        def read() -> set[str]:
            with self._parts.place.book() as book:
                return book.places(found.id)

        spoken = await run_in_threadpool(read)
        return self._draw("table.html", visit, job=found, tables=tables, spoken=spoken)

    def _cell(self, job: Job, place: str) -> tuple[dict[str, Any], int, int, list[Any]]:
        """Of `table.row.column`: the table, row, column, and [text, kind, score]. Raises Refused."""
        try:
            table, row, column = (int(part) for part in place.split("."))
            found = self._review(job)[table]
            cell = dict(found["rows"])[row][column]
        except (ValueError, IndexError, KeyError) as error:
            raise Refused(NOT_FOUND, "There is no such cell.") from error
        if cell is None:
            raise Refused(NOT_FOUND, "This cell is empty.")
        return found, row, column, cell

    async def cell(self, request: Request, visit: Visit) -> Response:
        """Asks what it really is."""
        job = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        place = request.path_params["place"]
        table, row, column, cell = await run_in_threadpool(self._cell, job, place)
        facts = {"row": row, "column": table["columns"][column], "cell": cell, "place": place}
        return self._draw("cell.html", visit, job=job, kinds=KINDS, **facts)

    async def feedback(self, request: Request, visit: Visit, fields: Fields) -> Response:
        """Keep it, sealed, with some of the column, without which the cell could not be judged again."""
        job = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        place, kind = request.path_params["place"], fields.get("kind", "")
        table, row, column, cell = await run_in_threadpool(self._cell, job, place)
        if kind not in KINDS:
            raise Refused(BAD, "Choose a kind.")
        around = [cells[column][0] for number, cells in table["rows"] if cells[column] and number != row]
        said = {
            "value": cell[0],
            "column": table["columns"][column],
            "around": around[:50],
            "said": cell[1],
            "right": kind,
        }

        def keep() -> bool:
            at = rfc3339(self._parts.clock.now_utc())
            with self._parts.place.book() as book:
                return book.add_feedback(job.id, place, visit.user.name, json.dumps(said).encode(), at)

        if not await run_in_threadpool(keep):
            raise Refused(FULL, "There is too much feedback that nobody has used yet: run `kiosk-protect retrain`.")
        return RedirectResponse(f"/jobs/{job.id}/table", SEE_OTHER, headers=dict(HEADERS))

    async def remove(self, request: Request, visit: Visit, _: Fields) -> Response:
        """The job and all its files."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        await run_in_threadpool(self._parts.queue.remove, found.id)
        return RedirectResponse("/", SEE_OTHER, headers=dict(HEADERS))

    async def download(self, request: Request, visit: Visit) -> Response:
        """A result."""
        found = await run_in_threadpool(self._theirs, visit, request.path_params["job"])
        return self._file(found, request.path_params["part"])

    # --- users --------------------------------------------------------------------------------------------

    async def users(self, _: Request, visit: Visit) -> Response:
        """For administrators."""
        return await self._users(visit)

    async def _users(self, visit: Visit, message: str = "", token: str = "", status: int = OK) -> Response:
        if visit.user.role != "admin":
            raise Refused(FORBIDDEN, "Administrators look after users.")

        def read() -> list[User]:
            with self._parts.place.book() as book:
                return book.users()

        found = await run_in_threadpool(read)
        return self._draw("users.html", visit, status=status, users=found, roles=ROLES, message=message, token=token)

    async def change_users(self, _: Request, visit: Visit, fields: Fields) -> Response:
        """Put, remove, or a token."""
        if visit.user.role != "admin":
            raise Refused(FORBIDDEN, "Administrators look after users.")
        name, role = fields.get("name", ""), next((each for each in ROLES if each == fields.get("role")), ROLES[0])
        what = fields.get("what", "")

        def act() -> tuple[str, str, bool]:
            """What is said, a token, and whether sessions end."""
            with self._parts.place.book() as book:
                match what:
                    case "token":
                        token = book.new_token(name, rfc3339(self._parts.clock.now_utc()))
                        return f"The token of {name}. It is shown only now.", token, False
                    case "remove":
                        gone = book.remove_user(name)
                        return (f"{name} was removed." if gone else "The last administrator stays."), "", gone
                    case _:
                        book.put_user(name, role, fields.get("password", ""))
                        return f"{name} may sign in as {role}.", "", True

        try:
            message, token, ended = await run_in_threadpool(act)
        except KioskError as error:
            return await self._users(visit, str(error), status=BAD)
        if ended:
            self._parts.sessions.end_all_of(name)
        return await self._users(visit, message, token)

    # --- drawing ------------------------------------------------------------------------------------------

    def _draw(self, template: str, visit: Visit | None, *, status: int = OK, **facts: object) -> Response:
        catalogue = self._parts.catalogue.current
        titles = {kind: entry.title.get("en", kind) for kind, entry in catalogue.kinds.items()}
        grades = {grade.id: grade.title.get("en", "") for grade in catalogue.grades}
        text = self._environment.get_template(template).render(
            visit=visit,
            colour=colour,
            other=OTHER,
            bars=report.bars,
            sample=report.sample,
            title=lambda kind: titles.get(kind, kind),
            grade_title=lambda grade: grades.get(grade, ""),
            when=lambda posix_s: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(posix_s)),
            **facts,
        )
        return Response(text, status, media_type="text/html; charset=utf-8", headers=dict(HEADERS))


def _template(name: str) -> str:
    folder = _PARENT if name == "tables.html" else _FILES
    return (folder / name).read_text(encoding="utf-8")


def _of_us(request: Request) -> None:
    """A form that another site's page sends signs nobody in. Raises Refused."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused(FORBIDDEN, "This form is not ours.")


async def _fields(request: Request) -> Fields:
    """A small form's fields. Raises Refused."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise Refused(413, "This form is too large.")
        return dict(
            urllib.parse.parse_qsl(
                body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
            )
        )
    except (ClientDisconnect, ValueError) as error:
        raise Refused(BAD, "This form is not ours.") from error
