"""The power-good line: on loss the deposit is finished or made safe within the hold-up time, then the controller stops.

It ends in order and says why. Whoever starts it again (systemd, `kiosk up`) finds it waiting for the mains power before
it commands anything; then it reconciles like after any restart.
"""

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import Line
from kiosk.clock import rfc3339
from kiosk.core import facts as f
from kiosk.core.deposit import IllegalTransition, allowed
from kiosk.core.orders import AnyOrder
from kiosk.core.power import STOPPED, at_rest, fits
from kiosk.core.records import alert
from kiosk.errors import KioskError

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

_log = logging.getLogger(__name__)
LOOK_S: Final = 0.1
STOP_S: Final = 2.0  # kept of the hold-up time for the last writes and for whoever shuts the computer down


class PowerLost(KioskError, RuntimeError):
    """The mains power is gone, and this is a safe moment to stop."""

    remedy = "Nothing to do: the kiosk starts again when the power is back."


class Power:
    """Watches on behalf of the controller."""

    def __init__(self, controller: "Controller", *, hold_up_s: float, dip_s: float) -> None:
        self._c = controller
        self._hold_up_s = hold_up_s
        self._dip_s = dip_s
        self.until_s: float | None = None  # when the cabinet may go dark; None while the power is good

    def _good(self) -> bool:
        try:
            return self._c.devices.lines.read(Line.POWER_GOOD)
        except DeviceFault:
            return True  # nothing is known of it: that is a reason against new deposits, none to stop

    async def wait_good(self) -> None:
        """Before anything is commanded."""
        self.until_s = None
        while not self._good():
            self._c.machine.fault, self._c.machine.remedy = STOPPED, PowerLost.remedy
            await self._c.clock.sleep(LOOK_S)

    async def watch(self) -> None:
        """For ever; raises `PowerLost` when the power is gone and the deposit is as safe as it can be made."""
        failed_s: float | None = None
        while True:
            await self._c.clock.sleep(LOOK_S)
            now_s = self._c.clock.monotonic_s()
            if self._good():
                failed_s = self.until_s = None
                continue
            failed_s = now_s if failed_s is None else failed_s
            if now_s - failed_s < self._dip_s:
                continue
            if self.until_s is None:
                self.until_s = failed_s + self._hold_up_s
                await self._tell()
            elif self._c.idle and at_rest(self._c.deposit):
                raise PowerLost(STOPPED)
            elif now_s > self.until_s - STOP_S:
                raise PowerLost(f"{STOPPED}, and its hold-up time is over")

    async def _tell(self) -> None:
        _log.warning("%s: %g s are left", STOPPED, self._hold_up_s)
        if allowed(self._c.deposit.state, f.PowerFailed):
            with contextlib.suppress(IllegalTransition):
                await self._c.apply(f.PowerFailed(rfc3339(self._c.clock.now_utc())))
                return
        await self._c.record(alert(self._c.deposit, "power", (STOPPED,)))

    def check(self, order: AnyOrder) -> None:
        """Before an order is carried out. Raises `PowerLost` when it would not end within the hold-up time."""
        if self.until_s is None:
            return
        left_s = self.until_s - STOP_S - self._c.clock.monotonic_s()
        if not fits(order, self._c.deposit, left_s):
            raise PowerLost(f"{STOPPED}, and the next step would take too long")
