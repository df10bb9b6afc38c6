"""No sequence of events by one person, with clocks that jump, ever allows what takes two."""

import contextlib
from typing import Final, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from kiosk.core import actions as a
from kiosk.core.authority import replay, step
from kiosk.core.authority_facts import (
    AnyAuthorityFact,
    Approved,
    Authority,
    Changed,
    Failed,
    Founded,
    Founder,
    NotAuthorised,
    Requested,
    Used,
    Withdrawn,
)
from kiosk.core.guessing import FORGOTTEN_S, FREE_TRIES, Entrance
from kiosk.core.people import Passphrase, Role

T: Final = 1_800_000_000
PIN: Final = Passphrase(b"s", b"v", 1, 1, 8)
ENTRANCES: Final[tuple[Entrance, ...]] = get_args(Entrance)
ALL_ROLES: Final = tuple(role for role in Role if role is not Role.AUDITOR)
NAMES: Final = ("anna", "ben", "carl", "dora")
names = st.sampled_from(NAMES)
roles = st.one_of(
    st.just((Role.AUDITOR,)), st.lists(st.sampled_from(ALL_ROLES), min_size=1, max_size=3, unique=True).map(tuple)
)
actions: st.SearchStrategy[a.AnyAction] = st.one_of(
    st.builds(a.ExchangeStart, st.tuples(st.sampled_from(("cabinet", "retract")))),
    st.builds(a.ClearDispute, st.just(bytes(16)), st.just((a.ClearedNote(1),)), st.just("credited"), st.just("x" * 10)),
    st.builds(a.AcceptDevice, st.just("validator"), st.integers(0, 3)),
    st.builds(a.Revoke, names),
    st.builds(a.Enrol, names, roles, st.just(PIN)),
    st.builds(a.Renew, names, st.just(PIN)),
)
steps_s = st.one_of(st.integers(-100, 100), st.integers(-100, 1200), st.sampled_from((-86_400, 366 * 86_400)))
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(AnyAuthorityFact)


class Branch(RuleBasedStateMachine):
    """Some people, doing anything in any order; an independent book of who said yes to what, and when."""

    numbers = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        self.state = Authority()
        self.facts: list[AnyAuthorityFact] = []
        self.at_s = T
        self.said_yes: dict[int, dict[str, int]] = {}  # request -> person -> when, by the kiosk's clock
        self.asked: dict[int, a.AnyAction] = {}
        self.done: set[int] = set()

    @initialize(others=st.lists(roles, min_size=2, max_size=2))
    def found(self, others: list[tuple[Role, ...]]) -> None:
        first = (
            Founder("anna", (Role.SUPERVISOR,), PIN),
            Founder("ben", (Role.STAFF, Role.TECHNICIAN, Role.SUPERVISOR), PIN),
        )
        assert self._try(Founded(self.at_s, (*first, *map(Founder, NAMES[2:], others, (PIN, PIN)))))

    def _try(self, fact: AnyAuthorityFact) -> bool:
        with contextlib.suppress(NotAuthorised):
            self.state = step(self.state, fact).state
            self.facts.append(_DECODER.decode(_ENCODER.encode(fact)))
            return True
        return False

    @rule(target=numbers, order=st.permutations(NAMES), action=actions)
    def ask(self, order: list[str], action: a.AnyAction) -> MultipleResults[int]:
        if not any(self._try(Requested(self.at_s, by, action)) for by in order):
            return multiple()
        number, by = self.state.requests[-1].number, self.state.requests[-1].signers[0]
        assert number not in self.asked
        self.asked[number], self.said_yes[number] = action, {by: self.at_s}
        return multiple(number)

    @precondition(lambda self: self.state.requests)
    @rule(order=st.permutations(NAMES), data=st.data(), times=st.integers(0, 2))
    def everybody_approves(self, order: list[str], data: st.DataObject, times: int) -> None:
        number = data.draw(st.sampled_from(self.state.requests)).number
        for by in order:
            self.approve(by, number, None)
        for _ in range(times):
            self.use(number, None)

    @rule(by=names, number=numbers, seen=st.one_of(st.none(), actions))
    def approve(self, by: str, number: int, seen: a.AnyAction | None) -> None:
        shown = seen or self.asked.get(number)
        if shown is not None and self._try(Approved(self.at_s, number, by, a.content(shown))):
            assert shown == self.asked[number]
            self.said_yes[number][by] = self.at_s

    @rule(number=numbers, said=st.one_of(st.none(), st.none(), actions))
    def use(self, number: int, said: a.AnyAction | None) -> None:
        action = said or self.asked.get(number)
        before = self.state
        if action is None or not self._try(Used(self.at_s, number, a.content(action))):
            return
        assert action == self.asked[number], "what was allowed is what is done"
        assert number not in self.done, "once"
        self.done.add(number)
        signed = self.said_yes[number]
        assert len(signed) == len(action.seats), "as many people as seats, all different"
        people = [before.person(staff) for staff in signed]
        assert all(person is not None and person.active for person in people)
        assert all(any(seat.intersection(p.roles) for p in people if p) for seat in action.seats)
        assert all(self.at_s - when_s <= action.lifetime_s for when_s in signed.values()), "in time"

    @rule(by=names, times=st.integers(1, 12), entrance=st.sampled_from(ENTRANCES))
    def fail(self, by: str, times: int, entrance: Entrance) -> None:
        self._try(Changed(self.at_s, by, PIN))
        for _ in range(times):
            self._try(Failed(self.at_s, by, entrance))

    @rule(by=names, number=numbers)
    def withdraw(self, by: str, number: int) -> None:
        if self._try(Withdrawn(self.at_s, number, by)):
            self.said_yes[number] = {}  # whoever uses it now had nobody's word

    @rule(by_s=steps_s)
    def clock(self, by_s: int) -> None:
        self.at_s += by_s

    @invariant()
    def replays(self) -> None:
        assert replay(self.facts) == self.state

    @invariant()
    def somebody_can_enrol(self) -> None:
        active = [person for person in self.state.people if person.active]
        if self.facts:
            assert any(Role.SUPERVISOR in person.roles for person in active)
            assert len(active) >= 2

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        assert all(self.state.locked_s(name, self.at_s) <= 3600 for name in NAMES)
        assert all(self.state.closed_s(entrance, self.at_s) <= 3600 for entrance in ENTRANCES)


@given(st.lists(st.integers(0, 4000), max_size=400))
def test_however_many_people_there_are_few_guesses_are_left_to_one_place(waits_s: list[int]) -> None:
    """Somebody guesses at a new person each time, and knows when the entrance is open again."""
    state, at_s = Authority(at_s=T), T
    founders = tuple(Founder(f"S-{n}", (Role.STAFF, Role.SUPERVISOR), PIN) for n in range(64))
    state = step(state, Founded(T, founders)).state
    for guesses, wait_s in enumerate(waits_s, 1):
        at_s += max(wait_s, state.closed_s("maintenance", at_s))
        state = step(state, Failed(at_s, f"S-{guesses % 64}", "maintenance")).state
        spent_s = at_s - T
        # Eight more than are free: until the delay has grown beyond the time in which one try is forgotten.
        assert guesses <= FREE_TRIES + 8 + spent_s / FORGOTTEN_S
    assert state.closed_s("screen", at_s) == 0


Branch.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestBranch = Branch.TestCase


def events_of(by: str) -> st.SearchStrategy[list[AnyAuthorityFact]]:
    moments = st.integers(T, T + 2000)
    contents = actions.map(a.content)
    numbers = st.integers(1, 4)
    return st.lists(
        st.one_of(
            st.builds(Requested, moments, st.just(by), actions),
            st.builds(Approved, moments, numbers, st.just(by), contents),
            st.builds(Used, moments, numbers, contents),
            st.builds(Withdrawn, moments, numbers, st.just(by)),
            st.builds(Failed, moments, names),
            st.builds(Changed, moments, st.just(by), st.just(PIN)),
        ),
        max_size=40,
    )


@given(by=names, data=st.data())
@settings(max_examples=150)
def test_one_person_alone_never_does_what_takes_two(by: str, data: st.DataObject) -> None:
    every = (Role.STAFF, Role.SUPERVISOR, Role.TECHNICIAN, Role.COURIER)
    state = step(Authority(), Founded(T, tuple(Founder(name, every, PIN) for name in NAMES))).state
    people = [(person.staff, person.active, person.roles) for person in state.people]
    for fact in data.draw(events_of(by)):
        if isinstance(fact, Used) and (waiting := state.request(fact.number, fact.at_s)) is not None:
            fact = Used(fact.at_s, fact.number, a.content(waiting.action))  # noqa: PLW2901 - the best guess there is
        with contextlib.suppress(NotAuthorised):
            outcome = step(state, fact)
            for record in outcome.records:
                assert record.body.get("event") != "used" or len(record.body["by"]) == 1  # type: ignore[arg-type]
                used = state.request(fact.number, fact.at_s) if isinstance(fact, Used) else None
                assert used is None or len(used.action.seats) == 1
            state = outcome.state
    assert [(person.staff, person.active, person.roles) for person in state.people] == people
