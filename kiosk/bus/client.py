"""A role's end of the bus."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, cast, get_args

from kiosk.bus.frames import NUMBER_MAX, PUSH, FrameError, decode_answer, encode_frame, read_body, socket_path
from kiosk.clock import Clock
from kiosk.errors import BusError
from kiosk.messages import Push, Refused, Reply, Request, Role

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 10.0
BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 5.0
SESSION_GOOD_S: Final = 10.0  # a session that lived this long starts the backoff anew
_PUSHES: Final = get_args(Push)

PushListener = Callable[[Push], None]


class BusClient:
    """One connection to the controller. Made with `connect`; not re-opened by itself."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_push: PushListener | None
    ) -> None:
        """Use `connect`; `on_push` is called on the loop, in order, and must not block."""
        self._reader = reader
        self._writer = writer
        self._on_push = on_push
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._number = 0
        self._reason = BusError("the connection to the controller is closed")
        self._task = asyncio.get_running_loop().create_task(self._receive())

    @classmethod
    async def connect(cls, bus_dir: Path, role: Role, on_push: PushListener | None = None) -> "BusClient":
        """Open `role`'s socket; raises `BusError` with what to do when that is not possible."""
        path = socket_path(bus_dir, role)
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            message = f"no controller serves {path}"
            raise BusError(message, remedy="Start the controller, or check paths.bus_dir.") from error
        except PermissionError as error:
            message = f"this user may not open {path}"
            raise BusError(message, remedy=f"Run this as the user of the role {role}.") from error
        except OSError as error:
            message = f"cannot open {path}: {error}"
            raise BusError(message) from error
        return cls(reader, writer, on_push)

    async def request(self, message: Request, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Reply:
        """Send and wait for the one reply (`Refused` is a reply, too); raises `BusError`, also for silence."""
        if self._task.done():
            raise self._reason
        self._number = self._number % NUMBER_MAX + 1
        number = self._number
        frame = encode_frame(number, message)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(frame)
                await self._writer.drain()
                return await answer
        except TimeoutError as error:
            # The late answer, should it come, would find nobody; a controller this slow is as good as gone.
            text = f"the controller did not answer {type(message).__name__} within {timeout_s:g} s"
            raise BusError(text) from error
        except ConnectionError as error:
            if isinstance(error, BusError):
                raise
            raise self._reason from error
        finally:
            self._waiting.pop(number, None)

    async def wait_closed(self) -> BusError:
        """Wait until the connection is gone, by whatever end; says why."""
        await asyncio.wait({self._task})
        return self._reason

    async def close(self) -> None:
        """Give the connection back; idempotent."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _receive(self) -> None:
        try:
            while (body := await read_body(self._reader)) is not None:
                self._take(*decode_answer(body))
        except BusError as error:
            self._reason = error
        except ConnectionError as error:
            self._reason = BusError(f"the connection to the controller broke: {error}")
        except asyncio.CancelledError:
            self._reason = BusError("this end closed the connection")
        except Exception as error:  # noqa: BLE001 - a listener's fault must reach whoever waits
            _log.exception("bus: the listener for pushes failed; the connection is closed")
            self._reason = BusError(f"the listener for pushes failed: {error}")
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(self._reason)

    def _take(self, number: int, message: Reply | Push) -> None:
        if number == PUSH:
            if isinstance(message, Refused):  # the controller's last word before it hangs up
                raise BusError(message.message, remedy=message.remedy)
            if not isinstance(message, _PUSHES):
                text = f"{type(message).__name__} is no push"
                raise FrameError(text)
            if self._on_push is not None:
                self._on_push(cast("Push", message))
            return
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(cast("Reply", message))


async def run_with_reconnect(
    bus_dir: Path,
    role: Role,
    session: Callable[[BusClient], Awaitable[None]],
    clock: Clock,
    *,
    on_push: PushListener | None = None,
) -> None:
    """Keep a session with the controller for good: connect, run `session(client)`, and again after each loss.

    The session is cancelled when its connection is lost. Returns when the session returns; whatever it
    raises but `BusError` ends this, too. Waits between attempts grow from 0.1 to 5 s on `clock`.
    """
    backoff_s = BACKOFF_S_MIN
    while True:
        started_s = clock.monotonic_s()
        try:
            client = await BusClient.connect(bus_dir, role, on_push)
            if await _session_ended(client, session):
                return
        except BusError as error:
            _log.warning("bus: %s: %s; again in %.1f s", role, error, backoff_s)
        if clock.monotonic_s() - started_s >= SESSION_GOOD_S:
            backoff_s = BACKOFF_S_MIN
        await clock.sleep(backoff_s)
        backoff_s = min(backoff_s * 2, BACKOFF_S_MAX)


async def _session_ended(client: BusClient, session: Callable[[BusClient], Awaitable[None]]) -> bool:
    """Run one session to its end (True) or to its connection's (raises `BusError`)."""
    loop = asyncio.get_running_loop()

    async def run() -> None:
        await session(client)

    work = loop.create_task(run())
    lost = loop.create_task(client.wait_closed())
    try:
        await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            return True
        raise lost.result()
    finally:
        for task in (work, lost):
            task.cancel()
        await asyncio.gather(work, lost, return_exceptions=True)
        await client.close()
