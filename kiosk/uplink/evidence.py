"""Which chunk of evidence goes out next, and when again: pure, like the window of records, and always behind it.

Chunks come from the controller in order of their ids, which leaves out what the bank has said it holds. Few are under
way and few are ahead of the bank's last answer, so that a slow link is never clogged by them and no broker has to keep
them. After a lost connection, a refusal or silence the controller is asked again, from before the first one that may be
missing. One that the bank still lacks after some answers, or when it falls silent in the end, goes out again alone.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ROWS_MAX: Final = 4  # of one fetch, and so in memory
FLIGHTS_MAX: Final = 2
AHEAD_MAX: Final = 16  # published since the bank's last answer; it answers at least every 8
RETRY_S: Final = 1.0  # after a refusal, or with nobody there; doubles
LACKED_MAX: Final = 3  # answers that leave the same published chunk out: it is lost; fewer may be reordering
PROBE_S: Final = 5.0  # silence after the last chunk: that one may be lost, and nothing else brings an answer
RESEND_S: Final = 60.0  # silence of the bank; doubles
RESEND_S_MAX: Final = 3600.0


@dataclass(frozen=True)
class Chunk:
    """A sealed chunk."""

    id: int
    sealed: bytes


class EvidenceLane:
    """The chunks between what was published and what exists."""

    def __init__(self) -> None:
        self._after = 0  # the last id that was fetched
        self._held: deque[Chunk] = deque()
        self._flights: dict[int, int] = {}  # token -> id
        self._drained = True  # nothing was behind `_after` when last looked
        self._ahead = 0
        self._retry_s, self._resend_s = RETRY_S, RESEND_S
        self._quiet_since_s = self._not_before_s = 0.0
        self._answers = 0  # since the bank's oldest gap was looked at
        self._lacked, self._lacked_for = 0, 0  # the id of that gap, and for how many answers it has been there
        self._again: Chunk | None = None  # to be published once more
        self._probed = False

    def wanted(self) -> int | None:
        """Fetch chunks behind this id; None when enough are here or there were none."""
        return None if self._held or self._drained or self._ahead >= AHEAD_MAX else self._after

    def look(self, now_s: float) -> None:
        """Look again whether there is more; after a silence, from the beginning: what the bank lacks is still there."""
        self._drained = False
        if self._after and not self._flights and now_s - self._quiet_since_s >= self._resend_s:
            self._quiet_since_s = now_s
            self._resend_s = min(2 * self._resend_s, RESEND_S_MAX)
            self._ahead = 0
            self._go_back(0)

    def offer(self, after: int, chunks: Iterable[Chunk]) -> None:
        """The answer to a fetch behind `after`; one that was overtaken by going back is dropped."""
        offered = list(chunks)[:ROWS_MAX]
        if after != self._after:
            return
        self._drained = not offered
        self._held.extend(offered)
        if offered:
            self._after = offered[-1].id

    def asks(self, now_s: float) -> bool:
        """Whether `lacking` wants to know the first chunk of all that the bank has not said it holds."""
        return self._answers > 0 or self._probe_due(now_s)

    def lacking(self, first: Chunk | None, now_s: float) -> None:
        """That chunk, or None; if it was published, and for long enough, it goes out again."""
        probe = self._probe_due(now_s)
        answers, self._answers = self._answers, 0
        self._probed = self._probed or probe
        under_way = {*self._flights.values(), *(chunk.id for chunk in self._held)}
        if first is None or first.id > self._after or first.id in under_way:
            self._lacked = 0
            return
        self._lacked_for = self._lacked_for + answers if first.id == self._lacked else 0
        self._lacked = first.id
        if probe or self._lacked_for >= LACKED_MAX:
            self._again, self._lacked_for = first, 0

    def ready(self, now_s: float) -> Chunk | None:
        """The chunk to publish now, or None; call `sent` for it before asking again."""
        if len(self._flights) >= FLIGHTS_MAX or now_s < self._not_before_s:
            return None
        if self._again is not None:
            return self._again
        return self._held[0] if self._held and self._ahead < AHEAD_MAX else None

    def sent(self, token: int, now_s: float) -> None:
        """The ready chunk went to the session under `token`."""
        if self._again is not None:
            self._flights[token], self._again = self._again.id, None
        else:
            self._flights[token] = self._held.popleft().id
            self._ahead += 1
        self._quiet_since_s = now_s

    def settled(self, token: int, now_s: float, *, accepted: bool) -> None:
        """PUBACK came; tokens of other lanes are none of ours."""
        chunk = self._flights.pop(token, None)
        if chunk is None or accepted:
            return
        self._go_back(chunk - 1)
        if now_s >= self._not_before_s:
            self._not_before_s = now_s + self._retry_s
            self._retry_s = min(2 * self._retry_s, RESEND_S_MAX)

    def disconnected(self) -> None:
        """Whatever had no PUBACK was perhaps not received."""
        if self._flights:
            self._go_back(min(self._flights.values()) - 1)
            self._flights.clear()

    def answered(self, now_s: float) -> None:
        """The bank has said, and the controller believed, how much of a file is there."""
        self._ahead = 0
        self._answers += 1
        self._probed = False
        self._retry_s, self._resend_s = RETRY_S, RESEND_S
        self._quiet_since_s = now_s

    def wake_at_s(self, now_s: float) -> float | None:
        """When the pause after a refusal, or the patience after the last chunk, is over; None when there is neither."""
        moments = [self._not_before_s, self._quiet_since_s + PROBE_S if self._waits else 0.0]
        return min((at_s for at_s in moments if at_s > now_s), default=None)

    @property
    def _waits(self) -> bool:
        """All that may be published was, the bank has not said that it holds it, and no chunk has asked it yet."""
        idle = not self._flights and self._again is None and (self._ahead >= AHEAD_MAX or not self._held)
        return idle and (self._ahead > 0 or self._lacked > 0) and not self._probed

    def _probe_due(self, now_s: float) -> bool:
        return self._waits and now_s >= self._quiet_since_s + PROBE_S

    def _go_back(self, after: int) -> None:
        self._after = min(self._after, after)
        self._held.clear()
        self._again = None
        self._drained = False
