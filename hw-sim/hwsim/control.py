"""HTTP control of the world, on loopback: JSON for scripts, one page for people."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from importlib import resources
from typing import Any, Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from hwsim.devices.board import DepositBoard
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.errors import HwsimError, InsertionRefused, UnknownFault
from hwsim.notes import Kind, Note, Place
from hwsim.world import World

_log = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 65_536
VALUE_MINOR_MAX: Final = 100_000_000
Handler = Callable[[dict[str, Any]], Any]


class _QuietServer(uvicorn.Server):
    """uvicorn inside our own loop: signals are the host's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Revealed(Protocol):
    """A device that tells how it really is."""

    def state(self) -> dict[str, Any]: ...


class ControlServer:
    """Serves the control API of one world."""

    def __init__(
        self,
        world: World,
        validator: Revealed,
        board: DepositBoard,
        printer: LabelPrinter,
        receipts: ReceiptPrinter,
        camera_jpeg: Callable[[], bytes],
        host: str,
        port: int,
    ) -> None:
        self.port = port
        self.exchanges: Callable[[], dict[str, int]] = dict  # per serial line; of whoever has lines to count on
        self._world = world
        self._validator = validator
        self._board = board
        self._printer = printer
        self._receipts = receipts
        self._camera_jpeg = camera_jpeg
        self._host = host
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when requests are answered."""
        listener = socket.create_server((self._host, self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app(), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                await self._task
                return
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/state", self._answer(lambda _: self.state())),
                Route("/faults", self._answer(lambda _: self._fault_list())),
                Route("/happenings", self._happenings),
                Route("/labels", self._answer(lambda _: [label.fields() for label in self._printer.printed])),
                Route("/labels/{number:int}.png", self._label_png),
                Route("/receipts", self._answer(lambda _: [one.fields() for one in self._receipts.printed])),
                Route("/receipts/{number:int}.png", self._receipt_png),
                Route("/camera.jpg", self._camera),
                Route("/insert", self._command(self._insert), methods=["POST"]),
                Route("/take", self._command(lambda _: {"taken": self._world.take()}), methods=["POST"]),
                Route("/scene", self._command(self._scene), methods=["POST"]),
                Route("/fault", self._command(self._fault), methods=["POST"]),
                Route("/power", self._command(self._power), methods=["POST"]),
                Route("/line", self._command(self._line), methods=["POST"]),
                Route("/stock", self._command(self._stock), methods=["POST"]),
            ]
        )

    # --- the truth -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that is so, for judges and for the page."""
        world = self._world
        totals = asdict(world.totals())
        by_currency = {name: totals.pop(f"{name}_minor") for name in ("inserted", "returned", "retained", "removed")}
        sums = {f"{name}_minor": sum(by_currency[name].values()) for name in by_currency}
        throat = world.notes.at(Place.THROAT)
        return {
            "time_s": round(world.now_s(), 3),
            "seed": world.seed,
            "notes": [_note(note) for note in world.notes.all()],
            "totals": {**sums, **totals, "by_currency": by_currency},
            "exchanges": self.exchanges(),
            "shutter": world.shutter.state.value,
            "throat": throat[0].id if throat else None,
            "bezel": [note.id for note in world.notes.at(Place.BEZEL)],
            "lines": world.lines.all(),
            "validator": self._validator.state(),
            "board": self._board.state(),
            "label_printer": self._printer.state(),
            "receipt_printer": self._receipts.state(),
            "scene": asdict(world.scene),
            "stock": {"straps": world.straps, "labels": world.labels, "receipt_mm": round(world.receipt_mm)},
            "labels": len(self._printer.printed),
            "receipts": len(self._receipts.printed),
        }

    def _fault_list(self) -> list[dict[str, Any]]:
        return [
            {"device": spec.device, "fault": spec.name, "what": spec.what, "parameters": dict(spec.parameters)}
            for spec in self._world.faults.all()
        ]

    # --- commands --------------------------------------------------------------------------------------

    def _insert(self, body: dict[str, Any]) -> dict[str, Any]:
        currency, value, kind = body.get("currency"), body.get("value_minor"), body.get("kind", Kind.GENUINE.value)
        _only(body, {"currency", "value_minor", "kind"})
        if not isinstance(currency, str) or type(value) is not int or not 0 < value <= VALUE_MINOR_MAX:
            message = "a note needs a currency and a positive value_minor"
            raise UnknownFault(message, 'For example {"currency": "CNY", "value_minor": 10000}.')
        if kind not in set(Kind):
            message = f"no kind of note {kind!r}"
            raise UnknownFault(message, f"Kinds: {', '.join(Kind)}.")
        return {"id": self._world.insert(currency, value, kind).id}

    def _scene(self, body: dict[str, Any]) -> dict[str, Any]:
        self._world.set_scene(**body)
        return asdict(self._world.scene)

    def _fault(self, body: dict[str, Any]) -> dict[str, Any]:
        parameters = dict(body)
        device, name = str(parameters.pop("device", "")), str(parameters.pop("fault", ""))
        self._world.faults.apply(device, name, parameters)
        return {"done": f"{device}.{name}"}

    def _power(self, body: dict[str, Any]) -> dict[str, Any]:
        _only(body, {"device", "on"})
        self._world.power(str(body.get("device", "all")), _flag(body, "on"))
        return {name: device.powered for name, device in self._world.devices.items()}

    def _line(self, body: dict[str, Any]) -> dict[str, Any]:
        _only(body, {"line", "value"})
        self._world.set_line(str(body.get("line", "")), _flag(body, "value"))
        return dict(self._world.lines.all())

    def _stock(self, body: dict[str, Any]) -> dict[str, Any]:
        _only(body, {"straps", "labels", "receipt_mm"})
        if any(type(value) is not int or not 0 <= value <= 100_000 for value in body.values()):  # noqa: PLR2004
            message = "stocks are whole numbers from 0 to 100000"
            raise UnknownFault(message, 'For example {"straps": 50, "labels": 50, "receipt_mm": 60000}.')
        self._world.restock(**body)
        world = self._world
        return {"straps": world.straps, "labels": world.labels, "receipt_mm": round(world.receipt_mm)}

    # --- HTTP ------------------------------------------------------------------------------------------

    def _answer(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(_: Request) -> Response:
            return JSONResponse(handler({}))

        return endpoint

    def _command(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(handler(await _body(request)))
            except InsertionRefused as error:
                return _refused(409, error)
            except HwsimError as error:
                return _refused(422, error)

        return endpoint

    async def _happenings(self, request: Request) -> Response:
        """What happened, oldest first; `?after=` gives only what is later than that world time."""
        try:
            after = float(request.query_params.get("after", "-inf"))
        except ValueError:
            return _refused(422, HwsimError("after must be a number of seconds"))
        return JSONResponse([asdict(item) for item in self._world.happenings if item.time_s > after])

    async def _label_png(self, request: Request) -> Response:
        number = request.path_params["number"]
        for label in self._printer.printed:
            if label.number == number:
                return Response(label.png, media_type="image/png")
        return _refused(404, HwsimError(f"no label {number}", "GET /labels lists them."))

    async def _receipt_png(self, request: Request) -> Response:
        number = request.path_params["number"]
        for receipt in self._receipts.printed:
            if receipt.number == number:
                return Response(receipt.png, media_type="image/png")
        return _refused(404, HwsimError(f"no receipt {number}", "GET /receipts lists them."))

    async def _camera(self, _: Request) -> Response:
        return Response(self._camera_jpeg(), media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _page(self, _: Request) -> Response:
        page = resources.files("hwsim").joinpath("pages/control.html").read_text(encoding="utf-8")
        return HTMLResponse(page)


def _note(note: Note) -> dict[str, Any]:
    return {
        "id": note.id,
        "currency": note.currency,
        "value_minor": note.value_minor,
        "kind": note.kind.value,
        "place": note.place.value,
        "slot": note.slot,
        "inserted": note.inserted,
        "history": [[round(at_s, 3), place.value] for at_s, place in note.history],
    }


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request; empty means {}."""
    raw = await request.body()
    if len(raw) > BODY_BYTES_MAX:
        message = "the request is too large"
        raise UnknownFault(message, "Send one small JSON object.")
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, UnicodeDecodeError) as error:
        message = f"the request is no JSON: {error}"
        raise UnknownFault(message, "Send one JSON object.") from error
    if not isinstance(body, dict):
        message = "the request is no JSON object"
        raise UnknownFault(message, "Send one JSON object.")
    return body


def _only(body: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        message = f"unknown keys {', '.join(unknown)}"
        raise UnknownFault(message, f"Keys: {', '.join(sorted(known))}.")


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        message = f"{name} must be true or false"
        raise UnknownFault(message, f'For example {{"{name}": true}}.')
    return value


def _refused(status: int, error: HwsimError) -> JSONResponse:
    return JSONResponse({"error": str(error), "remedy": error.remedy}, status_code=status)
