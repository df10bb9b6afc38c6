"""What is done when the controller stays down: outputs off, shutter closed, or somebody is called."""

import asyncio
from datetime import UTC, datetime

import pytest
from gpiozero.pins.mock import MockFactory

from firmware_bridge.drivers.gpio_lines import GpioLines, LineSettings
from firmware_bridge.interfaces import Line
from kiosk.errors import KioskError
from kiosk.processes.out_of_service import CLOSES_S_MAX, shut
from tests.bridge_kit import run_virtual

SETTINGS = {
    Line.SHUTTER_OPEN_CMD: LineSettings(17),
    Line.PORT_LAMP: LineSettings(13),
    Line.SHUTTER_CLOSED: LineSettings(27, pull="down"),
}


class LoopClock:
    """The event loop's own time, which is virtual here."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def test_the_outputs_fall_and_the_shutter_is_waited_for() -> None:
    async def main() -> None:
        factory = MockFactory()
        for number in (17, 13):  # as a controller that was killed may leave them
            factory.pin(number).function = "output"
            factory.pin(number).state = 1
        lines = GpioLines(lambda: factory, SETTINGS)
        assert (factory.pin(17).state, factory.pin(13).state) == (0, 0)
        asyncio.get_running_loop().call_later(1, factory.pin(27).drive_high)
        began_s = asyncio.get_running_loop().time()
        await shut(lines, LoopClock())
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(1, abs=0.2)
        lines.close()
        factory.reset()

    run_virtual(main)


def test_a_shutter_that_stays_open_is_said() -> None:
    async def main() -> None:
        factory = MockFactory()
        lines = GpioLines(lambda: factory, SETTINGS)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(KioskError, match="has not said within") as raised:
            await shut(lines, LoopClock())
        assert "Guard the port" in raised.value.remedy
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(CLOSES_S_MAX, abs=0.2)
        lines.close()
        factory.reset()

    run_virtual(main)
