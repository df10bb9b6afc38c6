"""How facts change the notes of a deposit: credit, pairing at reset, reconciliation by counters.

The validator is believed for value, the board for place. What cannot be decided is disputed, never
guessed. Sources: DESIGN.md section 3 "the rule of money"; SSP sheet sections 6.2 and 6.3.
"""

from typing import Final

from msgspec.structs import replace

from kiosk.core.facts import AtReset, Evidence
from kiosk.core.money import Claim, Note, Place, at, moved
from kiosk.core.state import Deposit, Doubt, DoubtKind, State

HANDED_BACK: Final = "cleared to the front after its credit"
_U32 = 1 << 32
HELD: Final = "held inside the validator, which neither takes nor gives it"
BY_COUNTERS: Final = "found by the validator's counters"
IN_DOUBT: Final = "ordered in, and the validator cannot tell whether it was stacked"
JAMMED: Final = f"{IN_DOUBT}: it jammed"
FISHED: Final = f"{IN_DOUBT}: somebody fished for it"
KEPT: Final = f"{IN_DOUBT}: what the board swept away then was not heard"
SILENT: Final = f"{IN_DOUBT}: it started again and said nothing of it"
UNSWEPT: Final = f"{IN_DOUBT}: a fault kept the board from looking for it"
UNCOUNTED: Final = f"{IN_DOUBT}: something lay on the board then, and the sweep counted nothing"
UNHEARD: Final = "the validator lost events, such as by a restart: a note held then may be inside, and nothing says so"
UNREPORTED: Final = "left the store without a report"
STUCK: Final = "jammed beyond reach without a credit"
EXCHANGED: Final = f"{IN_DOUBT}: it was replaced"
OF_NO_NOTE: Final = frozenset({"started", "asked", "asked_again"})  # at power-up, or before it is heard of
_AWAITED: Final = (JAMMED, STUCK, EXCHANGED)  # after these no other note is ordered in: a credit is this note's


def credit(deposit: Deposit, channel: int, place: Place = Place.VALIDATOR, reason: str = "") -> Deposit:
    """A note is beyond the depositor's reach: one new note, retained when it is suspect, else open.

    Without bunch escrow nothing could turn it back any more: it is credited at once.
    """
    kind = deposit.policy.kind(channel)
    suspect = kind is not None and kind.suspect
    note = Note(
        number=len(deposit.notes) + 1,
        channel=channel,
        value_minor=kind.value_minor if kind else None,
        currency=kind.currency if kind else "",
        suspect=suspect,
        place=place,
        claim=_ours(deposit, channel),
        reason=reason if kind else "channel outside the table",
    )
    return replace(deposit, notes=(*deposit.notes, note), accepting=None)


def jammed_inside(deposit: Deposit) -> bool:
    """Whether a jam holds a note beyond reach that was never credited."""
    flying = deposit.note(deposit.in_flight)
    return flying is not None and flying.reason == STUCK


def _ours(deposit: Deposit, channel: int) -> Claim:
    kind = deposit.policy.kind(channel)
    if kind is None:
        return Claim.DISPUTED
    if kind.suspect:
        return Claim.RETAINED
    return Claim.OPEN if deposit.policy.bunch_escrow else Claim.CREDITED


def _freed(deposit: Deposit, flying: Note, place: Place, how: str) -> Deposit:
    """The note in flight has arrived. One that a jam had held, disputed, is nobody's doubt any more."""
    if flying.reason == STUCK:
        deposit = update(deposit, flying.number, claim=_ours(deposit, flying.channel), reason=how)
    return settle(deposit, place)


def doubt(deposit: Deposit, channel: int, place: Place, reason: str) -> Deposit:
    """A note was ordered in, and nothing tells whether it is inside: one disputed note of the value that was read."""
    deposit = credit(deposit, channel, place)
    return update(deposit, len(deposit.notes), claim=Claim.DISPUTED, reason=reason)


def fished_channel(deposit: Deposit) -> int:
    """As what the note of the latest fraud attempt was read; 0 when nothing said so."""
    return next((item.channel for item in reversed(deposit.doubts) if item.kind == "fraud"), 0)


def stacker_exit(deposit: Deposit) -> Place:
    """Where the validator's stacker exit leads: to the board's belt, or into its own cassette."""
    return Place.TRANSPORT if deposit.policy.bunch_escrow else Place.CASH_IN


def update(deposit: Deposit, number: int, **changes: object) -> Deposit:
    """The deposit with one note changed."""
    notes = tuple(replace(note, **changes) if note.number == number else note for note in deposit.notes)
    return replace(deposit, notes=notes)


def disputed_unknown(deposit: Deposit, count: int, place: Place, reason: str) -> Deposit:
    """`count` notes that evidence shows and nothing explains: counted, not valued, disputed."""
    for _ in range(count):
        note = Note(
            number=len(deposit.notes) + 1,
            channel=0,
            value_minor=None,
            currency="",
            suspect=False,
            place=place,
            claim=Claim.DISPUTED,
            reason=reason,
        )
        deposit = replace(deposit, notes=(*deposit.notes, note))
    return deposit


def settle(deposit: Deposit, place: Place) -> Deposit:
    """The note in flight arrived at `place`."""
    if deposit.in_flight is None:
        return deposit
    return replace(update(deposit, deposit.in_flight, place=place), in_flight=None)


def reserve(deposit: Deposit, kind: DoubtKind, channel: int = 0) -> Deposit:
    """The coming credit is given under a reservation: a counted note may have left by the front."""
    item = Doubt(kind, channel)
    if deposit.confirmed or item in deposit.doubts:
        return deposit
    return replace(deposit, doubts=(*deposit.doubts, item))


def repeats(deposit: Deposit, channel: int) -> bool:
    """Whether a credit of this channel is one we know: not yet acknowledged, or paired at reset already."""
    note = deposit.note(deposit.unacknowledged)
    return (note is not None and note.channel == channel) or deposit.paired_channel == channel


def pair(deposit: Deposit, fact: AtReset) -> Deposit:
    """Match what the validator did at power-up with the note that it explains; unpaired, it is disputed."""
    if fact.kind == "cleared_from_front":
        return _handed_back(deposit, fact)
    place = Place.ESCROW if fact.kind == "into_store" else stacker_exit(deposit)
    doubtful = next((note for note in _awaited(deposit) if _explains(deposit, fact, note.channel)), None)
    flying = deposit.note(deposit.in_flight)
    if flying is not None and _explains(deposit, fact, flying.channel):
        jammed = flying.reason == STUCK  # its credit may still be said, and is the same note's
        deposit = _freed(deposit, flying, place, "paired at power-up")
        return replace(deposit, paired_channel=flying.channel if jammed else deposit.paired_channel)
    if deposit.accepting is not None and _explains(deposit, fact, deposit.accepting):
        channel = deposit.accepting
        return replace(credit(deposit, channel, place, "paired at power-up"), paired_channel=channel)
    if doubtful is not None:
        return update(deposit, doubtful.number, place=place, reason=f"{doubtful.reason}; {fact.kind} at power-up")
    astray = next((note for note in deposit.notes if _missed(note) and _explains(deposit, fact, note.channel)), None)
    if astray is not None and fact.kind != "into_store":  # it was in the path all the time, in a jam
        return update(deposit, astray.number, place=place, reason=f"{UNREPORTED}; {fact.kind} at power-up")
    return disputed_unknown(deposit, 1, place, f"unpaired {fact.kind} at power-up")


def _missed(note: Note) -> bool:
    return note.reason == UNREPORTED and note.place is Place.UNKNOWN


def _handed_back(deposit: Deposit, fact: AtReset) -> Deposit:
    deposit = reserve(deposit, "cleared_from_front", fact.channel)
    flying = deposit.note(deposit.in_flight)
    if flying is not None and fact.channel in (0, flying.channel) and deposit.accepting is None:
        # Either it came out at the front although it was credited, or the next note did, that nobody had read yet:
        # the counters will tell whether the one in flight arrived.
        return replace(deposit, fronted=True, at_bezel=True)
    return replace(deposit, accepting=None, at_bezel=True)  # never beyond reach: not inserted


def awaited(deposit: Deposit, channel: int) -> Note | None:
    """The note of this channel that was ordered in, given up and disputed before its credit came."""
    return next((note for note in _awaited(deposit) if note.channel == channel), None)


def _awaited(deposit: Deposit) -> list[Note]:
    return [note for note in deposit.notes if note.claim is Claim.DISPUTED and note.reason in _AWAITED]


def _explains(deposit: Deposit, fact: AtReset, channel: int) -> bool:
    if fact.value_minor is not None:
        kind = deposit.policy.kind(channel)
        return kind is not None and kind.value_minor == fact.value_minor
    return fact.channel in (0, channel)


def reconcile(deposit: Deposit, evidence: Evidence, *, jammed: bool) -> Deposit:
    """Compare what the validator can tell of the past with the journal, while nothing moves.

    `stored` and `stacked` count every note that came in since the baseline. One more than the journal knows
    is the note that was ordered in; further ones are disputed. One fewer: the note in flight is disputed. While the
    validator is `jammed` the note that was ordered in may still come in, or out: it is in doubt.
    """
    base = deposit.comparable
    if base is None:
        return deposit
    if not evidence.validator.counted:
        return _without_counters(deposit, evidence, jammed=jammed)
    stored = (evidence.validator.stored - base.validator.stored) % _U32
    known = _counted(deposit)
    surplus = _surplus(deposit, base, evidence)
    if surplus > 0 and deposit.accepting is not None:
        known_stored = len(at(known, Place.ESCROW, Place.OUT))
        place = Place.ESCROW if stored > known_stored else stacker_exit(deposit)
        deposit = credit(deposit, deposit.accepting, place, BY_COUNTERS)
        surplus -= 1
    elif deposit.jam_safe and deposit.accepting is not None and not _powered_up(deposit):
        there = jammed or not _interrupted(deposit)
        return _in_the_jam(deposit, deposit.accepting, Place.VALIDATOR if there else Place.UNKNOWN)
    elif jammed and deposit.accepting is not None:
        deposit = doubt(deposit, deposit.accepting, Place.UNKNOWN, JAMMED)
    elif deposit.accepting is not None and (_powered_up(deposit) or _interrupted(deposit)):
        # A note that it held, or was moving, when its power went, it would have told of: perhaps somebody took it out.
        deposit = doubt(deposit, deposit.accepting, Place.UNKNOWN, SILENT)
    deposit = replace(deposit, accepting=None, paired_channel=None, jam_safe=False)
    if surplus > 0:
        reason = "the validator counted notes that it never reported"
        in_store = min(surplus, max(stored - len(at(deposit.notes, Place.ESCROW, Place.OUT)), 0))
        deposit = disputed_unknown(deposit, in_store, Place.ESCROW, reason)
        return disputed_unknown(deposit, surplus - in_store, Place.UNKNOWN, reason)
    return _settle_flying(deposit, evidence, short=surplus < 0)


def _without_counters(deposit: Deposit, evidence: Evidence, *, jammed: bool) -> Deposit:
    """What the validator had to say it has said by now: a credit, or that the note went back.

    A note that was ordered in and of which nothing was heard is outside only if the validator's event list shows
    that nothing else happened. Otherwise nobody knows.
    """
    channel, unheard = deposit.accepting, deposit.unheard
    deposit = replace(deposit, accepting=None, paired_channel=None, unheard=False)
    deposit = settle(deposit, stacker_exit(deposit))
    if evidence.validator.note_held:
        return _held_inside(deposit) if channel is None else doubt(deposit, channel, Place.VALIDATOR, HELD)
    if channel is None:
        return deposit
    if evidence.validator.heard_all and not unheard and not jammed:
        return replace(deposit, at_bezel=True)
    return doubt(deposit, channel, Place.UNKNOWN, JAMMED if deposit.state is State.JAMMED else IN_DOUBT)


def _held_inside(deposit: Deposit) -> Deposit:
    """Nobody had ordered it in, and it does not come out: there is one such note at a time."""
    known = any(note.reason == HELD for note in deposit.notes)
    return deposit if known else disputed_unknown(deposit, 1, Place.VALIDATOR, HELD)


def _powered_up(deposit: Deposit) -> bool:
    """Whether the validator said since the last reconciliation that its power had been away."""
    return any(fact.kind not in ("asked", "asked_again") for fact in deposit.told)


def _interrupted(deposit: Deposit) -> bool:
    """Whether what it said when it was listened to may be lost."""
    return any(fact.kind == "asked_again" for fact in deposit.told)


def _in_the_jam(deposit: Deposit, channel: int, place: Place) -> Deposit:
    """Only the controller was restarted: the note that never was credited is where it was, beyond reach."""
    deposit = doubt(deposit, channel, place, STUCK)
    return replace(deposit, in_flight=len(deposit.notes), paired_channel=None, jam_safe=False)


def _counted(deposit: Deposit) -> list[Note]:
    """The notes that the validator's counters of notes taken in include."""
    return [note for note in deposit.notes if note.reason not in (HANDED_BACK, SILENT)]


def _surplus(deposit: Deposit, base: Evidence, evidence: Evidence) -> int:
    """How many more notes the validator took in since the baseline than the journal knows; negative: fewer.

    Counters below the baseline are another validator's, or lost their memory: not four thousand million notes.
    """
    stored = _since(evidence.validator.stored, base.validator.stored)
    stacked = _since(evidence.validator.stacked, base.validator.stacked)
    return stored + stacked - len(_counted(deposit)) - deposit.strays  # a stray was counted at the stacker, too


def uncounted(deposit: Deposit, evidence: Evidence) -> int | None:
    """How many more notes the validator counted in since the baseline than are booked; None when it has no counters."""
    base = deposit.baseline
    if base is None or not (base.validator.counted and evidence.validator.counted):
        return None
    return _surplus(deposit, base, evidence)


def _since(now: int, then: int) -> int:
    """The way of a 32-bit counter, the shorter way round."""
    return (now - then + _U32 // 2) % _U32 - _U32 // 2


def late_arrivals(deposit: Deposit, evidence: Evidence) -> Deposit:
    """Notes that came in when nobody waited for them any more, such as out of a jam that was cleared: disputed."""
    base = deposit.comparable
    if base is None:
        return deposit
    if not evidence.validator.counted:
        stuck = [note.number for note in at(deposit.notes, Place.VALIDATOR) if note.reason != HELD]
        deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.number in stuck, Place.UNKNOWN))
        return _held_inside(deposit) if evidence.validator.note_held else deposit
    surplus = _surplus(deposit, base, evidence)
    deposit = replace(deposit, notes=moved(deposit.notes, lambda note: note.place is Place.VALIDATOR, Place.UNKNOWN))
    return disputed_unknown(deposit, surplus, Place.UNKNOWN, "came in after the deposit was given up")


def _settle_flying(deposit: Deposit, evidence: Evidence, *, short: bool) -> Deposit:
    flying = deposit.note(deposit.in_flight)
    if flying is None:
        return deposit
    if short and flying.reason == STUCK and not _powered_up(deposit):
        return deposit  # disputed already, and the jam still holds it: what frees it will say where it went
    if short:
        lost = update(
            deposit,
            flying.number,
            place=Place.OUT if deposit.fronted else Place.UNKNOWN,
            claim=Claim.DISPUTED,
            reason=HANDED_BACK if deposit.fronted else "credited, then not counted by the validator",
        )
        return replace(lost, in_flight=None)
    at_store = evidence.validator.level > len(deposit.escrowed)
    return _freed(deposit, flying, Place.ESCROW if at_store else stacker_exit(deposit), BY_COUNTERS)
