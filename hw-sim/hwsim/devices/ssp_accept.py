"""A note on its way in: throat, scanning, escrow, safe point, store or stacker; or back out (ssp.md 6.1)."""

from collections.abc import Callable
from typing import Final

from hwsim.devices.ssp_body import Body, Jam, Phase
from hwsim.devices.ssp_codes import Ev, Reject
from hwsim.devices.ssp_events import Event
from hwsim.devices.ssp_store import STORE, Channel
from hwsim.notes import Kind, Note, Place

_NOT_RECOGNISED: Final = (Reject.AVERAGE, Reject.COASTLINE, Reject.GRAPH, Reject.BURIED)
_BY_KIND: Final = {Kind.LONG: Reject.TOO_LONG, Kind.DOUBLE: Reject.DOUBLE}


class Acceptor:
    """Draws notes in. `busy` tells whether the store is being worked on."""

    def __init__(self, body: Body, busy: Callable[[], bool]) -> None:
        self._body = body
        self._busy = busy
        self._rng = body.world.rng("validator/reading")

    # --- from the throat -------------------------------------------------------------------------------

    def try_draw(self) -> None:
        """Draw in the note in the throat when everything allows it."""
        body = self._body
        ready = body.enabled and body.inhibits and not body.initialising and not body.out_of_order
        if not ready or body.path.phase is not Phase.IDLE or self._busy() or body.events.blocked:
            return
        waiting = body.world.notes.at(Place.THROAT)
        if not waiting or body.world.notes.at(Place.BEZEL):
            return
        note = waiting[0]
        body.world.notes.move(note, Place.THROAT, Place.PATH)
        body.path.phase, body.path.note = Phase.SCANNING, note
        body.announce("scanning", note)
        body.timers.start("path", body.config.scan_s, self._scanned)

    def _scanned(self) -> None:
        body, note = self._body, self._note()
        channel = body.dataset.read(note)
        if body.plans.misread > 0:
            body.plans.misread -= 1
            channel = None
        if channel is None:
            self._reject(_BY_KIND.get(note.kind, self._rng.choice(_NOT_RECOGNISED)))
            return
        body.path.channel = channel
        refusal = self._refusal(channel)
        if refusal is not None:
            self._reject(refusal)
            return
        body.path.phase = Phase.ESCROW
        body.read_shown = False
        body.announce("read", note, channel=channel.number)
        self.restart_window()

    def _refusal(self, channel: Channel) -> int | None:
        """Why a recognised note goes back, or None; decides its way."""
        body = self._body
        if not body.enabled or not body.accepts(channel):
            return Reject.DISABLED_BY_HOST
        store = body.store
        to_store = body.payout_enabled and store.route(channel) == STORE and store.free > 0
        if to_store and store.escrow_size and len(store.escrow) >= store.escrow_size:
            return body.profile.escrow_full_reject
        body.path.to_store = to_store
        return None

    # --- in escrow -------------------------------------------------------------------------------------

    def restart_window(self) -> None:
        """Any command but a poll gives the host another window (rule 3)."""
        if self._body.path.phase is Phase.ESCROW:
            self._body.timers.start("window", self._body.profile.escrow_window_s, self.expire)

    def expire(self) -> None:
        if self._body.path.phase is Phase.ESCROW:
            self._reject(Reject.ESCROW_TIMEOUT)

    def polled(self) -> None:
        """A new poll: it accepts the held note when EF n was shown before."""
        body = self._body
        if body.path.phase is Phase.ESCROW and body.read_shown and not body.events.blocked:
            body.timers.stop("window")
            body.path.phase = Phase.MOVING
            body.announce("accepted", body.path.note)
            body.timers.start("path", body.config.to_safe_point_s, self._safe_point)

    def reject_by_host(self) -> bool:
        if self._body.path.phase is not Phase.ESCROW:
            return False
        self._reject(Reject.BY_HOST)
        return True

    def _reject(self, code: int) -> None:
        body = self._body
        body.timers.stop("window")
        body.last_reject = code
        body.path.phase = Phase.REJECTING
        body.announce("rejecting", body.path.note, code=int(code))
        body.timers.start("path", body.config.reject_s, self._rejected)

    def _rejected(self) -> None:
        body, note = self._body, self._note()
        body.world.notes.move(note, Place.PATH, Place.BEZEL)
        body.path.clear()
        body.store.counters.bump("rejected")
        body.events.post(Ev.REJECTED)
        body.announce("rejected", note)

    # --- beyond reach ----------------------------------------------------------------------------------

    def _safe_point(self) -> None:
        body, note, channel = self._body, self._note(), self._channel()
        if body.plans.jam == "unsafe":
            self._jam(Jam.UNSAFE)
            return
        if body.plans.fraud:
            self._fraud(note, channel)
            return
        body.world.notes.mark_inserted(note)
        body.path.phase = Phase.PAST_SAFE
        if body.plans.jam == "safe":
            body.path.to_store = False
            self._jam(Jam.SAFE)
            return
        body.events.post(Ev.CREDIT, channel=channel.number)
        body.announce("credited", note, channel=channel.number)
        body.timers.start("path", body.config.to_store_s, self._arrived)

    def _fraud(self, note: Note, channel: Channel) -> None:
        body = self._body
        pulled, body.plans.fraud = body.plans.fraud == "pulled", ""
        if pulled:
            body.world.notes.move(note, Place.PATH, Place.OUT)
        else:
            body.world.notes.mark_inserted(note)
            body.world.notes.move(note, Place.PATH, Place.TRANSPORT)
        body.path.clear()
        body.events.post(Ev.FRAUD, channel=channel.number)
        body.announce("fraud", note, pulled=pulled)

    def _jam(self, jam: Jam) -> None:
        body = self._body
        body.path.jam, body.path.jam_cleared = jam, not body.plans.jam_stubborn
        body.plans.jam = ""
        body.enabled = False
        body.announce("jammed", body.path.note, where=jam.value)

    def _arrived(self) -> None:
        body, note, channel = self._body, self._note(), self._channel()
        if body.path.to_store:
            body.world.notes.move(note, Place.PATH, Place.STORE)
            body.store.held.append(body.held(note, channel))
            body.store.counters.bump("stored")
            body.events.post(Ev.STORED)
            body.announce("stored", note)
        else:
            body.world.notes.move(note, Place.PATH, Place.TRANSPORT)
            body.store.counters.bump("stacked")
            body.events.post(Ev.STACKED)
            body.announce("stacked", note)
        body.path.clear()
        self.try_draw()

    # --- what polls show -------------------------------------------------------------------------------

    def states(self) -> list[Event]:
        """Events that repeat while the note in the path stays as it is."""
        path = self._body.path
        if path.jam in {Jam.UNSAFE, Jam.SAFE}:
            return [Event(Ev.UNSAFE_JAM if path.jam is Jam.UNSAFE else Ev.SAFE_JAM)]
        if path.phase in {Phase.SCANNING, Phase.ESCROW}:
            held = path.phase is Phase.ESCROW
            return [Event(Ev.READ, {"channel": self._channel().number if held else 0})]
        if path.phase in {Phase.MOVING, Phase.PAST_SAFE}:
            return [Event(Ev.STACKING)]
        return [Event(Ev.REJECTING)] if path.phase is Phase.REJECTING else []

    def shown(self, codes: frozenset[int]) -> None:
        """These events went out: once EF n has, the next poll accepts."""
        if Ev.READ in codes and self._body.path.phase is Phase.ESCROW:
            self._body.read_shown = True

    def _note(self) -> Note:
        note = self._body.path.note
        if note is None:
            message = "no note in the path"
            raise RuntimeError(message)
        return note

    def _channel(self) -> Channel:
        channel = self._body.path.channel
        if channel is None:
            message = "the note in the path has no channel"
            raise RuntimeError(message)
        return channel
