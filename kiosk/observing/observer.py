"""Three pages on loopback: /metrics for Prometheus, /healthz and /readyz for whoever starts and watches services.

What they say is what the controller just said; of a controller that does not answer they say that it does not. This
process knows nothing of its own and may ask for health only (`kiosk.messages.ALLOWED`).
"""

import asyncio
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kiosk.clock import Clock
from kiosk.core.metrics import PROCESSES, Sample, checked, sample
from kiosk.errors import BusError
from kiosk.messages import GetHealth, Health, Reply, Request
from kiosk.observing.exposition import CONTENT_TYPE, text

HOSTS: Final = ["127.0.0.1", "localhost", "[::1]"]
ANSWER_S: Final = 5.0
FRESH_S: Final = 1.0  # asked more often, the last answer is given again: nobody here can keep the controller busy
_NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Bus(Protocol):
    """What this process uses of `kiosk.bus.BusClient`."""

    async def request(self, message: Request, *, timeout_s: float = ANSWER_S) -> Reply:
        """Ask the controller; BusError when it is not there or silent."""


class Observer:
    """Give `session` each connection to the controller; serve `app`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bus: Bus | None = None
        self._asking = asyncio.Lock()
        self._last: tuple[float, Health | str] | None = None  # when, and what was heard or why nothing

    async def session(self, bus: Bus) -> None:
        """Serve one connection until it is lost."""
        self._bus, self._last = bus, None
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._bus = self._last = None

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [Route("/metrics", self._metrics), Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
        return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])

    async def heard(self) -> Health | str:
        """The kiosk's health, at most a second old, or in words why it is not known."""
        async with self._asking:
            now_s = self._clock.monotonic_s()
            if self._last is None or now_s - self._last[0] >= FRESH_S:
                self._last = now_s, await self._ask()
            return self._last[1]

    async def _ask(self) -> Health | str:
        if self._bus is None:
            return "the controller is not there"
        try:
            reply = await self._bus.request(GetHealth(), timeout_s=ANSWER_S)
        except BusError as error:
            return str(error.args[0])
        return reply if isinstance(reply, Health) else f"the controller answered {type(reply).__name__}"

    async def _metrics(self, _: HttpRequest) -> Response:
        found = await self.heard()
        up = sample("kiosk_controller_up", not isinstance(found, str))
        samples = () if isinstance(found, str) else checked(found.samples)
        return Response(text((up, *samples)), media_type=CONTENT_TYPE, headers=_NO_STORE)

    async def _healthz(self, _: HttpRequest) -> Response:
        """200: the controller answers and its journal can be read. Says nothing of whether it takes deposits."""
        found = await self.heard()
        if isinstance(found, str):
            return JSONResponse({"healthy": False, "why": found}, 503, headers=_NO_STORE)
        return JSONResponse({"healthy": True, "at": found.at}, headers=_NO_STORE)

    async def _readyz(self, _: HttpRequest) -> Response:
        """200: a deposit may begin now, or one is under way."""
        found = await self.heard()
        if isinstance(found, str):
            return JSONResponse({"ready": False, "reasons": [found]}, 503, headers=_NO_STORE)
        body = {"ready": found.in_service, "reasons": list(found.reasons), "absent": _absent(found.samples)}
        return JSONResponse(body, 200 if found.in_service else 503, headers=_NO_STORE)


def _absent(samples: tuple[Sample, ...]) -> list[str]:
    """Processes that are not connected: deposits go on without them, but not as they should."""
    connected = {labels[0]: value for name, labels, value in samples if name == "kiosk_process_connected"}
    return [process for process in PROCESSES if not connected.get(process)]
