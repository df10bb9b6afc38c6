"""Two people at a whole kiosk: what they allow, refuse and cannot do, with power cuts in between."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiosk.core import authority
from kiosk.core.actions import SUPERVISOR, AcceptDevice, ClearDispute, ClearedNote, Revoke
from kiosk.core.authority_facts import Approved, Authority, AuthorityOutcome, OpenRequest
from kiosk.core.people import Role
from kiosk.core.state import State
from kiosk.messages import (
    Asked,
    CarryOut,
    ChangeSecret,
    FoundPeople,
    GetDisputes,
    GetLog,
    LogRows,
    NewPerson,
    Ok,
    Refused,
    RequestAction,
    RequestEnrolment,
    RequestRenewal,
    SignedInAs,
    SignIn,
    WithdrawAction,
)
from tests.simulation.judge import judge
from tests.simulation.people import PINS, approve, ask, asked, clear_all, found, people, say
from tests.simulation.rig import PowerCut, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


async def abandoned(rig: Rig) -> None:
    """Two notes, and nobody comes back: they end in the retract bin, disputed."""
    await rig.identify()
    for value_minor in (10000, 5000):
        await rig.feed(value_minor)
    await rig.touch("done")
    await rig.state(State.IDLE, limit_s=2000)


def contents(rig: Rig, kind: str) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == kind]


def refusal(reply: object) -> str:
    assert isinstance(reply, Refused), reply
    assert reply.remedy
    return reply.code


def test_two_people_clear_a_dispute_and_nothing_is_rewritten(rig: Rig) -> None:
    async def play() -> None:
        await abandoned(rig)
        await found(rig)
        request = await asked(rig, "ben", await clear_all(rig))
        assert (request.done, request.waits_for) == (False, ("supervisor",))
        done = await approve(rig, "anna", request)
        assert isinstance(done, Asked)
        assert done.done
        assert refusal(await approve(rig, "fay", request)) == "no_request"
        assert getattr(await say(rig, GetDisputes()), "disputes", None) == ()

    rig.run(play())
    (deposit,), (clearing,) = contents(rig, "deposit"), contents(rig, "clearing")
    assert deposit["sums"]["CNY"]["disputed"] == 15000
    assert clearing["deposit_id"] == deposit["deposit_id"]
    assert clearing["sums"] == {"CNY": 15000}
    assert clearing["by"] == ["ben", "anna"]
    assert [record["event"] for record in contents(rig, "authority")] == ["requested", "approved", "used"]
    assert rig.journal.disputes.open() == ()
    assert judge(rig).complaints == []


def test_who_looked_and_who_tried_what_they_may_not_is_on_record_once_in_ten_minutes(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        for _ in range(3):
            assert isinstance(await say(rig, GetLog("fay", PINS["fay"], 5)), LogRows)
            assert refusal(await say(rig, GetLog("dora", PINS["dora"], 5))) == "wrong_role"
            assert refusal(await ask(rig, "carl", Revoke("ben"))) == "wrong_role"
            assert refusal(await say(rig, GetLog("ben", "000111", 5))) in ("wrong_pin", "locked_out")
        await asyncio.sleep(601)
        assert isinstance(await say(rig, GetLog("fay", PINS["fay"], 5)), LogRows)

    rig.run(play())
    told = [each for each in contents(rig, "service") if each["event"] in ("looked", "refused")]
    assert [(each["event"], each["by"], each["what"]) for each in told] == [
        ("looked", "fay", "GetLog"), ("refused", "dora", "GetLog"), ("refused", "carl", "Revoke"),
        ("looked", "fay", "GetLog"),
    ]  # fmt: skip


def test_one_person_alone_clears_nothing(rig: Rig) -> None:
    async def play() -> None:
        await abandoned(rig)
        await found(rig)
        clear = await clear_all(rig)
        request = await asked(rig, "anna", clear)
        assert refusal(await approve(rig, "anna", request)) == "same_person"
        assert refusal(await say(rig, CarryOut("ben", PINS["ben"], request.number))) == "no_request"
        again = await say(rig, CarryOut("anna", PINS["anna"], request.number))
        assert isinstance(again, Asked)
        assert not again.done
        assert refusal(await approve(rig, "carl", request)) == "wrong_role"
        assert refusal(await approve(rig, "fay", request, PINS["anna"])) == "wrong_pin"
        altered = msgspec.structs.replace(request, content=bytes(32))
        assert refusal(await approve(rig, "fay", altered)) == "other_content"
        await asyncio.sleep(ClearDispute.lifetime_s + 2)
        assert refusal(await approve(rig, "fay", request)) == "no_request"

    rig.run(play())
    assert contents(rig, "clearing") == []


def one_seat(patch: pytest.MonkeyPatch) -> None:
    """Somebody takes the second seat out of the catalogue."""
    patch.setattr(ClearDispute, "seats", (SUPERVISOR,))


def nobody_looks(patch: pytest.MonkeyPatch) -> None:
    """Somebody lets people approve what they asked for."""

    def signers(state: Authority, request: OpenRequest) -> tuple[tuple[Role, ...], ...]:
        return tuple(person.roles for staff in request.signers if (person := state.person(staff)) is not None)

    def approved(state: Authority, fact: Approved) -> AuthorityOutcome:
        request = state.request(fact.number, fact.at_s)
        assert request is not None
        signed = msgspec.structs.replace(request, signers=(*request.signers, fact.by))
        return AuthorityOutcome(msgspec.structs.replace(state, requests=(signed,)))

    patch.setattr(authority, "_signers", signers)
    handlers: dict[Any, Any] = authority._HANDLERS  # noqa: SLF001 - the very check is taken out
    patch.setitem(handlers, Approved, approved)


@pytest.mark.parametrize("broken", [one_seat, nobody_looks])
def test_the_judge_sees_a_dispute_cleared_by_one_person(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    async def play() -> None:
        await abandoned(rig)
        await found(rig)
        broken(monkeypatch)
        request = await asked(rig, "anna", await clear_all(rig))
        if not request.done:
            done = await approve(rig, "anna", request)
            assert isinstance(done, Asked)
            assert done.done

    rig.run(play())
    assert len(contents(rig, "clearing")) == 1
    assert judge(rig).complaints != []


def test_what_does_not_fit_the_books_is_not_even_asked_for(rig: Rig) -> None:
    async def play() -> None:
        await abandoned(rig)
        await found(rig)
        clear = await clear_all(rig)
        for wrong in (
            msgspec.structs.replace(clear, deposit_id=bytes(16)),
            msgspec.structs.replace(clear, notes=(ClearedNote(1), ClearedNote(1))),
            msgspec.structs.replace(clear, notes=(ClearedNote(99),)),
            msgspec.structs.replace(clear, notes=(ClearedNote(1, 500, "CNY"),)),
        ):
            assert refusal(await ask(rig, "ben", wrong)) == "cannot_clear"
        for wrong in (msgspec.structs.replace(clear, evidence="short"), msgspec.structs.replace(clear, notes=())):
            assert refusal(await ask(rig, "ben", wrong)) == "bad_request"
        assert refusal(await say(rig, RequestAction("ben", PINS["ben"], {"action": "OpenSafe"}))) == "bad_request"
        twice = [await asked(rig, "ben", clear), await asked(rig, "ben", clear)]
        assert isinstance(await approve(rig, "anna", twice[0]), Asked)
        late = await approve(rig, "anna", twice[1])
        assert isinstance(late, Asked)
        assert (late.done, bool(late.not_yet)) == (False, True)

    rig.run(play())
    assert len(contents(rig, "clearing")) == 1


@pytest.mark.parametrize("write", range(1, 5), ids=["founded", "requested", "approved", "used"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_power_cut_at_any_write_leaves_use_and_effect_together(tmp_path: Path, when: str, write: int) -> None:
    rig = Rig(tmp_path)
    rig.start()

    async def first() -> None:
        await abandoned(rig)
        rig.crash_at = (f"{when}-write", rig.counts[f"{when}-write"] + write)
        await found(rig)
        await approve(rig, "anna", await asked(rig, "ben", await clear_all(rig)))

    async def second() -> None:
        await rig.ready()
        events = [record["event"] for record in contents(rig, "authority")]
        assert events == ["requested", "approved", "used"][: max(write - (when == "before") - 1, 0)]
        assert len(contents(rig, "clearing")) == events.count("used")
        if not contents(rig, "people"):
            await found(rig)
        waiting = (await people(rig)).requests
        signed = {1: [("ben",)], 2: [("ben", "anna")]}.get(len(events), [])
        assert [request.signers for request in waiting] == signed
        if waiting and not waiting[0].waits_for:
            assert isinstance(await say(rig, CarryOut("anna", PINS["anna"], waiting[0].number)), Asked)
        elif rig.journal.disputes.open():
            request = waiting[0] if waiting else await asked(rig, "ben", await clear_all(rig))
            assert isinstance(await approve(rig, "fay", request), Asked)

    try:
        with pytest.raises(PowerCut):
            rig.run(first())
        rig.bury()
        rig.start()
        rig.run(second())
        assert len(contents(rig, "clearing")) == 1
        assert rig.journal.disputes.open() == ()
        assert judge(rig).complaints == []
    finally:
        rig.close()


def test_an_approved_action_waits_until_the_deposit_is_over(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        await rig.state(State.CASH_IN)
        waiting = await asked(rig, "carl", AcceptDevice("validator", 99))
        assert (waiting.done, waiting.not_yet) == (False, "A deposit is under way.")
        await rig.touch("cancel")
        await rig.state(State.IDLE, limit_s=2000)
        done = await say(rig, CarryOut("carl", PINS["carl"], waiting.number))
        assert isinstance(done, Asked)
        assert done.done

    rig.run(play())
    accepted = [record for record in contents(rig, "service") if record["event"] == "device_accepted"]
    assert accepted[-1]["serial"] == 99


def test_guessing_a_pin_locks_out_over_a_restart_and_two_others_renew_it(rig: Rig) -> None:
    async def guess() -> None:
        await found(rig)
        for code in ("wrong_pin", "wrong_pin", "wrong_pin", "locked_out"):
            assert refusal(await ask(rig, "carl", AcceptDevice("validator", 1), pin="000111")) == code

    async def afterwards() -> None:
        await rig.ready()
        assert refusal(await ask(rig, "carl", AcceptDevice("validator", 1))) == "locked_out"
        renewal = await say(rig, RequestRenewal("anna", PINS["anna"], "carl", "271828"))
        assert isinstance(renewal, Asked)
        assert isinstance(await approve(rig, "ben", renewal), Asked)
        assert refusal(await ask(rig, "carl", AcceptDevice("validator", 1))) == "wrong_pin"
        assert await say(rig, ChangeSecret("carl", "271828", "314159")) == Ok()
        accepted = await ask(rig, "carl", AcceptDevice("validator", 1), pin="314159")
        assert isinstance(accepted, Asked)
        assert accepted.done

    rig.run(guess())
    rig.bury()
    rig.start()
    rig.run(afterwards())
    assert [alert["alert"] for alert in contents(rig, "alert")] == ["locked_out"]


def test_guessing_at_everybody_closes_the_entrance_over_a_restart_and_stops_no_money(rig: Rig) -> None:
    session = ""

    async def guess() -> None:
        nonlocal session
        await found(rig)
        signed = await say(rig, SignIn("anna", PINS["anna"]))
        assert isinstance(signed, SignedInAs)
        session = signed.session
        await rig.identify()
        await rig.feed(10000)
        others = ["ben", "carl", "dora", "fay", "anna"] * 2
        for staff in others:
            assert refusal(await say(rig, SignIn(staff, "000111"))) == "wrong_pin"
        closed = await say(rig, SignIn("ben", PINS["ben"]))
        assert refusal(closed) == "locked_out"
        assert "nobody signs in by PIN" in getattr(closed, "message", "")
        assert isinstance(await say(rig, GetLog("anna", session, 5)), LogRows), "who is signed in goes on"
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    async def afterwards() -> None:
        await rig.ready()
        assert refusal(await say(rig, SignIn("ben", PINS["ben"]))) == "locked_out"
        await asyncio.sleep(31)
        assert isinstance(await say(rig, SignIn("ben", PINS["ben"])), SignedInAs)

    rig.run(guess())
    rig.crash_takes_power = False
    rig.die()
    rig.bury()
    rig.start()
    rig.run(afterwards())
    reasons = [alert["reasons"] for alert in contents(rig, "alert") if alert["alert"] == "locked_out"]
    assert [len(each) for each in reasons] == [1]
    assert judge(rig).complaints == []


def test_people_come_and_go_by_two_peoples_word(rig: Rig) -> None:
    async def play() -> None:
        assert refusal(await ask(rig, "carl", AcceptDevice("validator", 1))) == "unknown_person"
        weak = (NewPerson("anna", ("supervisor",), "123456"), NewPerson("ben", ("staff",), "402867"))
        assert refusal(await say(rig, FoundPeople(weak))) == "weak_pin"
        odd = (NewPerson("anna", ("boss",), "739155"), NewPerson("ben", ("staff",), "402867"))
        assert refusal(await say(rig, FoundPeople(odd))) == "bad_request"
        spaced = (NewPerson("an na", ("supervisor",), "739155"), NewPerson("ben", ("staff",), "402867"))
        assert refusal(await say(rig, FoundPeople(spaced))) == "bad_request"
        await found(rig)
        assert refusal(await say(rig, FoundPeople(odd))) == "already_founded"
        enrol = RequestEnrolment("ben", PINS["ben"], "gus", ("technician",), "864201")
        request = await say(rig, enrol)
        assert isinstance(request, Asked)
        assert refusal(await ask(rig, "gus", AcceptDevice("validator", 1), pin="864201")) == "unknown_person"
        assert isinstance(await approve(rig, "anna", request), Asked)
        assert getattr(await ask(rig, "gus", AcceptDevice("validator", 1), pin="864201"), "done", False)
        revoke = await asked(rig, "ben", Revoke("gus"))
        assert await say(rig, WithdrawAction("anna", PINS["anna"], revoke.number)) == Ok()
        revoke = await asked(rig, "ben", Revoke("gus"))
        assert isinstance(await approve(rig, "anna", revoke), Asked)
        assert refusal(await ask(rig, "gus", AcceptDevice("validator", 1), pin="864201")) == "unknown_person"
        assert [person.active for person in (await people(rig)).people if person.staff == "gus"] == [False]

    rig.run(play())
    told = str(contents(rig, "authority") + contents(rig, "people"))
    assert "864201" not in told
    assert "verifier" not in told


def test_unknown_notes_need_a_value_and_suspect_ones_are_nobodys_credit() -> None:
    from kiosk.core.disputes import CannotClear, Dispute, settled  # noqa: PLC0415 - the pure part, beside its scenario

    known = (
        Dispute(bytes(16), 1, None, "", suspect=False, place="tray", reason="more notes than known"),
        Dispute(bytes(16), 2, 10000, "CNY", suspect=True, place="unknown", reason="lost"),
    )

    def clear(resolution: Any, *notes: ClearedNote) -> ClearDispute:
        return ClearDispute(bytes(16), notes, resolution, "found under the tray, count 3")

    with pytest.raises(CannotClear, match="unknown value"):
        settled(clear("credited", ClearedNote(1)), known)
    with pytest.raises(CannotClear, match="suspect"):
        settled(clear("returned", ClearedNote(2)), known)
    with pytest.raises(CannotClear, match="go together"):
        settled(clear("bank", ClearedNote(1, 500)), known)
    assert settled(clear("credited", ClearedNote(1, 500, "CNY")), known) == (ClearedNote(1, 500, "CNY"),)
    assert settled(clear("not_found", ClearedNote(1)), known) == (ClearedNote(1),)
    assert settled(clear("bank", ClearedNote(2)), known) == (ClearedNote(2, 10000, "CNY"),)
