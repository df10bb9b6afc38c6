"""The bus over real sockets: who may say what, and that one client cannot harm another or the controller."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kiosk.bus import BusClient, BusServer, run_with_reconnect, socket_path
from kiosk.bus.client import BACKOFF_S_MAX
from kiosk.bus.server import CLIENTS_PER_ROLE_MAX, QUEUE_FRAMES_MAX
from kiosk.errors import BusError, ConfigError, JournalError
from kiosk.messages import (
    FRAME_BYTES_MAX,
    Depositor,
    FetchOutbox,
    GetStatus,
    Identify,
    Message,
    Ok,
    OutboxGrew,
    OutboxRow,
    OutboxRows,
    Push,
    Refused,
    Reply,
    Request,
    Role,
    Status,
    Subscribe,
)


def a_status(uptime_s: float = 1.0) -> Status:
    return Status(
        kiosk="demo-0001",
        state="idle",
        in_service=True,
        out_of_service_reasons=(),
        deposit=None,
        devices=(),
        scene_grade="low",
        log_size=3,
        log_root="00" * 32,
        outbox_rows=0,
        acknowledged=3,
        deposits_today=1,
        single_user=True,
        clock_synchronised=True,
        config_hash="ab",
        version="0.1.0",
        uptime_s=uptime_s,
    )


async def answer(_role: Role, request: Request) -> Reply:
    return a_status() if isinstance(request, GetStatus) else Ok()


@asynccontextmanager
async def serving(
    bus_dir: Path, handler: Callable[[Role, Request], Awaitable[Reply]] = answer
) -> AsyncIterator[BusServer]:
    server = BusServer(bus_dir, handler, {}, single_user=True)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def test_request_gets_its_reply(tmp_path: Path) -> None:
    async with serving(tmp_path):
        client = await BusClient.connect(tmp_path, "maintenance")
        assert await client.request(GetStatus()) == a_status()
        await client.close()


async def test_requests_in_flight_are_paired_with_their_own_replies(tmp_path: Path) -> None:
    async def by_size(_role: Role, request: Request) -> Reply:
        assert isinstance(request, FetchOutbox)
        return OutboxRows((), request.first_sequence, b"")

    async with serving(tmp_path, by_size):
        client = await BusClient.connect(tmp_path, "uplink")
        replies = await asyncio.gather(*(client.request(FetchOutbox(n, 1)) for n in range(20)))
        assert replies == [OutboxRows((), n, b"") for n in range(20)]
        await client.close()


async def test_a_role_may_send_only_what_its_list_allows(tmp_path: Path) -> None:
    async with serving(tmp_path):
        client = await BusClient.connect(tmp_path, "watcher")
        for message in (GetStatus(), Identify("123"), Depositor("confirm"), FetchOutbox(0, 1)):
            reply = await client.request(message)
            assert isinstance(reply, Refused)
            assert reply.code == "not_allowed"
        assert isinstance(await client.request(Subscribe(("outbox",))), Refused)
        await client.close()
        terminal = await BusClient.connect(tmp_path, "terminal")
        assert isinstance(await terminal.request(GetStatus()), Status)
        await terminal.close()


async def test_subscribers_get_the_present_status_first_and_then_pushes_of_their_topics(tmp_path: Path) -> None:
    seen: asyncio.Queue[Push] = asyncio.Queue()
    async with serving(tmp_path) as server:
        client = await BusClient.connect(tmp_path, "maintenance", seen.put_nowait)
        assert await client.request(Subscribe(("status", "outbox"))) == Ok()
        assert await seen.get() == a_status()
        server.push("outbox", OutboxGrew(7))
        assert await seen.get() == OutboxGrew(7)
        assert server.connected("maintenance") == 1
        await client.close()


async def test_pushes_go_to_subscribers_only(tmp_path: Path) -> None:
    seen: list[Push] = []
    async with serving(tmp_path) as server:
        client = await BusClient.connect(tmp_path, "uplink", seen.append)
        await client.request(GetStatus())
        server.push("outbox", OutboxGrew(1))
        await client.request(GetStatus())
        assert seen == []
        await client.close()


async def test_a_kiosk_error_in_the_handler_is_a_refusal_with_its_remedy(tmp_path: Path) -> None:
    async def failing(_role: Role, _request: Request) -> Reply:
        message = "the disk is full"
        raise JournalError(message)

    async with serving(tmp_path, failing):
        client = await BusClient.connect(tmp_path, "terminal")
        assert await client.request(Depositor("done")) == Refused(
            "journal_error", "the disk is full", JournalError.remedy
        )
        await client.close()


async def test_a_fault_in_the_handler_costs_neither_the_connection_nor_the_server(tmp_path: Path) -> None:
    async def faulty(_role: Role, request: Request) -> Reply:
        if isinstance(request, Identify):
            raise ZeroDivisionError
        return Ok()

    async with serving(tmp_path, faulty):
        client = await BusClient.connect(tmp_path, "terminal")
        reply = await client.request(Identify("1"))
        assert isinstance(reply, Refused)
        assert reply.code == "internal_error"
        assert "ZeroDivision" not in reply.message
        assert await client.request(Depositor("done")) == Ok()
        await client.close()


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack(">I", 0),
        struct.pack(">I", FRAME_BYTES_MAX + 1),
        b"\xff" * 64,
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 5) + b"[1,2]",
    ],
)
async def test_garbage_closes_only_the_connection_it_came_on(tmp_path: Path, garbage: bytes) -> None:
    async with serving(tmp_path):
        good = await BusClient.connect(tmp_path, "terminal")
        assert isinstance(await good.request(GetStatus()), Status)
        reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path, "terminal"))
        writer.write(garbage)
        assert await reader.read() == b""
        writer.close()
        assert isinstance(await good.request(GetStatus()), Status)
        await good.close()


async def test_unknown_fields_and_zero_numbers_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path):
        for body in ([1, {"type": "GetStatus", "extra": 1}], [0, {"type": "GetStatus"}], [1, {"type": "Ok"}]):
            reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path, "terminal"))
            data = msgspec.msgpack.encode(body)
            writer.write(struct.pack(">I", len(data)) + data)
            assert await reader.read() == b""
            writer.close()


async def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(tmp_path: Path) -> None:
    gone = asyncio.Event()

    def presence(role: Role, clients: int) -> None:
        if role == "uplink" and clients == 0:
            gone.set()

    server = BusServer(tmp_path, answer, {}, single_user=True, on_presence=presence)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path, "uplink"))
    subscribe = msgspec.msgpack.encode((1, Subscribe(("outbox",))))
    writer.write(struct.pack(">I", len(subscribe)) + subscribe)
    await reader.readexactly(4)  # its Ok is here: it is subscribed
    other = await BusClient.connect(tmp_path, "maintenance")
    for _ in range(QUEUE_FRAMES_MAX + 1):  # nothing of it can leave: the loop does not run in between
        server.push("outbox", OutboxGrew(1))
    await asyncio.wait_for(gone.wait(), 5)
    assert isinstance(await other.request(GetStatus()), Status)
    writer.close()
    await other.close()
    await server.close()


async def test_status_pushes_coalesce_to_the_newest(tmp_path: Path) -> None:
    seen: asyncio.Queue[Push] = asyncio.Queue()
    async with serving(tmp_path) as server:
        client = await BusClient.connect(tmp_path, "terminal", seen.put_nowait)
        await client.request(Subscribe(("status",)))
        await seen.get()
        for n in range(10 * QUEUE_FRAMES_MAX):
            server.push("status", a_status(uptime_s=float(n)))
        last = await seen.get()
        assert isinstance(last, Status)
        assert last.uptime_s == 10 * QUEUE_FRAMES_MAX - 1
        await client.close()


async def test_an_answer_too_large_for_a_frame_is_a_refusal(tmp_path: Path) -> None:
    async def huge(_role: Role, _request: Request) -> Reply:
        return OutboxRows((OutboxRow(0, bytes(FRAME_BYTES_MAX)),), 1, b"")

    async with serving(tmp_path, huge):
        client = await BusClient.connect(tmp_path, "uplink")
        reply = await client.request(FetchOutbox(0, 1))
        assert isinstance(reply, Refused)
        assert reply.code == "too_large"
        await client.close()


async def test_too_many_clients_of_a_role_are_told_so(tmp_path: Path) -> None:
    async with serving(tmp_path):
        clients = [await BusClient.connect(tmp_path, "terminal") for _ in range(CLIENTS_PER_ROLE_MAX)]
        for client in clients:
            await client.request(GetStatus())
        one_more = await BusClient.connect(tmp_path, "terminal")
        with pytest.raises(BusError, match="which is the bound"):
            await one_more.request(GetStatus())
        for client in clients:
            await client.close()


async def test_another_uid_is_refused_in_words(tmp_path: Path) -> None:
    server = BusServer(tmp_path, answer, {"watcher": os.getuid() + 1, "terminal": os.getuid()})
    await server.start()
    client = await BusClient.connect(tmp_path, "watcher")
    with pytest.raises(BusError, match="may not act as watcher"):
        await client.request(GetStatus())
    allowed = await BusClient.connect(tmp_path, "terminal")
    assert isinstance(await allowed.request(GetStatus()), Status)
    with pytest.raises(BusError, match="no controller serves"):
        await BusClient.connect(tmp_path, "uplink")  # a role without a uid is not served
    await allowed.close()
    await server.close()


def test_one_uid_for_two_roles_needs_single_user(tmp_path: Path) -> None:
    uids: dict[Role, int] = {"watcher": 1001, "uplink": 1001}
    with pytest.raises(ConfigError, match="same uid 1001"):
        BusServer(tmp_path, answer, uids)
    with pytest.raises(ConfigError, match="empty"):
        BusServer(tmp_path, answer, {})
    BusServer(tmp_path, answer, uids, single_user=True)


async def test_sockets_are_private_and_leave_with_the_server(tmp_path: Path) -> None:
    bus_dir = tmp_path / "bus"
    async with serving(bus_dir):
        assert (bus_dir / "uplink").stat().st_mode & 0o777 == 0o700
        assert socket_path(bus_dir, "uplink").stat().st_mode & 0o777 == 0o600
    assert not socket_path(bus_dir, "uplink").exists()


async def test_a_second_controller_is_refused_and_a_dead_ones_socket_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path):
        second = BusServer(tmp_path, answer, {}, single_user=True)
        with pytest.raises(BusError, match="another controller"):
            await second.start()
        client = await BusClient.connect(tmp_path, "terminal")
        assert isinstance(await client.request(GetStatus()), Status)
        await client.close()
    socket_path(tmp_path, "terminal").touch()
    async with serving(tmp_path):
        client = await BusClient.connect(tmp_path, "terminal")
        assert isinstance(await client.request(GetStatus()), Status)
        await client.close()


async def test_no_controller_is_a_bus_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="Start the controller"):
        await BusClient.connect(tmp_path, "terminal")


async def test_a_silent_controller_is_an_error_in_time(tmp_path: Path) -> None:
    async def never(_role: Role, _request: Request) -> Reply:
        await asyncio.Event().wait()
        return Ok()

    async with serving(tmp_path, never):
        client = await BusClient.connect(tmp_path, "terminal")
        with pytest.raises(BusError, match="did not answer GetStatus"):
            await client.request(GetStatus(), timeout_s=0.01)
        await client.close()


async def test_a_lost_connection_fails_the_waiting_request(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(_role: Role, _request: Request) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        return Ok()

    async with serving(tmp_path, never) as server:
        client = await BusClient.connect(tmp_path, "terminal")
        waiting = asyncio.ensure_future(client.request(GetStatus()))
        await asked.wait()
        await server.close()
        with pytest.raises(BusError):
            await waiting
        with pytest.raises(BusError):
            await client.request(GetStatus())


def test_a_path_that_no_socket_can_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"paths\.bus_dir"):
        socket_path(tmp_path / ("x" * 100), "terminal")


class CountingClock:
    """Sleeps are noted, not slept; after `sleeps_max` of them the world is as `then` makes it."""

    def __init__(self, then: Callable[[int], Awaitable[None]]) -> None:
        self.slept_s: list[float] = []
        self._then = then

    def monotonic_s(self) -> float:
        return sum(self.slept_s)

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await self._then(len(self.slept_s))


async def test_reconnect_waits_longer_each_time_up_to_a_bound_and_starts_anew(tmp_path: Path) -> None:
    servers: list[BusServer] = []
    seen: list[Message] = []
    sessions = 0

    async def world(sleeps: int) -> None:
        if sleeps in {8, 9}:
            servers.append(BusServer(tmp_path, answer, {}, single_user=True))
            await servers[-1].start()

    async def session(client: BusClient) -> None:
        nonlocal sessions
        sessions += 1
        seen.append(await client.request(GetStatus()))
        if sessions == 1:  # the controller dies under the first session
            await servers[0].close()
            await asyncio.Event().wait()

    clock = CountingClock(world)
    await run_with_reconnect(tmp_path, "uplink", session, clock)
    assert sessions == 2
    assert seen == [a_status(), a_status()]
    assert clock.slept_s[:4] == [0.1, 0.2, 0.4, 0.8]
    assert clock.slept_s[7] == clock.slept_s[8] == BACKOFF_S_MAX
    await servers[1].close()


async def test_a_fault_in_a_session_is_not_hidden(tmp_path: Path) -> None:
    async def world(_sleeps: int) -> None:
        return

    async def session(_client: BusClient) -> None:
        raise ZeroDivisionError

    async with serving(tmp_path):
        with pytest.raises(ZeroDivisionError):
            await run_with_reconnect(tmp_path, "uplink", session, CountingClock(world))
