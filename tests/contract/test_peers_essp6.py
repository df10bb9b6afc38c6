"""The validator maker's own host (PyPI eSSP6, C) against our simulated validator, over a pty between real processes."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.peer_kit import LIMIT_S, Simulated, simulated

OK: Final = 0xF0
RESET, READ, CREDIT, REJECTING, REJECTED, STACKING, STACKED, DISABLED = 0xF1, 0xEF, 0xEE, 0xED, 0xEC, 0xCC, 0xEB, 0xE8


class Peer:
    """The C library in its process, one call at a time."""

    def __init__(self, port: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.essp6_host", port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._limit = threading.Timer(2 * LIMIT_S, self._process.kill)  # it blocks in C: nothing else ends it
        self._limit.start()

    def call(self, name: str, *arguments: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the host ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ok(self, name: str, *arguments: int) -> dict[str, Any]:
        answer = self.call(name, *arguments)
        assert answer["reply"] == OK, (name, answer)
        return answer

    def poll_until(self, wanted: int) -> list[tuple[int, int]]:
        """Every event up to and with the wanted one; stops at once, for the next poll may mean something."""
        seen: list[tuple[int, int]] = []
        end_s = time.monotonic() + LIMIT_S
        while wanted not in {event for event, data in seen if event != READ or data}:
            assert time.monotonic() < end_s, seen
            seen += [(event, data) for event, data in self.ok("poll")["events"]]
        return seen

    def close(self) -> None:
        self._limit.cancel()
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Simulated]:
    with simulated(tmp_path) as running:
        yield running


@pytest.fixture
def peer(machine: Simulated) -> Iterator[Peer]:
    running = Peer(machine.device("validator"))
    yield running
    running.close()


def prepared(peer: Peer) -> dict[str, Any]:
    """Sync, keys, protocol, set-up, inhibits, enable: what the package's own class does, in its order."""
    peer.ok("sync")
    peer.ok("encrypt")
    peer.ok("host_protocol", 6)
    setup = peer.ok("setup")
    while any(event in (RESET, 0xB6) for event, _ in peer.ok("poll")["events"]):  # it initialises
        pass
    peer.ok("enable")
    peer.ok("enable_payout", setup["unit_type"])
    peer.ok("set_inhibits", 0xFF, 0xFF)
    return setup


def test_the_makers_host_reads_rejects_and_credits_notes(machine: Simulated, peer: Peer) -> None:
    setup = prepared(peer)
    assert setup["unit_type"] == 6
    assert setup["protocol"] == 6
    assert setup["multiplier"] == 100
    assert setup["channels"][:6] == [["CNY", face] for face in (1, 5, 10, 20, 50, 100)]

    with machine.open_shutter():
        machine.world("/insert", {"currency": "CNY", "value_minor": 2000, "kind": "genuine"})
        assert peer.poll_until(READ)[-1] == (READ, 4)
        peer.ok("reject")  # no poll in between: it would accept the note
        assert (CREDIT, 4) not in peer.poll_until(REJECTED)
        state = machine.until(lambda now: bool(now["bezel"]))
        assert state["totals"]["inserted_minor"] == 0
        machine.world("/take", {})

        machine.world("/insert", {"currency": "CNY", "value_minor": 10_000, "kind": "genuine"})
        seen = peer.poll_until(STACKED)
        assert [event for event in seen if event[0] == CREDIT] == [(CREDIT, 6)]
        assert STACKING in {event for event, _ in seen}
        assert machine.world("/state")["totals"]["inserted_minor"] == 10_000

        machine.world("/insert", {"currency": "CNY", "value_minor": 500, "kind": "unreadable"})
        seen = peer.poll_until(REJECTED)
        assert CREDIT not in {event for event, _ in seen}
        machine.world("/take", {})

    peer.ok("disable")
    assert DISABLED in {event for event, _ in peer.poll_until(DISABLED)}


def test_inhibited_channels_come_back(machine: Simulated, peer: Peer) -> None:
    prepared(peer)
    peer.ok("set_inhibits", 0b011111, 0)  # not channel 6, the 100
    with machine.open_shutter():
        machine.world("/insert", {"currency": "CNY", "value_minor": 10_000, "kind": "genuine"})
        seen = peer.poll_until(REJECTED)
        assert CREDIT not in {event for event, _ in seen}
        machine.world("/take", {})
        machine.world("/insert", {"currency": "CNY", "value_minor": 5000, "kind": "genuine"})
        assert (CREDIT, 5) in peer.poll_until(STACKED)
    assert machine.world("/state")["totals"]["inserted_minor"] == 5000


def test_keys_can_be_negotiated_again_and_again(machine: Simulated, peer: Peer) -> None:
    """The library draws new primes and a new secret each time; a wrong product of keys shows in the first poll."""
    peer.ok("sync")
    for _ in range(8):
        peer.ok("encrypt")
        peer.ok("poll")
