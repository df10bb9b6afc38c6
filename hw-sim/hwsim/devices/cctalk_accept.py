"""A note on its way through the ccTalk validator: throat, escrow, cassette; or back out (cctalk.md 4.3)."""

from hwsim.devices.cctalk_body import MODE_ESCROW, CctalkBody
from hwsim.devices.cctalk_events import IN_ESCROW, STACKED, Status
from hwsim.devices.ssp_body import Jam, Phase
from hwsim.notes import Kind, Note, Place


class CctalkAcceptor:
    """Moves the one note in the path. Credit is the event (type, 0), which comes when it lies in the cassette."""

    def __init__(self, body: CctalkBody) -> None:
        self._body = body

    # --- from the throat -------------------------------------------------------------------------------

    def try_draw(self) -> None:
        """Draw in the note in the throat when everything allows it."""
        body = self._body
        ready = body.master and body.inhibits and not body.initialising and not body.out_of_order
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
        body.bill = body.recognise(note)
        if body.plans.misread > 0:
            body.plans.misread -= 1
            body.bill = 0
        if not body.bill:
            self._give_back(Status.TRANSPORT_PROBLEM if note.kind in {Kind.LONG, Kind.DOUBLE} else Status.INVALID)
        elif not (body.master and body.inhibits >> (body.bill - 1) & 1):
            self._give_back(Status.INHIBITED)
        elif body.mode & MODE_ESCROW:
            body.phase = Phase.ESCROW
            body.events.post(body.bill, IN_ESCROW)
            body.announce("read", note, channel=body.bill)
            self.restart_timeout()
        else:
            self._stack()

    # --- in escrow -------------------------------------------------------------------------------------

    def restart_timeout(self) -> None:
        body = self._body
        body.timers.start("escrow", body.config.profile.escrow_timeout_s, self.give_back)

    def accept(self) -> None:
        """Route 1."""
        self._body.timers.stop("escrow")
        self._stack()

    def give_back(self) -> None:
        """Route 0, or the escrow's time-out."""
        self._body.timers.stop("escrow")
        self._give_back(None)

    def _give_back(self, cause: Status | None) -> None:
        body = self._body
        if cause is not None:
            body.events.status(cause)
        body.phase = Phase.REJECTING
        body.announce("rejecting", body.note, cause="host" if cause is None else cause.name.lower())
        body.timers.start("path", body.config.reject_s, self._given_back)

    def _given_back(self) -> None:
        body, note = self._body, self._body.the_note()
        body.world.notes.move(note, Place.PATH, Place.BEZEL)
        body.leave_path()
        body.events.status(Status.RETURNED)
        body.announce("rejected", note)

    # --- into the cassette -----------------------------------------------------------------------------

    def _stack(self) -> None:
        body = self._body
        body.phase = Phase.MOVING
        body.announce("accepted", body.note)
        body.timers.start("path", body.config.to_safe_point_s, self._safe_point)

    def _safe_point(self) -> None:
        body, note = self._body, self._body.the_note()
        if body.plans.jam == "unsafe":
            self._jammed(Jam.UNSAFE, Status.JAM_UNSAFE)
            return
        if body.plans.fraud:
            self._fraud()
            return
        body.world.notes.mark_inserted(note)
        body.phase = Phase.PAST_SAFE
        if body.plans.jam:
            self._jammed(Jam.SAFE, Status.JAM_SAFE if body.plans.jam == "safe" else Status.JAM_STACKER)
            return
        body.timers.start("path", body.config.to_cassette_s, self._arrived)

    def _fraud(self) -> None:
        body, note = self._body, self._body.the_note()
        pulled, body.plans.fraud = body.plans.fraud == "pulled", ""
        body.events.status(Status.PULLED_BACK if pulled else Status.STRING_FRAUD)
        if pulled:
            body.world.notes.move(note, Place.PATH, Place.OUT)
        else:
            body.world.notes.mark_inserted(note)
            body.world.notes.move(note, Place.PATH, Place.CASSETTE)
        body.leave_path()
        body.announce("fraud", note, pulled=pulled)

    def _jammed(self, jam: Jam, status: Status) -> None:
        body = self._body
        body.jam, body.jam_cleared, body.plans.jam = jam, not body.plans.jam_stubborn, ""
        body.events.status(status)
        body.announce("jammed", body.note, where=jam.value)

    def _arrived(self) -> None:
        body = self._body
        body.events.post(body.bill, STACKED)
        note = self.into_cassette()
        body.announce("credited", note)
        body.announce("stacked", note)
        if len(body.cassette) >= body.config.cassette_capacity:
            self.fill()
        self.try_draw()

    def into_cassette(self) -> Note:
        """The note in the path lies in the cassette now."""
        body, note = self._body, self._body.the_note()
        if not note.inserted:
            body.world.notes.mark_inserted(note)
        body.world.notes.move(note, Place.PATH, Place.CASSETTE)
        body.leave_path()
        return note

    def fill(self) -> None:
        """The cassette takes no more: it says so and inhibits itself."""
        body = self._body
        body.cassette_full = True
        body.events.status(Status.STACKER_FULL)
        body.events.status(Status.MASTER_INHIBIT)
        body.master = False

    # --- after a power cut -----------------------------------------------------------------------------

    def after_power_up(self) -> None:
        """Clear the path as the profile says. A stubborn jam stays."""
        body, profile = self._body, self._body.config.profile
        if body.jam is not Jam.NONE and not body.jam_cleared:
            body.events.status(Status.JAM_UNSAFE if body.jam is Jam.UNSAFE else Status.JAM_SAFE)
            return
        body.jam = Jam.NONE
        if body.note is None:
            body.leave_path()
            return
        stacked = body.phase is Phase.PAST_SAFE
        told = "unreported"
        if body.phase in {Phase.MOVING, Phase.PAST_SAFE}:
            told = profile.cut_while_stacking
        elif body.phase is Phase.ESCROW:
            told = profile.cut_in_escrow
        bill = body.bill
        if stacked or told.startswith("stacked"):
            note = self.into_cassette()
            body.announce("stacked", note)
        else:
            note = body.the_note()
            body.world.notes.move(note, Place.PATH, Place.BEZEL)
            body.leave_path()
            body.announce("cleared_from_front", note)
        if told == "stacked_credited":
            body.events.post(bill, STACKED)
        elif told == "stacked_unknown":
            body.events.status(Status.UNKNOWN_STACKED)
