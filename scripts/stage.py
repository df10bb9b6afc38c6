"""The whole stage as real processes: simulated hardware, MQTT broker, the bank's receiver, the kiosk.

Used by the demo and by the tests that kill processes. Everything lives below one run directory; every process that
is started here is ended here, by its own handle.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk.bus import BusClient
from kiosk.errors import BusError
from kiosk.messages import GetStatus, LookedUp, LookUp, Reply, Request, Status
from scripts.depositor import ACCOUNTS

KIOSK_ID: Final = "demo-0001"
STATE_FILE: Final = "processes.json"
MOSQUITTO: Final = "/usr/sbin/mosquitto"
KIOSK_UP: Final = ("kiosk", "up", "--config", "kiosk.toml", "--log-dir", "logs", "--state-file", STATE_FILE)
READY_S_MAX: Final = 60.0
STOP_S_MAX: Final = 15.0
SYSTEM_PATH: Final = os.pathsep.join((str(Path(sys.executable).parent), "/usr/sbin", "/usr/bin", "/bin"))

HOLDERS: Final = {"first": "王小明", "second": "Jane Doe"}  # of the scripted accounts; as made up as those
KIOSK_TOML: Final = """# Written by scripts/stage.py for one run.
[kiosk]
id = "{kiosk}"
branch = "demo"
staff = "staff-1"

[paths]
state_dir = "kiosk"
bus_dir = "kiosk/bus"

[bus]
single_user = true

[validator]
port = "{devices[validator]}"
protocol = "{protocol}"

[board]
port = "{devices[board]}"

[label_printer]
port = "{devices[label]}"

[receipt_printer]
port = "{devices[receipt]}"

[gpio]
factory = "pigpio"
port = {pigpio}

[camera]
source = "{camera_url}"
width = 320
height = 240

[uplink]
ca = "pki/ca.pem"
cert = "pki/kiosk.pem"
key = "pki/kiosk.key"

[[uplink.brokers]]
host = "127.0.0.1"
port = {broker}

[terminal]
port = {terminal}
default_language = "en"

[observer]
port = {observer}

[timing]
{timing}
"""


class StageFailed(RuntimeError):
    """A process of the stage did not come up, or ended by itself."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _silent(_words: str) -> None:
    """Whoever did not ask is told nothing."""


@dataclass
class Stage:
    """Starts and stops the processes; `say` is told each step."""

    folder: Path
    say: Callable[[str], None] = _silent
    seed: int = 1
    world_file: Path | None = None
    timing: str = ""
    protocol: str = "ssp"  # of the validator; the world file's is another table then
    tables: str = ""  # further tables of kiosk.toml
    holders: Mapping[str, str] = field(default_factory=dict)  # further accounts of the bank's directory -> holder
    up_options: tuple[str, ...] = ()  # of `kiosk up`
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    terminal_port: int = 0  # 0: a free one
    observer_port: int = field(default=0, init=False)  # always a free one
    _client: BusClient | None = None

    # --- up and down ------------------------------------------------------------------------------------

    async def up(self) -> None:
        """Everything, in order; raises `StageFailed` with the log to look at."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        broker = free_port()
        self.say("keys and certificates")
        await self.run("kiosk-cloud", "provision", "--dir", ".", "--kiosk", KIOSK_ID, "--port", str(broker))
        self.say("simulated hardware")
        scenario = () if self.world_file is None else ("--scenario", str(self.world_file))
        await self.start("hwsim", "hwsim", "run", "--dir", "sim", "--seed", str(self.seed), *scenario)
        ready_file = self.folder / "sim" / "ready.json"
        await self.wait(lambda: _exists(ready_file), "hwsim")
        self.ready = json.loads(ready_file.read_text())
        self.say("MQTT broker with mutual TLS, and the bank's receiver")
        await self.start("broker", MOSQUITTO, "-c", "mosquitto/mosquitto.conf")
        await self.wait(lambda: _listens(broker), "broker")
        await self.start("bank", "kiosk-cloud", "receive", "--config", "bank/bank.toml")
        await self._publish_directory()
        self.terminal_port = self.terminal_port or free_port()
        self.observer_port = free_port()
        settings: dict[str, Any] = {
            "kiosk": KIOSK_ID,
            "broker": broker,
            "terminal": self.terminal_port,
            "observer": self.observer_port,
            "timing": self.timing,
            "protocol": self.protocol,
        }
        (self.folder / "kiosk.toml").write_text(KIOSK_TOML.format(**settings, **self.ready) + self.tables)
        self.say("the kiosk's processes")
        await self.start("kiosk", *KIOSK_UP, *self.up_options)
        await self.wait(self._in_service, "kiosk")
        await self.wait(lambda: _listens(self.terminal_port), "kiosk")

    @property
    def screen_url(self) -> str:
        """The touch screen."""
        return f"http://127.0.0.1:{self.terminal_port}/"

    @property
    def world_url(self) -> str:
        """The simulator's control page."""
        return f"http://127.0.0.1:{self.ready['http']}/"

    async def _publish_directory(self) -> None:
        holders = {account: HOLDERS[name] for name, account in ACCOUNTS.items()} | dict(self.holders)
        rows = "".join(f"{account},{holder}\n" for account, holder in holders.items())
        (self.folder / "bank" / "accounts.csv").write_text(f"account,name\n{rows}")
        await self.run(
            *("kiosk-cloud", "directory", "publish", "--config", "bank/bank.toml", "--file", "bank/accounts.csv")
        )

    async def down(self) -> None:
        """Stop what was started, newest first."""
        await self._forget()
        for name in reversed(tuple(self.processes)):
            await self.stop(name)

    async def start(self, name: str, *command: str) -> None:
        """One process, its output in logs/NAME.log."""
        log = self.folder / "logs" / f"{name}.log"
        with log.open("ab") as output:
            self.processes[name] = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PATH": SYSTEM_PATH},
            )

    async def stop(self, name: str) -> int:
        """SIGTERM, and SIGKILL when that is not enough; the exit code."""
        process = self.processes.pop(name)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode or 0

    async def run(self, *command: str) -> bytes:
        """A command of the bank or the kiosk, to its end; what it printed. Raises `StageFailed`."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PATH": SYSTEM_PATH},
        )
        out, err = await process.communicate()
        if process.returncode:
            message = f"{' '.join(command)} ended with {process.returncode}: {err.decode().strip()[-2000:]}"
            raise StageFailed(message)
        return out

    async def verify(self) -> dict[str, Any]:
        """The bank's own offline check of its store."""
        return await self._bank("verify", "--store", "bank/store.db", "--keys", "bank/keys")

    async def post(self) -> dict[str, Any]:
        """Deposits handed to the bank's books, as camt.054 files in `bank/posting`."""
        return await self._bank("post", "--config", "bank/bank.toml")

    async def _bank(self, *arguments: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *("kiosk-cloud", *arguments, "--json"),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PATH": SYSTEM_PATH},
        )
        out, _ = await process.communicate()
        report: dict[str, Any] = json.loads(out)
        return report

    # --- the kiosk's processes --------------------------------------------------------------------------

    def kiosk_pid(self, name: str) -> int | None:
        """The pid of one of the kiosk's processes as `kiosk up` tells it."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads((self.folder / STATE_FILE).read_text())
            pid: int | None = state[name]["pid"]
            return pid
        return None

    def kill(self, name: str) -> None:
        """Send SIGKILL to one of the kiosk's processes; `kiosk up` starts it again."""
        pid = self.kiosk_pid(name)
        if pid is None:
            message = f"there is no process {name} to kill"
            raise StageFailed(message)
        os.kill(pid, signal.SIGKILL)

    # --- waiting ----------------------------------------------------------------------------------------

    async def wait(self, reached: Callable[[], Awaitable[bool]], name: str, limit_s: float = READY_S_MAX) -> None:
        """Until `reached`; at once when the process that should reach it has ended."""
        end_s = asyncio.get_running_loop().time() + limit_s
        while not await reached():
            process = self.processes.get(name)
            ended = process is not None and process.returncode is not None
            if ended or asyncio.get_running_loop().time() > end_s:
                log = self.folder / "logs" / f"{name}.log"
                tail = log.read_text(errors="replace")[-3000:] if log.exists() else ""
                what = f"ended with {process.returncode}" if ended and process else f"was not ready in {limit_s:g} s"
                message = f"{name} {what}; see {log}\n{tail}"
                raise StageFailed(message)
            await asyncio.sleep(0.1)

    async def _in_service(self) -> bool:
        try:
            status = await self.status()
        except StageFailed:
            return False
        if not status.in_service or status.scene_grade != "low":  # the watcher has to see the empty shop first
            return False
        found = await self.ask(LookUp(ACCOUNTS["first"]))
        return isinstance(found, LookedUp) and found.known  # the bank's directory has arrived: the way to it is open

    async def settled(self) -> bool:
        """Whether the bank has signed for everything."""
        status = await self.status()
        return status.outbox_rows == 0 and status.acknowledged == status.log_size

    # --- a depositor's reach (scripts.depositor.Reach) ----------------------------------------------------

    async def status(self) -> Status:
        reply = await self.ask(GetStatus())
        if not isinstance(reply, Status):
            message = f"status was answered with {reply}"
            raise StageFailed(message)
        return reply

    async def ask(self, request: Request) -> Reply:
        """One request as the terminal; a controller that is being restarted is waited for."""
        for _ in range(int(READY_S_MAX * 10)):
            try:
                if self._client is None:
                    self._client = await BusClient.connect(self.folder / "kiosk" / "bus", "terminal")
                return await self._client.request(request)
            except (BusError, OSError):
                await self._forget()
                process = self.processes.get("kiosk")
                if process is None or process.returncode is not None:
                    break
                await asyncio.sleep(0.1)
        message = "the controller does not answer on its bus"
        raise StageFailed(message)

    async def _forget(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def insert(self, currency: str, value_minor: int, kind: str) -> bool:
        body = {"currency": currency, "value_minor": value_minor, "kind": kind}
        try:
            await self.world("/insert", body)
        except urllib.error.HTTPError as refusal:
            if refusal.code != 409:  # noqa: PLR2004 - Conflict: the port does not take it now
                raise
            return False
        return True

    async def bezel(self) -> int:
        return len((await self.world("/state"))["bezel"])

    async def take(self) -> int:
        return len((await self.world("/take", {}))["taken"])

    async def scene(self, changes: dict[str, Any]) -> None:
        await self.world("/scene", changes)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def world(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The simulator's control API."""
        url = f"http://127.0.0.1:{self.ready['http']}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json"})

        def fetch() -> dict[str, Any]:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                result: dict[str, Any] = json.load(answer)
                return result

        return await asyncio.to_thread(fetch)


async def _exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - one look at a local file


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
