"""The bank changes the keys with which it acknowledges and commands: both count for a while, then the new one does."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kiosk.clock import rfc3339
from kiosk.core import commands as c
from kiosk.core.terms import Terms
from kiosk.errors import VerificationError
from kiosk.guarantee import acks, bank_keys, commands, complaints, terms, verify
from kiosk.guarantee.bank_keys import BankKeys, Succession
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.complaints import Complaint
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.messages import DeliverAck, Delivered, DeliverStatement, Ok, Reply
from tests.simulation.rig import _SEAL, Rig
from tests.simulation.scripts import confirmed

KIOSK = "test-0001"
BANK, SECOND, NEW, THIRD, NEW_ACKS = (Ed25519Signer.from_seed(bytes([n] * 32)) for n in (5, 6, 51, 52, 53))
ACKS = Ed25519Signer.from_seed(bytes([2] * 32))  # as the rig pins it
RECORDS = PublicKeys([Ed25519Signer.from_seed(bytes(32)).public])
OVERLAP = timedelta(seconds=90)  # the kiosk's devices are polled meanwhile


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.commanders = Commanders(PublicKeys([BANK.public]), PublicKeys([SECOND.public]))
    found.start()
    yield found
    found.close()


def successor(rig: Rig, number: int, **changed: Any) -> c.SetBankKey:
    """The command with both signatures; `changed` what is given otherwise to its drafting."""
    until = rfc3339(rig.clock.now_utc() + OVERLAP)
    given: dict[str, Any] = {"kiosk": KIOSK, "purpose": "command", "sequence": number, "until": until, "old": BANK}
    said = bank_keys.draft(**{**given, "new": NEW, **changed})
    return c.SetBankKey(said.purpose, said.key, said.until, said.by_old, said.by_new)


def signed(rig: Rig, number: int, what: c.AnyCommand, *signers: Ed25519Signer) -> bytes:
    now = rig.clock.now_utc()
    return commands.sign(commands.order(KIOSK, number, what, now, now + timedelta(days=30)), *signers)


async def give(rig: Rig, data: bytes, lane: Any = "command") -> Reply:
    return await rig.desk.handle("uplink", DeliverStatement(lane, data))


async def ordered(rig: Rig, number: int, what: c.AnyCommand, *signers: Ed25519Signer) -> dict[str, Any]:
    reply = await give(rig, signed(rig, number, what, *signers))
    assert isinstance(reply, Delivered), reply
    return dict(verify.verify_envelope(reply.result, KIOSK, _SEAL, RECORDS).content)


async def acknowledged(rig: Rig, signer: Ed25519Signer) -> Reply:
    log = rig.journal.log
    size = log.acknowledged() + 1
    statement = acks.make(KIOSK, size, log.root_at(size), rig.clock.now_utc(), signer)
    return await rig.desk.handle("uplink", DeliverAck(statement))


def test_the_new_command_key_counts_beside_the_old_one_and_then_alone(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        with pytest.raises(VerificationError, match="unknown key"):
            await give(rig, signed(rig, 1, c.InService(), NEW))
        result = await ordered(rig, 1, successor(rig, 1), BANK, SECOND)
        assert (result["outcome"], result["details"]["key_id"]) == ("done", NEW.kid)
        assert result["command"]["by_new"]  # the leaf has both signatures
        assert (await ordered(rig, 2, c.InService(), NEW))["outcome"] == "done"
        assert (await ordered(rig, 3, c.InService(), BANK))["outcome"] == "done"
        first = terms.make(KIOSK, 1, Terms(), rig.clock.now_utc(), BANK)
        assert await give(rig, first, "terms") == Delivered()
        await rig.clock.sleep(OVERLAP.total_seconds())
        late = signed(rig, 4, c.InService(), BANK)
        with pytest.raises(VerificationError, match="counted until"):
            await give(rig, late)
        with pytest.raises(VerificationError, match="counted until"):
            await give(rig, terms.make(KIOSK, 2, Terms(), rig.clock.now_utc(), BANK), "terms")
        assert (await ordered(rig, 4, c.InService(), NEW))["outcome"] == "done"

    rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.ready()
        with pytest.raises(VerificationError, match="counted until"):
            await give(rig, signed(rig, 5, c.InService(), BANK))
        assert (await ordered(rig, 5, c.InService(), NEW))["outcome"] == "done"
        assert (await ordered(rig, 6, successor(rig, 6, old=NEW, new=THIRD), NEW, SECOND))["outcome"] == "done"
        assert (await ordered(rig, 7, c.InService(), THIRD))["outcome"] == "done"
        assert rig.journal.bank.get("terms") is not None
        await confirmed(rig)  # what the old key had signed before is still good: the guarantee check is content

    rig.run(later())
    log = rig.journal.log
    deposit = next(log.record(at) for at in range(log.size()) if log.record(at).kind == "deposit")
    found = {each["check"]: each["passed"] for each in deposit.content["guarantee"]}
    assert found["bank_keys"]


def test_the_new_acknowledgement_key_counts_for_acknowledgements_and_complaints(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        what = successor(rig, 1, purpose="ack", old=ACKS, new=NEW_ACKS)
        assert (await ordered(rig, 1, what, BANK, SECOND))["outcome"] == "done"
        assert await acknowledged(rig, NEW_ACKS) == Ok()
        assert await acknowledged(rig, ACKS) == Ok()
        await rig.clock.sleep(OVERLAP.total_seconds())
        with pytest.raises(VerificationError, match="counted until"):
            await acknowledged(rig, ACKS)
        said = Complaint(KIOSK, 1, "gap", 1, 0, rig.journal.log.root_at(0), "why", b"", rfc3339(rig.clock.now_utc()))
        with pytest.raises(VerificationError, match="counted until"):
            await give(rig, complaints.make(said, ACKS), "complaint")
        assert await give(rig, complaints.make(said, NEW_ACKS), "complaint") == Delivered()
        with pytest.raises(VerificationError, match="unknown key"):
            await give(rig, signed(rig, 2, c.InService(), NEW_ACKS))  # each key for one thing

    rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.ready()
        rig.journal.log.audit()  # the old key's last acknowledgement still proves what the bank held
        assert rig.journal.acknowledgement_problem() == ""
        assert await acknowledged(rig, NEW_ACKS) == Ok()

    rig.run(later())


def test_a_clock_that_is_put_back_does_not_bring_the_old_key_back(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        assert (await ordered(rig, 1, successor(rig, 1), BANK, SECOND))["outcome"] == "done"
        at = rig.clock.now_utc() + OVERLAP
        log = rig.journal.log
        statement = acks.make(KIOSK, 1, log.root_at(1), at, ACKS)  # the bank's word of the time
        assert await rig.desk.handle("uplink", DeliverAck(statement)) == Ok()
        with pytest.raises(VerificationError, match="counted until"):
            await give(rig, signed(rig, 2, c.InService(), BANK))

    rig.run(play())


def test_what_has_not_both_signatures_or_is_of_elsewhere_changes_nothing(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        good = successor(rig, 1)
        other = successor(rig, 1, new=THIRD)
        bad: list[tuple[c.SetBankKey, tuple[Ed25519Signer, ...]]] = [
            (good, (BANK,)),  # without the second signer
            (successor(rig, 2, old=NEW, new=THIRD), (BANK, SECOND)),  # by keys that nobody pinned
            (
                c.SetBankKey("command", good.key, good.until, good.by_new, good.by_new),
                (BANK, SECOND),
            ),  # the new one only
            (
                c.SetBankKey("command", good.key, good.until, good.by_old, good.by_old),
                (BANK, SECOND),
            ),  # the old one only
            (c.SetBankKey("command", other.key, good.until, good.by_old, other.by_new), (BANK, SECOND)),
            (c.SetBankKey("ack", good.key, good.until, good.by_old, good.by_new), (BANK, SECOND)),
            (successor(rig, 7, kiosk="test-0002"), (BANK, SECOND)),
            (successor(rig, 99), (BANK, SECOND)),  # made for another command: replayed
            (good, (BANK, SECOND)),  # number 1's, again
            (successor(rig, 10, until="2020-01-01T00:00:00.000Z"), (BANK, SECOND)),
            (successor(rig, 11, until="2090-01-01T00:00:00.000Z"), (BANK, SECOND)),
        ]
        for number, (what, signers) in enumerate(bad, 1):
            result = await ordered(rig, number, what, *signers)
            assert result["outcome"] == "refused", (number, result)
        with pytest.raises(VerificationError, match="unknown key"):
            await give(rig, signed(rig, len(bad) + 1, c.InService(), NEW))
        assert rig.journal.bank.get("bank_keys") is None

    rig.run(play())


def test_a_key_has_one_successor_and_no_key_comes_back(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        assert (await ordered(rig, 1, successor(rig, 1), BANK, SECOND))["outcome"] == "done"
        twice = await ordered(rig, 2, successor(rig, 2, new=THIRD), BANK, SECOND)
        assert (twice["outcome"], "successor already" in twice["reason"]) == ("refused", True)
        back = await ordered(rig, 3, successor(rig, 3, old=NEW, new=BANK), NEW, SECOND)
        assert (back["outcome"], "may not come back" in back["reason"]) == ("refused", True)

    rig.run(play())


def test_what_somebody_writes_into_the_database_is_not_believed(rig: Rig, tmp_path: Path) -> None:
    rig.run(rig.ready())
    rig.bury()
    thief = bank_keys.draft(KIOSK, "command", 1, "2090-01-01T00:00:00.000Z", THIRD, NEW)
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("INSERT INTO bank_state VALUES ('bank_keys', ?)", (bank_keys.keep(None, thief),))
    db.commit()
    db.close()
    rig.start()

    async def play() -> None:
        await rig.ready()
        with pytest.raises(VerificationError, match="unknown key"):
            await give(rig, signed(rig, 1, c.InService(), NEW))
        assert (await ordered(rig, 1, c.InService(), BANK))["outcome"] == "done"

    rig.run(play())


def test_both_count_between_and_one_at_the_moment_itself() -> None:
    now = ["2026-11-22T08:00:00.000Z"]
    keys = BankKeys(PublicKeys([BANK.public]), lambda: now[0])
    said: Succession = bank_keys.draft(KIOSK, "command", 1, "2026-11-23T08:00:00.000Z", BANK, NEW)
    keys.follow(KIOSK, said)
    assert {key.kid for key in keys} == {BANK.kid, NEW.kid}
    now[0] = said.until
    assert {key.kid for key in keys} == {NEW.kid}
    assert len(keys) == 1
    assert {key.kid for key in keys.ever} == {BANK.kid, NEW.kid}
    with pytest.raises(ValueError, match="the old one"):
        bank_keys.draft(KIOSK, "command", 1, said.until, NEW, NEW)
