"""The observer over real HTTP on loopback, with a controller that answers, is ill, or is not there."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kiosk.core.metrics import sample
from kiosk.errors import BusError
from kiosk.messages import ALLOWED, GetHealth, Health, Refused, Reply, Request
from kiosk.observing.observer import Observer
from kiosk.processes.loopback import listening, server
from tests.uplink_kit import HandClock

SAMPLES = (
    sample("kiosk_straps", 3),
    *(sample("kiosk_process_connected", name != "watcher", name) for name in ("watcher", "uplink")),
)
WELL = Health("2026-11-21T08:30:00.125Z", in_service=True, reasons=(), samples=SAMPLES)
SHUT = Health("2026-11-21T08:30:00.125Z", in_service=False, reasons=("the cabinet is full",), samples=SAMPLES)


class Controller:
    """The bus, with an answer to give."""

    def __init__(self) -> None:
        self.answer: Reply | BusError = WELL
        self.asked = 0

    async def request(self, message: Request, *, timeout_s: float = 0) -> Reply:
        assert message == GetHealth()
        self.asked += 1
        if isinstance(self.answer, BusError):
            raise self.answer
        return self.answer


class Room:
    """An observer that serves, its controller and its clock."""

    def __init__(self) -> None:
        self.clock, self.controller = HandClock(), Controller()
        self.observer = Observer(self.clock)
        self.port = 0

    async def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    async def page(self, path: str) -> tuple[int, dict[str, object]]:
        self.clock.advance(1)  # the last answer is old
        status, body = await self.get(path)
        return status, json.loads(body)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room()
    web = server(made.observer.app())
    with listening("observer.port", "127.0.0.1", 0) as listener:
        made.port = listener.getsockname()[1]
        serving = asyncio.ensure_future(web.serve(sockets=[listener]))
        session = asyncio.ensure_future(made.observer.session(made.controller))
        await asyncio.sleep(0)
        yield made
        session.cancel()
        web.should_exit = True
        await serving
        with contextlib.suppress(asyncio.CancelledError):
            await session


async def test_metrics_are_the_controllers_in_prometheus_own_text(room: Room) -> None:
    status, body = await room.get("/metrics")
    found = {each.name: each.value for family in text_string_to_metric_families(body) for each in family.samples}
    assert status == 200
    assert (found["kiosk_controller_up"], found["kiosk_straps"]) == (1, 3)


async def test_healthy_says_that_the_controller_answers_and_ready_that_it_takes_deposits(room: Room) -> None:
    assert await room.page("/healthz") == (200, {"healthy": True, "at": WELL.at})
    assert await room.page("/readyz") == (200, {"ready": True, "reasons": [], "absent": ["watcher", "terminal"]})
    room.controller.answer = SHUT
    assert (await room.page("/healthz"))[0] == 200
    assert await room.page("/readyz") == (
        503,
        {"ready": False, "reasons": ["the cabinet is full"], "absent": ["watcher", "terminal"]},
    )


@pytest.mark.parametrize(
    "answer",
    [BusError("the controller did not answer"), Refused("failed", "the journal cannot be read")],
    ids=["silent", "ill"],
)
async def test_a_controller_that_does_not_answer_is_neither_healthy_nor_ready_and_has_no_metrics(
    room: Room, answer: Reply | BusError
) -> None:
    room.controller.answer = answer
    status, body = await room.get("/metrics")
    assert status == 200
    assert "kiosk_controller_up 0.0" in body
    assert "kiosk_straps" not in body
    assert (await room.page("/healthz"))[0] == (await room.page("/readyz"))[0] == 503


async def test_without_a_connection_it_says_so() -> None:
    assert await Observer(HandClock()).heard() == "the controller is not there"


async def test_many_askers_are_one_question_a_second(room: Room) -> None:
    await asyncio.gather(*(room.get("/metrics") for _ in range(8)))
    assert room.controller.asked == 1
    room.clock.advance(1)
    await room.get("/metrics")
    assert room.controller.asked == 2


async def test_another_host_name_is_refused(room: Room) -> None:
    assert (await room.get("/metrics", host="rebound.example"))[0] == 400


def test_the_observer_may_ask_for_health_and_nothing_else() -> None:
    assert ALLOWED["observer"] == {GetHealth}
    imported = "\n".join(path.read_text() for path in Path("kiosk/observing").glob("*.py"))
    assert "guarantee" not in imported
