"""The validator maker's own host (PyPI eSSP6, C) against our simulated validator, over a pty between real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.peer_kit import (
    CREDIT,
    DISABLED,
    ON_X86,
    READ,
    REJECTED,
    STACKED,
    STACKING,
    MakersHost,
    Simulated,
    simulated,
)

pytestmark = ON_X86


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Simulated]:
    with simulated(tmp_path) as running:
        yield running


@pytest.fixture
def peer(machine: Simulated) -> Iterator[MakersHost]:
    running = MakersHost(machine.device("validator"))
    yield running
    running.close()


def test_the_makers_host_reads_rejects_and_credits_notes(machine: Simulated, peer: MakersHost) -> None:
    setup = peer.prepare()
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


def test_inhibited_channels_come_back(machine: Simulated, peer: MakersHost) -> None:
    peer.prepare()
    peer.ok("set_inhibits", 0b011111, 0)  # not channel 6, the 100
    with machine.open_shutter():
        machine.world("/insert", {"currency": "CNY", "value_minor": 10_000, "kind": "genuine"})
        seen = peer.poll_until(REJECTED)
        assert CREDIT not in {event for event, _ in seen}
        machine.world("/take", {})
        machine.world("/insert", {"currency": "CNY", "value_minor": 5000, "kind": "genuine"})
        assert (CREDIT, 5) in peer.poll_until(STACKED)
    assert machine.world("/state")["totals"]["inserted_minor"] == 5000


def test_keys_can_be_negotiated_again_and_again(machine: Simulated, peer: MakersHost) -> None:
    """The library draws new primes and a new secret each time; a wrong product of keys shows in the first poll."""
    peer.ok("sync")
    for _ in range(8):
        peer.ok("encrypt")
        peer.ok("poll")
