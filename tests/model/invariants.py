"""What must hold in every state of the model, each with its statement. DESIGN.md section 3, the rule of money."""

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from kiosk.core.cash_in_end import RESERVED
from kiosk.core.facts import AtReset, Confirm, Fact, NoteCredited, Reconciled
from kiosk.core.ledger import IN_DOUBT
from kiosk.core.money import Claim, Note, Place, open_notes
from kiosk.core.state import Deposit, Outcome, State
from tests.model.parts import CHANNEL, World, inserted, total

ORDERS_MAX: Final = 16
_K: Final = {channel: kind for kind, channel in CHANNEL.items()}


class Violation(Exception):
    """An invariant does not hold: which, and how."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


STEP_INVARIANTS: Final = (
    "the table takes every fact that may come",
    "one place and one claim: a note is never forgotten, and its value never changes",
    "only a confirmation credits, and only what was open",
    "after the confirmation the credit never changes (but for a reservation under which it was given)",
    "nothing is open from closing to idle",
    "a suspect note is retained or disputed, never credited nor returned",
    "exactly the deposits with a credit are confirmed",
    "the record is made once per deposit, on the way out of closing",
    "without bunch escrow a note is credited when it is said to be in the cassette, and stays so",
)
STATE_INVARIANTS: Final = (
    "credited money is inside: in the validator (or the one that was taken away), on the board or in the cabinet",
    "returned money was taken by the depositor",
    "no suspect note that was credited to the count lies within the depositor's reach",
    "the port is not opened for notes before the baseline is durable",
    "the queue of orders is bounded",
    "a suspect note is purged before any genuine note moves (unless the board broke)",
)
RECORD_INVARIANTS: Final = (
    "a deposit has one record",
    "inserted = sum over claims, in notes and in value",
    "a place in the books is no fuller than the same place in the world",
)
SPACE_INVARIANTS: Final = (
    "no deadlock: something can happen in every state",
    "idle can be reached from every state",
    "left alone by everybody, the kiosk comes to rest: idle, or waiting for a named person",
)


def _amounts(deposit: Deposit, claim: Claim) -> Counter[int]:
    return Counter(note.channel for note in deposit.notes if note.claim is claim)


def _promised(deposit: Deposit) -> Counter[int]:
    """Notes credited, with those disputed since for a reservation that was known when they were."""
    return Counter(note.channel for note in deposit.notes if note.claim is Claim.CREDITED or RESERVED in note.reason)


def _may_change(was: Note, now: Note, deposit: Deposit) -> bool:
    """Whether a claim may become another one. What is settled stays so, but for what DESIGN.md says of doubt."""
    reserved = bool(deposit.doubts) and {was.claim, now.claim} == {Claim.CREDITED, Claim.DISPUTED}
    suspect = was.suspect and now.claim is Claim.DISPUTED
    return was.claim is Claim.OPEN or suspect or (reserved and RESERVED in was.reason + now.reason)


def _require(invariant: str, *, holds: bool, detail: str) -> None:
    assert invariant in STEP_INVARIANTS + STATE_INVARIANTS + RECORD_INVARIANTS, invariant
    if not holds:
        raise Violation(invariant, detail)


def check_step(before: Deposit, fact: Fact, outcome: Outcome) -> None:
    """What one step of the table may do to the books."""
    after = outcome.deposit
    name = f"{type(fact).__name__} in {before.state}"
    records = sum(1 for record in outcome.records if record.kind == "deposit")
    _require(
        STEP_INVARIANTS[7],
        holds=records == (before.state is State.CLOSING and after.state in (State.RECEIPT, State.DONE)),
        detail=f"{name} made {records} records",
    )
    if not after.id:
        _require(STEP_INVARIANTS[4], holds=not open_notes(before.notes), detail=f"{name} leaves an open note")
        return
    _check_notes(before, fact, after, name)
    if after.state in (State.RECEIPT, State.DONE) and before.state in (State.RECEIPT, State.DONE):
        return
    now, was = _promised(after), _promised(before)
    if not after.policy.bunch_escrow:
        holds = was <= now and (now == was or isinstance(fact, NoteCredited | AtReset | Reconciled))
        _require(STEP_INVARIANTS[8], holds=holds, detail=f"{name}: {dict(was)} became {dict(now)}")
    elif before.confirmed:
        holds = after.confirmed and now == was and after.confirmed_minor == before.confirmed_minor
        _require(STEP_INVARIANTS[3], holds=holds, detail=f"{name}: {dict(was)} became {dict(now)}")
    elif now:
        holds = isinstance(fact, Confirm) and now == _amounts(before, Claim.OPEN)
        _require(STEP_INVARIANTS[2], holds=holds, detail=f"{name} credited {dict(now)}")
    if after.policy.bunch_escrow:
        _require(STEP_INVARIANTS[6], holds=bool(now) == after.confirmed, detail=name)
    if after.state in (State.CLOSING, State.RECEIPT, State.DONE):
        _require(STEP_INVARIANTS[4], holds=not open_notes(after.notes), detail=name)


def _check_notes(before: Deposit, fact: Fact, after: Deposit, name: str) -> None:
    kept = {note.number: note for note in after.notes}
    _require(STEP_INVARIANTS[1], holds=len(kept) == len(after.notes), detail=f"{name}: a number twice")
    if before.id == after.id:
        for note in before.notes:
            now = kept.get(note.number)
            holds = now is not None and (now.channel, now.value_minor) == (note.channel, note.value_minor)
            _require(STEP_INVARIANTS[1], holds=holds, detail=f"{name}: note {note.number} became {now}")
            assert now is not None
            holds = now.claim is note.claim or _may_change(note, now, after)
            _require(STEP_INVARIANTS[1], holds=holds, detail=f"{name}: a settled claim changed to {now}")
    for note in after.notes:
        if note.suspect:
            holds = note.claim in (Claim.RETAINED, Claim.DISPUTED)
            _require(STEP_INVARIANTS[5], holds=holds, detail=f"{name}: {note}")


class Claims(NamedTuple):
    """What the books say of whose the notes are, in the letters of the world."""

    credited: str
    returned: str
    started: bool  # the baseline is durable

    @classmethod
    def of(cls, deposit: Deposit) -> "Claims":
        """Read off the deposit."""
        credited, returned = (
            "".join(_K[note.channel] for note in deposit.notes if note.claim is claim)
            for claim in (Claim.CREDITED, Claim.RETURNED)
        )
        return cls(credited, returned, deposit.baseline is not None)


def _within(some: str, heap: str) -> bool:
    return all(some.count(kind) <= heap.count(kind) for kind in set(some))


def check_world(claims: Claims, world: World, *, untroubled: bool) -> None:
    """What must be true of world and books together, in every state before the record.

    `untroubled`: nothing has broken so far. A purge that failed may leave a suspect note among the others.
    """
    v, b = world.v, world.b
    _require(STATE_INVARIANTS[4], holds=len(world.c.queue) <= ORDERS_MAX, detail="too many orders wait")
    if untroubled:
        _require(STATE_INVARIANTS[5], holds="S" not in b.tray and "S" not in b.cabinet, detail="it lies in the tray")
    if world.recorded:
        return
    lost = world.out + world.bezel
    path = v.path[1] if v.path is not None and v.path[0] != "out_bezel" else ""
    if claims.credited:
        inside = path + v.store + v.cassette + world.removed + b.transport + b.tray + b.cabinet + b.retract
        holds = _within(claims.credited, inside)
        _require(STATE_INVARIANTS[0], holds=holds, detail=f"credited {claims.credited}, inside {inside}")
    if claims.returned:
        holds = _within(claims.returned, world.out)
        _require(STATE_INVARIANTS[1], holds=holds, detail=f"returned {claims.returned}, taken {world.out}")
    _require(STATE_INVARIANTS[2], holds="S" not in lost, detail="it lies at the bezel or was taken")
    _require(STATE_INVARIANTS[3], holds=claims.started or not v.enabled, detail="the validator is enabled")


_PLACES: Final[dict[Place, Callable[[World], str]]] = {  # as the judge of the simulation reads them
    Place.CABINET: lambda w: w.b.cabinet,
    Place.RETRACT: lambda w: w.b.retract,
    Place.OUT: lambda w: w.out + w.bezel + w.front,
    Place.TRAY: lambda w: w.b.tray,
    Place.BUNDLE: lambda w: w.b.tray,
    Place.TRANSPORT: lambda w: w.b.transport,
    Place.ESCROW: lambda w: w.v.store,
    Place.VALIDATOR: lambda w: w.v.store + w.v.cassette + w.v.asleep + (w.v.path[1] if w.v.path is not None else ""),
    Place.CASH_IN: lambda w: w.v.cassette,
}


def check_record(deposit: Deposit, world: World) -> None:
    """The equation, when the record is made: everything is reconciled and closed."""
    _require(RECORD_INVARIANTS[0], holds=not world.recorded, detail="a second record")
    told = (*world.v.queue, *world.c.batch)
    if world.v.restarted or any(kind in ("credited", "stored", "stacked") for kind, _ in told):
        return  # the validator has moved a note since, such as out of a jam, and nobody can have heard of it
    real, back, path = inserted(world), len(world.front), world.v.path
    if path is not None and not world.v.escrow:  # stuck, and nothing tells where: disputed, not yet inserted
        back += path[0] == "moving"
    elif world.v.escrow:  # in doubt, disputed: the depositor or the technician may have it
        back += sum(note.reason.startswith(IN_DOUBT) for note in deposit.notes)
    books = [note.value_minor for note in deposit.notes]
    said = [(note.channel, str(note.claim), str(note.place), note.reason) for note in deposit.notes]
    detail = f"inserted {real}, back at the front {world.front or 'none'}, the books have {said}"
    # A note that came back out at the front may be in the books, disputed; it is in nobody's hands but the depositor's.
    _require(RECORD_INVARIANTS[1], holds=len(real) <= len(books) <= len(real) + back, detail=detail)
    if None not in books and len(books) == len(real):
        _require(RECORD_INVARIANTS[1], holds=sum(v or 0 for v in books) == total(real), detail=detail)
    for place, really in _PLACES.items():
        claimed = sum(1 for note in deposit.notes if note.place is place)
        found = sum(1 for kind in really(world) if kind.isupper())
        _require(
            RECORD_INVARIANTS[2], holds=claimed <= found, detail=f"{place}: {claimed} said, {found} found; {detail}"
        )
