"""What the validator finds and reports after a power cut: every row of ssp.md 6.3."""

from hwsim.devices.ssp_body import Body, Jam, Phase
from hwsim.devices.ssp_codes import Ev
from hwsim.devices.ssp_payout import Operation, Payout, Work
from hwsim.devices.ssp_store import Channel, amounts
from hwsim.notes import Note, Place


def after_power_up(body: Body, payout: Payout) -> None:
    """Clear the path and queue the events that tell of it. A stubborn jam stays and says so."""
    if body.jammed and not body.path.jam_cleared:
        return
    operation, payout.operation = payout.operation, None
    body.path.jam = Jam.NONE
    if operation is not None and operation.work is Work.RETURN:
        _incomplete(body, operation)
    note, channel, phase = body.path.note, body.path.channel, body.path.phase
    if note is None:
        body.path.clear()
        return
    number = channel.number if channel is not None else 0
    if phase in {Phase.SCANNING, Phase.ESCROW, Phase.REJECTING} or (
        phase is Phase.MOVING and body.profile.cut_before_safe_point == "front"
    ):
        _to_front(body, note, number)
    elif phase is Phase.MOVING:
        body.world.notes.mark_inserted(note)
        _into_cashbox(body, note, number)
    elif phase is Phase.PAST_SAFE and channel is not None and body.path.to_store:
        _to_store(body, note, channel)
    elif phase is Phase.PAST_SAFE:
        _into_cashbox(body, note, number)
    elif channel is not None:
        _out_of_store(body, payout, note, channel)
    body.path.clear()


def _to_front(body: Body, note: Note, number: int) -> None:
    body.world.notes.move(note, Place.PATH, Place.BEZEL)
    body.events.post(Ev.CLEARED_FROM_FRONT, channel=number)
    body.announce("cleared_from_front", note)


def _into_cashbox(body: Body, note: Note, number: int) -> None:
    body.world.notes.move(note, Place.PATH, Place.TRANSPORT)
    body.store.counters.bump("stacked")
    body.events.post(Ev.CLEARED_INTO_CASHBOX, channel=number)
    body.announce("cleared_into_cashbox", note)


def _to_store(body: Body, note: Note, channel: Channel) -> None:
    value, country = channel.denomination
    if body.profile.cut_on_way_to_store == "store":
        body.world.notes.move(note, Place.PATH, Place.STORE)
        held = body.held(note, channel)
        held.escrow = held.escrow and body.profile.escrow_survives
        body.store.held.append(held)
        body.store.counters.bump("stored")
        body.events.post(Ev.INTO_STORE_AT_RESET, value=value, country=country)
        body.announce("into_store_at_reset", note)
        return
    body.world.notes.move(note, Place.PATH, Place.TRANSPORT)
    body.store.counters.bump("stacked")
    body.events.post(Ev.INTO_STACKER_AT_RESET, value=value, country=country)
    body.announce("into_stacker_at_reset", note)


def _incomplete(body: Body, operation: Operation) -> None:
    """DC: what was paid of what was asked, per country."""
    paid = {country: value for value, country in amounts(operation.done)}
    rows = tuple((paid.get(country, 0), value, country) for value, country in operation.requested)
    body.events.post(Ev.INCOMPLETE_PAYOUT, amounts=rows)


def _out_of_store(body: Body, payout: Payout, note: Note, channel: Channel) -> None:
    value, country = channel.denomination
    if body.path.phase is Phase.OUT_TO_BEZEL:
        body.world.notes.move(note, Place.PATH, Place.BEZEL)
        body.store.counters.bump("dispensed")
        body.announce("offered", note)
    elif body.path.phase is Phase.TRANSFER:
        if body.profile.cut_while_emptying == "stacker":
            payout.to_stacker(next(held for held in body.store.held if held.note is note))
            body.events.post(Ev.INTO_STACKER_AT_RESET, value=value, country=country)
    else:
        validated = body.path.phase is Phase.OUT_OF_STORE  # inside the validator nobody knows which note it was
        body.world.notes.move(note, Place.PATH, Place.TRANSPORT)
        body.store.counters.bump("transferred")
        body.announce("into_stacker_at_reset", note)
        if validated:
            body.events.post(Ev.INTO_STACKER_AT_RESET, value=value, country=country)
        else:
            body.events.post(Ev.CLEARED_INTO_CASHBOX, channel=0)
