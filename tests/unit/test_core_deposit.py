"""The deposit table, played by hand: facts in, orders and books out."""

import pytest
from msgspec.structs import replace

from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.deposit import TABLE, IllegalTransition, allowed, replay, step, timeout_s
from kiosk.core.facts import BoardEvidence, Evidence, Fact, ValidatorEvidence
from kiosk.core.ledger import IN_DOUBT, SILENT
from kiosk.core.money import Claim, Place, open_notes
from kiosk.core.paper import reprints_left
from kiosk.core.policy import Limit, NoteKind, Policy
from kiosk.core.records import totals
from kiosk.core.state import Deposit, Outcome, Paper, State

KINDS = (
    NoteKind(1, "CNY", 1000),
    NoteKind(2, "CNY", 10000),
    NoteKind(3, "CNY", 10000, suspect=True),
)
POLICY = Policy(kinds=KINDS, limits=(Limit("CNY", 100_000, 100_000),), notes_max=5)
BEGIN = f.Begin(
    at="2026-11-02T08:00:00.000Z",
    deposit_id=bytes(16),
    code="ABCDEFGH",
    account_sealed=b"sealed",
    account_masked="****7773",
    staff="staff-1",
    policy=POLICY,
    bundle_serial=7,
    slot=3,
)
LOW = tuple(f.Assessment(stage, "low", ()) for stage in ("access", "escrow", "bundling", "storing"))


def validator(stored: int = 0, stacked: int = 0, level: int = 0, dispensed: int = 0) -> ValidatorEvidence:
    levels = ((10000, "CNY", level),) if level else ()
    return ValidatorEvidence(stacked=stacked, stored=stored, dispensed=dispensed, transferred=0, levels=levels)


def board(
    *, tray: int = 0, stored: int = 0, strap: bool = False, label: bool = False, belt: bool = False
) -> BoardEvidence:
    return BoardEvidence(1, 0, 0, 0, tray, belt, strap, label, 0, stored)


NOTHING = Evidence(validator(), board())


class Play:
    """Applies facts and keeps the last outcome."""

    def __init__(self, *facts: Fact) -> None:
        self.outcome = Outcome(Deposit())
        self.facts: list[Fact] = []
        self.do(*facts)

    def do(self, *facts: Fact) -> "Play":
        for fact in facts:
            self.outcome = step(self.outcome.deposit, fact)
            self.facts.append(fact)
            assert replay(self.facts) == self.outcome.deposit
        return self

    @property
    def deposit(self) -> Deposit:
        return self.outcome.deposit

    @property
    def orders(self) -> list[type]:
        return [type(order) for order in self.outcome.orders]


def in_cash_in() -> Play:
    return Play(
        BEGIN,
        f.Assessed("", asked=True, assessments=LOW[:1]),
        f.Prepared(NOTHING),
        f.ShutterMoved(open=True, ok=True),
    )


def with_notes(*channels: int) -> Play:
    play = in_cash_in()
    for channel in channels:
        play.do(f.NoteRead(channel), f.NoteCredited(channel), f.Acknowledged(), f.NoteStored())
    return play


def in_review(*channels: int) -> Play:
    return with_notes(*channels).do(f.Done(), f.ShutterMoved(open=False, ok=True))


def closed(play: Play) -> Play:
    return play.do(f.Assessed("", asked=True, assessments=LOW), f.GuaranteeChecked("", ()))


def test_a_clean_deposit_is_credited_once_and_ends_in_the_cabinet() -> None:
    play = in_review(2, 2, 1)
    assert play.do(f.Confirm("now")).deposit.state is State.COMMITTING
    assert totals(play.deposit.notes)["CNY"]["credited"] == 21000
    assert play.do(f.EscrowCommitted()).outcome.orders == (o.RunBoard(2, (3,)), o.EmptyStore())
    play.do(
        f.BoardDispatched(2, 1, 1),
        f.StoreEmptied(((10000, "CNY", 3),), 0),
        f.BoardFinished(2, 0, board(tray=3)),
        f.BoardDispatched(3, 2, 1),
    )
    assert play.do(f.BoardFinished(3, 0, board(tray=3, strap=True))).outcome.orders == (o.PrintLabel(1),)
    assert play.do(f.LabelPrinted(1, ok=True)).outcome.orders == (o.RunBoard(4, (0, 7, 1)),)
    play.do(f.BoardFinished(4, 0, board(tray=3)), f.BoardFinished(5, 0, board(stored=3)))
    assert {note.place for note in play.deposit.notes} == {Place.CABINET}
    assert closed(play).deposit.state is State.RECEIPT
    assert play.orders == [o.PrintReceipt]
    record, statement = play.outcome.records
    assert record.kind == "deposit"
    assert statement.kind == "receipt"
    assert statement.body["sums"] == record.body["sums"]
    assert not {"risk", "staff", "guarantee", "account_sealed"} & statement.body.keys()
    assert play.do(f.ReceiptPrinted(0, "printed")).deposit.state is State.DONE
    assert record.body["sums"] == {
        "CNY": {"inserted": 21000, "credited": 21000, "returned": 0, "retained": 0, "disputed": 0}
    }


def test_the_intent_to_accept_is_in_the_state_before_the_order() -> None:
    play = in_cash_in().do(f.NoteRead(2))
    assert play.deposit.accepting == 2
    assert play.orders == [o.AcceptNote]
    assert o.AcceptNote.moves_notes


def test_a_repeated_credit_before_the_acknowledgement_is_the_same_note() -> None:
    play = in_cash_in().do(f.NoteRead(2), f.NoteCredited(2), f.NoteCredited(2))
    assert len(play.deposit.notes) == 1
    play.do(f.Acknowledged(), f.NoteStored(), f.NoteRead(2), f.NoteCredited(2))
    assert len(play.deposit.notes) == 2


def test_a_suspect_note_is_retained_and_purged_before_anything_else() -> None:
    play = with_notes(2).do(f.NoteRead(3), f.NoteCredited(3), f.Acknowledged(), f.NoteStacked())
    assert play.orders == [o.DisableValidator, o.RunBoard]
    assert play.deposit.notes[1].claim is Claim.RETAINED
    play.do(f.BoardDispatched(7, 1, 1), f.BoardFinished(7, 0, board()))
    assert play.deposit.notes[1].place is Place.RETRACT
    assert play.deposit.state is State.CASH_IN
    assert totals(play.deposit.notes)["CNY"] == {
        "inserted": 20000,
        "credited": 0,
        "returned": 0,
        "retained": 10000,
        "disputed": 0,
    }


@pytest.mark.parametrize(
    ("kinds", "policy_change", "reason"),
    [
        ((9,), {}, "invalidBill"),
        ((2,), {"notes_max": 0}, "limitOverTotalItems"),
        ((2,), {"limits": (Limit("CNY", 5_000, 100_000),)}, "limitOverAmount"),
        ((3,), {"suspect_custody": False}, "counterfeit"),
    ],
)
def test_a_note_is_refused_with_its_reason(
    kinds: tuple[int, ...], policy_change: dict[str, object], reason: str
) -> None:
    from msgspec.structs import replace  # noqa: PLC0415

    play = in_cash_in()
    play.outcome = Outcome(replace(play.deposit, policy=replace(POLICY, **policy_change)))
    for kind in kinds:
        play.outcome = step(play.deposit, f.NoteRead(kind))
    assert play.outcome.orders == (o.RejectNote(reason),)
    assert play.deposit.notes == ()


def test_a_port_that_is_opened_twice_hands_the_escrow_out_once() -> None:
    play = in_review(2).do(f.Cancel())
    assert play.do(f.ShutterMoved(open=True, ok=True)).orders == [o.CancelEscrow]
    assert play.do(f.ShutterMoved(open=True, ok=True)).orders == []


def test_cancel_returns_every_note_only_when_taken() -> None:
    play = in_review(2, 1).do(f.Cancel(), f.ShutterMoved(open=True, ok=True))
    assert play.orders == [o.CancelEscrow]
    play.do(f.Dispensed((("CNY", 1000),), final=False), f.BezelHeld(1000, "CNY"))
    assert [note.claim for note in play.deposit.notes] == [Claim.OPEN, Claim.OPEN]  # offered, not taken
    play.do(f.Dispensed((("CNY", 11000),), final=False))  # the next one moves: the first was taken
    assert [note.claim for note in play.deposit.notes] == [Claim.OPEN, Claim.RETURNED]
    play.do(f.BezelHeld(10000, "CNY"), f.Dispensed((("CNY", 11000),), final=True))
    assert {note.place for note in play.deposit.notes} == {Place.OUT}
    assert play.deposit.state is State.CLOSING


def test_nobody_comes_back_the_notes_are_retracted_and_disputed() -> None:
    play = in_review(2)
    assert play.do(f.TimedOut()).deposit.state is State.SUSPENDED
    play.do(f.TimedOut(), f.EscrowCommitted(), f.StoreEmptied(((10000, "CNY", 1),), 0), f.BoardDispatched(7, 1, 1))
    play.do(f.BoardFinished(7, 0, board()))
    note = play.deposit.notes[0]
    assert (note.claim, note.place) == (Claim.DISPUTED, Place.RETRACT)
    assert play.deposit.state is State.CLOSING


@pytest.mark.parametrize("failures", [1, 2])
def test_a_label_that_fails_never_holds_up_the_credit(failures: int) -> None:
    play = in_review(2).do(f.Confirm("now"), f.EscrowCommitted(), f.StoreEmptied(((10000, "CNY", 1),), 0))
    play.do(f.BoardFinished(2, 0, board(tray=1)), f.BoardFinished(3, 0, board(tray=1, strap=True)))
    for copy in range(1, failures + 1):
        play.do(f.LabelPrinted(copy, ok=False))
    if failures == 1:
        assert play.outcome.orders == (o.PrintLabel(2),)
    else:
        assert play.deposit.state is State.STORING
        assert not play.deposit.bundle.labelled
    assert totals(play.deposit.notes)["CNY"]["credited"] == 10000


def test_a_short_tray_is_rescanned_and_the_credit_stands() -> None:
    play = in_review(2, 2).do(f.Confirm("now"), f.EscrowCommitted(), f.StoreEmptied(((10000, "CNY", 2),), 0))
    play.do(f.BoardFinished(2, 3, board(tray=1)))
    assert play.outcome.orders == (o.RunBoard(1),)
    play.do(f.BoardFinished(1, 0, board(tray=1)))
    assert play.deposit.bundle.short_by == 1
    assert totals(play.deposit.notes)["CNY"]["credited"] == 20000
    assert play.deposit.state is State.STRAPPING


def test_a_full_tray_is_disputed_by_count_not_by_value() -> None:
    play = in_review(2).do(f.Confirm("now"), f.EscrowCommitted(), f.StoreEmptied(((10000, "CNY", 1),), 0))
    play.do(f.BoardFinished(2, 7, board(tray=2)), f.BoardFinished(1, 0, board(tray=2)))
    assert [note.claim for note in play.deposit.notes] == [Claim.CREDITED, Claim.DISPUTED]
    assert play.deposit.notes[1].value_minor is None


@pytest.mark.parametrize(
    ("at_reset", "stored", "stacked", "notes", "place"),
    [
        (f.AtReset("cleared_from_front", 2, None, ""), 0, 0, 0, None),
        (f.AtReset("cleared_into_cashbox", 2, None, ""), 0, 1, 1, Place.TRANSPORT),
        (f.AtReset("into_store", 0, 10000, "CNY"), 1, 0, 1, Place.ESCROW),
        (None, 1, 0, 1, Place.ESCROW),
        (None, 0, 0, 0, None),
    ],
)
def test_power_lost_while_a_note_is_accepted(
    at_reset: Fact | None, stored: int, stacked: int, notes: int, place: Place | None
) -> None:
    play = in_cash_in().do(f.NoteRead(2))
    if at_reset is not None:
        play.do(at_reset)
    evidence = Evidence(validator(stored=stored, stacked=stacked, level=stored), board(belt=bool(stacked)))
    play.do(f.Reconciled("", evidence, restarted=True))
    assert len(play.deposit.notes) == notes
    if place is not None:
        assert play.deposit.notes[0].place is place
        assert play.deposit.notes[0].claim is Claim.OPEN
        assert play.deposit.state is State.SUSPENDED
    else:  # a note that was handed back may lie behind the shutter: the depositor can have it
        assert play.deposit.state is (State.CLOSING if at_reset is None else State.SUSPENDED)


@pytest.mark.parametrize("said", [("asked", "started"), ("asked", "asked_again")])
def test_a_note_that_was_ordered_in_and_of_which_nothing_is_said_is_disputed(said: tuple[str, ...]) -> None:
    play = in_cash_in().do(f.NoteRead(2), *(f.AtReset(kind, 0, None, "") for kind in said))  # type: ignore[arg-type]
    play.do(f.Reconciled("", Evidence(validator(), board()), restarted=True))
    (note,) = play.deposit.notes
    assert (note.claim, note.place, note.value_minor, note.reason) == (Claim.DISPUTED, Place.UNKNOWN, 10000, SILENT)
    play.do(f.Reconciled("", Evidence(validator(), board()), restarted=True))
    assert play.deposit.notes == (note,)


@pytest.mark.parametrize(
    "said", [("asked",), ("asked", "started", "cleared_from_front"), ("started", "cleared_from_front")]
)
def test_a_note_that_was_handed_back_is_not(said: tuple[str, ...]) -> None:
    play = in_cash_in().do(f.NoteRead(2), *(f.AtReset(kind, 0, None, "") for kind in said))  # type: ignore[arg-type]
    play.do(f.Reconciled("", Evidence(validator(), board()), restarted=True))
    assert play.deposit.notes == ()


def test_notes_that_the_validator_counted_and_never_reported_are_disputed() -> None:
    play = with_notes(2).do(f.Reconciled("", Evidence(validator(stored=3, level=3), board()), restarted=True))
    unknown = [note for note in play.deposit.notes if note.value_minor is None]
    assert len(unknown) == 2
    assert {note.claim for note in unknown} == {Claim.DISPUTED}


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (Evidence(validator(stored=2, level=2), board()), State.COMMITTING),
        (Evidence(validator(stored=2), board(tray=1, belt=True)), State.COMMITTING),
        (Evidence(validator(stored=2), board(tray=2)), State.STRAPPING),
        (Evidence(validator(stored=2), board(tray=2, strap=True)), State.MARKING),
        (Evidence(validator(stored=2), board(tray=2, strap=True, label=True)), State.STORING),
        (Evidence(validator(stored=2), board(stored=2)), State.CLOSING),
    ],
)
def test_after_the_confirmation_recovery_only_rolls_forward(evidence: Evidence, state: State) -> None:
    play = in_review(2, 2).do(f.Confirm("now"), f.Reconciled("", evidence, restarted=True))
    assert play.deposit.state is State.REALIGNING
    play.do(f.BoardDispatched(1, 1, 1), f.BoardFinished(1, 0, evidence.board))
    assert play.deposit.state is state
    assert totals(play.deposit.notes)["CNY"]["credited"] == 20000


def test_high_risk_closes_the_port_and_the_money_can_be_confirmed_or_taken_back() -> None:
    high = f.Assessment("escrow", "high", ("the camera's lens is covered",))
    play = with_notes(2).do(f.Assessed("", asked=False, assessments=(high,)))
    assert play.orders == [o.DisableValidator, o.CloseShutter]
    assert [record.kind for record in play.outcome.records] == ["alert"]
    play.do(f.ShutterMoved(open=False, ok=True))
    assert play.deposit.state is State.REVIEW


def test_high_risk_before_the_port_opens_keeps_it_shut() -> None:
    high = f.Assessment("access", "high", ("the cabinet door is open",))
    play = Play(BEGIN, f.Assessed("", asked=True, assessments=(high,)))
    assert play.deposit.state is State.CLOSING
    assert o.OpenShutter not in play.orders


def test_an_unlisted_pair_is_an_error_and_changes_nothing() -> None:
    with pytest.raises(IllegalTransition):
        step(Deposit(), f.Confirm("now"))
    assert not allowed(State.IDLE, f.Confirm)


def test_confirm_is_possible_in_the_review_only() -> None:
    assert [state for state, fact in TABLE if fact is f.Confirm] == [State.REVIEW]


def test_every_waiting_state_has_a_limit() -> None:
    play = in_review(2)
    assert timeout_s(play.deposit) == POLICY.timing.review_s
    closing = closed(
        play.do(f.Cancel(), f.ShutterMoved(open=True, ok=True), f.Dispensed((("CNY", 10000),), final=True))
    )
    assert timeout_s(closing.deposit) == POLICY.timing.stuck_s
    assert timeout_s(closing.do(f.ReceiptPrinted(0, "no_printer")).deposit) == POLICY.timing.result_s
    assert open_notes(closing.deposit.notes) == ()
    assert closing.do(f.Finish()).deposit == Deposit()


def with_receipt() -> Play:
    play = in_review(2).do(f.Cancel(), f.ShutterMoved(open=True, ok=True), f.Dispensed((("CNY", 10000),), final=True))
    return closed(play)


def test_a_receipt_that_is_not_printed_is_told_and_holds_nothing_up() -> None:
    play = with_receipt().do(f.ReceiptPrinted(0, "failed", "the paper is used up"))
    assert play.deposit.state is State.DONE
    assert play.deposit.paper.stands == "failed"
    assert play.outcome.records[0].body["alert"] == "receipt"
    assert with_receipt().do(f.TimedOut()).deposit.state is State.DONE


def test_a_receipt_in_doubt_is_printed_again_as_a_copy() -> None:
    play = with_receipt().do(f.Reconciled("", NOTHING, restarted=True))
    assert play.outcome.orders[-1] == o.PrintReceipt(1)
    assert play.do(f.ReceiptPrinted(0, "printed")).deposit.state is State.RECEIPT  # a late word about the first
    assert play.do(f.ReceiptPrinted(1, "printed")).deposit.paper == Paper("printed", copy=1)


def test_copies_are_numbered_and_bounded() -> None:
    play = with_receipt().do(f.ReceiptPrinted(0, "printed"))
    for copy in (1, 2, 3):
        assert play.do(f.Reprint()).outcome.orders == (o.PrintReceipt(copy),)
        play.do(f.ReceiptPrinted(copy, "printed"))
    assert reprints_left(play.deposit.paper) == 0
    assert play.do(f.Reprint()).outcome.orders == ()
    assert play.deposit.state is State.DONE


def test_a_deposit_without_a_note_has_no_receipt() -> None:
    play = in_cash_in().do(f.Cancel(), f.ShutterMoved(open=False, ok=True))
    assert closed(play).deposit.state is State.DONE
    assert [record.kind for record in play.outcome.records] == ["deposit"]


def test_a_note_that_nobody_can_take_now_is_given_back_by_a_journalled_order() -> None:
    for state in State:
        if state is not State.CASH_IN:
            outcome = step(Deposit(state=state), f.NoteRead(2))
            assert outcome.orders == (o.RejectNote("noMoreNotes"),)
            assert outcome.deposit.state is state


def test_a_stacker_that_stays_out_is_one_fact_not_one_a_poll() -> None:
    play = with_notes(2).do(f.ValidatorStopped("the stacker is removed"), f.ShutterMoved(open=False, ok=True))
    assert play.deposit.state is State.REVIEW
    assert not allowed(State.REVIEW, f.ValidatorStopped)


def test_what_the_validator_says_of_an_earlier_note_is_not_of_a_deposit_whose_port_never_opened() -> None:
    play = Play(BEGIN, f.Assessed("", asked=True, assessments=LOW[:1]))
    play.do(f.AtReset("cleared_into_cashbox", 1, None, ""))
    assert play.deposit.notes == ()
    assert [draft.kind for draft in play.outcome.records] == ["alert"]


def test_devices_that_fail_again_and_again_before_the_port_opens_end_the_deposit() -> None:
    play = Play(BEGIN, f.Assessed("", asked=True, assessments=LOW[:1]))
    for _ in range(2):
        assert o.PrepareValidator in play.do(f.Reconciled("", NOTHING, restarted=False)).orders
    play.do(f.Reconciled("", NOTHING, restarted=False))
    assert (play.deposit.state, play.deposit.outcome) == (State.CLOSING, "interrupted")


def test_a_note_ordered_in_when_the_validator_was_replaced_is_in_doubt_and_may_be_outside() -> None:
    play = in_cash_in().do(f.NoteRead(2), f.ValidatorReplaced("", "technician", old="1", new="2"))
    (note,) = play.deposit.notes
    assert (note.claim, note.value_minor, note.place) == (Claim.DISPUTED, 10000, Place.UNKNOWN)
    assert note.reason.startswith(IN_DOUBT)


def test_a_credit_that_the_old_validator_repeats_when_it_is_put_back_is_the_same_note() -> None:
    play = in_cash_in().do(f.NoteRead(2), f.NoteCredited(2), f.ValidatorReplaced("", "technician", old="1", new="2"))
    before = play.deposit.notes
    play.do(f.NoteCredited(2), f.Acknowledged())
    assert (play.deposit.state, play.deposit.notes) == (State.CLOSING, before)


def test_a_credit_that_comes_when_the_old_validator_is_put_back_is_of_the_note_that_was_ordered_in() -> None:
    play = in_cash_in().do(f.NoteRead(2), f.ValidatorReplaced("", "technician", old="1", new="2"), f.NoteCredited(2))
    (note,) = play.deposit.notes
    assert (note.claim, note.value_minor) == (Claim.DISPUTED, 10000)


@pytest.mark.parametrize("after", [f.Reconciled("", NOTHING, restarted=False, jammed=True), f.TimedOut()])
def test_a_note_in_a_jam_within_reach_is_in_doubt_when_the_deposit_ends(after: Fact) -> None:
    """The depositor may have pulled it out; or the next power-up takes it in, when it would be nobody's."""
    play = in_cash_in().do(f.NoteRead(2), f.Jammed(safe=False), after)
    (note,) = play.deposit.notes
    assert (play.deposit.state, note.claim, note.value_minor) == (State.CLOSING, Claim.DISPUTED, 10000)
    play.do(f.Reconciled("", Evidence(validator(stacked=1), board()), restarted=False))
    assert len(play.deposit.notes) == 1


def test_a_board_that_always_sees_a_note_is_not_swept_where_no_validator_leads_to_it() -> None:
    final = replace(BEGIN, policy=replace(POLICY, bunch_escrow=False))
    play = Play(final, f.Assessed("", asked=True, assessments=LOW[:1]), f.Consent("now"), f.Prepared(NOTHING))
    play.do(f.ShutterMoved(open=True, ok=True))
    play.do(f.Reconciled("", Evidence(validator(), board(belt=True)), restarted=False))
    assert o.RunBoard not in play.orders


def test_a_purge_that_moves_what_left_the_store_unseen_has_found_it() -> None:
    play = in_review(2, 2, 1).do(f.TimedOut(), f.TimedOut())
    assert play.deposit.state is State.RETRACTING
    play.do(f.EscrowCommitted(), f.StoreEmptied(((10000, "CNY", 1),), 0), f.BoardDispatched(7, 1, 1))
    assert sorted(note.place for note in play.deposit.notes) == [Place.TRANSPORT, Place.UNKNOWN, Place.UNKNOWN]
    play.do(f.BoardFinished(7, 0, replace(board(), purged=3)))
    assert [note.place for note in play.deposit.notes] == [Place.RETRACT] * 3
    assert len(play.deposit.notes) == 3


def test_a_jam_that_outlasts_two_faults_of_other_devices_holds_one_disputed_note() -> None:
    play = with_notes(2).do(f.NoteRead(2), f.Jammed(safe=True))
    one = Evidence(validator(stored=1, level=1), board())
    for _ in range(2):
        play.do(f.Reconciled("", one, restarted=False), f.Resume(), f.Jammed(safe=True))
    play.do(f.AtReset("cleared_into_cashbox", 2, None, ""))
    play.do(f.Reconciled("", Evidence(validator(stored=1, stacked=1, level=1), board()), restarted=False))
    assert [(note.claim, note.place) for note in play.deposit.notes] == [
        (Claim.OPEN, Place.ESCROW),
        (Claim.OPEN, Place.TRANSPORT),  # once freed it is in no doubt
    ]


def test_a_jam_met_again_while_notes_are_to_be_returned_is_still_that_note() -> None:
    play = with_notes(2).do(f.NoteRead(2), f.Jammed(safe=True))
    play.do(f.Reconciled("", Evidence(validator(stored=1, level=1), board()), restarted=False), f.Resume(), f.Cancel())
    assert play.deposit.rolling_back
    play.do(f.Jammed(safe=True), f.AtReset("cleared_into_cashbox", 2, None, ""))
    play.do(f.Reconciled("", Evidence(validator(stored=1, stacked=1, level=1), board()), restarted=False))
    assert [(note.claim, note.place) for note in play.deposit.notes] == [
        (Claim.OPEN, Place.ESCROW),
        (Claim.OPEN, Place.TRANSPORT),
    ]
