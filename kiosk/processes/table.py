"""The kiosk's processes as data. `kiosk up` starts what is listed here; a test holds the systemd units to it.

One process per trust boundary (DESIGN.md section 2): who has the cash hardware has no network, who has the
network has no device, who looks through the camera may crash without stopping a deposit, and who draws the
screen holds no secret.
"""

from dataclasses import dataclass
from typing import Final, Literal

from kiosk.messages import Role

Network = Literal[
    "none",  # Unix sockets only
    "camera",  # nothing but a network camera's address, which the site allows in a drop-in
    "bank",  # the brokers of the bank
    "loopback",  # serves on this machine only
]
Device = Literal["serial", "gpio", "camera", "display"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process: what it is, what it needs, and what becomes of it when it dies."""

    name: str  # `kiosk NAME`; the unit is kiosk-NAME.service
    role: Role | None  # on the bus; None serves it (the controller), or is not on it (the screen)
    module: str  # has `async def run(config_path: Path) -> None`
    user: str  # the system user it runs as when installed
    network: Network
    devices: frozenset[Device]
    after: tuple[str, ...]  # started after these; it copes when they are not there yet
    essential: bool  # True: without it there is no kiosk, so `kiosk up` ends when it cannot be kept alive
    restarts_max: int  # within restart_window_s; then it stays down
    restart_window_s: int
    restart_delay_s: float  # first delay; it doubles with each restart within the window
    stop_timeout_s: int  # from SIGTERM to SIGKILL
    watchdog_s: int  # systemd ends it when its self-check has not held for so long (kiosk.processes.watchdog)
    memory_mib_budget: int  # its peak in a deposit, on a board of 512 MB; held by `make arm64-test`
    memory_mib_max: int  # beyond this the kernel ends it
    cpu_percent_max: int  # of one core

    @property
    def unit(self) -> str:
        """The name of its systemd unit."""
        return f"kiosk-{self.name}.service"


PROCESSES: Final[tuple[Process, ...]] = (
    Process(
        name="controller",
        role=None,
        module="kiosk.processes.controller",
        user="kiosk-controller",
        network="none",
        devices=frozenset({"serial", "gpio"}),
        after=(),
        essential=True,
        restarts_max=5,
        restart_window_s=60,
        restart_delay_s=0.5,
        stop_timeout_s=30,  # a motor's move is brought to its end and made durable
        watchdog_s=60,
        memory_mib_budget=88,
        memory_mib_max=128,
        cpu_percent_max=80,
    ),
    Process(
        name="watcher",
        role="watcher",
        module="kiosk.processes.watcher",
        user="kiosk-watcher",
        network="camera",
        devices=frozenset({"camera"}),
        after=("controller",),
        essential=False,
        restarts_max=10,
        restart_window_s=120,
        restart_delay_s=0.5,
        stop_timeout_s=10,
        watchdog_s=30,
        memory_mib_budget=132,
        memory_mib_max=256,
        cpu_percent_max=100,
    ),
    Process(
        name="uplink",
        role="uplink",
        module="kiosk.processes.uplink",
        user="kiosk-uplink",
        network="bank",
        devices=frozenset(),
        after=("controller",),
        essential=False,
        restarts_max=10,
        restart_window_s=120,
        restart_delay_s=0.5,
        stop_timeout_s=10,
        watchdog_s=60,
        memory_mib_budget=56,
        memory_mib_max=96,
        cpu_percent_max=40,
    ),
    Process(
        name="terminal",
        role="terminal",
        module="kiosk.processes.terminal",
        user="kiosk-terminal",
        network="loopback",
        devices=frozenset(),
        after=("controller",),
        essential=False,  # a deposit that is under way goes on, and the screen comes back to it
        restarts_max=10,
        restart_window_s=120,
        restart_delay_s=0.5,
        stop_timeout_s=10,
        watchdog_s=30,
        memory_mib_budget=48,
        memory_mib_max=96,
        cpu_percent_max=50,
    ),
    Process(
        name="observer",
        role="observer",
        module="kiosk.processes.observer",
        user="kiosk-observer",
        network="loopback",
        devices=frozenset(),
        after=("controller",),
        essential=False,  # nobody sees how the kiosk is doing; the kiosk does what it did
        restarts_max=10,
        restart_window_s=120,
        restart_delay_s=0.5,
        stop_timeout_s=10,
        watchdog_s=30,
        memory_mib_budget=48,
        memory_mib_max=64,
        cpu_percent_max=20,
    ),
)

# Not for `kiosk up`: it needs a display of its own. An installed kiosk has its unit beside the others.
SCREEN: Final = Process(
    name="screen",
    role=None,  # nor has it any place on the bus: what it may touch, the terminal decides
    module="kiosk.processes.screen",
    user="kiosk-screen",
    network="loopback",
    devices=frozenset({"display"}),
    after=("terminal",),
    essential=False,  # a deposit that is under way goes on, and the screen comes back to it
    restarts_max=10,
    restart_window_s=120,
    restart_delay_s=0.5,
    stop_timeout_s=10,
    watchdog_s=60,
    memory_mib_budget=512,
    memory_mib_max=768,
    cpu_percent_max=200,
)


def process_named(name: str) -> Process:
    """The process of that name; raises `KeyError`."""
    for process in (*PROCESSES, SCREEN):
        if process.name == name:
            return process
    raise KeyError(name)
