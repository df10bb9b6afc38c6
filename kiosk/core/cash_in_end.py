"""After the confirmation, only forward: commit, collect, strap, mark, store. Nothing here changes the credit."""

from msgspec.structs import replace

from kiosk.core import records, steps
from kiosk.core.facts import BoardEvidence, BoardFinished, Confirm, EscrowCommitted, LabelPrinted, StoreEmptied
from kiosk.core.ledger import disputed_unknown
from kiosk.core.money import Claim, Note, Place, claimed, moved, open_notes
from kiosk.core.orders import CloseShutter, CommitEscrow, EmptyStore, PrintLabel, RunBoard
from kiosk.core.state import Deposit, Outcome, State

LABEL_FAILURES_MAX = 2
STRAP_FAILURES_MAX = 2
STORE_FAILURES_MAX = 2
TOTALS_MODULUS = 1 << 16
COLLECTS_MAX = 8  # a belt sensor that is stuck must not keep a credited deposit for ever


_INSIDE = (Place.VALIDATOR, Place.ESCROW, Place.TRANSPORT, Place.TRAY, Place.BUNDLE)


def belongs(note: Note) -> bool:
    """Whether a note belongs into the bundle: credited, or disputed and moving along with the credited ones."""
    return note.claim is Claim.CREDITED or note.place in _INSIDE


def bundled(deposit: Deposit) -> int:
    """How many notes belong into the bundle."""
    return sum(1 for note in deposit.notes if belongs(note))


def confirmed(deposit: Deposit, fact: Confirm) -> Outcome:
    """The point of no return, and the credit: once this is durable, recovery only rolls forward."""
    if not open_notes(deposit.notes):  # only a note handed back was waited for
        return steps.close(deposit, "nothing_inserted", CloseShutter())
    notes = claimed(deposit.notes, lambda note: note.claim is Claim.OPEN, Claim.CREDITED)
    deposit = replace(
        deposit, notes=notes, confirmed_at=fact.at, outcome="credited", emptied=not deposit.escrowed, collected=0
    )
    port = (CloseShutter(),) if deposit.at_bezel else ()
    return steps.go(replace(deposit, at_bezel=False), State.COMMITTING, *port, CommitEscrow())


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
    deposit = replace(deposit, board=None)
    if fact.result:
        deposit = steps.remark(deposit, f"home ended with result {fact.result}")
    return from_evidence(deposit, fact.evidence)


def from_evidence(deposit: Deposit, board: BoardEvidence) -> Outcome:
    """Choose the next step of a confirmed deposit by what the sensors and totals say, never by hope."""
    if _notes_stored(deposit, board):
        return _stored(replace(deposit, bundle=replace(deposit.bundle, stored=True)), board)
    if deposit.collects < COLLECTS_MAX and (not deposit.emptied or board.transport_occupied):
        return steps.go(replace(deposit, collected=board.tray_notes), State.COMMITTING, CommitEscrow())
    deposit = measured(deposit, board.tray_notes)
    if board.tray_notes == 0:
        return steps.close(deposit, "credited")
    if board.label_present:
        bundle = replace(deposit.bundle, strapped=board.strap_present, labelled=True)
        return store(replace(deposit, bundle=bundle))
    if board.strap_present or deposit.bundle.strap_failures >= STRAP_FAILURES_MAX:
        return mark(replace(deposit, bundle=replace(deposit.bundle, strapped=board.strap_present)))
    return steps.go(deposit, State.STRAPPING, RunBoard(steps.STRAP))


def measured(deposit: Deposit, tray_notes: int) -> Deposit:
    """Believe the re-scanned tray for place. Short: the credit stands; over: the surplus is disputed, unvalued."""
    due = bundled(deposit)
    numbers = [note.number for note in deposit.notes if belongs(note)]
    present, lost = set(numbers[:tray_notes]), set(numbers[tray_notes:])
    notes = moved(deposit.notes, lambda note: note.number in present, Place.TRAY)
    notes = moved(notes, lambda note: note.number in lost, Place.UNKNOWN)
    deposit = replace(deposit, notes=notes, bundle=replace(deposit.bundle, short_by=max(due - tray_notes, 0)))
    deposit = _found_again(deposit, tray_notes - due)
    surplus = tray_notes - bundled(deposit)
    if surplus > 0:
        deposit = disputed_unknown(deposit, surplus, Place.TRAY, "more notes in the tray than the journal knows")
        deposit = replace(deposit, bundle=replace(deposit.bundle, over_by=deposit.bundle.over_by + surplus))
    if tray_notes != due:
        deposit = steps.remark(deposit, f"the tray holds {tray_notes} notes, the journal {due}: unit inaccurate")
    return deposit


def _found_again(deposit: Deposit, count: int) -> Deposit:
    """Notes in the tray beyond those due: first the ones whose place nobody knew, such as after a failed purge."""
    missing = [note.number for note in deposit.notes if note.place is Place.UNKNOWN and not belongs(note)]
    found = set(missing[: max(count, 0)])
    return replace(deposit, notes=moved(deposit.notes, lambda note: note.number in found, Place.TRAY))


def strapped(deposit: Deposit, fact: BoardFinished) -> Outcome:
    """Strapped, or tried twice: the credit waits for neither."""
    bundle, deposit = deposit.bundle, replace(deposit, board=None)
    if fact.result == 0:
        return mark(replace(deposit, bundle=replace(bundle, strapped=True)))
    bundle = replace(bundle, strap_failures=bundle.strap_failures + 1)
    deposit = steps.remark(replace(deposit, bundle=bundle), f"strap ended with result {fact.result}")
    if bundle.strap_failures < STRAP_FAILURES_MAX:
        return steps.stay(deposit, RunBoard(steps.STRAP))
    return mark(deposit)


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
    if fact.result == 0:
        return store(replace(deposit, bundle=replace(deposit.bundle, labelled=True)))
    return _label_failed(steps.remark(deposit, f"label copy {deposit.bundle.copy} not applied"))


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
    bundle = replace(deposit.bundle, store_failures=deposit.bundle.store_failures + 1)
    deposit = steps.remark(replace(deposit, bundle=bundle), f"store ended with result {fact.result}")
    if bundle.store_failures < STORE_FAILURES_MAX:
        return store(deposit)
    return steps.close(deposit, "credited")


def gave_up(deposit: Deposit, _: object) -> Outcome:
    """No technician came: the credit stands, the notes are recorded where they were last known to be."""
    text = f"left while {deposit.state}"
    deposit = steps.remark(deposit, text)
    return steps.close(deposit, "credited", note=(records.alert(deposit, "unfinished", (text,)),))


def _notes_stored(deposit: Deposit, board: BoardEvidence) -> int:
    """How many notes the board counted into the cabinet since cash-in start."""
    base = deposit.baseline
    return (board.total_stored - base.board.total_stored) % TOTALS_MODULUS if base is not None else 0


def _stored(deposit: Deposit, board: BoardEvidence) -> Outcome:
    """In the cabinet: as many as the board counted there. The credit stands for the others, too."""
    counted = _notes_stored(deposit, board)
    if counted < bundled(deposit):
        deposit = measured(deposit, counted)
    notes = moved(deposit.notes, lambda note: note.place in _INSIDE, Place.CABINET)
    return steps.close(replace(deposit, notes=notes), "credited")
