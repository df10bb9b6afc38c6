"""The page as a Starlette application: plain forms, no script, nothing in addresses, nothing kept by anybody's cache.

Each answer opens its own read-only connection to the receiver's store; the only thing written is the contact book.
"""

import base64
import hashlib
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from math import ceil
from pathlib import Path
from typing import Any, Final

import jinja2
import segno
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kiosk.clock import Clock, rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee import leaf
from kiosk.guarantee.seal import SealPublicKey
from kiosk_cloud.depositor import book, words
from kiosk_cloud.depositor.book import ContactBook
from kiosk_cloud.depositor.limits import Limits
from kiosk_cloud.depositor.lookup import Claim, Desk, Finding
from kiosk_cloud.depositor.words import LANGUAGES, Language, say

BODY_BYTES_MAX: Final = 8192
FIELDS_MAX: Final = 8
OK, BAD, NOT_FOUND, TOO_LARGE, TOO_MANY = 200, 400, 404, 413, 429
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z0-9-]{2,63}", re.ASCII)
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()-]{4,18}[0-9]", re.ASCII)
_SEQUENCE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_DEPOSIT_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TEMPLATES: Final = resources.files(__package__) / "templates"
_STYLE: Final = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Parts:
    """What the page is made of. `contacts` opens the book, on the thread that uses it."""

    desk: Desk
    contacts: Callable[[], ContactBook]
    key: SealPublicKey
    clock: Clock
    accept: tuple[str, ...]  # email, phone
    policy: Callable[[], bytes] = bytes
    verify_page: Path | None = None  # as `kiosk-verify page` writes it


def application(parts: Parts, limits: Limits | None = None) -> Starlette:
    """GET / asks, POST / answers, POST /contact and /forget act; GET /verify and /policy.txt are for everybody."""
    page = _Page(parts, limits or Limits())
    routes = [
        Route("/", page.ask, methods=["GET"]),
        Route("/", page.limited(page.look), methods=["POST"]),
        Route("/contact", page.limited(page.contact), methods=["POST"]),
        Route("/forget", page.limited(page.forget), methods=["POST"]),
        Route("/policy.txt", page.policy, methods=["GET"]),
    ]
    if parts.verify_page is not None:
        routes.append(Route("/verify", page.verify, methods=["GET"]))
    return Starlette(routes=routes)


Fields = dict[str, str]


class _Page:
    def __init__(self, parts: Parts, limits: Limits) -> None:
        self._parts = parts
        self._limits = limits
        loader = jinja2.FunctionLoader(lambda name: (_TEMPLATES / name).read_text(encoding="utf-8"))
        environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._template = environment.get_template("page.html")

    async def ask(self, request: Request) -> Response:
        """The form."""
        return self._draw(_language(request, {}))

    async def policy(self, _: Request) -> Response:
        """Whom to trust, for the page for phones."""
        data = await run_in_threadpool(self._parts.policy)
        return Response(data, media_type="text/plain; charset=utf-8", headers=dict(HEADERS))

    async def verify(self, _: Request) -> Response:
        """The page for phones; it brings its own security policy."""
        assert self._parts.verify_page is not None
        headers = {name: HEADERS[name] for name in ("referrer-policy", "x-content-type-options")}
        text = await run_in_threadpool(self._parts.verify_page.read_bytes)
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)

    def limited(self, answer: Callable[[Language, Fields], Response]) -> Callable[[Request], Any]:
        """`answer` for a form of bounded size, as often as the limits allow, on a thread of its own."""

        async def respond(request: Request) -> Response:
            address = request.client.host if request.client else ""
            wait_s = self._limits.wait_s(address, self._parts.clock.monotonic_s())
            if wait_s > 0:
                language = _language(request, {})
                message = say(language, "too_many", seconds=ceil(wait_s))
                refused = self._draw(language, message=message, status=TOO_MANY)
                refused.headers["retry-after"] = str(ceil(wait_s))
                return refused
            fields = await _fields(request)
            if fields is None:
                return Response(status_code=TOO_LARGE, headers=dict(HEADERS))
            return await run_in_threadpool(answer, _language(request, fields), fields)

        return respond

    # --- on a thread -------------------------------------------------------------------------------------

    def look(self, language: Language, fields: Fields) -> Response:
        """What the bank has."""
        opening = fields.get("opening", "").replace("\r\n", "\n").strip()
        try:
            claim = self._parts.desk.claim("\n".join(opening.split("\n")[:2])) if opening else _typed(fields)
        except VerificationError as error:
            reason = str(error).split(" (")[0]  # without its remedy, which is for operators
            return self._draw(language, message=say(language, "unreadable", reason=reason), status=BAD)
        finding = None if claim is None else self._parts.desk.find(claim)
        if finding is None:
            return self._draw(language, message=say(language, "unknown"), status=NOT_FOUND)
        return self._draw(language, finding=self._remembered(finding))

    def contact(self, language: Language, fields: Fields) -> Response:
        """Keep a contact, sealed."""
        finding = self._theirs(fields)
        if finding is None:
            return self._draw(language, message=say(language, "unknown"), status=NOT_FOUND)
        text, claim = fields.get("contact", "").strip(), finding.claim
        if not self._reachable(text):
            return self._draw(language, finding=finding, message=say(language, "contact_bad"), status=BAD)
        sealed = book.seal(text, claim.kiosk, claim.deposit_id, self._parts.key)
        contacts = self._parts.contacts()
        try:
            now = rfc3339(self._parts.clock.now_utc())
            row = (claim.kiosk, claim.sequence, claim.deposit_id, language, sealed, finding.events, now)
            kept = contacts.add(*row)
        finally:
            contacts.close()
        return self._draw(language, finding=finding, message=say(language, "left" if kept else "contact_full"))

    def forget(self, language: Language, fields: Fields) -> Response:
        """Remove the deposit's contacts."""
        finding = self._theirs(fields)
        if finding is None:
            return self._draw(language, message=say(language, "unknown"), status=NOT_FOUND)
        contacts = self._parts.contacts()
        try:
            count = contacts.forget(finding.claim.kiosk, finding.claim.deposit_id)
        finally:
            contacts.close()
        return self._draw(language, finding=finding, message=say(language, "forgotten", count=count))

    def _theirs(self, fields: Fields) -> Finding | None:
        claim = _typed(fields)
        found = None if claim is None else self._parts.desk.find(claim)
        return found if found is not None and found.received else None

    def _remembered(self, finding: Finding) -> Finding:
        """A statement that contradicts the store is evidence, whoever brings it."""
        if finding.contradicted:
            claim, contacts = finding.claim, self._parts.contacts()
            try:
                contacts.keep_evidence(claim.kiosk, claim.sequence, claim.opening, rfc3339(self._parts.clock.now_utc()))
            finally:
                contacts.close()
        return finding

    def _reachable(self, text: str) -> bool:
        kinds = {"email": _EMAIL, "phone": _PHONE}
        return any(kinds[kind].fullmatch(text) for kind in self._parts.accept)

    def _draw(
        self,
        language: Language,
        *,
        finding: Finding | None = None,
        message: str = "",
        status: int = OK,
    ) -> Response:
        code = (
            segno.make(finding.short, error="m", micro=False).svg_data_uri(scale=4) if finding and finding.short else ""
        )
        text = self._template.render(
            language=language,
            languages=LANGUAGES.items(),
            say=lambda key, **facts: say(language, key, **facts),
            style=_Safe(_STYLE),
            finding=finding,
            lines=list(words.lines(finding, language)) if finding else [],
            code=code,
            message=message,
            verify_page=self._parts.verify_page is not None,
        )
        return Response(text, status, media_type="text/html; charset=utf-8", headers=dict(HEADERS))


class _Safe(str):
    """Our own style sheet, not to be escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _typed(fields: Fields) -> Claim | None:
    """What was typed, in the forms that people type; None for what cannot be on a receipt."""
    kiosk, sequence = fields.get("kiosk", "").strip(), fields.get("sequence", "").strip()
    deposit_id = re.sub(r"[\s-]", "", fields.get("deposit_id", "")).lower()
    if not leaf.kiosk_id_fits(kiosk) or not _SEQUENCE.fullmatch(sequence) or not _DEPOSIT_ID.fullmatch(deposit_id):
        return None
    return Claim(kiosk, int(sequence), bytes.fromhex(deposit_id))


async def _fields(request: Request) -> Fields | None:
    """The form's fields; None when it is too large or no form."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return None
        return dict(urllib.parse.parse_qsl(body.decode("ascii"), max_num_fields=FIELDS_MAX, errors="strict"))
    except (ClientDisconnect, ValueError):
        return None


def _language(request: Request, fields: Fields) -> Language:
    asked = fields.get("lang") or request.query_params.get("lang", "")
    return words.choose(asked, request.headers.get("accept-language", "")[:200])
