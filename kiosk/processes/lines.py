"""The cabinet's discrete lines as configured: for the controller, and for closing the shutter when it stays down."""

from functools import partial

from firmware_bridge.drivers.gpio_lines import GpioLines, LineSettings, open_factory
from firmware_bridge.interfaces import Line
from kiosk.config import Config


def open_lines(config: Config) -> GpioLines:
    """All lines; opening de-energises the outputs. Lines that are not there yet open themselves later."""
    gpio = config.gpio
    lines = {Line(role): LineSettings(line.pin, line.active_high, line.pull) for role, line in gpio.lines.items()}
    return GpioLines(partial(open_factory, gpio.factory, gpio.host, gpio.port), lines)
