"""What the soak runs: a broker, two proxies before it, the kiosk's two halves and the bank's receivers, as processes.

Nothing of the product is replaced: `kiosk uplink` and `kiosk-cloud receive` are started as an installation does.
"""

import asyncio
import json
import random
import ssl
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from kiosk_cloud import config as bank_config
from kiosk_cloud.config import BankConfig
from tests.posting_kit import Books, books
from tests.uplink_kit import KIOSK, KIOSK_TOML, Mosquitto
from tests.uplink_soak.proxy import MqttProxy, Weather

INSTANCES: Final = ("1", "2")
END_S: Final = 20.0
OUT_OF_ORDER: Final = 997  # every so many-th answer of the bank's books


class Ended(RuntimeError):
    """A process ended that should not have."""


class Memory:
    """Resident memory of what runs under one name, in kB, over all its lives.

    The end is held against the most that was used while it was watched (`watch` until `settle`): a process that was
    ended just before may still be starting when watching begins, and its start is no growth.
    """

    def __init__(self) -> None:
        self.start = self.end = self.peak = self.before = 0
        self._watching = False

    def sample(self, pid: int) -> None:
        """Look now; a process that is just ending has nothing to say."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if "VmRSS" not in fields:
            return
        self.end = int(fields["VmRSS"].split()[0])
        self.peak = max(self.peak, int(fields["VmHWM"].split()[0]))
        if self._watching:
            self.start = max(self.start, self.end)

    def watch(self) -> None:
        """From here on what is used is the figure to compare the end with."""
        self._watching, self.start = True, self.end

    def settle(self, twins: Iterable["Memory"] = ()) -> None:
        """Watching ends. What `twins`, processes of the same program, use is no growth either, nor an old peak."""
        self._watching = False
        self.start = max([self.start, *(each.start for each in twins)])
        self.before = self.peak

    def grew(self, share: float, floor_kb: int) -> bool:
        """Whether it ends well above `start`, and above whatever it had used until then."""
        return bool(self.start) and self.end > max(self.before, self.start + max(share * self.start, floor_kb))

    def as_json(self) -> dict[str, int]:
        """In kB."""
        return {"start": self.start, "end": self.end, "peak": self.peak}


class Stage:
    """Everything below one folder. `down` ends what was started, whatever happened."""

    def __init__(self, folder: Path, seed: int, records: int) -> None:
        self.folder = folder
        self.records = records
        self.broker = Mosquitto(folder / "provisioned")
        self.weather = Weather(random.Random(seed))
        self.memory: dict[str, Memory] = {}
        self.told: dict[str, int] = {"appended": 0, "acknowledged": 0, "outbox": 0, "refused": 0, "evidence": 0}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._proxies: list[MqttProxy] = []
        self._exits = ExitStack()
        self.books: Books | None = None
        self._logs: list[IO[bytes]] = []

    async def up(self) -> None:
        """Start it all; the controller's half last, so that nothing waits in its outbox for long."""
        await asyncio.to_thread(self.broker.start)
        ports = [await self._proxy(name) for name in ("kiosk", "bank")]
        self._write_configs(*ports)
        for name in (*(f"receiver-{each}" for each in INSTANCES), "poster", "uplink"):
            await self.start(name)
        done = self.broker.provisioned[0]
        await self._spawn(
            "controller",
            *("-m", "tests.uplink_soak.controller", "--folder", str(self.folder), "--keys", str(done.kiosk_keys)),
            *("--records", str(self.records)),
            pipe=True,
        )

    async def start(self, name: str) -> None:
        """Start (again) the uplink, the poster or a receiver."""
        if name == "uplink":
            await self._spawn(name, "-m", "kiosk", "uplink", "--config", str(self.folder / "kiosk.toml"))
        elif name == "poster":
            await self._spawn(name, *self._post(), "--follow")
        else:
            config = self.folder / f"{name}.toml"
            await self._spawn(name, "-m", "kiosk_cloud.cli", "receive", "--config", str(config))

    async def kill(self, name: str) -> None:
        """SIGKILL, and start it again."""
        process = self._running[name]
        process.kill()
        await process.wait()
        await self.start(name)

    async def follow(self, on_progress: Callable[[], Any]) -> None:
        """Take the controller's half at its word, until `on_progress` says True. Raises `Ended`."""
        output = self._running["controller"].stdout
        assert output is not None
        while line := await output.readline():
            self.told = json.loads(line)
            self._look()
            if await on_progress():
                return
        raise Ended("the controller's half ended")

    async def post_rest(self) -> dict[str, Any]:
        """The poster's last round, which also files what no file has yet; its report. After `end`."""
        command = (sys.executable, *self._post(), "--json")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        report: dict[str, Any] = json.loads(output)
        return report

    async def end(self) -> None:
        """End every process."""
        for process in self._running.values():
            if process.returncode is None:
                process.terminate()
        for process in self._running.values():
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def down(self) -> None:
        """End everything that this started."""
        await self.end()
        self._exits.close()
        for proxy in self._proxies:
            await proxy.stop()
        await asyncio.to_thread(self.broker.stop)
        for log in self._logs:
            log.close()

    def bank(self) -> BankConfig:
        """The bank's configuration, for looking into its store."""
        return bank_config.load(self.broker.provisioned[0].bank_config)

    def _look(self) -> None:
        for name, process in self._running.items():
            if process.returncode is not None:
                raise Ended(f"{name} ended with {process.returncode}; see {self.folder / name}.log")
            self.memory.setdefault(name, Memory()).sample(process.pid)
        if self.broker.pid is not None:
            self.memory.setdefault("broker", Memory()).sample(self.broker.pid)

    async def _proxy(self, client: str) -> int:
        pki = self.broker.provisioned[0].pki
        inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.pem"))
        inside.verify_mode = ssl.CERT_REQUIRED
        inside.load_cert_chain(pki / "broker.pem", pki / "broker.key")
        outside = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(pki / "ca.pem"))
        outside.load_cert_chain(pki / f"{client}.pem", pki / f"{client}.key")
        proxy = MqttProxy(self.weather, inside, outside, self.broker.port)
        self._proxies.append(proxy)
        return await proxy.start()

    def _write_configs(self, kiosk_port: int, bank_port: int) -> None:
        done = self.broker.provisioned[0]
        text = KIOSK_TOML.format(kiosk=KIOSK, root=self.folder, pki=done.pki, port=kiosk_port)
        (self.folder / "kiosk.toml").write_text(text.replace("inflight_max = 5\n", ""))
        config = self.bank()
        for name in INSTANCES:
            broker = msgspec.structs.replace(config.broker, host="localhost", port=bank_port)
            own = msgspec.structs.replace(config, broker=broker, instance=name)
            (self.folder / f"receiver-{name}.toml").write_bytes(bank_config.encode(own))

        self.books = self._exits.enter_context(books(config.keys))
        self.books.before_answer = lambda _posting, number: 503 if number % OUT_OF_ORDER == 0 else None
        posting = f'files = "posting"\nwebhook_url = "{self.books.url}"\nfile_interval_s = 3600.0\n'
        done.bank_config.with_name("posting.toml").write_text(posting)

    def _post(self) -> tuple[str, ...]:
        config = str(self.broker.provisioned[0].bank_config)
        return ("-m", "kiosk_cloud.cli", "post", "--config", config)

    async def _spawn(self, name: str, *arguments: str, pipe: bool = False) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._running[name] = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE if pipe else log, stderr=log
        )
