"""One round over every log of a policy: who has signed what, do the leaves make it, is anything less than it was.

The first round of a process, and one a day, reads each mirror from its first leaf; the others go on where the last one
ended. What was verified once is remembered: a mirror that shrinks, or whose old leaves change, is an alarm.

    unsigned     a mirror or note shows a checkpoint that the log never signed, or that carries a bad cosignature
    fork         two trees of one size, or a signed tree that the leaves do not make
    rollback     a mirror shows less than it did: truncated, or an old copy put back
    deleted      a file that its checkpoint needs is not there
    reordered    an entry stands in another's place
    altered      an entry or tile is not what it was
    withheld     somebody shows a larger signed tree for longer than the grace time
    silent       a mirror has not answered for longer than the grace time
    unwitnessed  the newest tree has had no quorum for longer than the grace time
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from kiosk.clock import Clock, rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee import acks, checkpoint, cosignature, note, proof, tiles
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.merkle import EMPTY_ROOT, CompactRange
from kiosk.guarantee.policy import NONE, Policy
from kiosk_cloud.monitor.reading import Wrong, read_leaves
from kiosk_cloud.monitor.sources import Missing, Silent, Source
from kiosk_cloud.monitor.state import MonitorState, Statement

log = logging.getLogger(__name__)

FULL_EVERY_S: Final = 24 * 3600.0
Claims = Callable[[str], Iterable[tuple[str, str]]]  # kiosk -> (source, signed checkpoint or proof)
Acks = Callable[[str], Iterable[bytes]]  # kiosk -> the bank's acknowledgements


@dataclass
class Round:
    """What one round saw: verified leaves of each log, and how many alarms are new."""

    sizes: dict[str, int] = field(default_factory=dict)
    new_alarms: int = 0


@dataclass(frozen=True)
class Watched:
    """Where the monitor looks."""

    mirrors: Callable[[str], list[Source]]  # of a kiosk
    claims: Claims = lambda _kiosk: ()
    acks: Acks = lambda _kiosk: ()
    ack_keys: PublicKeys | None = None
    grace_s: float = 3600.0


class Monitor:
    """`round` once or from time to time."""

    def __init__(self, policy: Callable[[], Policy], watched: Watched, state: MonitorState, clock: Clock) -> None:
        """`policy` is asked at each round: it follows the logs' keys."""
        self._policy = policy
        self._watched = watched
        self._state = state
        self._clock = clock
        self._full_s: float | None = None

    def round(self) -> Round:
        """Look at every log. Nothing that a mirror holds raises."""
        now_s = self._clock.monotonic_s()
        full = self._full_s is None or now_s - self._full_s >= FULL_EVERY_S
        done = Round()
        policy = self._policy()
        for name in dict.fromkeys(each.name for each in policy.logs):  # a rotated log has several keys
            key = policy.log(name)
            with self._state.transaction():
                looking = _Look(policy, self._watched, self._state, key, self._clock.now_utc())
                looking.look(full=full)
            done.sizes[key.name] = self._state.tree(key.name).size
            done.new_alarms += looking.alarms
        if full:
            self._full_s = now_s
        return done


class _Look:
    """At one log, once."""

    def __init__(
        self, policy: Policy, watched: Watched, state: MonitorState, key: note.Verifier, now: datetime
    ) -> None:
        self._policy, self._watched, self._state, self._key, self._now = policy, watched, state, key, now
        self._origin = key.name
        self._kiosk = key.name.removeprefix(checkpoint.origin(""))
        self.alarms = 0

    def look(self, *, full: bool) -> None:
        shown = {}
        for mirror in self._watched.mirrors(self._kiosk):
            if (size := self._shown(mirror)) is not None:
                shown[mirror.name] = (mirror, size)
        for source, text in self._watched.claims(self._kiosk):
            self._heard(source, text)
        self._acknowledged()
        for mirror, size in shown.values():
            self._guarded(mirror, partial(self._follow, mirror, size, full=full))
        self._compare(next(iter(shown.values()), None))

    # --- who says what -----------------------------------------------------------------------------------

    def _shown(self, mirror: Source) -> int | None:
        """The size of the tree that a mirror shows now."""
        known = self._state.mirror_size(self._origin, mirror.name)
        try:
            signed = mirror.read(tiles.CHECKPOINT).decode("utf-8", "replace")
        except Missing:
            if known:
                self._alarm("deleted", mirror.name, f"its checkpoint is gone; it has shown {known} leaves")
            return None
        except Silent as error:
            self._lasts("silent", mirror.name, f"the mirror does not answer: {error}")
            return None
        self._state.over(self._origin, f"silent {mirror.name}")
        size = self._heard(mirror.name, signed, mirror=True)
        if size is not None and size < known:
            reason = f"the mirror shows {size} leaves, it has shown {known}: truncated, or an old copy"
            self._alarm("rollback", mirror.name, reason, signed)
            return None
        return size

    def _heard(self, source: str, text: str, *, mirror: bool = False) -> int | None:
        """Remember a signed tree; its size, None when nobody signed it."""
        signed = text.partition("\n\n")[2] if text.startswith(proof.HEADER) else text
        if not mirror and not signed.startswith(f"{self._origin}\n"):
            return None  # a note about another log
        try:
            point, cosigned = cosignature.verify(signed, self._key, self._policy.witnesses.values())
        except VerificationError as error:
            self._alarm("unsigned", source, str(error).partition(" (")[0], signed)
            return None
        self._state.add_statement(self._origin, Statement(point.size, point.root, signed, source), self._at)
        if mirror and self._policy.quorum != NONE:
            if self._policy.witnessed(cosigned):
                self._state.over(self._origin, f"unwitnessed {source}")
            else:
                self._lasts("unwitnessed", source, "the newest checkpoint has no quorum of witnesses")
        return point.size

    def _acknowledged(self) -> None:
        """What the bank has signed for."""
        if self._watched.ack_keys is None:
            return
        for data in self._watched.acks(self._kiosk):
            try:
                found = acks.verify(data, self._watched.ack_keys, self._kiosk)
            except VerificationError as error:
                self._alarm("unsigned", "the bank's acknowledgements", str(error).partition(" (")[0], data.hex())
                continue
            said = Statement(found.sequence, found.root, data.hex(), "the bank's acknowledgement")
            self._state.add_statement(self._origin, said, self._at)

    # --- what the leaves make ----------------------------------------------------------------------------

    def _follow(self, mirror: Source, size: int, *, full: bool) -> None:
        """Verify the leaves of one mirror, from the first on or from where the last round ended."""
        known = self._state.tree(self._origin)
        every = [each for each in self._state.statements(self._origin) if each.size <= size]
        if full or any(each.size < known.size and not each.held for each in every):
            begin = CompactRange()
        elif size <= known.size:
            self._state.set_mirror_size(self._origin, mirror.name, size)  # all that it shows has been compared
            return
        else:
            begin = CompactRange(known.size, known.peaks)
        statements = [each for each in every if each.size >= begin.size]
        roots = read_leaves(mirror, self._kiosk, begin, size, {*(each.size for each in statements), known.size})
        if known.size in roots and roots[known.size] != known.root():
            raise Wrong("altered", f"its first {known.size} leaves are not those that were verified before")
        for said in statements:
            self._hold(mirror.name, said, roots[said.size])
        if begin.size > known.size and any(each.size == size and each.root == begin.root() for each in statements):
            self._state.save_tree(self._origin, begin)
        self._state.set_mirror_size(self._origin, mirror.name, size)

    def _hold(self, source: str, said: Statement, root: bytes) -> None:
        self._state.compared(self._origin, said, holds=said.root == root)
        if said.root != root:
            reason = f"the tree of {said.size} leaves that {said.source} shows signed is not what the leaves make"
            self._alarm("fork", source, reason, said.note)

    def _compare(self, shown: tuple[Source, int] | None) -> None:
        """Signed trees with each other, and those that are larger than what any mirror shows."""
        statements = self._state.statements(self._origin)
        by_size: dict[int, Statement] = {0: Statement(0, EMPTY_ROOT, "", "an empty log")}
        for said in statements:
            other = by_size.setdefault(said.size, said)
            if other.root != said.root:
                reason = f"two signed trees of {said.size} leaves: {other.source} and {said.source} show different ones"
                self._alarm("fork", "signatures", reason, f"{other.note}\n{said.note}")
        size = self._state.tree(self._origin).size
        larger = [said for said in statements if said.size > size]
        if larger:
            who = f"{larger[-1].source} shows a signed tree of {larger[-1].size} leaves"
            since = min(said.first_at for said in larger)
            if self._now - datetime.fromisoformat(since) > timedelta(seconds=self._watched.grace_s):
                place = "no mirror" if shown is None else shown[0].name
                self._alarm("withheld", place, f"{who}, the mirrors {size} verified ones", larger[-1].note)

    # --- alarms ------------------------------------------------------------------------------------------

    def _guarded(self, mirror: Source, work: Callable[[], None]) -> None:
        tiles_of = f"{mirror.name} (tiles)"
        try:
            work()
            self._state.over(self._origin, f"silent {tiles_of}")
        except Wrong as wrong:
            self._alarm(wrong.kind, mirror.name, wrong.reason)
        except Missing as error:
            self._alarm("deleted", mirror.name, str(error))
        except Silent as error:
            self._lasts("silent", tiles_of, f"the mirror does not answer: {error}")
        except VerificationError as error:
            self._alarm("altered", mirror.name, str(error).partition(" (")[0])

    def _lasts(self, kind: str, source: str, reason: str) -> None:
        """An alarm only when it goes on."""
        since = datetime.fromisoformat(self._state.waiting_since(self._origin, f"{kind} {source}", self._at))
        if self._now - since > timedelta(seconds=self._watched.grace_s):
            self._alarm(kind, source, f"since {rfc3339(since)}: {reason}")

    def _alarm(self, kind: str, source: str, reason: str, evidence: str = "") -> None:
        if self._state.alarm(self._origin, kind, source, reason, evidence, self._at):
            self.alarms += 1
            log.critical("ALARM %s at %s of %s: %s", kind, source, self._origin, reason)

    @property
    def _at(self) -> str:
        return rfc3339(self._now)
