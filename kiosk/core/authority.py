"""Authority: who may allow what, and that two people are two people. Facts in, state and records out.

Journalled and replayed like a deposit (`kiosk.core.deposit`): `step` is pure, a refused fact raises `NotAuthorised` and
changes nothing, so only facts that stood are ever stored. A request is for one action with its exact parameters, lives
`lifetime_s`, is signed by as many different people as the action has seats, and is used once.

    >>> state = step(state, Requested(at_s, "K-17", ExchangeStart(("cabinet",)))).state   # one of two signed
    >>> number = state.requests[-1].number
    >>> state = step(state, Approved(at_s + 60, number, "S-03", content(ExchangeStart(("cabinet",))))).state
    >>> outcome = step(state, Used(at_s + 61, number, content(ExchangeStart(("cabinet",)))))  # commit with the effect

Times are UTC seconds of the kiosk's clock. A small step back is no time at all; after a larger one every open request
has to be made again, because nobody can say how long it has been waiting.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from msgspec.structs import replace

from kiosk.core import people
from kiosk.core.actions import AnyAction, Enrol, Renew, Revoke, content, said
from kiosk.core.authority_facts import (
    CLOCK_BACK_S,
    REQUESTS_MAX,
    REQUESTS_OF_ONE_MAX,
    AnyAuthorityFact,
    Approved,
    Authority,
    AuthorityFact,
    AuthorityOutcome,
    Changed,
    DuressSet,
    Failed,
    Founded,
    NotAuthorised,
    OpenRequest,
    Requested,
    SecondFactorSet,
    SignedIn,
    Used,
    Withdrawn,
)
from kiosk.core.people import Person, Role, SecondFactor
from kiosk.core.state import RecordDraft

# --- step ---------------------------------------------------------------------------------------------


def step(state: Authority, fact: AnyAuthorityFact) -> AuthorityOutcome:
    """The next state and the records of one fact. Raises `NotAuthorised`."""
    here, ended = _moved_on(state, fact.at_s)
    outcome = _HANDLERS[type(fact)](here, fact)
    return AuthorityOutcome(outcome.state, ended + outcome.records)


def replay(facts: Iterable[AnyAuthorityFact]) -> Authority:
    """The authority that these journalled facts lead to."""
    state = Authority()
    for fact in facts:
        state = step(state, fact).state
    return state


def waits_for(state: Authority, request: OpenRequest) -> tuple[Role, ...]:
    """The roles of which the next signer needs one; empty when everybody has signed."""
    return () if request.complete else people.missing(request.action.seats, _signers(state, request))


def _moved_on(state: Authority, at_s: int) -> tuple[Authority, tuple[RecordDraft, ...]]:
    """Time has passed: requests that have ended are put on record and dropped."""
    alive = state.open_requests(at_s)
    ended = tuple(_record("expired", request) for request in state.requests if request not in alive)
    if at_s < state.at_s - CLOCK_BACK_S:  # a lock lasts no longer than it would from now on
        locks = tuple(
            replace(person, locked_until_s=min(person.locked_until_s, at_s + people.lock_s(person.failures)))
            for person in state.people
        )
        tries = tuple(each.set_back(at_s) for each in state.tries)
        return replace(state, at_s=at_s, people=locks, requests=alive, tries=tries), ended
    return replace(state, at_s=max(at_s, state.at_s), requests=alive), ended


def _founded(state: Authority, fact: Founded) -> AuthorityOutcome:
    if state.people:
        _refuse("already_founded", "People are enrolled here already.", "Let two of them enrol you.")
    founders = tuple(Person(each.staff, each.roles, each.credential) for each in fact.founders)
    if len({person.staff for person in founders}) != len(founders) or len(founders) > people.PEOPLE_MAX:
        _refuse("bad_people", "Every person needs a staff id of their own.", "Correct the staff ids.")
    for person in founders:
        _check_roles(person.roles)
    if not _can_enrol(founders):
        _refuse("too_few", f"The first people must be able to enrol others: {_ENROLLERS}.", "Name two such people.")
    everybody = [{"staff": person.staff, "roles": [str(role) for role in person.roles]} for person in founders]
    draft = RecordDraft("people", {"event": "founded", "people": everybody})
    return AuthorityOutcome(replace(state, people=founders), (draft,))


def _requested(state: Authority, fact: Requested) -> AuthorityOutcome:
    person = _present(state, fact.by)
    if not any(seat.intersection(person.roles) for seat in fact.action.seats):
        _refuse("wrong_role", f"{fact.by} may not ask for this.", "Ask somebody with the right role.")
    _check_effect(state, fact.action)
    own = sum(1 for request in state.requests if request.signers[0] == fact.by)
    if own >= REQUESTS_OF_ONE_MAX or len(state.requests) >= REQUESTS_MAX:
        _refuse("too_many", "Too many requests are open.", "Withdraw one, or wait until one has ended.")
    request = OpenRequest(state.next_number, fact.action, state.at_s, (fact.by,))
    state = replace(_matched(state, person), requests=(*state.requests, request), next_number=state.next_number + 1)
    return AuthorityOutcome(state, (_record("requested", request),))


def _approved(state: Authority, fact: Approved) -> AuthorityOutcome:
    person, request = _present(state, fact.by), _open(state, fact.number, fact.content)
    if fact.by in request.signers:
        _refuse("same_person", f"{fact.by} has signed this already.", "Somebody else must approve it.")
    if request.complete:
        _refuse("complete", "Everybody who must has signed this.", "Carry it out.")
    signed = replace(request, signers=(*request.signers, fact.by))
    if not people.fill(request.action.seats, _signers(state, signed)):
        _refuse("wrong_role", f"{fact.by} may not approve this.", "Ask somebody with the right role.")
    requests = tuple(signed if each is request else each for each in state.requests)
    return AuthorityOutcome(replace(_matched(state, person), requests=requests), (_record("approved", signed),))


def _withdrawn(state: Authority, fact: Withdrawn) -> AuthorityOutcome:
    person, request = _present(state, fact.by), _open(state, fact.number)
    concerned = any(seat.intersection(person.roles) for seat in request.action.seats)
    if fact.by not in request.signers and not concerned:
        _refuse("wrong_role", f"{fact.by} may not withdraw this.", "Ask who made the request.")
    state = _without(_matched(state, person), request)
    return AuthorityOutcome(state, (_record("withdrawn", request, withdrawn_by=fact.by),))


def _used(state: Authority, fact: Used) -> AuthorityOutcome:
    request = _open(state, fact.number, fact.content)
    if not request.complete or not people.fill(request.action.seats, _signers(state, request)):
        _refuse("not_approved", "This has not been approved.", "Let a second person approve it.")
    _check_effect(state, request.action)
    before = _without(state, request)
    after = _effect(before, request.action)
    fallen = tuple(_record("expired", each) for each in before.requests if each not in after.requests)
    return AuthorityOutcome(after, (*fallen, _record("used", request)))


def _failed(state: Authority, fact: Failed) -> AuthorityOutcome:
    person = state.person(fact.by)
    if person is None or not person.active:
        _refuse("unknown_person", f"{fact.by} is not enrolled.", "Look at `kioskctl people list`.")
    failures = person.failures + 1
    delay_s = people.lock_s(failures)
    until_s = state.at_s + delay_s if delay_s else 0
    state = _with(state, replace(person, failures=failures, locked_until_s=until_s))
    tries = state.failed_at(fact.entrance).failed(state.at_s)
    others = tuple(each for each in state.tries if each.entrance != fact.entrance)
    state = replace(state, tries=tuple(sorted((*others, tries), key=lambda each: each.entrance)))
    words = []
    if delay_s:
        words.append(f"{fact.by} is locked out for {delay_s} s after {failures} failed tries")
    if tries.delay_s:
        where = f"{fact.entrance}: nobody signs in by PIN for {tries.delay_s} s"
        words.append(f"{where} after {tries.count} failed tries of one or several people")
    if not words:
        return AuthorityOutcome(state)
    draft = RecordDraft("alert", {"alert": "locked_out", "grade": "medium", "reasons": words})
    return AuthorityOutcome(state, (draft,))


def _changed(state: Authority, fact: Changed) -> AuthorityOutcome:
    person = _present(state, fact.by)
    draft = RecordDraft("people", {"event": "credential_changed", "by": [fact.by]})
    changed = replace(person, credential=fact.credential, failures=0, locked_until_s=0)
    return AuthorityOutcome(_with(state, changed), (draft,))


def _second_factor_set(state: Authority, fact: SecondFactorSet) -> AuthorityOutcome:
    person = _present(state, fact.by)
    draft = RecordDraft("people", {"event": "second_factor_set", "by": [fact.by]})
    return AuthorityOutcome(_with(state, replace(person, second=SecondFactor(fact.sealed, fact.step))), (draft,))


def _duress_set(state: Authority, fact: DuressSet) -> AuthorityOutcome:
    person = _present(state, fact.by)
    draft = RecordDraft("people", {"event": "credential_changed", "by": [fact.by]})  # which one is nobody's business
    return AuthorityOutcome(_with(state, replace(person, duress=fact.credential)), (draft,))


def _signed_in(state: Authority, fact: SignedIn) -> AuthorityOutcome:
    """One record either way, so that the log's length does not tell whoever looks over the shoulder."""
    person = _present(state, fact.by)
    if fact.step is not None:
        if person.second is None or fact.step <= person.second.used:
            _refuse("wrong_pin", f"PIN and code are not those of {fact.by}.", "Wait for the next code.")
        person = replace(person, second=replace(person.second, used=fact.step))
    records: tuple[RecordDraft, ...] = ()
    if fact.duress:
        words = f"{fact.by} signed in by the code for duress: somebody may be threatening them"
        records = (RecordDraft("alert", {"alert": "duress", "grade": "high", "reasons": [words]}),)
    elif fact.session:
        records = (RecordDraft("people", {"event": "signed_in", "by": [fact.by]}),)
    return AuthorityOutcome(_matched(state, person), records)


_HANDLERS: Final[dict[type[AuthorityFact], Callable[[Authority, Any], AuthorityOutcome]]] = {
    Founded: _founded,
    Requested: _requested,
    Approved: _approved,
    Withdrawn: _withdrawn,
    Used: _used,
    Failed: _failed,
    Changed: _changed,
    SecondFactorSet: _second_factor_set,
    DuressSet: _duress_set,
    SignedIn: _signed_in,
}

# --- what enrolment changes ---------------------------------------------------------------------------

_ENROLLERS: Final = "two people, one of them a supervisor, the other staff or supervisor"


def _check_effect(state: Authority, action: AnyAction) -> None:
    """Whether this could be done now: asked when it is requested, and again when it is used."""
    if isinstance(action, Enrol):
        _check_roles(action.roles)
        known = state.person(action.staff)
        if known is not None and known.active:
            _refuse("already_enrolled", f"{action.staff} is enrolled already.", "Revoke first, or renew.")
        if known is None and len(state.people) >= people.PEOPLE_MAX:
            _refuse("too_many", f"At most {people.PEOPLE_MAX} people can be enrolled.", "Enrol a known id again.")
    elif isinstance(action, Revoke | Renew):
        person = state.person(action.staff)
        if person is None or not person.active:
            _refuse("unknown_person", f"{action.staff} is not enrolled.", "Look at `kioskctl people list`.")
        if isinstance(action, Revoke) and not _can_enrol(p for p in state.people if p.staff != action.staff):
            _refuse("too_few", f"Nobody could enrol people any more: that takes {_ENROLLERS}.", "Enrol others first.")


def _effect(state: Authority, action: AnyAction) -> Authority:
    if isinstance(action, Enrol):
        return _with(state, Person(action.staff, action.roles, action.credential))
    if isinstance(action, Revoke):
        person = state.person(action.staff)
        assert person is not None, "checked just before"
        state = _with(state, replace(person, active=False))
        return replace(state, requests=tuple(each for each in state.requests if action.staff not in each.signers))
    if isinstance(action, Renew):
        person = state.person(action.staff)
        assert person is not None, "checked just before"
        renewed = replace(person, credential=action.credential, failures=0, locked_until_s=0, second=None, duress=None)
        return _with(state, renewed)  # whoever lost the PIN may have lost the telephone: both are enrolled anew
    return state


def _check_roles(roles: tuple[Role, ...]) -> None:
    if not people.roles_stand(roles):
        _refuse("bad_roles", "These roles do not go together.", "An auditor has no other role; everybody has one.")


def _can_enrol(everybody: Iterable[Person]) -> bool:
    active = [person for person in everybody if person.active]
    return any(
        people.fill(Enrol.seats, (one.roles, other.roles))
        for one in active
        for other in active
        if one.staff != other.staff
    )


# --- small parts --------------------------------------------------------------------------------------


def _refuse(code: str, message: str, remedy: str) -> NoReturn:
    raise NotAuthorised(code, message, remedy)


def _present(state: Authority, staff: str) -> Person:
    person = state.person(staff)
    if person is None or not person.active:
        _refuse("unknown_person", f"{staff} is not enrolled.", "Look at `kioskctl people list`.")
    locked_s = state.locked_s(staff, state.at_s)
    if locked_s:
        _refuse("locked_out", f"{staff} is locked out for {locked_s} s.", "Wait, or let two others renew the PIN.")
    return person


def _open(state: Authority, number: int, shown: bytes | None = None) -> OpenRequest:
    request = state.request(number, state.at_s)
    if request is None:
        _refuse("no_request", f"There is no open request {number}.", "Make it again; requests end by themselves.")
    if shown is not None and shown != content(request.action):
        _refuse("other_content", f"Request {number} says something else.", "Look at it again.")
    return request


def _signers(state: Authority, request: OpenRequest) -> tuple[tuple[Role, ...], ...]:
    """The roles of who signed it and is still somebody here, each once."""
    found = (state.person(staff) for staff in dict.fromkeys(request.signers))
    return tuple(person.roles for person in found if person is not None and person.active)


def _matched(state: Authority, person: Person) -> Authority:
    return _with(state, replace(person, failures=0, locked_until_s=0))


def _with(state: Authority, person: Person) -> Authority:
    others = (each for each in state.people if each.staff != person.staff)
    return replace(state, people=tuple(sorted((*others, person), key=lambda each: each.staff)))


def _without(state: Authority, request: OpenRequest) -> Authority:
    return replace(state, requests=tuple(each for each in state.requests if each is not request))


def _record(event: str, request: OpenRequest, **more: object) -> RecordDraft:
    body = {
        "event": event,
        "number": request.number,
        "action": said(request.action),
        "content": content(request.action),
        "by": list(request.signers),
        **more,
    }
    return RecordDraft("authority", body)
