"""When a browser counts as frozen, and what becomes of one that ends, in virtual time."""

import asyncio
import sys
from pathlib import Path

import pytest

from kiosk.clock import SystemClock
from kiosk.terminal.browser import FIRST_FRAME_S_MAX, Keeper, Pulse, asking
from tests.unit.test_terminal_service import WAIT_S, place
from tests.uplink_kit import HandClock

FROZEN_S = 10.0


def test_a_browser_that_draws_is_never_frozen() -> None:
    pulse = Pulse(100.0, FROZEN_S)
    assert not any(pulse.frozen(100.0 + second, 1.5) for second in range(1, 500))


def test_a_browser_that_stops_drawing_is_frozen_after_the_limit_and_not_before() -> None:
    pulse = Pulse(0.0, FROZEN_S)
    assert not pulse.frozen(20.0, 1.0)
    assert not pulse.frozen(20.0 + FROZEN_S, 1.0 + FROZEN_S)
    assert pulse.frozen(20.1 + FROZEN_S, 1.1 + FROZEN_S)


def test_a_browser_that_is_starting_has_longer_and_the_last_ones_frames_are_not_its_own() -> None:
    pulse = Pulse(50.0, FROZEN_S)
    assert not pulse.frozen(52.0, 3.0)
    assert not pulse.frozen(50.0 + FIRST_FRAME_S_MAX, None)
    assert pulse.frozen(50.1 + FIRST_FRAME_S_MAX, None)


def test_time_in_which_nobody_can_be_asked_does_not_count() -> None:
    pulse = Pulse(0.0, FROZEN_S)
    assert not pulse.frozen(5.0, 1.0)
    pulse.nobody_to_ask(300.0)
    assert not pulse.frozen(300.0 + FROZEN_S, 296.0)
    assert pulse.frozen(300.1 + FROZEN_S, 296.1 + FROZEN_S)


async def test_the_terminal_says_how_long_ago_a_frame_was_drawn() -> None:
    async with place() as at, at.browser() as person:
        drawn = asking(*_split(at.address))
        assert await drawn() is None
        await person.touches("attract", "alive", "language:en")
        await person.sees('data-screen="identify"')
        at.clock.advance(3.0)
        assert await drawn() == 3.0
        assert at.controller.asked == []
    with pytest.raises(OSError, match="refused"):
        await drawn()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


async def test_a_browser_that_ends_is_started_again_and_none_is_left_behind(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    code = f"import os, time; open({str(diary)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(%s)"
    clock = HandClock()

    async def drawn() -> float | None:
        return 0.0

    keeper = Keeper((sys.executable, "-c", code % 0), drawn, clock, frozen_s=FROZEN_S)
    keeping = asyncio.ensure_future(keeper.run())
    async with asyncio.timeout(WAIT_S):
        while keeper.starts < 3:
            clock.advance(0.1)
            await asyncio.sleep(0.001)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)

    keeper = Keeper((sys.executable, "-c", code % 600), drawn, SystemClock(), frozen_s=FROZEN_S)
    keeping = asyncio.ensure_future(keeper.run())
    before = len(diary.read_text().splitlines())
    async with asyncio.timeout(WAIT_S):
        while len(diary.read_text().splitlines()) == before:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert not Path("/proc", diary.read_text().splitlines()[-1]).exists()  # noqa: ASYNC240 - one look


async def test_a_command_that_is_not_there_is_said() -> None:
    async def drawn() -> float | None:
        return None

    with pytest.raises(FileNotFoundError):
        await Keeper(("/nowhere/cage",), drawn, HandClock(), frozen_s=FROZEN_S).run()
