"""From the first touch to the review: identify, watch, cash-in start, cash-in."""

from msgspec.structs import replace

from kiosk.core import ledger, records, steps
from kiosk.core.facts import (
    Acknowledged,
    Assessed,
    Begin,
    BoardFinished,
    Consent,
    FraudSeen,
    Jammed,
    NoteCredited,
    NoteRead,
    NoteRefused,
    NoteStacked,
    NoteStored,
    Prepared,
    ShutterMoved,
    ValidatorStopped,
)
from kiosk.core.money import Claim, Note, Place, open_notes
from kiosk.core.orders import (
    AcceptNote,
    CloseShutter,
    DisableValidator,
    EnableValidator,
    OpenShutter,
    PrepareValidator,
    RejectNote,
    RequestAssessment,
    RunBoard,
)
from kiosk.core.state import Bundle, Deposit, Intention, Outcome, State

FISHED = "the validator reports a note that was manipulated"


def begin(_: Deposit, fact: Begin) -> Outcome:
    """A deposit exists from here on: its leaf is appended and its code can be claimed."""
    deposit = Deposit(
        state=State.WATCHING,
        id=fact.deposit_id,
        code=fact.code,
        account_sealed=fact.account_sealed,
        account_masked=fact.account_masked,
        account_known=fact.account_known,
        language=fact.language,
        ticket=fact.ticket.serial if fact.ticket is not None else b"",
        staff=fact.staff,
        began_at=fact.at,
        policy=fact.policy,
        bundle=Bundle(serial=fact.bundle_serial, slot=fact.slot),
    )
    return steps.stay(deposit, RequestAssessment(("access",)), note=(records.deposit_start(deposit),))


def watched(deposit: Deposit, fact: Assessed) -> Outcome:
    """The scene before the shutter opens: high keeps it shut."""
    deposit, alerts = steps.merge(deposit, fact)
    if deposit.dangerous:
        return steps.close(deposit, "refused_risk", note=alerts)
    if not fact.asked:
        return steps.stay(deposit, note=alerts)
    if not deposit.policy.bunch_escrow:
        return steps.go(deposit, State.CONSENTING, note=alerts)
    return steps.go(deposit, State.STARTING, PrepareValidator(), note=alerts)


def watched_meanwhile(deposit: Deposit, fact: Assessed) -> Outcome:
    """Danger while the depositor reads that notes are final: the port stays shut."""
    deposit, alerts = steps.merge(deposit, fact)
    if deposit.dangerous:
        return steps.close(deposit, "refused_risk", note=alerts)
    return steps.stay(deposit, note=alerts)


def consented(deposit: Deposit, fact: Consent) -> Outcome:
    """From here on each accepted note is final: without bunch escrow nothing but the held note can go back."""
    return steps.go(replace(deposit, consented_at=fact.at), State.STARTING, PrepareValidator())


def prepared(deposit: Deposit, fact: Prepared) -> Outcome:
    """The baseline is durable: the port may open. A store or tray that is not empty belongs to nobody here."""
    board = fact.evidence.board
    deposit = replace(deposit, baseline=fact.evidence, bookmark=fact.evidence.validator.bookmark)
    if fact.evidence.validator.level or board.tray_notes or board.transport_occupied:
        return steps.close(steps.remark(deposit, "store or tray not empty at cash-in start"), "position_not_empty")
    if deposit.policy.bunch_escrow and board.finished_result:  # of its homing just before
        return steps.close(steps.remark(deposit, f"the board is not ready: {steps.told(board)}"), "board_not_ready")
    return steps.stay(deposit, OpenShutter())


def port_opened(deposit: Deposit, fact: ShutterMoved) -> Outcome:
    """Cash-in begins when the shutter is really open."""
    if fact.open and fact.ok:
        return steps.go(deposit, State.CASH_IN, EnableValidator())
    if not fact.open:
        return steps.stay(deposit)
    return steps.close(steps.remark(deposit, "the shutter did not open"), "shutter_jammed", CloseShutter())


def abandoned(deposit: Deposit, _: object) -> Outcome:
    """Nothing was inserted and nobody wants to go on."""
    return steps.close(deposit, "nothing_inserted", DisableValidator(), CloseShutter())


def refusal(deposit: Deposit, channel: int) -> str | None:
    """Why a read note of this channel is not taken, in XFS4IoT's words; None when it is taken."""
    kind = deposit.policy.kind(channel)
    if kind is None:
        return "invalidBill"
    if kind.suspect:
        return None if deposit.policy.suspect_custody else "counterfeit"
    if len(deposit.genuine) >= deposit.policy.notes_max:
        return "limitOverTotalItems"
    counted = sum(note.value_minor or 0 for note in deposit.genuine if note.currency == kind.currency)
    if counted + kind.value_minor > deposit.policy.room_minor(kind.currency):
        return "limitOverAmount"
    return None


def note_read(deposit: Deposit, fact: NoteRead) -> Outcome:
    """A note is held: take it, or give it back with its reason. Whatever lay at the bezel is gone."""
    deposit = replace(deposit, at_bezel=False)
    reason = refusal(deposit, fact.channel)
    if reason is not None:
        return note_unwanted(replace(deposit, last_refusal=reason), fact, reason)
    return steps.go(replace(deposit, accepting=fact.channel), State.ACCEPTING, AcceptNote(fact.channel))


def note_unwanted(deposit: Deposit, _: NoteRead, reason: str = "noMoreNotes") -> Outcome:
    """A note is held and must go back."""
    state = State.REFUSING if deposit.state is State.CASH_IN else deposit.state
    return steps.go(deposit, state, RejectNote(reason))


def note_refused(deposit: Deposit, fact: NoteRefused) -> Outcome:
    """A note is back at the bezel; it was never beyond reach."""
    shown = deposit.last_refusal if fact.reason == "reject_by_host" and deposit.last_refusal else fact.reason
    deposit = replace(deposit, last_refusal=shown, accepting=None, at_bezel=True)
    if deposit.state in (State.REFUSING, State.ACCEPTING):
        return steps.next_note(deposit)
    return steps.stay(deposit)


def note_refused_in_jam(deposit: Deposit, _: NoteRefused) -> Outcome:
    """The one that was stuck came back after all; one that lies beyond reach did not."""
    return steps.stay(deposit if deposit.jam_safe else replace(deposit, accepting=None, at_bezel=True))


def note_credited(deposit: Deposit, fact: NoteCredited) -> Outcome:
    """The credit point. A repetition before our acknowledgement was confirmed is the same note."""
    if ledger.repeats(deposit, fact.channel):
        return steps.stay(replace(deposit, paired_channel=None))
    doubtful = ledger.awaited(deposit, fact.channel)
    if doubtful is not None:
        return steps.stay(_came_after_all(deposit, doubtful))
    unasked = deposit.state is State.CASH_IN  # nobody ordered one in: it may be a note of whoever was here before
    deposit = ledger.credit(deposit, fact.channel)
    number = len(deposit.notes)
    if unasked:
        deposit = ledger.update(deposit, number, claim=Claim.DISPUTED, reason=f"credited in state {deposit.state}")
    deposit = replace(deposit, in_flight=number, unacknowledged=number, last_refusal="")
    note = deposit.note(number)
    alerts = (records.alert(deposit, "suspect_note", ()),) if note is not None and note.suspect else ()
    left: dict[State, Intention] = {State.SUSPENDED: "suspend", State.JAMMED: "review", State.REVIEW: "review"}
    deposit = replace(deposit, intention=left.get(deposit.state, deposit.intention))
    state = deposit.state if deposit.state in (State.SETTLING, State.PURGING) else State.STACKING
    return steps.go(deposit, state, note=alerts)


def _came_after_all(deposit: Deposit, note: Note) -> Deposit:
    """Given up and disputed before its credit came: it is no other note, and two people clear it."""
    reason = f"{note.reason}; credited in state {deposit.state}"
    deposit = replace(deposit, unacknowledged=note.number, in_flight=deposit.in_flight or note.number)
    return ledger.update(deposit, note.number, reason=reason)


def unexpected_credit(deposit: Deposit, fact: NoteCredited) -> Outcome:
    """A note came in where none can: it is inside, it is counted, and it is nobody's until people have looked."""
    if ledger.repeats(deposit, fact.channel):
        return steps.stay(replace(deposit, paired_channel=None))
    reason = f"credited in state {deposit.state}"
    doubtful = ledger.awaited(deposit, fact.channel)
    if doubtful is not None:
        deposit = _came_after_all(deposit, doubtful)
    elif deposit.id and deposit.state not in (State.RECEIPT, State.DONE, State.IDLE):
        deposit = ledger.credit(deposit, fact.channel)
        number = len(deposit.notes)
        deposit = ledger.update(deposit, number, claim=Claim.DISPUTED, place=Place.UNKNOWN, reason=reason)
        deposit = replace(deposit, unacknowledged=number)
        if deposit.state is State.RESETTING and not deposit.confirmed:  # its restart tells where it went
            deposit = replace(ledger.update(deposit, number, place=Place.VALIDATOR), in_flight=number)
    return steps.stay(deposit, note=(records.alert(deposit, "unexpected_credit", (reason,)),))


def acknowledged(deposit: Deposit, fact: Acknowledged) -> Outcome:
    """From now on another credit is another note.

    A validator that lost events, and counts nothing, may have taken in what it held when its power went: the record
    says so, for whoever finds a note more in its cassette.
    """
    bookmark = deposit.bookmark if fact.bookmark is None else fact.bookmark
    if fact.gap and deposit.id and not deposit.policy.bunch_escrow:
        deposit = steps.remark(deposit, ledger.UNHEARD)
    unheard = deposit.unheard or (fact.gap and deposit.accepting is not None)
    return steps.stay(replace(deposit, unacknowledged=None, bookmark=bookmark, unheard=unheard))


def note_stored(deposit: Deposit, _: NoteStored) -> Outcome:
    """The note in flight is in escrow."""
    return _settled(ledger.settle(deposit, Place.ESCROW))


def note_stacked(deposit: Deposit, _: NoteStacked) -> Outcome:
    """The note in flight left by the stacker exit."""
    return _settled(ledger.settle(deposit, ledger.stacker_exit(deposit)))


def _settled(deposit: Deposit) -> Outcome:
    if deposit.state is State.SETTLING:
        return after_settling(deposit) if deposit.intention == "suspend" else steps.stay(deposit, CloseShutter())
    if deposit.state is not State.STACKING:
        return steps.stay(deposit)
    return steps.purge_suspect(deposit) if steps.suspect_on_transport(deposit) else steps.next_note(deposit)


def wants_review(deposit: Deposit, _: object) -> Outcome:
    """Remember it while a note is under way."""
    return steps.stay(replace(deposit, intention="review"))


def wants_cancel(deposit: Deposit, _: object) -> Outcome:
    """Remember it while a note is under way."""
    return steps.stay(replace(deposit, intention="cancel"))


def done(deposit: Deposit, _: object) -> Outcome:
    """No more notes, or nobody touched anything for long: close the port and show the count."""
    return steps.settle_port(replace(deposit, intention="review"))


def cancelled(deposit: Deposit, _: object) -> Outcome:
    """Give everything back, or leave when there is nothing. What is credited already stays so."""
    if not open_notes(deposit.notes):
        outcome = "" if deposit.genuine else "cancelled"
        return steps.settle_port(replace(deposit, intention="review", outcome=outcome))
    return steps.roll_back(deposit, shutter_open=True)


def port_closed(deposit: Deposit, fact: ShutterMoved) -> Outcome:
    """The port is shut (or blocked, tried a few times): go on when no note is under way."""
    if fact.open:
        return steps.stay(deposit)
    if not fact.ok and deposit.shutter_failures < steps.SHUTTER_FAILURES_MAX:
        deposit = replace(deposit, shutter_failures=deposit.shutter_failures + 1)
        return steps.stay(deposit, CloseShutter())
    if not fact.ok:
        deposit = steps.remark(deposit, "the shutter did not close")
    return after_settling(deposit)


def after_settling(deposit: Deposit) -> Outcome:
    """The port is shut; a note still in flight is waited for."""
    if deposit.in_flight is not None:
        return steps.stay(deposit)
    if steps.suspect_on_transport(deposit) and deposit.purges < steps.PURGES_MAX:
        return steps.purge_suspect(deposit)
    if deposit.sweep:  # until the purge's end is durable: a crash between may have moved a note that nobody knows
        return steps.purge_suspect(deposit)
    if deposit.intention == "suspend":
        return steps.suspended_or_closed(deposit)
    if not open_notes(deposit.notes):
        return steps.close(deposit, "nothing_inserted")
    return steps.go(replace(deposit, intention=""), State.REVIEW)


def validator_stopped(deposit: Deposit, fact: ValidatorStopped) -> Outcome:
    """It takes no more notes: what is counted can still be confirmed or cancelled."""
    deposit = replace(steps.remark(deposit, fact.reason), intention="review")
    note = (records.alert(deposit, "validator_stopped", (fact.reason,)),)
    return steps.settle_port(deposit, note) if deposit.state is State.CASH_IN else steps.stay(deposit, note=note)


def key_turned(deposit: Deposit, _: object) -> Outcome:
    """The cabinet may be opened now: no more notes; what is counted can still be confirmed or cancelled."""
    words = "the service key was turned"
    deposit = replace(steps.remark(deposit, words), intention=deposit.intention or "review")
    note = (records.alert(deposit, "service_key", (words,)),)
    return steps.settle_port(deposit, note) if deposit.state is State.CASH_IN else steps.stay(deposit, note=note)


def fraud(deposit: Deposit, fact: FraudSeen) -> Outcome:
    """A manipulated note: no credit follows. Alert, and close the port.

    Without counters nobody knows whether it was pulled out again or lies in the cassette: then it is disputed.
    """
    if deposit.accepting is not None and not deposit.policy.bunch_escrow:
        deposit = ledger.doubt(deposit, deposit.accepting, Place.UNKNOWN, ledger.FISHED)
    deposit = ledger.reserve(steps.remark(deposit, f"fraud attempt on channel {fact.channel}"), "fraud", fact.channel)
    sweep = deposit.policy.bunch_escrow
    deposit = replace(deposit, accepting=None, sweep=sweep, sighted=False, swept=False, intention="review")
    deposit = steps.endangered(deposit, "escrow", FISHED)
    return steps.settle_port(deposit, (records.alert(deposit, "fraud", ()),))


def jammed(deposit: Deposit, fact: Jammed) -> Outcome:
    """A technician is needed, the notes stay where they are. It may have been ordered to take notes a moment ago."""
    text = "jam beyond the depositor's reach" if fact.safe else "jam within the depositor's reach"
    deposit = replace(steps.remark(deposit, text), jam_safe=fact.safe)
    alert = (records.alert(deposit, "jam", (text,)),)
    return steps.go(deposit, State.JAMMED, DisableValidator(), CloseShutter(), note=alert)


def jammed_beyond_reach(deposit: Deposit, fact: Jammed) -> Outcome:
    """Only later did the validator say where it is stuck."""
    return steps.stay(replace(deposit, jam_safe=deposit.jam_safe or fact.safe))


def watched_during(deposit: Deposit, fact: Assessed) -> Outcome:
    """Danger while notes go in: high closes the port; the money inside can be confirmed or taken back."""
    deposit, alerts = steps.merge(deposit, fact)
    if not deposit.dangerous or deposit.intention:
        return steps.stay(deposit, note=alerts)
    deposit = replace(deposit, intention="review")
    return steps.settle_port(deposit, alerts) if deposit.state is State.CASH_IN else steps.stay(deposit, note=alerts)


def noted(deposit: Deposit, fact: Assessed) -> Outcome:
    """An assessment that changes nothing now but belongs into the record."""
    deposit, alerts = steps.merge(deposit, fact)
    return steps.stay(deposit, note=alerts)


def purged(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """The suspect note is off the board; or tried again after HOME, which frees a jam; or left for after the port shut.

    No genuine note moves on the board meanwhile: those that are returned go out at the front.
    """
    if fact.opcode == steps.HOME:
        return steps.stay(replace(deposit, board=None), steps.purge(deposit))
    deposit = steps.after_purge(deposit, fact)
    if not steps.suspect_on_transport(deposit):
        intention = deposit.intention or ("review" if fact.result else "")
        return steps.resume_cash_in(replace(deposit, purges=0, intention=intention))
    if deposit.purges < steps.PURGES_MAX:
        return steps.stay(deposit, RunBoard(steps.HOME))
    alert = (records.alert(deposit, "technician", ("a suspect note cannot be moved off the board",)),)
    return steps.resume_cash_in(replace(deposit, intention=deposit.intention or "review"), alert)


def purged_meanwhile(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """A suspect note's purge ended while the validator was jammed: only its place changes."""
    if fact.opcode == steps.HOME:
        return steps.stay(replace(deposit, board=None))
    return steps.stay(steps.after_purge(deposit, fact))


def stuck(deposit: Deposit, _: object) -> Outcome:
    """A note makes no progress and the validator does not say why: a technician must look."""
    deposit = steps.remark(deposit, "a note makes no progress")
    return steps.go(
        deposit, State.JAMMED, DisableValidator(), CloseShutter(), note=(records.alert(deposit, "jam", ("stuck",)),)
    )
