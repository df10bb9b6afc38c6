"""Loopback HTTP: the page, two static files, one WebSocket. Nothing else is served, nothing comes from elsewhere."""

import asyncio
import contextlib
import logging
from importlib import resources
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from kiosk.clock import Clock
from kiosk.terminal.terminal import Terminal

_log = logging.getLogger(__name__)

HOSTS: Final = ["127.0.0.1", "localhost", "[::1]"]
MESSAGE_BYTES_MAX: Final = 256
TOUCHES_PER_SECOND_MAX: Final = 20  # nobody touches faster
TAKE_S_MAX: Final = 5.0  # for a browser to take a screen
ALIVE: Final = "alive"  # what the machine's own browser says, every 2 s, as long as it draws
POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1
TRY_AGAIN_LATER: Final = 1013
STATIC: Final = {"terminal.css": "text/css", "terminal.js": "text/javascript"}
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Touch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser may say: on this screen, this was touched."""

    screen: str
    act: str


class StrictHeaders:
    """Every answer carries the same headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers)


class Web:
    """The terminal's HTTP face."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        folder = resources.files("kiosk.terminal") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/static/{name}", self._file),
                Route("/speech", self._speech),
                Route(f"/{ALIVE}", self._alive),
                WebSocketRoute("/screen", self._screen),
            ],
            middleware=[
                Middleware(StrictHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),  # against DNS rebinding
            ],
        )

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(self._terminal.page())

    async def _speech(self, _: Request) -> Response:
        return Response(await self._terminal.speech(), media_type="audio/wav")

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"drawn_s": self._terminal.drawn_s()})

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            return PlainTextResponse("There is no such file.", 404)
        return Response(self._static[name], media_type=STATIC[name])

    async def _screen(self, socket: WebSocket) -> None:
        if not _same_origin(socket):
            await socket.close(POLICY_VIOLATION)
            return
        await socket.accept()
        shown = socket.query_params
        self._terminal.shown_before(shown.get("language", ""), frozenset(shown.get("options", "").split()))
        try:
            with self._terminal.watching() as changed:
                await self._both_ways(socket, changed)
        except RuntimeError:
            code = TRY_AGAIN_LATER
        else:
            code = POLICY_VIOLATION
        # Closed already when the browser left; a browser that reads nothing takes no close either.
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(TAKE_S_MAX):
                await socket.close(code)

    async def _both_ways(self, socket: WebSocket, changed: asyncio.Event) -> None:
        tasks = {asyncio.ensure_future(self._show(socket, changed)), asyncio.ensure_future(self._listen(socket))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if (fault := task.exception()) and not isinstance(fault, WebSocketDisconnect):
                _log.error("a browser was cut off by a fault of ours", exc_info=fault)

    async def _show(self, socket: WebSocket, changed: asyncio.Event) -> None:
        """Each change, until the browser leaves or takes no more: a frozen one must not keep the place of another."""
        while True:
            await changed.wait()
            changed.clear()
            fragment = self._terminal.fragment()
            try:
                async with asyncio.timeout(TAKE_S_MAX):
                    await socket.send_text(fragment)
            except (TimeoutError, RuntimeError, WebSocketDisconnect):  # RuntimeError: uvicorn has cut it off meanwhile
                return

    async def _listen(self, socket: WebSocket) -> None:
        """Touches, until the browser leaves or says what a browser of ours would not say."""
        second, touches = 0, 0
        with contextlib.suppress(WebSocketDisconnect, msgspec.DecodeError, KeyError):
            while True:
                touch = msgspec.json.decode(await socket.receive_text(), type=Touch)
                now = int(self._clock.monotonic_s())
                second, touches = now, touches + 1 if now == second else 1
                if touches > TOUCHES_PER_SECOND_MAX:
                    return
                if touch.act == ALIVE:
                    self._terminal.drawn()
                else:
                    await self._terminal.touch(touch.screen, touch.act)


def _same_origin(connection: HTTPConnection) -> bool:
    """A page from somewhere else, open in the same browser, must not touch our screen."""
    origin = connection.headers.get("origin", "")
    return origin == f"http://{connection.headers.get('host', '')}"
