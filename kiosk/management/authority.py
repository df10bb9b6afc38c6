"""The authority desk: people sign here, and what enough of them have signed is carried out, once.

A credential is checked off the loop, one at a time; a failed try is durable before it is answered (a power cut in
between tells the guesser nothing, since a match is only known by its answer, too). What an action does is a
`Performer`: its `settle` runs inside the transaction that uses the request up, so that a crash leaves either
both or neither; devices are told afterwards, by `carry_out`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec

from kiosk.core import actions as a
from kiosk.core.authority import step, waits_for
from kiosk.core.authority_facts import (
    AnyAuthorityFact,
    Approved,
    Authority,
    Changed,
    Failed,
    Founded,
    Founder,
    NotAuthorised,
    OpenRequest,
    Requested,
    Used,
    Withdrawn,
)
from kiosk.core.people import Credential, Role
from kiosk.guarantee.credentials import Credentials, weakness
from kiosk.guarantee.journal import Journal
from kiosk.management.controller import Controller
from kiosk.management.store import Runner
from kiosk.messages import (
    ApproveAction,
    Asked,
    CarryOut,
    ChangeSecret,
    FoundPeople,
    GetPeople,
    Ok,
    People,
    PersonView,
    Refused,
    Reply,
    RequestAction,
    RequestEnrolment,
    RequestRenewal,
    RequestView,
    WithdrawAction,
)

_log = logging.getLogger(__name__)
A = TypeVar("A", bound=a.Action)
AuthorityRequest = (
    GetPeople
    | FoundPeople
    | RequestAction
    | RequestEnrolment
    | RequestRenewal
    | ApproveAction
    | CarryOut
    | WithdrawAction
    | ChangeSecret
)
_SECRETIVE: Final = (a.Enrol, a.Renew)  # they have requests of their own, since the kiosk makes the credential


class Allowed(msgspec.Struct, Generic[A], frozen=True):
    """An action that enough people have signed. `signers`: who asked, then who approved."""

    number: int
    action: A
    signers: tuple[str, ...]


class Performer(Generic[A]):
    """What carries one kind of action out. Override what it needs; as it stands, it does nothing more than allow."""

    at_rest = False  # only while no deposit is under way; none begins before `settle` is durable

    async def ready(self, action: A) -> Refused | None:  # noqa: ARG002 - for those who override it
        """Why this cannot be done now; asked when it is requested, and again when it is to be done."""
        return None

    def anyway(self, action: A) -> bool:  # noqa: ARG002 - for those who override it
        """Whether an `at_rest` one may be settled though a deposit is under way; nothing changes it meanwhile."""
        return False

    def settle(self, journal: Journal, allowed: Allowed[A], now: datetime) -> None:
        """Write what follows, on the journal's thread, inside the transaction that uses the request up.

        `NotAuthorised` undoes all of it, the use included. This is the durable intent of a device's command.
        """

    def settled(self) -> None:
        """What `settle` wrote is durable: what is kept of it in memory may follow. `at_rest`: still under the lock."""

    async def carry_out(self, allowed: Allowed[A]) -> None:
        """Tell the devices, and return soon; what was settled is durable.

        A crash before or within is for recovery to find. Nobody can sign anything until this returns.
        """


class AuthorityDesk:
    """Answers `AuthorityRequest`s. Holds no rule of its own: it asks `kiosk.core.authority`."""

    def __init__(self, controller: Controller, credentials: Credentials, worker: Runner) -> None:
        """`worker` runs what is slow on purpose; not the journal's, which must not wait for it."""
        self._c = controller
        self._credentials = credentials
        self._worker = worker
        self._state: Authority | None = None
        self._lock = asyncio.Lock()
        self._performers: dict[type[a.Action], Performer[a.Action]] = {}
        for people in (a.Enrol, a.Revoke, a.Renew):
            self.register(people, Performer())

    def register(self, action: type[A], performer: Performer[A]) -> None:
        """Say who carries this kind of action out; without one it cannot be asked for."""
        self._performers[action] = performer  # type: ignore[assignment]  # it only ever gets its own kind

    async def handle(self, request: AuthorityRequest) -> Reply:
        """Answer one. Completes even if the client goes away meanwhile."""
        return await asyncio.shield(asyncio.ensure_future(self._handle(request)))

    async def _handle(self, request: AuthorityRequest) -> Reply:
        async with self._lock:
            try:
                return await self._answer(request)
            except NotAuthorised as refusal:
                return Refused(refusal.code, str(refusal), refusal.remedy)
            except msgspec.ValidationError as error:
                return Refused("bad_request", f"This request cannot be understood: {error}", "Correct it.")

    async def _answer(self, request: AuthorityRequest) -> Reply:  # noqa: PLR0911 - one for each request
        match request:
            case GetPeople():
                return self._view(await self._load())
            case FoundPeople():
                return await self._found(request)
        await self._sign_in(request.staff, request.secret)
        at_s = self._at_s()
        match request:
            case ApproveAction():
                await self._apply(Approved(at_s, request.number, request.staff, request.content))
                return await self._perform(request.number)
            case CarryOut():
                return await self._again(request)
            case WithdrawAction():
                await self._apply(Withdrawn(at_s, request.number, request.staff))
                return Ok()
            case ChangeSecret():
                credential = await self._credential(request.staff, request.new_secret)
                await self._apply(Changed(at_s, request.staff, credential))
                return Ok()
        return await self._ask(request.staff, await self._action(request))

    async def _action(self, request: RequestAction | RequestEnrolment | RequestRenewal) -> a.AnyAction:
        if isinstance(request, RequestAction):
            found: a.AnyAction = msgspec.convert(request.action, a.AnyAction)
            if isinstance(found, _SECRETIVE):
                raise NotAuthorised("bad_request", "This action has a request of its own.", "Use `kioskctl people`.")
            return found
        credential = await self._credential(request.new_staff, request.new_secret)
        if isinstance(request, RequestRenewal):
            return _checked(a.Renew(request.new_staff, credential))
        return _checked(a.Enrol(request.new_staff, _roles(request.roles), credential))

    # --- people -----------------------------------------------------------------------------------------

    async def _found(self, request: FoundPeople) -> Reply:
        if (await self._load()).people:  # before anything is computed: this needs no PIN
            return Refused("already_founded", "People are enrolled here already.", "Let two of them enrol you.")
        founders = [
            Founder(each.staff, _roles(each.roles), await self._credential(each.staff, each.secret))
            for each in request.founders
        ]
        await self._apply(_checked(Founded(self._at_s(), tuple(founders))))
        return Ok()

    async def _sign_in(self, staff: str, secret: str) -> None:
        state, at_s = await self._load(), self._at_s()
        person = state.person(staff)
        if person is None or not person.active:
            raise NotAuthorised("unknown_person", f"{staff} is not enrolled.", "Look at `kioskctl people list`.")
        locked_s = state.locked_s(staff, at_s)
        if locked_s:
            raise NotAuthorised("locked_out", f"{staff} is locked out for {locked_s} s.", _LOCKED)
        if await self._worker.run(self._credentials.matches, secret, person.credential):
            return
        state = await self._apply(Failed(self._at_s(), staff))
        locked_s = state.locked_s(staff, self._at_s())
        remedy = f"Wait {locked_s} s, or let two others renew the PIN." if locked_s else "Try again."
        raise NotAuthorised("wrong_pin", f"This is not the PIN of {staff}.", remedy)

    async def _credential(self, staff: str, secret: str) -> Credential:
        weak = weakness(staff, secret)
        if weak:
            raise NotAuthorised("weak_pin", f"This PIN will not do: {weak}.", "Choose another one.")
        return await self._worker.run(self._credentials.make, secret)

    # --- actions ----------------------------------------------------------------------------------------

    async def _ask(self, staff: str, action: a.AnyAction) -> Reply:
        performer = self._performers.get(type(action))
        if performer is None:
            return Refused("not_here", "This kiosk cannot do that.", "Look at the kiosk's version.")
        refused = await performer.ready(action)
        if refused is not None:
            return refused
        state = await self._apply(Requested(self._at_s(), staff, action))
        return await self._perform(state.requests[-1].number)

    async def _again(self, request: CarryOut) -> Reply:
        waiting = (await self._load()).request(request.number, self._at_s())
        if waiting is None or request.staff not in waiting.signers:
            raise NotAuthorised("no_request", f"{request.staff} signed no request {request.number}.", "Make it again.")
        return await self._perform(request.number)

    async def _perform(self, number: int) -> Reply:
        """Do it if everybody has signed and it is possible now."""
        state = await self._load()
        request = state.request(number, self._at_s())
        assert request is not None, "it has just been signed"
        if not request.complete:
            return _asked(state, request)
        performer = self._performers[type(request.action)]
        refused = await performer.ready(request.action) or await self._settle(performer, request)
        if refused is not None:
            return _asked(state, request, refused)
        await performer.carry_out(_allowed(request))
        return msgspec.structs.replace(_asked(state, request), done=True)

    async def _settle(self, performer: Performer[a.Action], request: OpenRequest) -> Refused | None:
        async with self._rest(performer, request.action) as free:
            if not free:
                return Refused("not_now", "A deposit is under way.", "Carry it out when it is finished.")
            await self._apply(Used(self._at_s(), request.number, a.content(request.action)), performer, request)
            performer.settled()
        return None

    @asynccontextmanager
    async def _rest(self, performer: Performer[a.Action], action: a.AnyAction) -> AsyncIterator[bool]:
        if not performer.at_rest:
            yield True
            return
        async with self._c.at_rest() as resting:
            yield resting or performer.anyway(action)

    # --- facts ------------------------------------------------------------------------------------------

    async def _load(self) -> Authority:
        if self._state is None:
            self._state = await self._c.runner.run(self._c.journal.authority)
        return self._state

    async def _apply(
        self,
        fact: AnyAuthorityFact,
        performer: Performer[a.Action] | None = None,
        request: OpenRequest | None = None,
    ) -> Authority:
        outcome = step(await self._load(), fact)

        def effect(journal: Journal, now: datetime) -> None:
            if performer is not None and request is not None:
                performer.settle(journal, _allowed(request), now)

        await self._c.runner.run(self._c.journal.commit_authority, fact, outcome, self._c.clock.now_utc(), effect)
        self._state = outcome.state
        self._c.recorded()
        return outcome.state

    def _at_s(self) -> int:
        return int(self._c.clock.now_utc().timestamp())

    # --- views ------------------------------------------------------------------------------------------

    def _view(self, state: Authority) -> People:
        at_s = self._at_s()
        return People(
            people=tuple(
                PersonView(p.staff, tuple(map(str, p.roles)), p.active, state.locked_s(p.staff, at_s))
                for p in state.people
            ),
            requests=tuple(
                RequestView(
                    number=request.number,
                    action=a.said(request.action),
                    content=a.content(request.action),
                    signers=request.signers,
                    waits_for=tuple(map(str, waits_for(state, request))),
                    ends_in_s=request.ends_s - max(at_s, state.at_s),
                )
                for request in state.open_requests(at_s)
            ),
        )


_LOCKED: Final = "Wait, or let two others renew the PIN (`kioskctl people renew`)."


def _allowed(request: OpenRequest) -> Allowed[a.Action]:
    return Allowed(request.number, request.action, request.signers)


def _asked(state: Authority, request: OpenRequest, refused: Refused | None = None) -> Asked:
    return Asked(
        number=request.number,
        content=a.content(request.action),
        signers=request.signers,
        waits_for=tuple(map(str, waits_for(state, request))),
        done=False,
        not_yet=refused.message if refused else "",
        remedy=refused.remedy if refused else "",
    )


def _roles(words: tuple[str, ...]) -> tuple[Role, ...]:
    return tuple(sorted(msgspec.convert(words, tuple[Role, ...])))


T = TypeVar("T", bound=msgspec.Struct)


def _checked(value: T) -> T:
    """What a constructor takes unseen, held against its types: they are what replay will ask for."""
    return msgspec.convert(msgspec.to_builtins(value), type(value))
