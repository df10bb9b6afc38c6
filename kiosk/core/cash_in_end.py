"""After the confirmation, only forward: commit, collect, strap, mark, store. Nothing here changes the credit."""

from typing import Final

from msgspec.structs import replace

from kiosk.core import records, steps
from kiosk.core.facts import BoardEvidence, BoardFinished, Confirm, EscrowCommitted, LabelPrinted, StoreEmptied
from kiosk.core.ledger import disputed_unknown
from kiosk.core.money import Claim, Note, Place, claimed, moved, open_notes, sums
from kiosk.core.orders import CloseShutter, CommitEscrow, EmptyStore, PrintLabel, RunBoard
from kiosk.core.state import Deposit, DoubtKind, Outcome, State

LABEL_FAILURES_MAX = 2
STRAP_FAILURES_MAX = 2
STORE_FAILURES_MAX = 2
TOTALS_MODULUS = 1 << 16
RESERVED: Final = "never came to the tray, and the credit was given under a reservation:"
DOUBTS: Final[dict[DoubtKind, str]] = {
    "cleared_from_front": "a note was cleared to the front",
    "fraud": "a fraud attempt was seen",
    "port_tamper": "the port was tampered with",
}
COLLECTS_MAX = 8  # a belt sensor that is stuck must not keep a credited deposit for ever


_ON_BOARD: Final = (Place.TRANSPORT, Place.TRAY, Place.BUNDLE)
_CARRIED: Final = {  # what a command of the board takes away from where it was
    steps.COLLECT: (Place.TRANSPORT,),
    steps.PURGE: _ON_BOARD,
    steps.STORE: (Place.TRAY, Place.BUNDLE),
}
_INSIDE = (Place.VALIDATOR, Place.ESCROW, Place.TRANSPORT, Place.TRAY, Place.BUNDLE)


def belongs(note: Note) -> bool:
    """Whether a note belongs into the bundle: credited, or disputed and moving along with the credited ones.

    A note in the retract bin stays there, whosever it is.
    """
    return (note.claim is Claim.CREDITED and note.place is not Place.RETRACT) or note.place in _INSIDE


def bundled(deposit: Deposit) -> int:
    """How many notes belong into the bundle."""
    return sum(1 for note in deposit.notes if belongs(note))


def confirmed(deposit: Deposit, fact: Confirm) -> Outcome:
    """The point of no return, and the credit: once this is durable, recovery only rolls forward."""
    if not open_notes(deposit.notes):  # only a note handed back was waited for
        return steps.close(deposit, "nothing_inserted", CloseShutter())
    notes = claimed(deposit.notes, lambda note: note.claim is Claim.OPEN, Claim.CREDITED)
    amount = tuple(sorted(sums(notes, Claim.CREDITED).items()))
    deposit = replace(
        deposit, notes=notes, confirmed_at=fact.at, outcome="credited", emptied=not deposit.escrowed, collected=0
    )
    port = (CloseShutter(),) if deposit.at_bezel else ()
    deposit = replace(deposit, at_bezel=False, confirmed_minor=amount)
    if steps.suspect_on_transport(deposit):
        return steps.go(deposit, State.CLEARING, *port, RunBoard(steps.HOME))
    return steps.go(deposit, State.COMMITTING, *port, CommitEscrow())


def cleared(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """A suspect note and credited ones are never on the board together: it goes first, or a person is waited for."""
    if fact.opcode == steps.HOME:
        deposit = replace(deposit, board=None)
        if steps.may_wait(deposit, fact.result):
            return steps.wait(deposit, fact.result)
        return steps.stay(deposit, steps.purge(deposit))
    deposit = steps.after_purge(deposit, fact)
    if not steps.suspect_on_transport(deposit):
        return steps.go(deposit, State.COMMITTING, CommitEscrow())
    if steps.may_wait(deposit, steps.JAM):
        return steps.wait(deposit, fact.result if steps.may_wait(deposit, fact.result) else steps.JAM)
    return gave_up(deposit, fact)


def committed(deposit: Deposit, _: EscrowCommitted) -> Outcome:
    """The belt runs before the first note can fall on it. `collected` holds what lies in the tray already."""
    missing = max(bundled(deposit) - (deposit.collected or 0), 0)
    deposit = replace(deposit, collected=None, collects=deposit.collects + 1)
    belt = RunBoard(steps.COLLECT, (missing,))
    return steps.go(deposit, State.COLLECTING, *((belt,) if deposit.emptied else (belt, EmptyStore())))


def emptied(deposit: Deposit, fact: StoreEmptied) -> Outcome:
    """The store is empty; the board says what arrived."""
    notes = moved(deposit.notes, lambda note: note.place is Place.ESCROW, Place.TRANSPORT)
    deposit = replace(deposit, notes=notes, emptied=True)
    if fact.unknown_count:
        deposit = steps.remark(deposit, f"{fact.unknown_count} notes of unknown value left the store")
    return _when_both(deposit)


def collected(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """The belt stopped. Short or over: the board re-scans before anybody believes it."""
    deposit = replace(deposit, collected=fact.evidence.tray_notes, board=None)
    if fact.result:
        deposit = steps.remark(deposit, f"collect ended with result {fact.result}")
    return _when_both(deposit)


def _when_both(deposit: Deposit) -> Outcome:
    if not deposit.emptied or deposit.collected is None:
        return steps.stay(deposit)
    if deposit.collected == bundled(deposit):
        return in_tray(deposit)
    return steps.go(deposit, State.REALIGNING, RunBoard(steps.HOME))


def in_tray(deposit: Deposit) -> Outcome:
    """Every credited note lies in the tray."""
    notes = moved(deposit.notes, belongs, Place.TRAY)
    return steps.go(replace(deposit, notes=notes), State.STRAPPING, RunBoard(steps.STRAP))


def realigned(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """The re-scan is the board's word: go on from where the notes are."""
    deposit = replace(deposit, board=None, rescan=False)
    if steps.may_wait(deposit, fact.result):
        return steps.wait(deposit, fact.result)
    if fact.result:
        deposit = steps.remark(deposit, f"home ended with result {fact.result}")
    return from_evidence(deposit, fact.evidence)


def from_evidence(deposit: Deposit, board: BoardEvidence) -> Outcome:
    """Choose the next step of a confirmed deposit by what the sensors and totals say, never by hope."""
    if _notes_stored(deposit, board):
        return _stored(replace(deposit, bundle=replace(deposit.bundle, stored=True)), board)
    if steps.suspect_on_transport(deposit) and not deposit.collects:
        return steps.go(deposit, State.CLEARING, steps.purge(deposit))
    if deposit.collects < COLLECTS_MAX and (not deposit.emptied or board.transport_occupied):
        return steps.go(replace(deposit, collected=board.tray_notes), State.COMMITTING, CommitEscrow())
    deposit = measured(deposit, board.tray_notes, board)
    if board.tray_notes == 0:
        return steps.close(deposit, "credited")
    return _bundle_from(deposit, board)


def _bundle_from(deposit: Deposit, board: BoardEvidence) -> Outcome:
    if board.label_present:
        bundle = replace(deposit.bundle, strapped=board.strap_present, labelled=True)
        return store(replace(deposit, bundle=bundle))
    if board.strap_present or deposit.bundle.strap_failures >= STRAP_FAILURES_MAX:
        return mark(replace(deposit, bundle=replace(deposit.bundle, strapped=board.strap_present)))
    return steps.go(deposit, State.STRAPPING, RunBoard(steps.STRAP))


def measured(deposit: Deposit, tray_notes: int, board: BoardEvidence) -> Deposit:
    """Believe the re-scanned tray for place. Short: the credit stands, but see `_missing`; over: disputed, unvalued."""
    due = bundled(deposit)
    lost = _missing(deposit, max(due - tray_notes, 0))
    notes = moved(deposit.notes, lambda note: belongs(note) and note.number not in lost, Place.TRAY)
    deposit = replace(deposit, notes=moved(notes, lambda note: note.number in lost, Place.UNKNOWN))
    if deposit.doubts and lost:
        deposit = _reserved(deposit, lost, board)
    deposit = _found_again(deposit, tray_notes - due)
    surplus = tray_notes - sum(1 for note in deposit.notes if note.place is Place.TRAY)
    if surplus > 0:
        deposit = disputed_unknown(deposit, surplus, Place.TRAY, "more notes in the tray than the journal knows")
        deposit = replace(deposit, bundle=replace(deposit.bundle, over_by=deposit.bundle.over_by + surplus))
    short_by = sum(1 for note in deposit.notes if _short(note))
    deposit = replace(deposit, bundle=replace(deposit.bundle, short_by=short_by))
    if tray_notes != due:
        deposit = steps.remark(deposit, f"the tray holds {tray_notes} notes, the journal {due}: unit inaccurate")
    return deposit


def _short(note: Note) -> bool:
    """Whether the unit lacks this note: credited, or disputed for just that, and not there."""
    return note.place is Place.UNKNOWN and (note.claim is Claim.CREDITED or RESERVED in note.reason)


def _missing(deposit: Deposit, count: int) -> list[int]:
    """Which notes the tray lacks. It cannot say; so those that were missing before, then those that doubt points at.

    Under a reservation the most valuable come next: nothing may be credited that is not there. What a person counts
    later clears the dispute of the others.
    """
    channels = {item.channel for item in deposit.doubts}

    def order(note: Note) -> tuple[bool, bool, int, int]:
        value = (note.value_minor or 0) if deposit.doubts else 0
        return note.place is not Place.UNKNOWN, note.channel not in channels, -value, -note.number

    candidates = sorted((note for note in deposit.notes if belongs(note)), key=order)
    return [note.number for note in candidates[:count]]


def _reserved(deposit: Deposit, lost: list[int], board: BoardEvidence) -> Deposit:
    """The credit was given under a reservation: what never came to the tray is disputed, until two people counted.

    What the board has counted into the tray was beyond the port: for that the credit stands, whoever has it now.
    """
    base = deposit.baseline
    arrived = (board.total_collected - base.board.total_collected) % TOTALS_MODULUS if base is not None else 0
    disputed = lost[: max(bundled(deposit) - arrived, 0)]
    notes = claimed(
        deposit.notes,
        lambda note: note.number in disputed and note.claim is Claim.CREDITED and not note.reason,
        Claim.DISPUTED,
        f"{RESERVED} {', '.join(sorted({DOUBTS[item.kind] for item in deposit.doubts}))}",
    )
    return replace(deposit, notes=notes)


def _found_again(deposit: Deposit, count: int) -> Deposit:
    """Notes in the tray beyond those due: first the ones whose place nobody knew.

    One that was disputed only because the tray lacked it is credited again: its record is not made yet.
    """
    missing = [note for note in deposit.notes if note.place is Place.UNKNOWN and not belongs(note)]
    missing.sort(key=lambda note: RESERVED not in note.reason)
    found = {note.number for note in missing[: max(count, 0)]}
    notes = moved(deposit.notes, lambda note: note.number in found, Place.TRAY)
    notes = tuple(
        replace(note, claim=Claim.CREDITED, reason="found by a later count")
        if note.number in found and RESERVED in note.reason
        else note
        for note in notes
    )
    return replace(deposit, notes=notes)


def _look_again(deposit: Deposit) -> Outcome:
    """Somebody touched the tray, or a command broke off: nothing is believed before the re-scan."""
    return steps.go(deposit, State.REALIGNING, RunBoard(steps.HOME))


def strapped(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """Strapped, or tried twice: the credit waits for neither."""
    bundle, deposit = deposit.bundle, replace(deposit, board=None)
    if fact.result == 0 and not deposit.rescan:
        return mark(replace(deposit, bundle=replace(bundle, strapped=True)))
    deposit = steps.remark(deposit, f"strap ended with result {fact.result}") if fact.result else deposit
    if deposit.rescan or _broke_off(deposit, fact.result):
        return _look_again(deposit)
    bundle = replace(bundle, strap_failures=bundle.strap_failures + 1)
    deposit = replace(deposit, bundle=bundle)
    if fact.result in (steps.JAM, steps.TIMEOUT):
        return _look_again(deposit)
    if bundle.strap_failures < STRAP_FAILURES_MAX:
        return steps.stay(deposit, RunBoard(steps.STRAP))
    return mark(deposit)


def _broke_off(deposit: Deposit, result: int) -> bool:
    """Whether a person stopped it, which is no failure of the mechanism: the re-scan waits for them."""
    return result in (steps.NO_TRAY, steps.INTERLOCK) and steps.may_wait(deposit, result)


def mark(deposit: Deposit) -> Outcome:
    """Print the next copy of the label; every earlier copy is void from now on."""
    notes = moved(deposit.notes, lambda note: note.place is Place.TRAY, Place.BUNDLE)
    deposit = replace(deposit, notes=notes)
    if deposit.bundle.label_failures >= LABEL_FAILURES_MAX:
        return store(steps.remark(deposit, "stored unlabelled"))
    bundle = replace(deposit.bundle, copy=deposit.bundle.copy + 1)
    return steps.go(replace(deposit, bundle=bundle), State.MARKING, PrintLabel(bundle.copy))


def printed(deposit: Deposit, fact: LabelPrinted) -> Outcome:
    """A printed label still has to be applied; one in doubt is void."""
    if fact.copy != deposit.bundle.copy:
        return steps.stay(deposit)
    if not fact.ok:
        return _label_failed(steps.remark(deposit, f"label copy {fact.copy} not printed"))
    serial = deposit.bundle.serial
    return steps.stay(deposit, RunBoard(steps.APPLY_LABEL, (serial >> 16 & 0xFFFF, serial & 0xFFFF, fact.copy)))


def applied(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """Applied is another fact than printed."""
    deposit = replace(deposit, board=None)
    if fact.result == 0 and not deposit.rescan:
        return store(replace(deposit, bundle=replace(deposit.bundle, labelled=True)))
    if fact.result:
        deposit = steps.remark(deposit, f"label copy {deposit.bundle.copy} not applied")
    if deposit.rescan or _broke_off(deposit, fact.result):
        return _look_again(deposit)
    return _label_failed(deposit)


def _label_failed(deposit: Deposit) -> Outcome:
    return mark(replace(deposit, bundle=replace(deposit.bundle, label_failures=deposit.bundle.label_failures + 1)))


def store(deposit: Deposit) -> Outcome:
    """Drop the bundle into its slot."""
    notes = moved(deposit.notes, lambda note: note.place is Place.TRAY, Place.BUNDLE)
    return steps.go(replace(deposit, notes=notes), State.STORING, RunBoard(steps.STORE, (deposit.bundle.slot,)))


def stored(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """In the cabinet, or left on the board after two tries: then the kiosk goes out of service, the credit stands."""
    deposit = replace(deposit, board=None)
    if fact.result == 0:
        return _stored(replace(deposit, bundle=replace(deposit.bundle, stored=True)), fact.evidence)
    deposit = steps.remark(deposit, f"store ended with result {fact.result}")
    if deposit.rescan or _broke_off(deposit, fact.result):
        return _look_again(deposit)
    bundle = replace(deposit.bundle, store_failures=deposit.bundle.store_failures + 1)
    deposit = replace(deposit, bundle=bundle)
    if bundle.store_failures < STORE_FAILURES_MAX:
        return _look_again(deposit) if fact.result in (steps.JAM, steps.TIMEOUT) else store(deposit)
    return steps.close(measured(deposit, fact.evidence.tray_notes, fact.evidence), "credited")


def timed_out(deposit: Deposit, fact: object) -> Outcome:
    """Ask the board again, if it was waiting for a person; else no technician came."""
    return steps.ask_again(deposit) if deposit.waiting else gave_up(deposit, fact)


def gave_up(deposit: Deposit, _: object) -> Outcome:
    """No technician came: the credit stands, the notes are recorded where they were last known to be."""
    text = f"left while {deposit.state}"
    deposit = steps.remark(deposit, text)
    emptying = deposit.state in (State.COLLECTING, State.RETRACTING) and not deposit.emptied
    if deposit.rolling_back or emptying:  # notes were on their way out: what became of them nobody has seen
        under_way = (Place.ESCROW, Place.TRANSPORT) if deposit.state is State.COLLECTING else (Place.ESCROW,)
        deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.place in under_way, Place.UNKNOWN))
    unheard = _unheard_of(deposit)
    deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.place in unheard, Place.UNKNOWN))
    return steps.close(deposit, "credited", note=(records.alert(deposit, "unfinished", (text,)),))


def _unheard_of(deposit: Deposit) -> tuple[Place, ...]:
    """Places that a command of unheard outcome may have emptied, or at which nobody has looked again."""
    if deposit.state is State.REALIGNING:
        return _ON_BOARD
    return () if deposit.board is None else _CARRIED.get(deposit.board.opcode, ())


def _notes_stored(deposit: Deposit, board: BoardEvidence) -> int:
    """How many notes the board counted into the cabinet since cash-in start."""
    base = deposit.baseline
    return (board.total_stored - base.board.total_stored) % TOTALS_MODULUS if base is not None else 0


def _stored(deposit: Deposit, board: BoardEvidence) -> Outcome:
    """In the cabinet: as many as the board counted there. The credit stands for the others, too."""
    counted = _notes_stored(deposit, board)
    if counted < bundled(deposit):
        deposit = measured(deposit, counted, board)
    notes = moved(deposit.notes, lambda note: note.place in _INSIDE, Place.CABINET)
    return steps.close(replace(deposit, notes=notes), "credited")
