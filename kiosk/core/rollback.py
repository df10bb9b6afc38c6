"""Roll-back and retract: unconfirmed notes go back to the depositor, or to the retract bin as disputed."""

from itertools import accumulate
from typing import Final

from msgspec.structs import replace

from kiosk.core import cash_in_end, ledger, records, steps
from kiosk.core.facts import (
    AtReset,
    BezelHeld,
    BoardEvidence,
    BoardFinished,
    Dispensed,
    EscrowCommitted,
    ReturnBrokenOff,
    ReturnRefused,
    ShutterMoved,
    StoreEmptied,
)
from kiosk.core.money import Claim, Note, Place, at, claimed, moved, open_notes
from kiosk.core.orders import CancelEscrow, CloseShutter, EmptyStore, OpenShutter, RunBoard
from kiosk.core.state import Bezel, Deposit, Outcome, State

RETURN_REFUSALS_MAX: Final = 3  # a new start of the validator lies between two of them


def cancelled(deposit: Deposit, _: object) -> Outcome:
    """Cancel from the review: the port is shut and must open first."""
    return steps.roll_back(deposit, shutter_open=False)


def shutter(deposit: Deposit, fact: ShutterMoved) -> Outcome:
    """The port is open: return the notes."""
    if not fact.open or (fact.ok and deposit.offered):
        return steps.stay(deposit)
    if fact.ok:
        return steps.stay(replace(deposit, offered=True), CancelEscrow())
    if deposit.shutter_failures < steps.SHUTTER_FAILURES_MAX:
        return steps.stay(replace(deposit, shutter_failures=deposit.shutter_failures + 1), OpenShutter())
    return steps.retract(steps.remark(deposit, "the shutter did not open"), "could not be returned")


def refused(deposit: Deposit, fact: ReturnRefused) -> Outcome:
    """It may be able to after a new start; a device that never is must not hold the depositor for ever."""
    refusals = deposit.return_refusals + 1
    deposit = replace(deposit, return_refusals=refusals, offered=False)
    if refusals < RETURN_REFUSALS_MAX:
        return steps.stay(deposit)
    alert = (records.alert(deposit, "not_returned", (f"the validator refuses to return the notes: {fact.detail}",)),)
    return steps.retract(deposit, "the validator did not return them", CloseShutter(), note=alert)


def held(deposit: Deposit, fact: BezelHeld) -> Outcome:
    """A note waits for the depositor's hand."""
    return steps.stay(replace(deposit, bezel=Bezel(fact.value_minor, fact.currency)))


def dispensed(deposit: Deposit, fact: Dispensed) -> Outcome:
    """Notes are returned only when taken.

    The running total counts a note while it is still on its way to the bezel. The next one moves only when it was
    taken: so a total that has grown, or a bezel that is empty again, proves the total before, and the final total
    proves itself.
    """
    if not (fact.final or fact.totals != deposit.presented_minor or (fact.moving and deposit.bezel)):
        return steps.stay(deposit)
    deposit = _taken(deposit, fact.totals if fact.final else deposit.presented_minor)
    deposit = replace(deposit, presented_minor=fact.totals)
    return steps.finish_roll_back(deposit) if fact.final else steps.stay(deposit)


def broken_off(deposit: Deposit, fact: ReturnBrokenOff) -> Outcome:
    """What was paid out was taken: the bezel is empty. The rest is asked for again, or retracted.

    Nothing is ordered at once: the depositor, who sees that it has stopped, decides in the review.
    """
    deposit = steps.remark(_taken(deposit, fact.totals), f"the validator broke off giving back: {fact.detail}")
    deposit = replace(deposit, presented_minor=fact.totals)
    if fact.retry and deposit.escrowed:
        return steps.settle_port(replace(deposit, intention="review", rolling_back=False))
    return steps.finish_roll_back(deposit)


def _taken(deposit: Deposit, totals: tuple[tuple[str, int], ...]) -> Deposit:
    """The notes of this running total are with the depositor, and the bezel is empty."""
    known = dict(deposit.returned_minor)
    for currency, total in totals:
        deposit = _returned(deposit, currency, total - known.get(currency, 0))
    return replace(deposit, returned_minor=totals, bezel=None)


def _returned(deposit: Deposit, currency: str, minor: int) -> Deposit:
    """Turn `minor` of open escrow notes into returned ones, exactly; a remainder stays open."""
    picks = _pick([note for note in deposit.escrowed if note.currency == currency], minor, deposit.bezel)
    numbers = {note.number for note in picks}
    notes = moved(deposit.notes, lambda note: note.number in numbers, Place.OUT)
    return replace(deposit, notes=claimed(notes, lambda note: note.number in numbers, Claim.RETURNED))


def _pick(notes: list[Note], minor: int, bezel: Bezel | None) -> list[Note]:
    """Notes that add up to `minor`: one if one does, as they leave one by one; else those on top; else the fewest.

    The one seen at the bezel comes before all others. What several unseen ones were is put right by the store's levels
    when they are read next (`recovery.count_again`).
    """
    if minor <= 0:
        return []
    order = sorted(notes, key=lambda note: (bezel is None or note.value_minor != bezel.value_minor, -note.number))
    alone = [note for note in order if note.value_minor == minor]
    if alone:
        return alone[:1]
    on_top = sorted(notes, key=lambda note: -note.number)
    sums = list(accumulate(note.value_minor or 0 for note in on_top))
    if minor in sums:
        return on_top[: sums.index(minor) + 1]
    return _fewest(order, minor)


def _fewest(order: list[Note], minor: int) -> list[Note]:
    """The fewest notes that add up to `minor`, the earlier in this order the better; none when there are none."""
    best: dict[int, tuple[Note, ...]] = {0: ()}  # sum -> notes
    for note in order:
        value = note.value_minor or 0
        for reached, notes in list(best.items()):
            now = reached + value
            if now <= minor and (now not in best or len(best[now]) > len(notes) + 1):
                best[now] = (*notes, note)
    return list(best.get(minor, ()))


def into_stacker(deposit: Deposit, fact: AtReset) -> Outcome:
    """Power came back while notes went out: one went to the stacker exit instead of the depositor."""
    if fact.kind == "cleared_into_cashbox" and fact.value_minor is None:
        return steps.stay(replace(deposit, strays=deposit.strays + 1))  # levels will tell which one
    match = next((note for note in deposit.escrowed[::-1] if note.value_minor == fact.value_minor), None)
    if fact.kind in ("into_stacker", "cleared_into_cashbox") and match is not None:
        notes = moved(deposit.notes, lambda note: note.number == match.number, Place.TRANSPORT)
        return steps.stay(replace(deposit, notes=notes))
    return steps.stay(deposit)


def gave_up(deposit: Deposit, _: object) -> Outcome:
    """Nobody took the notes: what is still inside is retracted, disputed for the identified account."""
    bezel = deposit.bezel
    held = next((note for note in deposit.escrowed if bezel and note.value_minor == bezel.value_minor), None)
    if held is not None:  # it lies behind the shutter now, where nothing can see it
        notes = moved(deposit.notes, lambda note: note.number == held.number, Place.UNKNOWN)
        deposit = replace(deposit, notes=notes, bezel=None)
    alert = (records.alert(deposit, "not_taken", ("returned notes were not taken",)),)
    return steps.retract(deposit, "not taken by the depositor", CloseShutter(), note=alert)


def resumed(deposit: Deposit, _: object) -> Outcome:
    """The depositor is back. A note that was handed out behind the shutter can be taken now."""
    if not open_notes(deposit.notes):
        return steps.go(deposit, State.REVIEW, OpenShutter())
    return steps.go(deposit, State.REVIEW, *((OpenShutter(),) if deposit.at_bezel else ()))


def unconfirmed(deposit: Deposit, _: object) -> Outcome:
    """Nobody confirms: the depositor may be gone."""
    return steps.suspended_or_closed(deposit)


def expired(deposit: Deposit, _: object) -> Outcome:
    """Nobody came back with the deposit code."""
    if not open_notes(deposit.notes):
        return steps.close(steps.remark(deposit, "a note may lie at the bezel"), "interrupted")
    return steps.retract(deposit, "not confirmed within the time for coming back")


def jam_expired(deposit: Deposit, _: object) -> Outcome:
    """No technician came: nothing can be moved, and nothing is guessed."""
    if deposit.jam_safe and deposit.accepting is not None:  # beyond reach, and its credit was never said
        deposit = ledger.doubt(deposit, deposit.accepting, Place.VALIDATOR, ledger.STUCK)
    elif deposit.accepting is not None:
        deposit = ledger.doubt(deposit, deposit.accepting, Place.UNKNOWN, ledger.JAMMED)
    notes = claimed(deposit.notes, lambda note: note.claim is Claim.OPEN, Claim.DISPUTED, "inside a jammed validator")
    if deposit.rolling_back:  # one was on its way out
        notes = moved(notes, lambda note: note.place is Place.ESCROW, Place.UNKNOWN)
    return steps.close(replace(deposit, notes=notes), "jammed")


def committed(deposit: Deposit, _: EscrowCommitted) -> Outcome:
    """Retract: the store may be emptied."""
    return steps.stay(deposit, EmptyStore())


def gave_up_waiting(deposit: Deposit, fact: object) -> Outcome:
    """Retract: ask the board again, if it was waiting for a person; else it lasted too long."""
    return steps.ask_again(deposit) if deposit.waiting else cash_in_end.gave_up(deposit, fact)


def emptied(deposit: Deposit, fact: StoreEmptied) -> Outcome:
    """Retract: the belt has them now."""
    return steps.stay(on_transport(deposit, fact), RunBoard(steps.PURGE, (steps.PURGE_ANY,)))


def on_transport(deposit: Deposit, fact: StoreEmptied) -> Deposit:
    """What the store reports lies on the transport; what it does not report has left it unseen."""
    room = {(value, currency): count for value, currency, count in fact.moved}
    places: dict[int, Place] = {}
    for note in deposit.escrowed:
        key = (note.value_minor or 0, note.currency)
        places[note.number] = Place.TRANSPORT if room.get(key, 0) > 0 else Place.UNKNOWN
        room[key] = room.get(key, 0) - 1
    unseen = tuple(number for number, place in places.items() if place is Place.UNKNOWN)
    deposit = replace(deposit, unseen=(*deposit.unseen, *unseen))
    notes = tuple(replace(note, place=places.get(note.number, note.place)) for note in deposit.notes)
    deposit = replace(deposit, notes=notes, emptied=True)
    if Place.UNKNOWN in places.values():
        deposit = steps.remark(deposit, "the store held fewer notes than the journal")
    if fact.unknown_count:
        deposit = steps.remark(deposit, f"{fact.unknown_count} notes of unknown value left the store")
    return deposit


def _unseen_purged(deposit: Deposit, board: BoardEvidence, known: int) -> tuple[Deposit, int]:
    """Notes that left the store without a report came by this belt, as far as the purge moved more than we knew.

    Not while a note that the validator kept, after a fraud attempt, may be among those that were purged.
    """
    if board.purged is None or deposit.fished:
        return deposit, 0
    found = max(0, min(board.purged - known, len(deposit.unseen)))
    if found == len(deposit.unseen):
        notes = moved(deposit.notes, lambda note: note.number in deposit.unseen, Place.RETRACT)
        deposit = replace(deposit, notes=notes, unseen=())
    return deposit, found


def _binned(deposit: Deposit, here: list[int], fact: BoardFinished) -> Deposit:
    """In the bin are as many as the board says that it moved there, the surest first. Where others are nobody knows."""
    count = fact.evidence.purged if fact.evidence.purged is not None else len(here)
    binned = here[: count if fact.result == 0 else 0]
    deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.number in binned, Place.RETRACT))
    lost = set(here) - set(binned)
    return replace(deposit, notes=moved(deposit.notes, lambda note: note.number in lost, Place.UNKNOWN))


def purged(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """Retract: the bin has them, or they lie where a person must get them out, or nobody knows."""
    deposit = replace(deposit, board=None)
    if steps.may_wait(deposit, fact.result):
        return steps.wait(deposit, fact.result)
    if fact.opcode == steps.HOME:
        return steps.stay(deposit, RunBoard(steps.PURGE, (steps.PURGE_ANY,)))
    left = fact.result != 0 and (fact.evidence.transport_occupied or fact.evidence.tray_notes > 0)
    if not left:
        surest = (Place.TRANSPORT, Place.TRAY, Place.ESCROW, Place.VALIDATOR)
        here = [note.number for place in surest for note in at(deposit.notes, place)]
        deposit, found = _unseen_purged(deposit, fact.evidence, len(here))
        deposit = _binned(deposit, here, fact)
        deposit = steps.surplus_purged(deposit, fact.evidence, len(here) + found)
    if fact.result:
        deposit = steps.remark(deposit, f"retract ended with result {fact.result}")
    return steps.close(deposit, "retracted")
