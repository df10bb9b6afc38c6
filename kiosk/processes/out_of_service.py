"""What is left to do when the controller stays down: the shutter is closed, lamp and alarm are off, and that is said.

systemd starts it when the controller has reached its restart limit (OnFailure=). The validator takes no note that
nobody asks for, and the board stops its motors and closes its gate by its own watchdog; only the lines need a hand.
"""

import contextlib
import logging
from pathlib import Path
from typing import Final

from firmware_bridge.drivers.gpio_lines import GpioLines
from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import Line
from kiosk.clock import Clock, SystemClock
from kiosk.config import load_config
from kiosk.errors import KioskError
from kiosk.processes.lines import open_lines

_log = logging.getLogger(__name__)

CLOSES_S_MAX: Final = 10.0
LOOK_S: Final = 0.1
TODO: Final = (
    "OUT OF SERVICE: the controller ended again and again and is not started any more. What it knows of the money is "
    "in the journal. Read `journalctl -u kiosk-controller`, mend the cause, then `systemctl restart kiosk.target`."
)


async def run(config_path: Path) -> None:
    """Say so and make it safe. ConfigError for a bad file, KioskError when the shutter stays open."""
    _log.critical(TODO)
    lines = open_lines(load_config(config_path))  # opening de-energises every output
    try:
        await shut(lines, SystemClock())
    finally:
        lines.close()


async def shut(lines: GpioLines, clock: Clock) -> None:
    """Wait until the shutter says that it is closed; raises KioskError when it does not."""
    end_s = clock.monotonic_s() + CLOSES_S_MAX
    while clock.monotonic_s() < end_s:
        with contextlib.suppress(DeviceFault):  # pins that are not there yet
            if lines.read_now(Line.SHUTTER_CLOSED):
                _log.warning("the shutter is closed, lamp and alarm are off")
                return
        await clock.sleep(LOOK_S)
    message = f"the shutter has not said within {CLOSES_S_MAX:g} s that it is closed"
    raise KioskError(message, remedy="Guard the port and close it by hand; call the technician.")
