"""Records that the bank's receiver takes a second, one process and two sharing a store, beside raw verify and open.

Each process has its half of the batches of one kiosk, as a shared subscription deals them out: what comes out of order
waits in the store, like at the bank. Figures are per process, in wall time and in the processor's own time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.clock import SystemClock
from kiosk.core import topics
from kiosk.guarantee import cbor, cose, seal, verify
from kiosk_cloud.config import load
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.provision import Plan, provision
from kiosk_cloud.receiver import Message, Receiver
from kiosk_cloud.service import BATCH_MAX
from kiosk_cloud.store import Store
from tests.bench.figures import Figure, alternately, figure
from tests.uplink_kit import KioskSide

KIOSK: Final = "bench-0001"
LIMIT_S: Final = 120.0
Work = tuple[float, float]  # seconds of the wall's clock and of the processor


class _Limit:
    """The same records without us: one HPKE open and one Ed25519 verification each."""

    def __init__(self, keyring: Keyring, envelopes: Sequence[bytes]) -> None:
        self._private = keyring.seal.hpke
        own = Ed25519PrivateKey.generate()  # any key verifies as slowly as the kiosk's
        self._key: Ed25519PublicKey = own.public_key()
        self._parts = []
        for envelope in envelopes:
            header = seal.read_header(envelope)
            sealed = cbor.decode(envelope, seal.ENVELOPE_BYTES_MAX)[-1]
            record = verify.verify_envelope(envelope, KIOSK, keyring.seal, keyring.kiosk(KIOSK).records)
            message = cose.parse(record.cose)
            signed = cose.to_be_signed(message.protected, message.payload)
            self._parts.append((sealed, header.info, own.sign(signed), signed))

    def run(self) -> None:
        for sealed, info, signature, signed in self._parts:
            seal.HPKE.decrypt(sealed, self._private, info=info)
            self._key.verify(signature, signed)


def _deal(folder: Path, turn: int, turns: int) -> list[list[bytes]]:
    """This process's batches."""
    data = (folder / "envelopes").read_bytes()
    envelopes: list[bytes] = cbor.decode(data, len(data))
    batches = [envelopes[at : at + BATCH_MAX] for at in range(0, len(envelopes), BATCH_MAX)]
    return batches[turn::turns]


def serve(folder: Path, turn: int, turns: int) -> None:
    """The other process: a line of words on standard input, seconds on standard output, until the input ends."""
    config = load(next(folder.glob("bank/bank.toml")))
    keyring = Keyring(config.keys)
    batches = _deal(folder, turn, turns)
    limit = _Limit(keyring, [envelope for batch in batches for envelope in batch])
    topic = topics.topic(KIOSK, "record")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what, _, name = line.strip().partition(" ")
        store = Store(folder / name) if what == "ours" else None
        begun, busy = time.perf_counter(), time.process_time()
        if store is None:
            limit.run()
        else:
            receiver = Receiver(store, keyring, SystemClock())
            for batch in batches:
                receiver.handle([Message(topic, envelope) for envelope in batch])
        spent = (time.perf_counter() - begun, time.process_time() - busy)
        if store is not None:
            store.close()
        sys.stdout.write(json.dumps(spent) + "\n")
        sys.stdout.flush()


class _Bank:
    """So many processes at once, each on its own share."""

    def __init__(self, folder: Path, turns: int) -> None:
        command = [sys.executable, "-m", "tests.bench.receiving", str(folder)]
        pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._all = [subprocess.Popen([*command, str(turn), str(turns)], **pipe) for turn in range(turns)]
        for process in self._all:
            assert self._line(process) == "ready\n"

    def run(self, words: str) -> list[Work]:
        for process in self._all:
            assert process.stdin is not None
            process.stdin.write(words + "\n")
            process.stdin.flush()
        return [tuple(json.loads(self._line(process))) for process in self._all]

    @staticmethod
    def _line(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "a receiver of the benchmark has ended"
        return line

    def close(self) -> None:
        for process in self._all:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait(LIMIT_S)
            process.stdout.close()


def _prepare(folder: Path, records: int) -> None:
    """A provisioned kiosk and bank, and the envelopes of so many deposits."""
    provisioned = provision(Plan(folder, KIOSK), datetime.now(UTC))
    kiosk = KioskSide(provisioned.kiosk_keys, KIOSK)
    (folder / "envelopes").write_bytes(cbor.encode([kiosk.deposit(number) for number in range(records)]))
    kiosk.close()


def measure(repeats: int, records: int, folder: Path) -> Iterator[Figure]:
    """Records a second of one process, for one and for two."""
    _prepare(folder, records)
    for turns in (1, 2):
        bank = _Bank(folder, turns)
        busy: dict[str, list[float]] = {"ours": [], "limit": []}
        try:
            ours_all, limit_all = alternately(
                repeats, lambda b=bank, s=busy, n=turns: _rate(b, "ours", s["ours"], records / n, folder),  # type: ignore[misc]
                lambda b=bank, s=busy, n=turns: _rate(b, "limit", s["limit"], records / n, folder),  # type: ignore[misc]
            )  # fmt: skip
        finally:
            bank.close()
        name = "1 receiver" if turns == 1 else "2 receivers, each"
        ours_is = f"Receiver.handle in batches of {BATCH_MAX} on a shared store: open, verify, store, root, acknowledge"
        limit_is = "HPKE open + Ed25519 verify"
        wall = (f"records received, {name}", "/s", ours_all, limit_all)
        yield figure(*wall, ours_is=ours_is, limit_is=limit_is, better="higher")
        cpu = (f"records received, {name}, CPU", "/s", busy["ours"], busy["limit"])
        yield figure(*cpu, ours_is=ours_is + "; per CPU second", limit_is=limit_is, better="higher")


def _rate(bank: _Bank, what: str, busy: list[float], share: float, folder: Path) -> float:
    """Records a second of the slowest process; the mean of the CPU's rate goes into `busy`."""
    name = f"store-{os.urandom(8).hex()}.db"
    spent = bank.run(f"{what} {name}")
    for left in folder.glob(f"{name}*"):
        left.unlink()
    busy.append(share * len(spent) / sum(cpu_s for _, cpu_s in spent))
    return share / max(wall_s for wall_s, _ in spent)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
