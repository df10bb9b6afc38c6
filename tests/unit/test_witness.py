"""The witness: every answer that the protocol names, and memory that survives a crash and two quick clients."""

import asyncio
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from kiosk.errors import ConfigError
from kiosk.guarantee import checkpoint, cosignature, merkle, note
from kiosk.guarantee.cosignature import Witness as Key
from kiosk.guarantee.keys import Ed25519Signer
from kiosk_cloud.witness import protocol, service
from kiosk_cloud.witness.protocol import answer
from tests.guarantee_kit import KIOSK, Kit

NAME = "village.example/witness"
NOW = 1_790_000_000


class Bench:
    """A witness and a log that it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "witness"
        self.kit = Kit()
        self.vkeys = service.init(self.folder, NAME, [self.kit.log_verifier.vkey])
        self.witness = service.load(self.folder)
        self.keys: list[Key] = [cosignature.parse_vkey(vkey) for vkey in self.vkeys]

    def grow(self, count: int = 1) -> str:
        for _ in range(count):
            self.kit.append()
        return self.kit.records.checkpoint()

    def body(self, old: int, signed: str, proof: tuple[bytes, ...] | None = None) -> bytes:
        size = self.kit.records.size()
        if proof is None:
            proof = self.kit.records.consistency(old, size) if 0 < old <= size else ()
        lines = [f"old {old}", *(merkle_line(one) for one in proof), "", signed]
        return "\n".join(lines).encode()

    def ask(self, body: bytes) -> protocol.Answer:
        return answer(body, self.witness.logs, self.witness.state, self.witness.cosigners, NOW)

    def restart(self) -> None:
        self.witness.state.close()
        self.witness = service.load(self.folder)


def merkle_line(one: bytes) -> str:
    return note.encode_base64(one)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_cosigns_what_continues_with_both_keys_and_remembers_over_a_restart(bench: Bench) -> None:
    first = bench.grow(3)
    found = bench.ask(bench.body(0, first))
    assert found.status == 200
    point, cosigned = cosignature.verify(first + found.body, bench.kit.log_verifier, bench.keys)
    assert point.size == 3
    assert [(each.witness.type, each.at_posix_s) for each in cosigned] == [(0x04, NOW), (0x06, NOW)]
    bench.restart()
    assert bench.ask(bench.body(3, bench.grow(4))).status == 200
    assert bench.ask(bench.body(7, bench.kit.records.checkpoint())).status == 200  # the same again: signed again


def test_the_answers_are_those_of_the_protocol(bench: Bench) -> None:
    first = bench.grow(3)
    stranger = Kit(seed=9)
    stranger.append()
    forged = Kit(seed=8)
    forged.append()
    assert bench.ask(b"nonsense").status == 400
    assert bench.ask(bench.body(4, first)).status == 400  # old beyond the checkpoint
    assert bench.ask(f"old 03\n\n{first}".encode()).status == 400
    renamed = first.replace("deposit-kiosk/demo-0001", "deposit-kiosk/other")
    assert bench.ask(bench.body(0, renamed)).status == 404
    assert bench.ask(bench.body(0, forged.records.checkpoint())).status == 403
    assert bench.ask(bench.body(0, first, proof=(bytes(32),))).status == 422
    assert bench.ask(bench.body(0, first)).status == 200
    grown = bench.grow(2)
    conflict = bench.ask(bench.body(2, grown))
    assert (conflict.status, conflict.body, conflict.content_type) == (409, "3\n", "text/x.tlog.size")
    assert bench.ask(bench.body(3, grown, proof=(bytes(32),) * 2)).status == 422
    assert bench.ask(bench.body(3, grown, proof=(bytes(32),) * 64)).status == 400


def test_a_fork_of_the_same_size_is_refused_and_kept_as_evidence(bench: Bench) -> None:
    first = bench.grow(2)
    assert bench.ask(bench.body(0, first)).status == 200
    point = bench.kit.read_checkpoint(first)
    other = checkpoint.sign("demo-0001", 2, merkle.leaf_hash(b"another"), bench.kit.checkpoint_signer)
    found = bench.ask(bench.body(2, other, proof=()))
    assert (found.status, found.body) == (409, "2\n")
    assert bench.witness.state.evidence(point.origin) == [(2, other)]
    assert bench.witness.state.latest(point.origin) == (2, point.root)


def test_of_two_clients_at_once_one_wins(bench: Bench) -> None:
    body = bench.body(0, bench.grow(1))
    found: list[int] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(bench.ask(body).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] + [409] * 7
    assert bench.witness.state.latest("deposit-kiosk/demo-0001")[0] == 1


def test_a_signature_never_leaves_before_it_is_remembered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bench.body(0, bench.grow(1))

    def fails(*_: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(bench.witness.state, "advance", fails)
    with pytest.raises(sqlite3.OperationalError):
        bench.ask(body)


class FixedClock:
    def monotonic_s(self) -> float:
        return 0.0

    def now_utc(self) -> datetime:
        return datetime.fromtimestamp(NOW, UTC)

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[int]:
    """The service on a loopback port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def http(port: int, path: str, body: bytes | None = None) -> tuple[int, str, str]:
    """Status, content type and text."""

    def call() -> tuple[int, str, str]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET" if body is None else "POST", path, body)
            got = connection.getresponse()
            return got.status, got.headers["content-type"], got.read().decode()

    return await asyncio.to_thread(call)


async def test_over_http(bench: Bench) -> None:
    signed = bench.grow(2)
    async with served(service.application(bench.witness, FixedClock())) as port:
        status, _, lines = await http(port, "/add-checkpoint", bench.body(0, signed))
        assert status == 200
        assert len(cosignature.verify(signed + lines, bench.kit.log_verifier, bench.keys)[1]) == 2
        assert await http(port, "/add-checkpoint", bench.body(0, signed)) == (409, "text/x.tlog.size", "2\n")
        assert (await http(port, "/add-checkpoint", b"x" * 100_000))[0] == 413
        assert (await http(port, "/"))[2].split() == bench.vkeys
        assert (await http(port, "/add-checkpoint"))[0] == 405


def test_a_witness_is_made_once_and_never_without_its_memory(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="exists"):
        service.init(bench.folder, NAME, [bench.kit.log_verifier.vkey])
    bench.witness.state.close()
    (bench.folder / service.STATE).unlink()
    with pytest.raises(ConfigError, match="not there") as found:
        service.load(bench.folder)
    assert "retire" in found.value.remedy


async def test_monitors_may_ask_what_it_signed_last(bench: Bench) -> None:
    first = bench.grow(3)
    assert bench.ask(bench.body(0, first)).status == 200
    async with served(service.application(bench.witness, FixedClock())) as port:
        status, _, text = await http(port, f"/checkpoint?origin={bench.kit.log_verifier.name}")
        assert (status, text) == (200, first)
        assert (await http(port, "/checkpoint?origin=deposit-kiosk/x"))[0] == 404


def test_a_log_whose_key_was_changed_is_one_log_to_a_witness_that_is_given_both(tmp_path: Path) -> None:
    kit, new = Kit(), Ed25519Signer.from_seed(b"\x22" * 32)
    vkeys = [kit.log_verifier.vkey, checkpoint.verifier_of(KIOSK, new).vkey]
    service.init(tmp_path / "witness", NAME, vkeys)
    witness = service.load(tmp_path / "witness")

    def ask(old: int, signed: str) -> int:
        proof = kit.records.consistency(old) if old else ()
        body = "\n".join([f"old {old}", *map(merkle_line, proof), "", signed]).encode()
        return answer(body, witness.logs, witness.state, witness.cosigners, NOW).status

    kit.append()
    assert ask(0, kit.records.checkpoint()) == protocol.OK
    kit.append()
    stranger = Ed25519Signer.from_seed(b"\x23" * 32)
    assert ask(1, checkpoint.sign(KIOSK, 2, kit.records.root(), stranger)) == protocol.FORBIDDEN
    assert ask(1, checkpoint.sign(KIOSK, 2, kit.records.root(), new)) == protocol.OK
    witness.state.close()
