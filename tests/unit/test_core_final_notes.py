"""The deposit table without bunch escrow: each accepted note is final, and credited when it is in the cassette."""

from msgspec.structs import replace

from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.facts import Evidence
from kiosk.core.ledger import FISHED, HELD, IN_DOUBT
from kiosk.core.money import Claim, Place
from kiosk.core.records import deposit_record, totals
from kiosk.core.state import State
from tests.unit.test_core_deposit import BEGIN, LOW, POLICY, Play, board, closed, validator

FINAL = replace(POLICY, bunch_escrow=False, suspect_custody=False)
SILENT = Evidence(replace(validator(), counted=False), board())  # a validator that remembers nothing
COMPLETE = Evidence(replace(validator(), counted=False, bookmark=9, heard_all=True), board())
HIGH = (f.Assessment("access", "high", ("danger",)),)


def asked() -> Play:
    return Play(replace(BEGIN, policy=FINAL), f.Assessed("", asked=True, assessments=LOW[:1]))


def in_cash_in() -> Play:
    return asked().do(f.Consent("08:00"), f.Prepared(SILENT), f.ShutterMoved(open=True, ok=True))


def with_notes(*channels: int) -> Play:
    play = in_cash_in()
    for channel in channels:
        play.do(f.NoteRead(channel), f.NoteCredited(channel), f.NoteStacked(), f.Acknowledged())
    return play


def money(play: Play) -> dict[str, int]:
    return totals(play.deposit.notes).get("CNY", {})


def test_the_shutter_stays_shut_until_the_depositor_agrees() -> None:
    play = asked()
    assert play.deposit.state is State.CONSENTING
    assert play.orders == []
    assert play.do(f.Consent("08:00")).orders == [o.PrepareValidator]
    assert play.do(f.Prepared(SILENT)).orders == [o.OpenShutter]
    assert deposit_record(play.deposit, "").body["consented_at"] == "08:00"


def test_whoever_does_not_agree_has_deposited_nothing() -> None:
    for leaves in (f.Cancel(), f.TimedOut()):
        play = asked().do(leaves)
        assert (play.deposit.state, play.deposit.outcome) == (State.CLOSING, "nothing_inserted")
    assert asked().do(f.Assessed("", asked=False, assessments=HIGH)).deposit.outcome == "refused_risk"
    assert asked().do(f.Reconciled("", SILENT, restarted=True)).deposit.outcome == "interrupted"
    assert asked().do(f.Reconciled("", SILENT, restarted=False)).deposit.state is State.CONSENTING


def test_a_note_in_the_cassette_is_credited_and_ends_without_bundle() -> None:
    play = with_notes(2, 1)
    assert [note.place for note in play.deposit.notes] == [Place.CASH_IN, Place.CASH_IN]
    assert [note.claim for note in play.deposit.notes] == [Claim.CREDITED, Claim.CREDITED]
    play.do(f.Done(), f.ShutterMoved(open=False, ok=True))
    assert (play.deposit.state, play.deposit.outcome) == (State.CLOSING, "credited")
    closed(play)
    assert play.orders == [o.PrintReceipt]
    assert play.outcome.records[0].body["bundle"]["id"] == ""  # type: ignore[index]
    assert money(play)["credited"] == 11000


def test_cancel_gives_back_nothing_that_is_credited() -> None:
    play = with_notes(2).do(f.Cancel(), f.ShutterMoved(open=False, ok=True))
    assert play.deposit.outcome == "credited"
    play = with_notes(2).do(f.NoteRead(1), f.Cancel(), f.NoteRefused("reject_by_host"))
    assert (play.deposit.state, play.deposit.outcome) == (State.CLOSING, "credited")
    assert money(play)["credited"] == 10000
    play = with_notes().do(f.Cancel(), f.ShutterMoved(open=False, ok=True))
    assert play.deposit.outcome == "cancelled"


def test_a_suspect_note_is_refused_and_credited_money_counts_against_the_limit() -> None:
    play = with_notes(2).do(f.NoteRead(3))
    assert play.orders == [o.RejectNote]
    assert play.deposit.last_refusal == "counterfeit"
    tight = replace(FINAL, limits=(replace(FINAL.limits[0], deposit_minor_max=15000),))
    play = Play(replace(BEGIN, policy=tight), f.Assessed("", asked=True, assessments=LOW[:1]), f.Consent(""))
    play.do(f.Prepared(SILENT), f.ShutterMoved(open=True, ok=True))
    play.do(f.NoteRead(2), f.NoteCredited(2), f.NoteStacked(), f.NoteRead(2))
    assert play.deposit.last_refusal == "limitOverAmount"


def test_a_repeated_report_of_one_note_is_one_note() -> None:
    play = with_notes(2).do(f.NoteRead(1), f.NoteCredited(1), f.NoteStacked(), f.NoteCredited(1))
    assert len(play.deposit.notes) == 2


def test_after_a_crash_what_was_credited_stays_and_the_deposit_ends() -> None:
    play = with_notes(2).do(f.Reconciled("", SILENT, restarted=True))
    assert (play.deposit.state, play.deposit.outcome) == (State.CLOSING, "credited")
    assert [note.place for note in play.deposit.notes] == [Place.CASH_IN]


def test_a_note_that_was_ordered_in_and_is_reported_late_is_credited() -> None:
    play = with_notes(2).do(f.NoteRead(1), f.NoteCredited(1), f.NoteStacked(), f.Reconciled("", SILENT, restarted=True))
    assert money(play) == {"inserted": 11000, "credited": 11000, "returned": 0, "retained": 0, "disputed": 0}


def test_a_note_of_which_nothing_is_heard_is_disputed_unless_the_event_list_is_complete() -> None:
    play = with_notes(2).do(f.NoteRead(1), f.Reconciled("", SILENT, restarted=True))
    assert money(play)["disputed"] == 1000
    assert play.deposit.notes[-1].reason == IN_DOUBT
    assert play.deposit.notes[-1].place is Place.UNKNOWN
    play = with_notes(2).do(f.NoteRead(1), f.Reconciled("", COMPLETE, restarted=True))
    assert money(play)["disputed"] == 0
    assert play.deposit.at_bezel
    assert play.deposit.state is State.SUSPENDED


def test_a_complete_event_list_says_nothing_of_what_was_ordered_in_before_it_began() -> None:
    play = with_notes(2).do(f.NoteRead(1), f.Acknowledged(9, gap=True), f.Reconciled("", COMPLETE, restarted=True))
    assert play.deposit.notes[-1].reason == IN_DOUBT
    play = with_notes(2).do(f.Acknowledged(9, gap=True), f.NoteRead(1), f.Reconciled("", COMPLETE, restarted=True))
    assert money(play)["disputed"] == 0


def test_a_note_that_the_validator_holds_and_will_not_say_is_disputed_once() -> None:
    held = Evidence(replace(validator(), counted=False, note_held=True), board())
    play = with_notes(2).do(f.NoteRead(1), f.Reconciled("", held, restarted=True))
    assert (play.deposit.notes[-1].reason, play.deposit.notes[-1].value_minor) == (HELD, 1000)
    play = with_notes(2).do(f.Reconciled("", held, restarted=False))
    assert play.deposit.state is State.SETTLING
    play.do(f.Reconciled("", held, restarted=True))
    assert [note.value_minor for note in play.deposit.notes] == [10000, None]


def test_a_note_with_a_string_is_disputed_because_nobody_knows_where_it_is() -> None:
    play = with_notes(2).do(f.NoteRead(1), f.FraudSeen(0), f.FraudSeen(0))
    assert play.deposit.state is State.SETTLING
    assert money(play) == {"inserted": 11000, "credited": 10000, "returned": 0, "retained": 0, "disputed": 1000}
    assert play.deposit.notes[-1].reason == FISHED


def test_a_jam_that_nobody_clears_disputes_the_note_that_was_ordered_in() -> None:
    for safe in (True, False):
        play = with_notes(2).do(f.NoteRead(1), f.Jammed(safe=safe), f.TimedOut())
        assert money(play) == {"inserted": 11000, "credited": 10000, "returned": 0, "retained": 0, "disputed": 1000}
        assert play.deposit.outcome == "credited"


def test_the_bookmark_follows_the_acknowledged_events() -> None:
    play = in_cash_in().do(f.NoteRead(2), f.NoteCredited(2), f.NoteStacked(), f.Acknowledged(7))
    assert play.deposit.bookmark == 7
    assert play.do(f.Acknowledged()).deposit.bookmark == 7
