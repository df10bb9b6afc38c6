"""Which outbox row goes out next, and when again: pure, no socket, no clock (go-back-N over MQTT QoS 1).

Rows are published in sequence. A cursor walks over the rows that the bank has not signed for; after a lost
connection, a refusal or a long silence it goes back, and everything behind it follows again in order. So the
bank sees duplicates, never a record that skips ahead of one not yet tried.

A row that the broker took and lost is not waited for so long: when the bank answers again and again without signing for
the oldest row, that row alone goes out again, and so does each next one that turns out to be missing as the bank's
signature moves up to it (the fast retransmit and partial acknowledgement of TCP, RFC 6582). The last rows of a burst
have nothing behind them that would bring answers, so after a short silence the oldest row goes out once, too (RFC
8985's probe). And a new connection begins with it, because what died with the last broker nobody can tell.

Never more QoS 1 publishes of any lane are in flight than min(ours, the server's Receive Maximum): paho
ignores the server's limit, and a broker may cut the connection for it (MQTT 5, 4.9).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

RECEIVE_MAXIMUM_DEFAULT: Final = 65535  # MQTT 5, 3.2.2.3.3: when CONNACK does not say


@dataclass(frozen=True)
class Row:
    """One sealed record of the outbox."""

    sequence: int
    envelope: bytes


@dataclass(frozen=True)
class Limits:
    """Bounds of the window; seconds are of the caller's monotonic clock."""

    in_flight_max: int = 20  # publishes without PUBACK, all lanes
    held_max: int = 256  # rows in memory that the bank has not signed for; less than the receiver stores ahead
    fetch_rows_max: int = 12  # rows per request: envelopes of at most 68 kB in a bus frame of 1 MiB
    resend_s: float = 30.0  # silence of the bank after which the oldest row goes out again; doubles
    resend_s_max: float = 600.0
    retry_s: float = 1.0  # pause after a publish that the broker refused, or had nobody for; doubles
    answers: int = 3  # of the bank that sign for nothing new: the oldest row is missing there
    probe_s: float = 2.0  # silence after which the oldest row alone goes out again, once
    puback_s_max: float = 60.0  # a publish without PUBACK for this long: the connection is dead

    def __post_init__(self) -> None:
        """Refuse limits with which nothing could ever be sent."""
        if not (0 < self.in_flight_max <= RECEIVE_MAXIMUM_DEFAULT and self.held_max > 0 and self.fetch_rows_max > 0):
            message = "the window needs room for at least one row"
            raise ValueError(message)
        if not (0 < self.retry_s <= self.resend_s_max and 0 < self.resend_s <= self.resend_s_max):
            message = "retry_s and resend_s must lie between 0 and resend_s_max"
            raise ValueError(message)
        if self.answers < 1 or self.probe_s <= 0:
            message = "an answer of the bank must be waited for"
            raise ValueError(message)


@dataclass(frozen=True)
class _Flight:
    sequence: int | None  # None: another lane's publish, which only takes up room
    since_s: float
    again: bool = False  # the oldest row out of turn: the cursor is not concerned


class Window:
    """The rows between what the bank has signed for and what exists."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._held: deque[Row] = deque()  # contiguous from `_base`
        self._base = 0  # first row that the bank has not signed for
        self._cursor = 0  # next row to publish; base <= cursor <= base + held
        self._next = 0  # one past the last row that exists
        self._flights: dict[int, _Flight] = {}
        self._room = 0  # publishes in flight allowed on this connection; 0 while there is none
        self._resend_s = self._limits.resend_s
        self._retry_s = self._limits.retry_s
        self._answers = 0  # of the bank since it last signed for more
        self._again = False  # the oldest row is to go out once more, out of turn
        self._probed = False  # since the last publish or progress
        self._doubtful = 0  # rows below this one may be missing at the bank though they had their PUBACK
        self._quiet_since_s = 0.0  # last publish or progress
        self._not_before_s = 0.0  # a refused publish pauses the lane

    @property
    def base(self) -> int:
        """The first sequence that the bank has not signed for, as far as is known here."""
        return self._base

    @property
    def next_sequence(self) -> int:
        """One past the last record there is, as far as is known here."""
        return self._next

    @property
    def in_flight(self) -> int:
        """Publishes of all lanes without PUBACK."""
        return len(self._flights)

    @property
    def room(self) -> int:
        """How many publishes of any lane may go out now."""
        return max(0, self._room - len(self._flights))

    # --- the connection ---------------------------------------------------------------------------

    def connected(self, receive_maximum: int | None, now_s: float) -> None:
        """CONNACK came, with the server's Receive Maximum (None: not stated)."""
        self.disconnected()
        self._room = min(self._limits.in_flight_max, receive_maximum or RECEIVE_MAXIMUM_DEFAULT)
        self._not_before_s = now_s
        self._quiet_since_s = now_s
        self._doubt()

    def disconnected(self) -> None:
        """The connection is gone: whatever had no PUBACK was perhaps not received, so it goes out again."""
        self._room = 0
        for flight in self._flights.values():
            if not flight.again:
                self._go_back(flight.sequence)
        self._flights.clear()

    # --- the outbox -------------------------------------------------------------------------------

    def wanted(self) -> tuple[int, int] | None:
        """The next rows to fetch as (first sequence, rows at most), or None when enough are held."""
        first = self._base + len(self._held)
        rows = min(self._limits.held_max - len(self._held), self._next - first, self._limits.fetch_rows_max)
        return (first, rows) if rows > 0 else None

    def grew(self, next_sequence: int) -> None:
        """The controller says how many records there are."""
        self._next = max(self._next, next_sequence)

    def offer(self, first_sequence: int, rows: Iterable[Row], next_sequence: int, now_s: float) -> None:
        """Take the answer to a fetch from `first_sequence` on.

        Rows that the bank has signed for are no longer in the outbox, so a first row beyond the one asked for
        (or none at all) says how far the signature reaches. ValueError if rows are not contiguous.
        """
        self.grew(next_sequence)
        offered = list(rows)
        self._release(offered[0].sequence if offered else max(next_sequence, first_sequence), first_sequence, now_s)
        for row in offered:
            expected = self._base + len(self._held)
            if row.sequence < expected or len(self._held) >= self._limits.held_max:
                continue
            if row.sequence > expected:
                message = f"outbox row {row.sequence} follows row {expected - 1}"
                raise ValueError(message)
            self._held.append(row)

    def _release(self, first_there: int, asked: int, now_s: float) -> None:
        # An answer that begins where it was asked to says nothing about earlier rows.
        if first_there <= self._base or (asked > self._base and first_there <= asked):
            return
        while self._held and self._held[0].sequence < first_there:
            self._held.popleft()
        self._base = first_there
        self._cursor = max(self._cursor, first_there)
        self._resend_s = self._limits.resend_s
        self._retry_s = self._limits.retry_s
        self._answers = 0
        self._again = self._base < min(self._doubtful, self._cursor)
        self._quiet(now_s)

    def answered(self) -> None:
        """The bank has answered, and its signature reaches no further than before."""
        self._answers += 1
        if self._answers >= self._limits.answers:
            self._answers = 0
            self._doubt()

    def _doubt(self) -> None:
        """The oldest row may be missing at the bank, and others that were sent behind it."""
        self._doubtful = self._cursor
        self._again = self._cursor > self._base

    def go_back_to(self, sequence: int) -> None:
        """The bank wants what it had signed for once more, from `sequence` on: they are in the outbox again."""
        if sequence < self._base:
            self._held.clear()
            self._base = self._cursor = sequence

    # --- publishing -------------------------------------------------------------------------------

    def ready(self, now_s: float) -> Row | None:
        """The row to publish now, or None; call `sent` for it before asking again."""
        if self.room == 0 or now_s < self._not_before_s:
            return None
        self._rewind_if_quiet(now_s)
        if self._out_of_turn:
            return self._held[0]
        index = self._cursor - self._base
        return self._held[index] if index < len(self._held) else None

    def sent(self, token: int, sequence: int | None, now_s: float) -> None:
        """A publish went to the session under `token`; `sequence` None for another lane's."""
        if token in self._flights:
            message = f"publish token {token} is in flight already"
            raise ValueError(message)
        again = self._out_of_turn and sequence == self._base
        self._flights[token] = _Flight(sequence, now_s, again)
        if again:
            self._again = False
        elif sequence is not None:
            self._cursor = sequence + 1
            self._quiet(now_s)

    def settled(self, token: int, now_s: float, *, accepted: bool) -> None:
        """PUBACK came. Accepted or not, only the bank's signature counts; a refusal goes back and pauses."""
        flight = self._flights.pop(token, None)
        if flight is None or accepted or flight.sequence is None:
            return
        if flight.again:
            self._again = self._cursor > self._base
        else:
            self._go_back(flight.sequence)
        if now_s >= self._not_before_s:  # the refusals of one burst are one
            self._pause(now_s)

    @property
    def waits(self) -> bool:
        """Whether there are rows that the bank has not signed for."""
        return self._next > self._base

    def stalled(self, now_s: float) -> bool:
        """Whether a PUBACK is overdue, so that only a new connection helps (MQTT 5 forbids resending on this one)."""
        oldest = next(iter(self._flights.values()), None)
        return oldest is not None and now_s - oldest.since_s >= self._limits.puback_s_max

    def wake_at_s(self) -> float | None:
        """When to look again though nothing happens; None when only an event can change anything."""
        if self._room == 0:
            return None
        moments: list[float] = []
        oldest = next(iter(self._flights.values()), None)
        if oldest is not None:
            moments.append(oldest.since_s + self._limits.puback_s_max)
        elif self._cursor > self._base:
            silence_s = self._resend_s if self._probed else min(self._limits.probe_s, self._resend_s)
            moments.append(max(self._not_before_s, self._quiet_since_s + silence_s))
        if self.room and (self._out_of_turn or self._cursor - self._base < len(self._held)):
            moments.append(self._not_before_s)
        return min(moments, default=None)

    @property
    def _out_of_turn(self) -> bool:
        """Whether the oldest row goes out again now; one that is under way need not."""
        under_way = any(flight.sequence == self._base for flight in self._flights.values())
        return self._again and not under_way and bool(self._held) and self._cursor > self._base

    def _rewind_if_quiet(self, now_s: float) -> None:
        if self._cursor == self._base or self._flights:
            return
        silent_s = now_s - self._quiet_since_s
        if not self._probed and self._limits.probe_s <= silent_s < self._resend_s:
            self._probed = True
            self._doubt()
        if silent_s >= self._resend_s:
            self._cursor = self._base
            self._quiet(now_s)
            self._resend_s = min(self._resend_s * 2, self._limits.resend_s_max)

    def _quiet(self, now_s: float) -> None:
        """Silence begins anew."""
        self._quiet_since_s = now_s
        self._probed = False

    def _go_back(self, sequence: int | None) -> None:
        if sequence is not None and sequence >= self._base:
            self._cursor = min(self._cursor, sequence)

    def _pause(self, now_s: float) -> None:
        self._not_before_s = now_s + self._retry_s
        self._retry_s = min(self._retry_s * 2, self._limits.resend_s_max)
