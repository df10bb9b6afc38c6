"""The bank's commands, terms and complaints at a whole kiosk: who may, when, once, and what stands in the records."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kiosk.clock import rfc3339
from kiosk.core import commands as c
from kiosk.core.state import State
from kiosk.core.terms import BankLimit, BankTiming, Terms, Words
from kiosk.errors import VerificationError
from kiosk.guarantee import acks, commands, complaints, seal, terms, verify
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.complaints import Complaint
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.messages import DeliverAck, Delivered, DeliverStatement, GetStatus, Ok, Refused, Reply, Status
from tests.simulation.rig import _SEAL, PowerCut, Rig, onlooker
from tests.simulation.scripts import confirmed

KIOSK = "test-0001"
BANK, SECOND, OTHER = (Ed25519Signer.from_seed(bytes([n] * 32)) for n in (5, 6, 7))
ACKS = Ed25519Signer.from_seed(bytes([2] * 32))  # as the rig pins it
RECORDS = PublicKeys([Ed25519Signer.from_seed(bytes(32)).public])
NEW_KEY = SealPrivateKey.generate(lambda count: bytes(reversed(range(count))))
HOLD = c.OutOfService("an incident is being looked into")
LIMITS = c.SetLimits("2030-01-01T00:00:00.000Z", (BankLimit("CNY", 20_000, 50_000),))
TIGHT = (BankLimit("CNY", 15_000, 100_000),)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.commanders = Commanders(PublicKeys([BANK.public]), PublicKeys([SECOND.public]))
    found.start()
    yield found
    found.close()


def command(rig: Rig, sequence: int, what: c.AnyCommand, *signers: Ed25519Signer, life_s: float = 3600) -> bytes:
    now = rig.clock.now_utc()
    payload = commands.order(KIOSK, sequence, what, now, now + timedelta(seconds=life_s))
    return commands.sign(payload, *(signers or (BANK,)))


async def give(rig: Rig, data: bytes, lane: Any = "command") -> Reply:
    return await rig.desk.handle("uplink", DeliverStatement(lane, data))


def opened(reply: Reply, key: SealPrivateKey = _SEAL) -> dict[str, Any]:
    assert isinstance(reply, Delivered), reply
    return dict(verify.verify_envelope(reply.result, KIOSK, key, RECORDS).content)


async def ordered(rig: Rig, sequence: int, what: c.AnyCommand, *signers: Ed25519Signer) -> dict[str, Any]:
    return opened(await give(rig, command(rig, sequence, what, *signers)))


def records(rig: Rig, kind: str, event: str | None = None) -> list[dict[str, Any]]:
    log = rig.journal.log
    found = [dict(log.record(sequence).content) for sequence in range(log.size())]
    return [each for each in found if each["kind"] == kind and event in (None, each.get("event"))]


async def status(rig: Rig) -> Status:
    reply = await rig.desk.handle("maintenance", GetStatus())
    assert isinstance(reply, Status)
    return reply


def test_the_bank_takes_a_kiosk_out_of_service_and_back_also_over_a_restart(rig: Rig) -> None:
    async def out() -> None:
        await rig.ready()
        result = await ordered(rig, 1, HOLD)
        assert (result["kind"], result["outcome"], result["command"]["name"]) == ("result", "done", "OutOfService")
        assert result["signers"] == [BANK.kid]
        assert isinstance(await rig.identify(), Refused)

    rig.run(out())
    rig.bury()
    rig.start()

    async def back() -> None:
        await rig.ready()
        assert any(HOLD.reason in words for words in (await status(rig)).out_of_service_reasons)
        assert (await ordered(rig, 2, c.InService()))["outcome"] == "done"
        assert await rig.identify() == Ok()

    rig.run(back())


def test_a_command_is_carried_out_once_and_answered_the_same_way_for_ever(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        first = command(rig, 1, HOLD)
        answer = await give(rig, first)
        await ordered(rig, 2, c.InService())
        size = rig.journal.log.size()
        assert await give(rig, first) == answer
        assert (await status(rig)).out_of_service_reasons == ()
        assert rig.journal.log.size() == size
        with pytest.raises(VerificationError, match="two commands of number 1"):
            await give(rig, command(rig, 1, c.InService()))

    rig.run(play())


def test_commands_come_in_their_order_without_gaps(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        reply = await give(rig, command(rig, 2, HOLD))
        assert isinstance(reply, Refused)
        assert reply.code == "not_next"
        assert (await ordered(rig, 1, c.InService()))["outcome"] == "done"
        assert (await ordered(rig, 2, HOLD))["outcome"] == "done"

    rig.run(play())
    assert [each["lane"] for each in records(rig, "service", "statement_refused")] == ["command"]


@pytest.mark.parametrize("signers", [(OTHER,), (SECOND,), (BANK, OTHER), (BANK, BANK), (SECOND, BANK)])
def test_what_others_sign_is_refused_on_record_once_and_takes_no_number(
    rig: Rig, signers: tuple[Ed25519Signer, ...]
) -> None:
    async def play() -> None:
        await rig.ready()
        data = command(rig, 1, LIMITS, *signers)
        for _ in range(3):
            with pytest.raises(VerificationError):
                await give(rig, data)
        assert (await ordered(rig, 1, LIMITS, BANK, SECOND))["outcome"] == "done"

    rig.run(play())
    assert len(records(rig, "service", "statement_refused")) == 1


def test_refusals_on_record_are_bounded(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        for number in range(40):
            with pytest.raises(VerificationError):
                await give(rig, bytes([number]))

    rig.run(play())
    assert len(records(rig, "service", "statement_refused")) == 10


@pytest.mark.parametrize("what", [LIMITS, c.SetSealKey(NEW_KEY.public.raw), c.SetPolicy("quorum none\n")])
def test_sensitive_commands_take_two_signers(rig: Rig, what: c.AnyCommand) -> None:
    async def play() -> None:
        await rig.ready()
        result = await ordered(rig, 1, what)
        assert (result["outcome"], result["signers"]) == ("refused", [BANK.kid])
        assert "second signer" in result["reason"]

    rig.run(play())
    assert rig.journal.bank.get("limits") is rig.journal.bank.get("seal_key") is rig.journal.bank.get("policy") is None


def test_an_expired_command_does_nothing_and_a_clock_put_back_does_not_help_it(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        late = command(rig, 1, HOLD, life_s=60)
        stale = acks.make(KIOSK, 1, rig.journal.log.root_at(1), rig.clock.now_utc() + timedelta(seconds=61), ACKS)
        await rig.controller.acknowledged(stale)  # the bank's own clock; ours may say what it likes
        rig.synchronised = False
        result = opened(await give(rig, late))
        assert result["outcome"] == "expired"
        assert (await status(rig)).out_of_service_reasons == ()

    rig.run(play())


def test_limits_hold_for_the_next_deposit_and_only_get_tighter(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        wild = (BankLimit("CNY", 10**12, 10**12), BankLimit("EUR", 1, 1))
        await give(rig, terms.make(KIOSK, 1, Terms(limits=wild), rig.clock.now_utc(), BANK), "terms")
        assert await rig.identify() == Ok()
        (limit,) = rig.deposit.policy.limits
        assert (limit.currency, limit.deposit_minor_max, limit.day_room_minor) == ("CNY", 5_000_000, 100_000_000)
        await rig.state(State.CASH_IN)
        await give(rig, terms.make(KIOSK, 2, Terms(limits=TIGHT), rig.clock.now_utc(), BANK), "terms")
        assert rig.deposit.policy.limits == (limit,)  # what is under way goes by the rules that it began with
        await rig.feed(20_000 // 2)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)
        assert await rig.identify() == Ok()
        (limit,) = rig.deposit.policy.limits
        assert (limit.deposit_minor_max, limit.day_room_minor) == (15_000, 90_000)

    rig.run(play())


def test_commanded_limits_stand_in_the_terms_place_until_their_moment(rig: Rig) -> None:
    async def limit() -> int:
        assert await rig.identify() == Ok()
        found = rig.deposit.policy.limits[0].deposit_minor_max
        await rig.state(State.CASH_IN)
        await rig.touch("cancel")
        await rig.state(State.IDLE, State.DONE)
        return found

    async def play() -> None:
        await rig.ready()
        await give(rig, terms.make(KIOSK, 1, Terms(limits=TIGHT), rig.clock.now_utc(), BANK), "terms")
        until = rfc3339(rig.clock.now_utc() + timedelta(seconds=600))
        await ordered(rig, 1, c.SetLimits(until, (BankLimit("CNY", 40_000, 80_000),)), BANK, SECOND)
        assert await limit() == 40_000
        await rig.clock.sleep(600)
        assert await limit() == 15_000

    rig.run(play())


def test_terms_set_time_outs_and_what_medium_does(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        said = Terms(medium="stop", timing=BankTiming(idle_s=33))
        assert await give(rig, terms.make(KIOSK, 1, said, rig.clock.now_utc(), BANK), "terms") == Delivered()
        rig.grade = onlooker
        assert await rig.identify() == Ok()
        assert rig.deposit.policy.timing.idle_s == 33.0
        await rig.state(State.DONE)
        assert rig.deposit.outcome == "refused_risk"

    rig.run(play())


def test_terms_are_kept_over_a_restart_never_go_back_and_have_words_for_the_screen(rig: Rig) -> None:
    said = Terms(
        texts=(
            Words("safety", "en", "Nobody from the bank asks you to deposit for them."),
            Words("notice", "en", "Cards are not affected.", ends="2020-01-01T00:00:00.000Z"),
        )
    )
    version_3 = terms.make(KIOSK, 3, said, rig.clock.now_utc(), BANK)

    async def deliver() -> None:
        await rig.ready()
        await give(rig, version_3, "terms")

    rig.run(deliver())
    rig.bury()
    rig.start()

    async def again() -> None:
        await rig.ready()
        seen = await status(rig)
        assert seen.terms_version == 3
        assert [text.text for text in seen.bank_texts] == ["Nobody from the bank asks you to deposit for them."]
        assert await give(rig, version_3, "terms") == Delivered()
        for version in (2, 3):
            with pytest.raises(VerificationError, match="not newer"):
                await give(rig, terms.make(KIOSK, version, Terms(), rig.clock.now_utc(), BANK), "terms")
        assert (await status(rig)).terms_version == 3

    rig.run(again())
    assert [each["version"] for each in records(rig, "service", "terms_accepted")] == [3]
    assert [each["lane"] for each in records(rig, "service", "statement_refused")] == ["terms", "terms"]


def test_a_new_sealing_key_seals_what_the_bank_does_not_have_yet_and_stays(rig: Rig) -> None:
    async def rekey() -> None:
        await rig.ready()
        await SCRIPT(rig)
        await rig.state(State.IDLE, State.DONE)
        before = rig.journal.log.size()
        reply = await give(rig, command(rig, 1, c.SetSealKey(NEW_KEY.public.raw), BANK, SECOND))
        result = opened(reply, NEW_KEY)
        assert (result["outcome"], result["details"]) == ("done", {"rows": before, "key_id": NEW_KEY.public.key_id})
        for row in rig.journal.log.outbox(0, 1000):
            record = verify.verify_envelope(row.envelope, KIOSK, NEW_KEY, RECORDS)
            assert record.sequence == row.sequence

    rig.run(rekey())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.ready()
        newest = rig.journal.log.outbox(rig.journal.log.size() - 1, 1)
        assert seal.read_header(newest[0].envelope).recipient == NEW_KEY.public.key_id

    rig.run(later())


SCRIPT = confirmed


def test_what_changes_how_records_leave_waits_for_the_end_of_a_deposit(rig: Rig) -> None:
    async def play() -> None:
        assert await rig.identify() == Ok()
        await rig.state(State.CASH_IN)
        result = await ordered(rig, 1, c.SetSealKey(NEW_KEY.public.raw), BANK, SECOND)
        assert (result["outcome"], result["reason"]) == ("refused", "a deposit is under way")
        assert (await ordered(rig, 2, HOLD))["outcome"] == "done"
        await rig.feed(10_000)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)  # what is under way is finished
        assert rig.deposit.outcome == "credited"

    rig.run(play())


def test_lost_records_go_out_again_until_a_newer_acknowledgement(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        log = rig.journal.log
        size = log.size()
        old = acks.make(KIOSK, size, log.root_at(size), rig.clock.now_utc(), ACKS)
        await rig.controller.acknowledged(old)
        assert log.outbox(0, 100) == []
        await rig.clock.sleep(1)
        result = await ordered(rig, 1, c.Resend(1))
        assert result["details"] == {"rows": size - 1}
        assert [row.sequence for row in log.outbox(0, 100)] == list(range(1, size + 1))
        await rig.controller.acknowledged(old)  # the broker still has it
        assert [row.sequence for row in log.outbox(0, 100)] == list(range(1, size + 1))
        await rig.clock.sleep(1)
        await rig.controller.acknowledged(acks.make(KIOSK, size, log.root_at(size), rig.clock.now_utc(), ACKS))
        assert [row.sequence for row in log.outbox(0, 100)] == [size]
        assert (await ordered(rig, 2, c.Resend(10_000)))["outcome"] == "refused"

    rig.run(play())


def test_a_report_has_the_units(rig: Rig) -> None:
    async def play() -> None:
        await SCRIPT(rig)
        result = await ordered(rig, 1, c.ReportUnits())
        assert result["details"]["report"]["units"]

    rig.run(play())


@pytest.mark.parametrize("moment", ["before-write", "after-write"])
def test_the_power_goes_beside_the_write_and_the_command_is_done_once(rig: Rig, moment: str) -> None:
    sent: list[bytes] = []

    async def play() -> None:
        await rig.ready()
        sent.append(command(rig, 1, HOLD))
        rig.crash_at = (moment, rig.counts[moment] + 1)
        await give(rig, sent[0])

    with pytest.raises(PowerCut):
        rig.run(play())
    rig.bury()
    rig.start()

    async def again() -> None:
        await rig.ready()
        assert opened(await give(rig, sent[0]))["outcome"] == "done"
        assert any(HOLD.reason in words for words in (await status(rig)).out_of_service_reasons)

    rig.run(again())
    assert len(records(rig, "result")) == 1


def test_a_complaint_of_the_bank_is_a_leaf_and_an_alert_once(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        found = Complaint(
            KIOSK, 1, "gap", 7, 1, rig.journal.log.root_at(1), "record 7 is missing", b"", rfc3339(rig.clock.now_utc())
        )
        for _ in range(2):
            assert await give(rig, complaints.make(found, ACKS), "complaint") == Delivered()
        with pytest.raises(VerificationError):
            await give(rig, complaints.make(found, BANK), "complaint")

    rig.run(play())
    (kept,) = records(rig, "complaint")
    assert (kept["number"], kept["complaint"], kept["sequence"]) == (1, "gap", 7)
    (told,) = [each for each in records(rig, "alert") if each["alert"] == "complaint"]
    assert "record 7" in told["reasons"][0]


def test_another_configuration_or_version_is_on_record_once(rig: Rig) -> None:
    def start(software: str, config_hash: str) -> None:
        rig.bury()
        rig.software, rig.config_hash = software, config_hash
        rig.start()
        rig.run(rig.ready())

    for software, config_hash in [("1.0", "aa"), ("1.0", "aa"), ("1.0", "bb"), ("1.1", "bb")]:
        start(software, config_hash)
    found = records(rig, "service", "configuration_changed")
    assert [(each["software"], each["config_hash"]) for each in found] == [("1.0", "aa"), ("1.0", "bb"), ("1.1", "bb")]
    assert found[1]["before"]["config_hash"] == "aa"


def test_an_acknowledgement_that_is_none_is_on_record(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        for _ in range(2):
            with pytest.raises(VerificationError):
                await rig.desk.handle("uplink", DeliverAck(b"rubbish"))

    rig.run(play())
    assert [each["lane"] for each in records(rig, "service", "statement_refused")] == ["ack"]


def test_without_the_banks_key_nothing_is_accepted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.start()
    try:

        async def play() -> None:
            await rig.ready()
            reply = await give(rig, command(rig, 1, HOLD))
            assert isinstance(reply, Refused)
            assert reply.code == "no_command_key"

        rig.run(play())
    finally:
        rig.close()
