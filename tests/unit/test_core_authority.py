"""Authority by hand: who may allow what, once, in time, for exactly this."""

import msgspec
import pytest

from kiosk.core import actions as a
from kiosk.core.authority import replay, step
from kiosk.core.authority_facts import (
    AnyAuthorityFact,
    Approved,
    Authority,
    Changed,
    Failed,
    Founded,
    Founder,
    NotAuthorised,
    Requested,
    SignedIn,
    Used,
    Withdrawn,
)
from kiosk.core.guessing import FORGOTTEN_S, FREE_TRIES
from kiosk.core.people import LOCK_LONGEST_S, Passphrase, Role, lock_s, roles_stand
from kiosk.core.state import RecordDraft

T = 1_800_000_000
PIN = Passphrase(salt=b"salt", verifier=b"verifier", log2_n=1, r=1, p=8)
OTHER_PIN = Passphrase(salt=b"pepper", verifier=b"other", log2_n=1, r=1, p=8)
FOUNDERS = (
    Founder("anna", (Role.SUPERVISOR,), PIN),
    Founder("ben", (Role.STAFF,), PIN),
    Founder("carl", (Role.TECHNICIAN,), PIN),
    Founder("dora", (Role.COURIER,), PIN),
    Founder("emil", (Role.AUDITOR,), PIN),
    Founder("fay", (Role.STAFF, Role.SUPERVISOR), PIN),
)
CLEAR = a.ClearDispute(bytes(16), (a.ClearedNote(3),), "returned", "handed back at the counter, voucher 17")
EXCHANGE = a.ExchangeStart(("cabinet",))
ACCEPT = a.AcceptDevice("validator", 4711)


class Play:
    """Applies facts and keeps everything that was put on record."""

    def __init__(self, *facts: AnyAuthorityFact) -> None:
        self.state = Authority()
        self.facts: list[AnyAuthorityFact] = []
        self.records: list[RecordDraft] = []
        self.do(Founded(T, FOUNDERS), *facts)

    def do(self, *facts: AnyAuthorityFact) -> "Play":
        for fact in facts:
            outcome = step(self.state, fact)
            self.state = outcome.state
            self.records += outcome.records
            self.facts.append(fact)
            assert replay(self.facts) == self.state
        return self

    def refused(self, fact: AnyAuthorityFact) -> str:
        with pytest.raises(NotAuthorised) as refusal:
            step(self.state, fact)
        assert refusal.value.remedy
        return refusal.value.code

    @property
    def events(self) -> list[object]:
        return [record.body.get("event") for record in self.records]


def test_two_people_allow_it_once() -> None:
    play = Play(Requested(T, "ben", CLEAR), Approved(T + 5, 1, "anna", a.content(CLEAR)))
    play.do(Used(T + 6, 1, a.content(CLEAR)))
    assert play.refused(Used(T + 7, 1, a.content(CLEAR))) == "no_request"
    assert play.events == ["founded", "requested", "approved", "used"]
    used = play.records[-1].body
    assert used["by"] == ["ben", "anna"]
    assert used["action"] == {
        "action": "ClearDispute",
        "deposit_id": bytes(16),
        "notes": [{"n": 3, "value_minor": None, "currency": ""}],
        "resolution": "returned",
        "evidence": "handed back at the counter, voucher 17",
    }


def test_nobody_approves_their_own_request() -> None:
    play = Play(Requested(T, "fay", CLEAR))
    assert play.refused(Approved(T, 1, "fay", a.content(CLEAR))) == "same_person"
    assert play.refused(Used(T, 1, a.content(CLEAR))) == "not_approved"


def test_the_seats_want_their_roles() -> None:
    assert Play().refused(Requested(T, "emil", CLEAR)) == "wrong_role"
    assert Play().refused(Requested(T, "carl", CLEAR)) == "wrong_role"
    assert Play(Requested(T, "ben", CLEAR)).refused(Approved(T, 1, "dora", a.content(CLEAR))) == "wrong_role"
    play = Play(Requested(T, "dora", EXCHANGE))
    assert play.refused(Approved(T, 1, "emil", a.content(EXCHANGE))) == "wrong_role"
    play.do(Approved(T, 1, "ben", a.content(EXCHANGE)), Used(T, 1, a.content(EXCHANGE)))


def test_two_couriers_are_not_enough_for_an_exchange() -> None:
    play = Play(Requested(T, "ben", a.Enrol("gus", (Role.COURIER,), PIN)))
    play.do(Approved(T, 1, "anna", a.content(play.state.requests[0].action)))
    play.do(Used(T, 1, a.content(play.state.requests[0].action)), Requested(T, "gus", EXCHANGE))
    assert play.refused(Approved(T, 2, "dora", a.content(EXCHANGE))) == "wrong_role"


def test_a_signature_is_for_this_content_alone() -> None:
    altered = msgspec.structs.replace(CLEAR, resolution="credited")
    play = Play(Requested(T, "ben", CLEAR))
    assert play.refused(Approved(T, 1, "anna", a.content(altered))) == "other_content"
    play.do(Approved(T, 1, "anna", a.content(CLEAR)))
    assert play.refused(Used(T, 1, a.content(altered))) == "other_content"


def test_another_pin_for_somebody_is_another_content() -> None:
    assert a.content(a.Renew("ben", PIN)) != a.content(a.Renew("ben", OTHER_PIN))
    assert a.said(a.Renew("ben", PIN)) == {"action": "Renew", "staff": "ben"}


def test_a_request_ends() -> None:
    ends_s = T + CLEAR.lifetime_s
    play = Play(Requested(T, "ben", CLEAR))
    assert play.state.open_requests(ends_s)
    assert not play.state.open_requests(ends_s + 1)
    assert play.refused(Approved(ends_s + 1, 1, "anna", a.content(CLEAR))) == "no_request"
    play.do(Approved(ends_s, 1, "anna", a.content(CLEAR)))
    assert play.refused(Used(ends_s + 1, 1, a.content(CLEAR))) == "no_request"
    play.do(Requested(ends_s + 1, "ben", EXCHANGE))
    assert play.events[-2:] == ["expired", "requested"]


def test_a_clock_that_was_set_back_ends_requests_but_a_correction_does_not() -> None:
    play = Play(Requested(T, "ben", CLEAR))
    assert not play.state.open_requests(T - 3600)
    assert play.refused(Approved(T - 3600, 1, "anna", a.content(CLEAR))) == "no_request"
    play.do(Approved(T - 30, 1, "anna", a.content(CLEAR)))
    assert play.state.at_s == T


def test_one_person_is_enough_where_one_seat_is() -> None:
    play = Play(Requested(T, "carl", ACCEPT), Used(T, 1, a.content(ACCEPT)))
    assert play.events[-2:] == ["requested", "used"]
    assert Play().refused(Requested(T, "anna", ACCEPT)) == "wrong_role"


def test_who_is_revoked_allows_nothing_any_more() -> None:
    play = Play(Requested(T, "ben", CLEAR), Approved(T, 1, "anna", a.content(CLEAR)))
    revoke = a.Revoke("ben")
    play.do(Requested(T, "fay", revoke), Approved(T, 2, "anna", a.content(revoke)), Used(T, 2, a.content(revoke)))
    assert play.refused(Used(T, 1, a.content(CLEAR))) == "no_request"
    assert play.refused(Requested(T, "ben", CLEAR)) == "unknown_person"
    assert play.events[-2:] == ["expired", "used"]


def test_somebody_must_be_left_to_enrol_others() -> None:
    fay = a.Revoke("fay")
    play = Play(Requested(T, "anna", a.Revoke("ben")))  # possible as long as Fay is there
    play.do(Requested(T, "anna", fay), Approved(T, 2, "ben", a.content(fay)), Used(T, 2, a.content(fay)))
    assert play.refused(Used(T, 1, a.content(a.Revoke("ben")))) == "not_approved"
    assert play.refused(Requested(T, "ben", a.Revoke("anna"))) == "too_few"


def test_guessing_locks_out_for_longer_each_time() -> None:
    play = Play(Failed(T, "anna"), Failed(T, "anna"))
    assert play.state.locked_s("anna", T) == 0
    play.do(Failed(T, "anna"))
    assert play.state.locked_s("anna", T) == 30
    assert play.records[-1].body["alert"] == "locked_out"
    assert play.refused(Requested(T + 29, "anna", CLEAR)) == "locked_out"
    play.do(Failed(T + 30, "anna"))
    assert play.state.locked_s("anna", T + 30) == 60
    play.do(Requested(T + 90, "anna", CLEAR))
    person = play.state.person("anna")
    assert person is not None
    assert person.failures == 0
    assert [lock_s(n) for n in (0, 2, 3, 4, 9, 10, 10_000)] == [0, 0, 30, 60, 1920, LOCK_LONGEST_S, LOCK_LONGEST_S]


def test_a_lock_outlasts_no_clock_that_went_astray() -> None:
    year_s = 365 * 86_400
    play = Play(*(Failed(T + year_s, "anna"),) * 3)
    assert play.state.locked_s("anna", T) == 30
    play.do(Failed(T, "ben"))
    assert play.state.locked_s("anna", T + 30) == 0


def test_guessing_at_one_after_another_closes_the_entrance_to_all() -> None:
    everybody = [founder.staff for founder in FOUNDERS]
    play = Play(*(Failed(T, everybody[n % 5]) for n in range(FREE_TRIES - 1)))
    assert play.state.closed_s("maintenance", T) == 0
    play.do(Failed(T, "fay"))
    assert play.state.closed_s("maintenance", T) == 30
    assert play.state.locked_s("fay", T) == 0, "it is not hers"
    assert play.state.closed_s("screen", T) == 0
    reasons = str(play.records[-1].body["reasons"])
    assert "maintenance: nobody signs in by PIN for 30 s after 10" in reasons
    assert "fay" not in reasons
    play.do(Failed(T + 30, "fay"))
    assert play.state.closed_s("maintenance", T + 30) == 60


def test_a_right_pin_wipes_out_no_failed_tries_of_others_and_time_does() -> None:
    play = Play(*(Failed(T, staff) for staff in ("anna", "ben", "carl") * 3))
    play.do(SignedIn(T + 3600, "fay", None, session=True, duress=False))
    assert play.state.failed_at("maintenance").count == FREE_TRIES - 1
    forgotten_s = (FREE_TRIES - 1) * FORGOTTEN_S
    play.do(*(Failed(T + forgotten_s, "fay") for _ in range(2)))
    assert play.state.failed_at("maintenance").count == 2
    assert play.state.closed_s("maintenance", T + forgotten_s) == 0


def test_an_entrance_is_closed_by_no_clock_that_went_astray() -> None:
    year_s = 365 * 86_400
    play = Play(*(Failed(T + year_s, staff) for staff in ("anna", "ben", "carl", "dora", "emil") * 2))
    assert play.state.closed_s("maintenance", T) == 30
    play.do(Changed(T, "fay", PIN))
    assert play.state.closed_s("maintenance", T + 30) == 0


def test_a_new_credential_unlocks_and_is_never_on_record() -> None:
    renew = a.Renew("anna", OTHER_PIN)
    play = Play(*(Failed(T, "anna"),) * 3, Requested(T, "ben", renew))
    play.do(Approved(T, 1, "fay", a.content(renew)), Used(T, 1, a.content(renew)), Changed(T, "anna", PIN))
    assert play.refused(Founded(T, FOUNDERS)) == "already_founded"
    assert "verifier" not in str(play.records)


def test_the_first_people_must_be_able_to_enrol_others() -> None:
    with pytest.raises(NotAuthorised, match="able to enrol"):
        step(Authority(), Founded(T, (Founder("anna", (Role.SUPERVISOR,), PIN),)))
    with pytest.raises(NotAuthorised, match="own"):
        step(Authority(), Founded(T, FOUNDERS[:1] * 2))
    with pytest.raises(NotAuthorised, match="roles"):
        step(Authority(), Founded(T, (*FOUNDERS[:2], Founder("x", (Role.AUDITOR, Role.STAFF), PIN))))
    assert not roles_stand(())


def test_a_request_can_be_withdrawn_by_those_it_concerns() -> None:
    play = Play(Requested(T, "ben", CLEAR))
    assert play.refused(Withdrawn(T, 1, "dora")) == "wrong_role"
    play.do(Withdrawn(T, 1, "anna"))
    assert play.events[-1] == "withdrawn"
    assert play.refused(Approved(T, 1, "anna", a.content(CLEAR))) == "no_request"


def test_one_person_cannot_crowd_out_the_others() -> None:
    play = Play(*(Requested(T, "ben", a.ReturnTray(n)) for n in range(4)))
    assert play.refused(Requested(T, "ben", CLEAR)) == "too_many"
    play.do(Requested(T, "anna", CLEAR))


def test_nobody_is_enrolled_before_the_first_people_are() -> None:
    with pytest.raises(NotAuthorised):
        step(Authority(), Requested(T, "anna", ACCEPT))


@pytest.mark.parametrize("action", a.AnyAction.__args__)
def test_every_action_has_seats_that_somebody_can_fill(action: type[a.Action]) -> None:
    assert action.seats
    assert all(seat and Role.AUDITOR not in seat for seat in action.seats)
    assert 0 < action.lifetime_s <= 3600


def test_what_moves_money_or_people_takes_two() -> None:
    two = {action.__name__ for action in a.AnyAction.__args__ if len(action.seats) == 2}
    assert two == {
        "CalibrateModel", "ChangeRule", "ClearDispute", "Enrol", "ExchangeEnd", "ExchangeStart", "PostCount", "Renew",
        "RestoreBackup", "ReturnTray", "Revoke", "RotateKey",
    }  # fmt: skip
