"""A kiosk whose disk was put back takes no deposits until the bank and a second signer order another log."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kiosk.core import commands as c
from kiosk.core.state import State
from kiosk.errors import LogForkError
from kiosk.guarantee import acks, checkpoint, commands, seal, verify
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.messages import Delivered, DeliverStatement, GetStatus, Ok, Refused, Status
from tests.simulation.rig import _SEAL, Rig
from tests.simulation.scripts import confirmed

KIOSK, LATER = "test-0001", "test-0001.epoch2"
BANK, SECOND = (Ed25519Signer.from_seed(bytes([n] * 32)) for n in (5, 6))
ACKS = Ed25519Signer.from_seed(bytes([2] * 32))
RECORDS = PublicKeys([Ed25519Signer.from_seed(bytes(32)).public])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.commanders = Commanders(PublicKeys([BANK.public]), PublicKeys([SECOND.public]))
    found.start()
    yield found
    found.close()


async def order(rig: Rig, sequence: int, what: c.AnyCommand, *signers: Ed25519Signer) -> tuple[Delivered, str]:
    now = rig.clock.now_utc()
    payload = commands.order(KIOSK, sequence, what, now, now + timedelta(hours=1))
    reply = await rig.desk.handle("uplink", DeliverStatement("command", commands.sign(payload, *signers)))
    assert isinstance(reply, Delivered)
    log = rig.journal.log.kiosk
    result = verify.verify_envelope(reply.result, log, _SEAL, RECORDS)
    return reply, str(result.content["outcome"])


async def found_out(rig: Rig) -> None:
    """The bank's signed word of another log."""
    await rig.ready()
    other = acks.make(KIOSK, 1, bytes(31) + b"\x01", rig.clock.now_utc(), ACKS)
    with pytest.raises(LogForkError):
        await rig.controller.acknowledged(other)
    assert isinstance(await rig.identify(), Refused)


def test_one_signature_or_the_wrong_number_changes_nothing(rig: Rig) -> None:
    async def play() -> None:
        await found_out(rig)
        assert (await order(rig, 1, c.NewEpoch(2, 9, bytes(32)), BANK))[1] == "refused"
        assert (await order(rig, 2, c.NewEpoch(3, 9, bytes(32)), BANK, SECOND))[1] == "refused"
        assert (await order(rig, 3, c.NewEpoch(2, 9, bytes(32), "log rubbish\n"), BANK, SECOND))[1] == "refused"
        assert rig.journal.log.kiosk == KIOSK
        assert isinstance(await rig.identify(), Refused)

    rig.run(play())


def test_a_command_that_was_carried_out_in_the_closed_log_is_answered_in_the_present_one(rig: Rig) -> None:
    """The bank never saw its result: the old log's records may not reach it any more."""
    first = c.OutOfService("looked into")

    async def play() -> None:
        await found_out(rig)
        given = rig.clock.now_utc(), rig.clock.now_utc() + timedelta(hours=1)
        held = commands.sign(commands.order(KIOSK, 1, first, *given), BANK)
        assert isinstance(await rig.desk.handle("uplink", DeliverStatement("command", held)), Delivered)
        assert (await order(rig, 2, c.NewEpoch(2, 9, bytes(32)), BANK, SECOND))[1] == "done"
        assert (await order(rig, 3, c.InService(), BANK))[1] == "done"
        for _ in range(2):
            reply = await rig.desk.handle("uplink", DeliverStatement("command", held))
            assert isinstance(reply, Delivered)
            said = verify.verify_envelope(reply.result, LATER, _SEAL, RECORDS)
            assert (said.kind, said.content["sequence"], said.content["outcome"]) == ("result", 1, "done")
            assert said.content["details"]["before"]["log"] == KIOSK
        log = rig.journal.log
        results = [log.record(at).content for at in range(log.size()) if log.record(at).kind == "result"]
        assert [content["sequence"] for content in results] == [2, 3, 1]  # once
        assert await rig.identify() == Ok()  # it was not carried out again

    rig.run(play())


def test_two_signatures_open_another_log_and_deposits_go_on_also_after_a_restart(rig: Rig, tmp_path: Path) -> None:
    closed: list[tuple[int, bytes]] = []

    async def play() -> None:
        await found_out(rig)
        log = rig.journal.log
        closed.append((log.size(), log.root()))
        reply, outcome = await order(rig, 1, c.NewEpoch(2, 9, bytes(32)), BANK, SECOND)
        assert (outcome, reply.log) == ("done", LATER)
        first = log.record(0).content
        assert (first["event"], first["believed"]) == ("epoch", {"size": 9, "root": bytes(32)})
        assert first["closed"] == {"log": KIOSK, "size": closed[0][0], "root": closed[0][1]}
        assert first["signers"] == [BANK.kid, SECOND.kid]
        await confirmed(rig)
        await rig.state(State.IDLE, State.DONE)
        assert rig.deposit.outcome == "credited" or rig.deposit.state is State.IDLE

    rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.ready()
        log = rig.journal.log
        log.audit()
        assert log.kiosk == LATER
        verifier = checkpoint.verifier_of(LATER, Ed25519Signer.from_seed(bytes([1] * 32)))
        assert checkpoint.verify(log.checkpoint(), verifier).size == log.size()
        assert {seal.read_header(row.envelope).kiosk for row in log.outbox(0, 1000)} == {LATER}
        await rig.controller.acknowledged(acks.make(LATER, 1, log.root_at(1), rig.clock.now_utc(), ACKS))
        told = await rig.desk.handle("maintenance", GetStatus())
        assert isinstance(told, Status)
        assert (told.log, told.in_service) == (LATER, True)
        assert await rig.identify() == Ok()
        assert (await order(rig, 2, c.NewEpoch(2, 9, bytes(32)), BANK, SECOND))[1] == "refused"

    rig.run(later())
    books = sqlite3.connect(tmp_path / "journal.db")
    old = [name for (name,) in books.execute("SELECT name FROM sqlite_master WHERE name LIKE 'leaves_before_%'")]
    assert len(old) >= 1
    assert books.execute(f"SELECT count(*) FROM {old[0]}").fetchone()[0] == closed[0][0]  # noqa: S608 - our own name
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        books.execute(f"DELETE FROM {old[0]}")  # noqa: S608 - our own name
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        books.execute("DELETE FROM leaves")
    books.close()
