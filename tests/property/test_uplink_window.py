"""The outbox window against an unreliable world: everything arrives, in order, never too much in flight."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.uplink.window import Limits, Row, Window


class World:
    """An outbox, a connection that loses and repeats, and a bank that acknowledges its contiguous prefix."""

    def __init__(self, rng: random.Random, rows: int, limits: Limits, receive_maximum: int | None) -> None:
        self.rng = rng
        self.window = Window(limits)
        self.limit = min(limits.in_flight_max, receive_maximum or 65_535)
        self.receive_maximum = receive_maximum
        self.rows = rows
        self.there = 0  # rows appended so far
        self.signed = 0  # rows that left the outbox
        self.bank: set[int] = set()
        self.flying: list[tuple[int, int | None]] = []
        self.highest = -1
        self.token = 0
        self.now_s = 0.0
        self.calm = False

    def step(self) -> None:
        self.now_s += self.rng.choice([0.0, 0.1, 5.0])
        action = self.rng.choice(["append", "connect", "fetch", "publish", "settle", "sign", "lose", "other", "answer"])
        if self.calm and action == "lose":
            action = "publish"
        getattr(self, action)()
        assert self.window.in_flight <= self.limit
        assert self.window.base <= self.signed

    def append(self) -> None:
        self.there = min(self.rows, self.there + self.rng.randint(1, 3))
        self.window.grew(self.there)

    def connect(self) -> None:
        if not self.calm or self.window.in_flight == 0:
            self.flying.clear()
            self.window.connected(self.receive_maximum, self.now_s)

    def lose(self) -> None:
        self.flying.clear()
        self.window.disconnected()

    def fetch(self) -> None:
        wanted = self.window.wanted() if self.rng.random() < 0.5 else (self.window.base, 1)
        if wanted is not None:
            first = max(wanted[0], self.signed)
            rows = [Row(sequence, b"%d" % sequence) for sequence in range(first, min(first + wanted[1], self.there))]
            self.window.offer(wanted[0], rows, self.there, self.now_s)

    def publish(self) -> None:
        while (row := self.window.ready(self.now_s)) is not None:
            assert row.envelope == b"%d" % row.sequence
            assert row.sequence <= self.highest + 1, "a record skipped ahead of one never tried"
            self.highest = max(self.highest, row.sequence)
            self._send(row.sequence)

    def other(self) -> None:
        if self.window.room:
            self._send(None)

    def answer(self) -> None:
        self.window.answered()

    def _send(self, sequence: int | None) -> None:
        self.token += 1
        self.window.sent(self.token, sequence, self.now_s)
        self.flying.append((self.token, sequence))
        assert len(self.flying) <= self.limit
        if sequence is not None and (self.calm or self.rng.random() < 0.5):  # else lost on its way to the bank
            self.bank.add(sequence)

    def settle(self) -> None:
        if self.flying:
            token, _ = self.flying.pop(self.rng.randrange(len(self.flying)))
            accepted = self.calm or self.rng.random() < 0.8
            self.window.settled(token, self.now_s, accepted=accepted)
            self.window.settled(token, self.now_s, accepted=accepted)  # a repeated PUBACK is harmless

    def sign(self) -> None:
        while self.signed in self.bank:
            self.signed += 1


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 40),
    in_flight_max=st.integers(1, 8),
    held_max=st.integers(1, 12),
    receive_maximum=st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=60, deadline=None)
def test_every_record_arrives_whatever_the_network_does(
    seed: int, rows: int, in_flight_max: int, held_max: int, receive_maximum: int | None
) -> None:
    limits = Limits(in_flight_max=in_flight_max, held_max=held_max, fetch_rows_max=3, resend_s=10, resend_s_max=40)
    world = World(random.Random(seed), rows, limits, receive_maximum)
    for _ in range(300):
        world.step()
    world.calm = True  # from here on nothing is lost any more
    for _ in range(60 * rows + 2000):
        if world.window.base == rows:
            break
        world.step()
    assert world.window.base == world.signed == rows
    assert world.bank == set(range(rows))


def filled(limits: Limits, rows: int) -> Window:
    window = Window(limits)
    window.grew(rows)
    window.offer(0, [Row(sequence, b"") for sequence in range(rows)], rows, 0.0)
    return window


def publish_all(window: Window, now_s: float, token: int = 100) -> list[int]:
    sent: list[int] = []
    while (row := window.ready(now_s)) is not None:
        window.sent(token + len(sent), row.sequence, now_s)
        sent.append(row.sequence)
    return sent


def test_nothing_goes_out_before_connack() -> None:
    window = filled(Limits(), 3)
    assert window.ready(0.0) is None
    assert window.wake_at_s() is None
    window.connected(None, 0.0)
    assert publish_all(window, 0.0) == [0, 1, 2]


def test_the_servers_receive_maximum_counts_when_it_is_smaller() -> None:
    window = filled(Limits(in_flight_max=5), 9)
    window.connected(2, 0.0)
    assert publish_all(window, 0.0) == [0, 1]
    window.settled(100, 0.0, accepted=True)
    assert publish_all(window, 0.0, 200) == [2]


def test_other_lanes_share_the_room() -> None:
    window = filled(Limits(in_flight_max=3), 9)
    window.connected(None, 0.0)
    window.sent(1, None, 0.0)
    assert publish_all(window, 0.0) == [0, 1]


def test_a_puback_alone_makes_nothing_leave_and_the_row_goes_out_again() -> None:
    window = filled(Limits(resend_s=30, resend_s_max=45), 2)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    for token in (100, 101):
        window.settled(token, 1.0, accepted=True)
    assert window.base == 0
    assert window.ready(1.9) is None
    assert window.wake_at_s() == 2.0
    assert publish_all(window, 2.0, 50) == [0]  # alone at first
    window.settled(50, 2.0, accepted=True)
    assert window.ready(29.9) is None
    assert window.wake_at_s() == 30.0
    assert publish_all(window, 30.0) == [0, 1]
    for token in (100, 101):
        window.settled(token, 31.0, accepted=True)
    assert publish_all(window, 32.0, 60) == [0]
    window.settled(60, 32.0, accepted=True)
    assert publish_all(window, 74.9) == []
    assert publish_all(window, 75.0) == [0, 1]  # the pause doubles, up to its bound


def test_a_refused_publish_pauses_and_starts_again_from_there() -> None:
    window = filled(Limits(retry_s=2, probe_s=30), 3)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    window.settled(101, 1.0, accepted=False)
    window.settled(100, 1.0, accepted=True)
    window.settled(102, 1.0, accepted=True)
    assert publish_all(window, 2.9) == []
    assert publish_all(window, 3.0, 200) == [1, 2]
    window.settled(200, 3.0, accepted=False)
    window.settled(201, 3.0, accepted=False)  # of the same burst: the pause doubles once
    assert publish_all(window, 6.9, 300) == []
    assert publish_all(window, 7.0, 300) == [1, 2]


def test_a_lost_connection_repeats_what_had_no_puback_and_the_oldest_row() -> None:
    window = filled(Limits(), 5)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    for token in (100, 101):
        window.settled(token, 1.0, accepted=True)
    window.disconnected()
    window.connected(None, 2.0)
    assert publish_all(window, 2.0) == [0, 2, 3, 4]


def settle_all(window: Window, count: int, token: int = 100) -> None:
    for each in range(token, token + count):
        window.settled(each, 1.0, accepted=True)


def test_a_new_connection_begins_with_the_oldest_row_alone() -> None:
    window = filled(Limits(), 4)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    settle_all(window, 4)
    window.connected(None, 2.0)
    assert publish_all(window, 2.0) == [0]


def test_answers_that_sign_for_nothing_new_bring_the_oldest_row_at_once() -> None:
    window = filled(Limits(answers=3), 6)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    settle_all(window, 6)
    for _ in range(2):
        window.answered()
        assert publish_all(window, 1.0) == []
    window.answered()
    assert window.wake_at_s() == 0.0
    assert publish_all(window, 1.0, 200) == [0]
    window.offer(0, [Row(2, b"")], 6, 1.1)  # the bank had row 1, and misses row 2
    assert publish_all(window, 1.1, 210) == [2]
    window.offer(2, [], 6, 1.2)
    assert publish_all(window, 1.2, 220) == []


def test_what_was_lost_at_the_end_of_a_burst_follows_after_a_short_silence() -> None:
    window = filled(Limits(), 5)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    settle_all(window, 5)
    window.offer(0, [Row(3, b""), Row(4, b"")], 5, 1.0)  # the last two never came to the bank
    assert publish_all(window, 2.9, 200) == []
    assert publish_all(window, 3.0, 200) == [3]
    window.settled(200, 3.0, accepted=True)
    window.offer(3, [Row(4, b"")], 5, 3.1)
    assert publish_all(window, 3.1, 210) == [4]


def test_the_oldest_row_is_not_repeated_while_it_is_under_way() -> None:
    window = filled(Limits(answers=1), 2)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    window.answered()
    assert publish_all(window, 1.0) == []


def test_answers_before_anything_was_sent_say_nothing() -> None:
    window = filled(Limits(answers=1), 2)
    window.connected(1, 0.0)
    window.answered()
    assert publish_all(window, 0.0) == [0]
    settle_all(window, 1)
    assert publish_all(window, 0.0, 200) == [1]


def test_an_overdue_puback_says_that_the_connection_is_dead() -> None:
    window = filled(Limits(puback_s_max=60), 1)
    window.connected(None, 0.0)
    publish_all(window, 0.0)
    assert window.wake_at_s() == 60.0
    assert not window.stalled(59.9)
    assert window.stalled(60.0)


def test_the_answer_to_a_fetch_says_how_far_the_bank_has_signed() -> None:
    window = filled(Limits(), 4)
    window.offer(0, [Row(3, b"")], 5, 0.0)
    assert window.base == 3
    assert window.wanted() == (4, 1)
    window.offer(3, [], 5, 0.0)
    assert window.base == 5
    assert window.wanted() is None


def test_rows_with_a_hole_are_a_fault_of_the_outbox() -> None:
    with pytest.raises(ValueError, match="row 2 follows row 0"):
        Window().offer(0, [Row(0, b""), Row(2, b"")], 3, 0.0)


@pytest.mark.parametrize(
    "wrong", [{"in_flight_max": 0}, {"held_max": 0}, {"resend_s": 0.0}, {"resend_s_max": 1.0}, {"answers": 0}]
)
def test_limits_with_which_nothing_moves_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"room|resend_s|answer"):
        Limits(**wrong)


def test_a_token_in_flight_is_not_used_twice() -> None:
    window = filled(Limits(), 2)
    window.connected(None, 0.0)
    window.sent(1, 0, 0.0)
    with pytest.raises(ValueError, match="token 1"):
        window.sent(1, 1, 0.0)
