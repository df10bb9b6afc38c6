"""What every simulated device does with its serial line: answer after a while, in order, as long as it has power."""

from collections.abc import Callable

from hwsim.devices.link_faults import LinkFaults
from hwsim.scheduler import Scheduler, Timers


class Wired:
    """Bytes go out by `output`; `faults` is what a bad cable does to them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.powered = False
        self.output: Callable[[bytes], None] | None = None
        self.faults = LinkFaults()
        self._scheduler = scheduler
        self._timers = Timers(scheduler)
        self._replies = Timers(scheduler)
        self._said = 0

    def _leave(self, data: bytes, delay_s: float, then: Callable[[], None] | None = None) -> None:
        """`data` leaves after `delay_s`, unless the power goes before; `then` follows it."""
        self._said += 1

        def leave() -> None:
            if self.output is not None:
                self.output(data)
            if then is not None:
                then()

        self._replies.start(f"reply {self._said}", delay_s, leave)

    def _dark(self) -> None:
        """No power: nothing that was to happen happens."""
        self.powered = False
        self._timers.stop_all()
        self._replies.stop_all()

    # --- what may be wrong with the cable ---------------------------------------------------------------

    def _lose(self, count: int, command: int = 0) -> None:
        self.faults.lose, self.faults.lose_command = count, command

    def _corrupt(self, count: int) -> None:
        self.faults.corrupt = count

    def _mute(self, seconds: float) -> None:
        self.faults.muted = True
        self._scheduler.call_later(seconds, setattr, self.faults, "muted", False)  # noqa: FBT003
