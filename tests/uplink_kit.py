"""A provisioned kiosk with a real record log, a bank, and a real mosquitto: for the tests of uplink and cloud."""

import asyncio
import copy
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kiosk.clock import SystemClock
from kiosk.core.metrics import sample
from kiosk.errors import VerificationError
from kiosk.guarantee import evidence, evidence_queue, log, log_keys, log_tables, personal
from kiosk.guarantee.evidence_queue import Bounds, EvidenceQueue
from kiosk.guarantee.signers import Purpose
from kiosk.messages import (
    DeliverAck,
    DeliverCounts,
    DeliverDirectory,
    DeliverEvidenceAck,
    EvidenceRow,
    EvidenceRows,
    FetchEvidence,
    FetchOutbox,
    GetHealth,
    GetStatus,
    Health,
    LinkReport,
    Ok,
    OutboxRow,
    OutboxRows,
    Refused,
    Reply,
    Request,
    Status,
    Subscribe,
)
from kiosk_cloud import config as bank_config
from kiosk_cloud.evidence import EvidenceFiles
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.provision import Plan, Provisioned, provision
from kiosk_cloud.receiver import Limits, Message, Outgoing, Receiver
from kiosk_cloud.service import ReceiverService
from kiosk_cloud.store import Store

KIOSK: Final = "demo-0001"
ACCOUNT: Final = "6222021234567894"
NOW: Final = datetime(2026, 11, 21, 8, 30, 0, 125_000, tzinfo=UTC)
EVIDENCE_BYTES_MAX: Final = 4 << 20
WAIT_S: Final = 20.0  # a bound on waiting for events, not a pace


KIOSK_TOML: Final = """
[kiosk]
id = "{kiosk}"
branch = "demo"
staff = "staff-1"
[paths]
state_dir = "{root}/kiosk"
bus_dir = "{root}/bus"
[bus]
single_user = true
[validator]
port = "/dev/v"
[board]
port = "/dev/b"
[label_printer]
port = "/dev/l"
[camera]
source = "/dev/video0"
[uplink]
ca = "{pki}/ca.pem"
cert = "{pki}/kiosk.pem"
key = "{pki}/kiosk.key"
inflight_max = 5
[[uplink.brokers]]
host = "localhost"
port = {port}
"""


WELL: Final = Health(
    "2026-11-21T08:30:00.125Z",
    in_service=False,
    reasons=("the cabinet is full",),
    samples=(sample("kiosk_straps", 3), sample("kiosk_process_connected", 0, "watcher")),
)


class HandClock:
    """A clock that moves by hand; `sleep` ends when the time has come."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.stepped = timedelta()  # of the wall clock

    def monotonic_s(self) -> float:
        return self._now_s

    def now_utc(self) -> datetime:
        return NOW + timedelta(seconds=self._now_s) + self.stepped

    async def sleep(self, seconds: float) -> None:
        due = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now_s + seconds, due))
        await due

    def advance(self, seconds: float) -> None:
        self._now_s += seconds
        for until_s, due in self._sleepers:
            if until_s <= self._now_s and not due.done():
                due.set_result(None)
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]


def plan(directory: Path, kiosk: str = KIOSK, port: int = 8883, second: int | None = None) -> Plan:
    more = () if second is None else (("127.0.0.1", second),)
    return Plan(directory, kiosk, port=port, more_brokers=more)


def deposit_content(number: int, credited: int = 30_000, grade: str = "low") -> dict[str, object]:
    """What `kiosk.core.records` makes, in short: one credited note and one refused to the depositor."""
    return {
        "deposit_id": number.to_bytes(16, "big"),
        "account": ACCOUNT,
        "account_masked": "************7894",
        "staff": "staff-1",
        "notes": [
            {"n": 1, "value": credited, "currency": "CNY", "place": "cabinet", "claim": "credited", "reason": ""},
            {"n": 2, "value": 10_000, "currency": "CNY", "place": "retract", "claim": "retained", "reason": "suspect"},
        ],
        "sums": {
            "CNY": {
                "inserted": credited + 10_000,
                "credited": credited,
                "returned": 0,
                "retained": 10_000,
                "disputed": 0,
            }
        },
        "disputed_unvalued": 0,
        "outcome": "stored",
        "risk": {"grade": grade, "stages": []},
    }


class KioskSide:
    """The controller's half: a record log with the provisioned keys, in memory."""

    def __init__(self, keys_dir: Path, kiosk: str = KIOSK) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self.later_s = 0.0  # how long after NOW its records are made
        log_tables.create_tables(self._db)
        vault = personal.PersonalVault(self._db, personal.load_kek(keys_dir / "vault.key"))
        keys = log_keys.LogKeys.load(kiosk, keys_dir)
        self.records = log.RecordLog(self._db, keys, vault, clock_synchronised=lambda: True)
        for statement in evidence_queue.SCHEMA:
            self._db.execute(statement)
        self.evidence = EvidenceQueue(self._db, kiosk, keys.bank_acks, lambda: keys.bank_seal)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def deposit(self, number: int, credited: int = 30_000, grade: str = "low") -> bytes:
        """Append a deposit record; its envelope."""
        return self.append("deposit", deposit_content(number, credited, grade))

    def append(self, kind: str, content: dict[str, object]) -> bytes:
        with self._transaction():
            return self.records.append(kind, content, NOW + timedelta(seconds=self.later_s)).envelope

    def rotate(self, purpose: Purpose, kid: bytes) -> bytes:
        """The key that lies beside the present one takes over; the envelope of the leaf that says so."""
        with self._transaction():
            by = {"number": 1, "content": bytes(32), "by": ["anna", "carl"]}
            return self.records.rotate(purpose, kid, by, NOW).envelope

    def begin(self, name: str) -> bytes:
        """Another log, as the command NewEpoch orders; the envelope of its first leaf."""
        with self._transaction():
            self.records.begin(name)
        return self.append("service", {"event": "epoch"})

    def acknowledge(self, ack: bytes) -> int:
        with self._transaction():
            return self.records.acknowledge(ack)

    def hand_over(self, content: bytes) -> bytes:
        """A still or clip for the bank; its name."""
        for piece, data in evidence.pieces(content):
            with self._transaction():
                assert self.evidence.take(piece, data, Bounds(free_bytes_min=0), 1 << 40).kept
        return piece.sha256

    def acknowledge_evidence(self, ack: bytes) -> None:
        with self._transaction():
            self.evidence.acknowledge(ack)

    def close(self) -> None:
        self._db.close()


class ControllerBus:
    """Answers the uplink as the controller does, from a real log: verification of acknowledgements included."""

    def __init__(self, kiosk: KioskSide) -> None:
        self._kiosk = kiosk
        self.reports: list[LinkReport] = []
        self.health: Reply = WELL
        self.refused: list[bytes] = []
        self.directories: list[bytes] = []
        self.counts: list[bytes] = []
        self.changed = asyncio.Event()

    async def request(self, message: Request) -> Reply:
        await asyncio.sleep(0)
        reply = self._answer(message)
        self.changed.set()
        return reply

    def _answer(self, message: Request) -> Reply:  # noqa: C901, PLR0911 - one answer a request
        records = self._kiosk.records
        match message:
            case GetStatus():
                return status_of(records)
            case Subscribe():
                return Ok()
            case FetchOutbox(first, rows_max):
                rows = tuple(OutboxRow(row.sequence, row.envelope) for row in records.outbox(first, rows_max))
                return OutboxRows(rows, records.size(), records.checkpoint().encode())
            case DeliverAck(ack):
                return self._deliver(ack)
            case FetchEvidence(after, rows_max):
                chunks = self._kiosk.evidence.chunks(after, rows_max)
                return EvidenceRows(tuple(EvidenceRow(chunk.id, chunk.sealed) for chunk in chunks))
            case DeliverEvidenceAck(ack):
                self._kiosk.acknowledge_evidence(ack)
                return Ok()
            case DeliverDirectory(data):
                self.directories.append(data)
                return Ok()
            case DeliverCounts(data):
                self.counts.append(data)
                return Ok()
            case GetHealth():
                return self.health
            case LinkReport():
                self.reports.append(message)
                return Ok()
        return Refused("not_allowed", type(message).__name__)

    def _deliver(self, ack: bytes) -> Reply:
        try:
            self._kiosk.acknowledge(ack)
        except VerificationError as error:
            self.refused.append(ack)
            return Refused("ack", str(error))
        return Ok()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a request after which `condition` holds."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def status_of(records: log.RecordLog) -> Status:
    return Status(
        kiosk=KIOSK,
        state="idle",
        in_service=True,
        out_of_service_reasons=(),
        deposit=None,
        devices=(),
        scene_grade=None,
        log_size=records.size(),
        log_root=records.root().hex(),
        outbox_rows=records.outbox_rows(),
        acknowledged=records.acknowledged(),
        deposits_today=0,
        single_user=True,
        clock_synchronised=True,
        config_hash="00",
        version="0.1.0",
        uptime_s=0.0,
    )


class Bank:
    """The receiver's logic with a store of its own, without a broker."""

    def __init__(self, provisioned: Provisioned, ahead_records_max: int = 4096) -> None:
        self.config = bank_config.load(provisioned.bank_config)
        self.clock = HandClock()
        self.store = Store(self.config.store)
        self.keyring = Keyring(self.config.keys)
        self.files = EvidenceFiles(self.store.db, self.config.evidence_folder, self.keyring.ack, EVIDENCE_BYTES_MAX)
        self.receiver = Receiver(self.store, self.keyring, self.clock, Limits(ahead_records_max), self.files)

    def take(self, *payloads: bytes, lane: str = "record", kiosk: str = KIOSK) -> list[Outgoing]:
        return self.receiver.handle([Message(f"kiosk/v1/{kiosk}/{lane}", payload) for payload in payloads])


@contextmanager
def receiving(config_path: Path) -> Iterator[ReceiverService]:
    """A receiver in a thread of this process, subscribed."""
    service = ReceiverService(bank_config.load(config_path), SystemClock())
    failures: list[BaseException] = []

    def work() -> None:
        try:
            service.run()
        except BaseException as error:  # noqa: BLE001 - shown to the test below
            failures.append(error)

    thread = threading.Thread(target=work, name="receiver")
    thread.start()
    try:
        assert service.subscribed.wait(WAIT_S), "the receiver did not get its subscriptions"
        yield service
    finally:
        service.stop()
        thread.join(WAIT_S)
    assert not failures, failures


def receive(config: Path, *arguments: str) -> subprocess.Popen[str]:
    """`kiosk-cloud receive`, connected: it says so when asked to be verbose."""
    command = [sys.executable, "-m", "kiosk_cloud.cli", "receive", "--config", str(config), "-v", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "subscribed" in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process
    raise AssertionError("the receiver ended: " + "".join(said))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A real broker on loopback with the provisioned configuration."""

    def __init__(self, directory: Path, kiosks: Sequence[str] = (KIOSK,), *, beside: int | None = None) -> None:
        """`beside`: the port of a second broker of the same bank; `second` makes it."""
        self._binary = _debian_tool("mosquitto")
        self.port = free_port()
        self._beside = beside
        self.provisioned = [provision(plan(directory, each, self.port, beside), datetime.now(UTC)) for each in kiosks]
        self._conf = self.provisioned[0].mosquitto_conf
        self._process: subprocess.Popen[str] | None = None
        self._drain = threading.Thread()

    def second(self) -> "Mosquitto":
        """The second broker, not started."""
        assert self._beside is not None
        found = copy.copy(self)
        found.port = self._beside
        found._conf = self._conf.parent.with_name("mosquitto-2") / self._conf.name  # noqa: SLF001 - our own kind
        return found

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start and wait until it says that it runs."""
        command = [self._binary, "-c", str(self._conf)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if line.rstrip().endswith("running"):
                # Its further words must not fill the pipe and stop it.
                self._drain = threading.Thread(target=self._process.stderr.read)
                self._drain.start()
                return
        raise AssertionError("mosquitto ended: " + "".join(said))

    def stop(self, *, kill: bool = False) -> None:
        """End it, orderly or not."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(WAIT_S)
            self._drain.join(WAIT_S)
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def client(self, tool: str, name: str, *arguments: str) -> list[str]:
        """Command line of mosquitto_pub or mosquitto_sub with the certificate of that file name."""
        pki = self.provisioned[0].pki
        tls = ["--cafile", pki / "ca.pem", "--cert", pki / f"{name}.pem", "--key", pki / f"{name}.key"]
        address = ["-h", "127.0.0.1", "-p", self.port, "-V", "mqttv5"]
        return [_debian_tool(tool), *map(str, address), *map(str, tls), *arguments]


def _debian_tool(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert path is not None, f"{name} is missing: run `make setup`, or apt-get install mosquitto mosquitto-clients"
    return path
