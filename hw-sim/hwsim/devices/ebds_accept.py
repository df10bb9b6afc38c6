"""A note on its way through the EBDS acceptor: throat, escrow, cassette; or back out (ebds.md 4.1, 4.3)."""

from hwsim.devices import ebds_body as b
from hwsim.devices.ebds_body import EbdsBody, Happened
from hwsim.devices.ssp_body import Jam, Phase
from hwsim.notes import Note, Place


class EbdsAcceptor:
    """Moves the one note in the path. What happens is told once, in the next reply."""

    def __init__(self, body: EbdsBody) -> None:
        self._body = body

    # --- from the throat -------------------------------------------------------------------------------

    def try_draw(self) -> None:
        """Draw in the note in the throat when everything allows it and everything before it has been told."""
        body = self._body
        ready = body.enables and not body.initialising and not body.out_of_order and not body.events
        waiting = body.world.notes.at(Place.THROAT)
        if not ready or body.phase is not Phase.IDLE or not waiting or body.world.notes.at(Place.BEZEL):
            return
        note = waiting[0]
        body.world.notes.move(note, Place.THROAT, Place.PATH)
        body.phase, body.note = Phase.SCANNING, note
        body.announce("scanning", note)
        body.timers.start("path", body.config.scan_s, self._scanned)

    def _scanned(self) -> None:
        body, note = self._body, self._body.the_note()
        body.index, body.suspect = body.recognise(note)
        if body.plans.misread > 0:
            body.plans.misread -= 1
            body.index = 0
        if not body.index or not body.accepts(body.index):
            self._give_back(Happened(b.IDLING, b.REJECTED))
            return
        body.phase = Phase.ESCROW
        body.announce("read", note, channel=body.index)
        if body.config.profile.escrow_timeout_s:
            body.timers.start("escrow", body.config.profile.escrow_timeout_s, self._expire)

    # --- the host's word -------------------------------------------------------------------------------

    def stack(self) -> bool:
        """Data 1 bit 5; False when no note is in escrow and none is on its way."""
        body = self._body
        if body.phase is Phase.ESCROW and not body.held_out_of_order:
            body.timers.stop("escrow")
            body.phase = Phase.MOVING
            body.announce("accepted", body.note)
            body.timers.start("path", body.config.to_safe_point_s, self._safe_point)
        return body.phase is not Phase.IDLE

    def give_back(self) -> bool:
        """Data 1 bit 6, or the escrow's time-out."""
        body = self._body
        if body.phase is Phase.ESCROW and not body.held_out_of_order:
            body.timers.stop("escrow")
            self._give_back(Happened(b.IDLING | b.RETURNED))
        return body.phase is not Phase.IDLE

    def _expire(self) -> None:
        self.give_back()

    def _give_back(self, told: Happened) -> None:
        body = self._body
        body.phase = Phase.REJECTING
        body.announce("rejecting", body.note)
        body.timers.start("path", body.config.reject_s, lambda: self._given_back(told))

    def _given_back(self, told: Happened) -> None:
        body, note = self._body, self._body.the_note()
        body.world.notes.move(note, Place.PATH, Place.BEZEL)
        body.leave_path()
        body.events.append(told)
        body.announce("rejected", note)

    # --- into the cassette -----------------------------------------------------------------------------

    def _safe_point(self) -> None:
        body, note = self._body, self._body.the_note()
        if body.plans.jam == "unsafe":
            self._jammed(Jam.UNSAFE)
            return
        if body.plans.cheat:
            self._cheated()
            return
        body.world.notes.mark_inserted(note)
        body.phase = Phase.PAST_SAFE
        if body.plans.jam:
            self._jammed(Jam.SAFE)
            return
        body.timers.start("path", body.config.to_cassette_s, self._arrived)

    def _cheated(self) -> None:
        body, note = self._body, self._body.the_note()
        pulled, body.plans.cheat = body.plans.cheat == "pulled", ""
        if pulled:
            body.world.notes.move(note, Place.PATH, Place.OUT)
            body.leave_path()
        else:
            self._into_cassette()
        body.events.append(Happened(b.IDLING, b.CHEATED))
        body.announce("fraud", note, pulled=pulled)

    def _jammed(self, jam: Jam) -> None:
        body = self._body
        body.jam, body.jam_cleared, body.plans.jam = jam, not body.plans.jam_stubborn, ""
        body.announce("jammed", body.note, where=jam.value)

    def _arrived(self) -> None:
        body = self._body
        index, suspect = body.index, body.suspect
        note = self._into_cassette()
        body.events.append(Happened(b.IDLING | b.STACKED, note=index, suspect=suspect))
        body.announce("credited", note)
        body.announce("stacked", note)
        body.cassette_full = len(body.cassette) >= body.config.cassette_capacity

    def _into_cassette(self) -> Note:
        body, note = self._body, self._body.the_note()
        if not note.inserted:
            body.world.notes.mark_inserted(note)
        body.world.notes.move(note, Place.PATH, Place.CASSETTE)
        body.leave_path()
        return note

    # --- hands and power -------------------------------------------------------------------------------

    def freed(self, *, take: bool) -> None:
        """A technician opened the path; the device goes on by itself."""
        body = self._body
        if take and body.note is not None and body.phase is not Phase.IDLE:
            note = body.note
            body.world.notes.move(note, Place.PATH, Place.REMOVED)
            body.timers.stop("path")
            body.leave_path()
            body.announce("taken_from_path", note)
        unsafe, body.jam = body.jam is Jam.UNSAFE, Jam.NONE
        if body.note is None:
            return
        if body.phase is Phase.ESCROW:
            body.held_out_of_order = False
        elif unsafe:
            self._give_back(Happened(b.IDLING | b.RETURNED))
        else:
            body.timers.start("path", body.config.to_cassette_s, self._arrived)

    def after_power_up(self) -> None:
        """What the policy heard last says of a note inside. A stubborn jam stays."""
        body, profile = self._body, self._body.config.profile
        if body.jam is not Jam.NONE and not body.jam_cleared:
            return
        body.jam = Jam.NONE
        if body.note is None:
            body.leave_path()
        elif body.phase in {Phase.MOVING, Phase.PAST_SAFE}:
            index = body.index if body.policy == b.POLICY_B else 0
            note = self._into_cassette()
            body.events.append(Happened(b.IDLING | b.STACKED, note=index))
            body.announce("stacked", note, reported=bool(index))
        elif body.phase is Phase.ESCROW and body.policy:
            body.held_out_of_order = profile.held_at_power_up == "out_of_order"
            if body.held_out_of_order and not body.the_note().inserted:
                body.world.notes.mark_inserted(body.the_note())  # it never goes back by itself
        else:
            note = body.the_note()
            body.world.notes.move(note, Place.PATH, Place.BEZEL)
            body.leave_path()
            body.events.append(Happened(b.IDLING | b.RETURNED))
            body.announce("cleared_from_front", note)
