"""The controller's end of the bus.

Nothing a client does may stop or delay the controller: requests of one client are served one after the
other, what goes out waits in a bounded queue per client, and a client that does not read its queue, sends
garbage or is somebody else loses its connection, alone.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, get_args

from kiosk.bus.frames import PUSH, FrameError, decode_request, encode_frame, read_body, socket_path
from kiosk.errors import BusError, ConfigError, KioskError
from kiosk.messages import (
    ALLOWED,
    TOPICS_ALLOWED,
    GetStatus,
    Message,
    Ok,
    Push,
    Refused,
    Reply,
    Request,
    Role,
    Status,
    Subscribe,
    Topic,
)

_log = logging.getLogger(__name__)

Handler = Callable[[Role, Request], Awaitable[Reply]]
PresenceListener = Callable[[Role, int], None]
View = Callable[[Role, Push], Push]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
CLIENTS_PER_ROLE_MAX: Final = 8
QUEUE_FRAMES_MAX: Final = 256
QUEUE_BYTES_MAX: Final = 4 << 20
_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


def role_uids(uids: Mapping[Role, int], *, single_user: bool) -> dict[Role, int]:
    """Which uid may open which role's socket; raises `ConfigError` when roles are not kept apart.

    With `single_user` every role that is not configured belongs to our own uid (a desk, a demo); without
    it a role that is not configured is not served.
    """
    if single_user:
        return {role: uids.get(role, os.getuid()) for role in ROLES}
    owners: dict[int, Role] = {}
    for role, uid in uids.items():
        if uid in owners:
            message = f"bus.uids.{role} and bus.uids.{owners[uid]} are the same uid {uid}"
            raise ConfigError(message, remedy="Give each role a user of its own, or set bus.single_user = true.")
        owners[uid] = role
    if not owners:
        message = "bus.uids is empty, so nobody could open any socket"
        raise ConfigError(message, remedy="Name a user for each role, or set bus.single_user = true.")
    return dict(uids)


class _Client:
    """One accepted connection: its topics and what still has to be sent to it."""

    def __init__(self, role: Role, writer: asyncio.StreamWriter) -> None:
        self.role = role
        self.topics: frozenset[Topic] = frozenset()
        self._writer = writer
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._status: bytes | None = None  # Status pushes coalesce: only the newest is worth sending
        self._wake = asyncio.Event()
        self.statuses = 0  # Status pushes queued so far

    def enqueue(self, frame: bytes) -> None:
        """Queue one frame; a client that lets the queue fill up is cut off here and now."""
        if len(self._frames) >= QUEUE_FRAMES_MAX or self._bytes + len(frame) > QUEUE_BYTES_MAX:
            _log.warning("bus: a %s client does not read; its connection is dropped", self.role)
            self.abort()
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()

    def enqueue_status(self, frame: bytes) -> None:
        """Queue a Status push in place of the one that still waits."""
        self._status = frame
        self.statuses += 1
        self._wake.set()

    async def send_queued(self) -> None:
        """Write the queue to the socket for as long as the connection lives."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames or self._status is not None:
                if self._frames:
                    frame = self._frames.popleft()
                    self._bytes -= len(frame)
                else:
                    frame, self._status = self._status or b"", None
                self._writer.write(frame)
                await self._writer.drain()

    def abort(self) -> None:
        self._writer.transport.abort()


class BusServer:
    """Serves every role's socket below `bus_dir` and hands each allowed request to `handler`.

    `handler(role, request)` answers with a `Reply`; a `KioskError` it raises becomes `Refused`. `Subscribe`
    is answered here. `on_presence(role, clients)` is called after each connect and disconnect. `view(role, push)`
    gives a push as that role may see it.
    """

    def __init__(
        self,
        bus_dir: Path,
        handler: Handler,
        uids: Mapping[Role, int],
        *,
        single_user: bool = False,
        on_presence: PresenceListener | None = None,
        view: View | None = None,
    ) -> None:
        self._bus_dir = bus_dir
        self._handler = handler
        self._single_user = single_user
        self._uids = role_uids(uids, single_user=single_user)
        self._on_presence = on_presence
        self._view = view or _as_it_is
        self._servers: list[asyncio.Server] = []
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make directories and sockets; raises `BusError` when another controller serves here."""
        self._bus_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            for role in self._uids:
                self._servers.append(await self._serve(role))
        except BaseException:
            await self.close()
            raise

    def connected(self, role: Role) -> int:
        """How many clients of `role` are connected."""
        return sum(client.role == role for client in self._clients)

    def push(self, topic: Topic, message: Push) -> None:
        """Queue `message` for everyone who subscribed to `topic`; never waits."""
        listeners = [client for client in self._clients if topic in client.topics]
        if not listeners:
            return
        try:
            frames = {role: encode_frame(PUSH, self._view(role, message)) for role in {c.role for c in listeners}}
        except FrameError:
            _log.exception("bus: a %s push does not fit a frame and is dropped", type(message).__name__)
            return
        for client in listeners:
            if isinstance(message, Status):
                client.enqueue_status(frames[client.role])
            else:
                client.enqueue(frames[client.role])

    async def close(self) -> None:
        """Stop serving, drop every client, remove the sockets; idempotent."""
        for server in self._servers:
            server.close()
        if self._servers:
            for role in self._uids:
                socket_path(self._bus_dir, role).unlink(missing_ok=True)
        self._servers.clear()
        for client in tuple(self._clients):
            client.abort()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, role: Role) -> asyncio.Server:
        path = socket_path(self._bus_dir, role)
        # 0700 when we make it ourselves; an installed system brings it with tmpfiles.d as 2750, its group
        # being the role's, so that the socket inherits that group.
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if _somebody_serves(path):
            message = f"another controller serves {path}"
            raise BusError(message, remedy="Stop the other controller first: two must never run on one kiosk.")
        path.unlink(missing_ok=True)

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A plain callable: the task is ours to keep and to cancel.
            task = asyncio.get_running_loop().create_task(self._serve_client(role, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_unix_server(accepted, path)
        path.chmod(0o600 if self._single_user else 0o660)
        return server

    async def _serve_client(self, role: Role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(role, writer)
        sender = asyncio.get_running_loop().create_task(client.send_queued())
        try:
            refusal = self._refusal(role, writer)
            if refusal is not None:
                _log.warning("bus: %s socket: %s", role, refusal.message)
                writer.write(encode_frame(PUSH, refusal))
                await writer.drain()
                return
            self._clients.add(client)
            self._tell_presence(role)
            while (body := await read_body(reader)) is not None:
                number, request = decode_request(body)
                await self._answer(client, number, request)
        except FrameError as error:
            _log.warning("bus: %s client dropped: %s", role, error)
        except ConnectionError as error:
            _log.info("bus: %s client went away: %s", role, error)
        finally:
            sender.cancel()
            # The sender ends with our cancel or with the connection's own error; neither is news here.
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sender
            writer.close()
            if client in self._clients:
                self._clients.discard(client)
                self._tell_presence(role)

    def _refusal(self, role: Role, writer: asyncio.StreamWriter) -> Refused | None:
        uid = _peer_uid(writer)
        if uid != self._uids[role]:
            remedy = f"Run this as uid {self._uids[role]}, or change bus.uids.{role} in the configuration."
            return Refused("wrong_uid", f"uid {uid} may not act as {role}", remedy)
        if self.connected(role) >= CLIENTS_PER_ROLE_MAX:
            message = f"{CLIENTS_PER_ROLE_MAX} clients are connected as {role}, which is the bound"
            return Refused("too_many_clients", message, "Close another client of this role.")
        return None

    async def _answer(self, client: _Client, number: int, request: Request) -> None:
        if type(request) not in ALLOWED[client.role]:
            name = type(request).__name__
            reply: Reply = Refused("not_allowed", f"{name} is not for {client.role}", "Use the role it belongs to.")
            client.enqueue(encode_frame(number, reply))
        elif isinstance(request, Subscribe):
            await self._subscribe(client, number, request)
        else:
            client.enqueue(_reply_frame(number, await self._handle(client.role, request)))

    async def _subscribe(self, client: _Client, number: int, request: Subscribe) -> None:
        foreign = set(request.topics) - TOPICS_ALLOWED[client.role]
        if foreign:
            names = ", ".join(sorted(foreign))
            client.enqueue(encode_frame(number, Refused("not_allowed", f"{names}: not for {client.role}")))
            return
        client.topics = frozenset(request.topics)
        client.enqueue(encode_frame(number, Ok()))
        if "status" in client.topics:
            before = client.statuses
            status = await self._handle(client.role, GetStatus())
            if isinstance(status, Status) and client.statuses == before:  # else a push was newer
                client.enqueue_status(encode_frame(PUSH, status))

    async def _handle(self, role: Role, request: Request) -> Reply:
        try:
            return await self._handler(role, request)
        except KioskError as error:
            return Refused(_snake_case(type(error).__name__), error.args[0], error.remedy)
        except Exception:  # noqa: BLE001 - whatever a handler raises stays inside this connection
            # A fault of ours: told to the log in full and to the client in short; the controller goes on.
            _log.exception("bus: handling %s from %s failed", type(request).__name__, role)
            return Refused("internal_error", "the controller failed to do this", KioskError.remedy)

    def _tell_presence(self, role: Role) -> None:
        if self._on_presence is not None:
            self._on_presence(role, self.connected(role))


def _as_it_is(_: Role, push: Push) -> Push:
    return push


def _reply_frame(number: int, reply: Message) -> bytes:
    try:
        return encode_frame(number, reply)
    except FrameError as error:
        return encode_frame(number, Refused("too_large", error.args[0], error.remedy))


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    uid: int
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return uid


def _somebody_serves(path: Path) -> bool:
    """Whether a live listener sits on `path`; a socket file left by a killed controller is not one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:  # its backlog is full: somebody is there
            return True
        return True


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
