"""Random and hostile messages on the WebSocket: none asks the controller for what its table does not allow now, none
brings the terminal down or goes uncounted. `make hostile` sends 10,000; the seed is fixed.
"""

import asyncio
import json
import os
import random
import socket
import string
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

import kiosk.terminal.web
from kiosk.terminal.terminal import WATCHERS_MAX
from kiosk.terminal.web import MESSAGE_BYTES_MAX
from tests.unit.test_terminal_service import STATUSES, WAIT_S, Place, place
from tests.unit.test_terminal_touches import ACTS, SCREENS, permitted

MESSAGES: Final = int(os.environ.get("HOSTILE", "300"))
SEED: Final = int(os.environ.get("SEED", "7"))
EACH: Final = 25  # messages on one moment
MOMENTS: Final = tuple(STATUSES)
AGAIN: Final = f"again: make hostile MESSAGES={MESSAGES} SEED={SEED}"


def malformed(chance: random.Random) -> str | bytes:
    """What no page of ours says."""
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randrange(1, 2 * MESSAGE_BYTES_MAX))  # binary, where text is due
        case 1:
            return "".join(chance.choices(string.printable, k=chance.randrange(2 * MESSAGE_BYTES_MAX))) + "]"
        case 2:
            return "[" * chance.randrange(1, MESSAGE_BYTES_MAX)
        case 3:
            return json.dumps({"screen": chance.choice(SCREENS), "act": chance.choice([None, 1, [], {}, 10**30])})
        case 4:
            return json.dumps({"screen": "review", "act": "confirm", "amount": 10**12})
        case _:
            return json.dumps([{"screen": "review", "act": "confirm"}])


class Hostile:
    """Sends messages, and knows how many of them the terminal must have heard."""

    def __init__(self, at: Place, chance: random.Random) -> None:
        self._at = at
        self._chance = chance
        self._touch = at.terminal.touch
        self.sent = self.well_formed = self.heard = self.cut_off = 0
        at.terminal.touch = self._heard  # type: ignore[method-assign]

    async def _heard(self, seen: str, act: str) -> None:
        self.heard += 1
        await self._touch(seen, act)

    async def speaks(self, most: int) -> None:
        """Up to so many on one connection; whoever says what a page of ours would not is cut off at once."""
        async with self._at.browser() as browser:
            reading = asyncio.ensure_future(_read(browser.socket))
            while most > 1 and self._chance.randrange(4):
                most -= 1
                touch = {"screen": self._chance.choice(SCREENS), "act": self._chance.choice(ACTS)}
                await browser.socket.send(msgspec.json.encode(touch).decode())
                self.sent, self.well_formed = self.sent + 1, self.well_formed + 1
            async with asyncio.timeout(WAIT_S):  # what is on its way when a connection is cut off goes with it
                while self.heard < self.well_formed:  # noqa: ASYNC110 - the terminal has no event for it
                    await asyncio.sleep(0)
            await browser.socket.send(malformed(self._chance))
            self.sent, self.cut_off = self.sent + 1, self.cut_off + 1
            async with asyncio.timeout(WAIT_S):
                assert await reading in (1002, 1007, kiosk.terminal.web.POLICY_VIOLATION, 1009), AGAIN


async def _read(socket: ClientConnection) -> int:
    """Until the end; the code it ended with."""
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd is not None else 0


@pytest.mark.timeout(60 + MESSAGES // 20)
async def test_hostile_messages_ask_for_nothing_that_is_not_allowed_and_crash_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(SEED)
    async with place() as at:
        hostile = Hostile(at, chance)
        while hostile.sent < MESSAGES:
            name = chance.choice(MOMENTS)
            at.controller.tell(name)
            async with at.browser() as person:
                await person.sees("data-screen")
            at.controller.asked.clear()
            end = hostile.sent + EACH
            while hostile.sent < end:
                await hostile.speaks(EACH)
                assert all(permitted(request, STATUSES[name]) for request in at.controller.asked), AGAIN
        assert hostile.heard == hostile.well_formed, AGAIN
        at.controller.tell("review")
        async with at.browser() as person:
            await person.sees('data-screen="review"')
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_browsers_that_are_frozen_do_not_keep_the_places_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kiosk.terminal.web, "TAKE_S_MAX", 0.05)
    async with place() as at, AsyncExitStack() as frozen:
        drawn, at.terminal.fragment = at.terminal.fragment, lambda: " " * 1_000_000  # type: ignore[method-assign]
        for _ in range(WATCHERS_MAX):
            await frozen.enter_async_context(reads_nothing(at))
        async with asyncio.timeout(WAIT_S):
            while len(at.terminal._watchers) == WATCHERS_MAX:  # noqa: SLF001 - what they hold is not seen from outside
                at.terminal.changed()
                await asyncio.sleep(0)
        at.terminal.fragment = drawn  # type: ignore[method-assign]
        async with at.browser() as person:
            await person.sees("attract")


@asynccontextmanager
async def reads_nothing(at: Place) -> AsyncIterator[None]:
    """A browser that is connected, and stopped."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = at.address.partition(":")
    small.connect((host, int(port)))
    origin = Origin(f"http://{at.address}")
    where = f"ws://{at.address}/screen"
    stopped = await connect(where, origin=origin, sock=small, compression=None, ping_interval=None)
    stopped.transport.pause_reading()
    yield
    stopped.transport.abort()
