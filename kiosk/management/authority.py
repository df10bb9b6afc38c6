"""The authority desk: people sign here, and what enough of them have signed is carried out, once.

A credential is checked off the loop, one at a time; a failed try is durable before it is answered (a power cut in
between tells the guesser nothing, since a match is only known by its answer, too). What an action does is a
`Performer`: its `settle` runs inside the transaction that uses the request up, so that a crash leaves either
both or neither; devices are told afterwards, by `carry_out`.
"""

import asyncio
import base64
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec

from kiosk.core import access
from kiosk.core import actions as a
from kiosk.core.authority import step, waits_for
from kiosk.core.authority_facts import (
    AnyAuthorityFact,
    Approved,
    Authority,
    Changed,
    DuressSet,
    Founded,
    Founder,
    NotAuthorised,
    OpenRequest,
    Requested,
    Used,
    Withdrawn,
)
from kiosk.core.people import Credential, Person, Role
from kiosk.guarantee.credentials import Credentials, weakness
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import Randomness
from kiosk.management.controller import Controller
from kiosk.management.sign_in import OFFER_S, SESSION, Door, Shown, SignInRules
from kiosk.management.store import Runner
from kiosk.management.supervision import BEYOND, Supervision
from kiosk.messages import (
    ApproveAction,
    Asked,
    CarryOut,
    ChangeSecret,
    Confidential,
    ConfirmSecondFactor,
    DryRun,
    FoundPeople,
    GetPeople,
    OfferSecondFactor,
    Ok,
    People,
    PersonView,
    Planned,
    Refused,
    Reply,
    RequestAction,
    RequestEnrolment,
    RequestRenewal,
    RequestView,
    SecondFactorOffer,
    SetDuress,
    SignedInAs,
    SignIn,
    SignOut,
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
    | SignIn
    | SignOut
    | OfferSecondFactor
    | ConfirmSecondFactor
    | SetDuress
    | DryRun
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

    def __init__(
        self,
        controller: Controller,
        credentials: Credentials,
        worker: Runner,
        *,
        rules: SignInRules | None = None,
        kiosk: str = "kiosk",
        randomness: Randomness = os.urandom,
    ) -> None:
        """`worker` runs what is slow on purpose; not the journal's, which must not wait for it.

        `kiosk`: as telephones name it.
        """
        self._c = controller
        self._door = Door(
            credentials,
            worker,
            controller.clock,
            rules or SignInRules(),
            kiosk=kiosk,
            synchronised=controller.journal.clock_synchronised,
            load=self._load,
            apply=self._apply,
            randomness=randomness,
        )
        self._supervision = Supervision(controller)
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
                await self._refusal(request, refusal)
                return Refused(refusal.code, str(refusal), refusal.remedy)
            except msgspec.ValidationError as error:
                return Refused("bad_request", f"This request cannot be understood: {error}", "Correct it.")

    async def people(self) -> People:
        """Who is enrolled and what is asked for: no secret is needed to see it, and nobody waits for it."""
        return self._view(await self._load())

    async def at_screen(self, shown: Shown) -> tuple[SignedInAs, bool] | Refused:
        """Sign in whose badge was shown at the touch screen, and whether that is all of it.

        Without a second factor where one is asked for there is no session: a badge can be photographed. What is left is
        what a badge and a PIN are enough for.
        """
        async with self._lock:
            try:
                person = await self._door.enter(shown, session=True, enrolling=True)
            except NotAuthorised as refusal:
                return Refused(refusal.code, str(refusal), refusal.remedy)
            whole = person.second is not None or not self._door.rules.second_factor.intersection(person.roles)
            signed = self._signed_in(person)
            if not whole:
                self._door.close_session(signed.session)
            return signed, whole

    async def admit(self, request: Confidential, staff: str, secret: str) -> Refused | None:
        """Whether this person may send this request (`kiosk.core.access`); what refuses it otherwise."""
        async with self._lock:
            try:
                self._may(await self._door.enter(Shown(staff, secret, request.code)), request)
            except NotAuthorised as refusal:
                await self._refusal(request, refusal)
                return Refused(refusal.code, str(refusal), refusal.remedy)
            if type(request).__name__ in access.LOOKS:
                await self._supervision.looked(staff, type(request).__name__)
        return None

    async def _refusal(self, request: Confidential | GetPeople, refusal: NotAuthorised) -> None:
        """Whoever has shown who they are and tries what they may not do is on record."""
        if refusal.code in BEYOND:
            # An action is refused so only after it was understood: its name is one of the catalogue's.
            what = str(request.action["action"]) if isinstance(request, RequestAction) else type(request).__name__
            await self._supervision.refused(str(getattr(request, "staff", "")), what, refusal.code)

    def _may(self, person: Person, request: Confidential) -> None:
        if not access.SIGNED[type(request).__name__].intersection(person.roles):
            roles = ", ".join(sorted(access.SIGNED[type(request).__name__]))
            raise NotAuthorised("wrong_role", f"{person.staff} may not do this.", f"It takes one of: {roles}.")

    async def _answer(self, request: AuthorityRequest) -> Reply:  # noqa: C901, PLR0911 - one for each request
        match request:
            case GetPeople():
                return self._view(await self._load())
            case FoundPeople():
                return await self._found(request)
            case SignOut():
                self._door.close_session(request.secret)
                return Ok()
        shown = Shown(request.staff, request.secret, request.code)
        if isinstance(request, SignIn):
            return self._signed_in(await self._door.enter(shown, session=True))
        enrolling = isinstance(request, ChangeSecret | OfferSecondFactor | ConfirmSecondFactor)
        person = await self._door.enter(shown, enrolling=enrolling)
        if type(request).__name__ in access.SIGNED:  # of the others the action's seats decide
            self._may(person, request)
        if isinstance(request, OfferSecondFactor | ConfirmSecondFactor | SetDuress):
            return await self._own(request, person)
        if isinstance(request, DryRun):
            return await self._planned(person, msgspec.convert(request.action, a.AnyAction))
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
        return await self._ask(person, await self._action(request))

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

    def _signed_in(self, person: Person) -> SignedInAs:
        rules = self._door.rules
        session = self._door.open_session(person)
        return SignedInAs(session, tuple(map(str, person.roles)), rules.idle_s, rules.session_s)

    async def _own(self, request: OfferSecondFactor | ConfirmSecondFactor | SetDuress, person: Person) -> Reply:
        """What somebody changes of their own signing in."""
        match request:
            case OfferSecondFactor():
                uri, secret = self._door.offer(request.staff)
                return SecondFactorOffer(uri, base64.b32encode(secret).decode().rstrip("="), OFFER_S)
            case ConfirmSecondFactor():
                await self._apply(self._door.confirmed(request.staff, request.first_code))
                return Ok()
        if not request.new_secret:
            await self._apply(DuressSet(self._at_s(), request.staff, None))
            return Ok()
        credential = await self._credential(request.staff, request.new_secret)
        if await self._worker.run(self._credentials.matches, request.new_secret, person.credential):
            raise NotAuthorised("weak_pin", "The code for duress must not be the PIN.", "Choose another one.")
        await self._apply(DuressSet(self._at_s(), request.staff, credential))
        return Ok()

    async def _credential(self, staff: str, secret: str) -> Credential:
        weak = weakness(staff, secret) or ("it must not begin like a session" if secret.startswith(SESSION) else "")
        if weak:
            raise NotAuthorised("weak_pin", f"This PIN will not do: {weak}.", "Choose another one.")
        return await self._worker.run(self._credentials.make, secret)

    # --- actions ----------------------------------------------------------------------------------------

    async def _refused(self, person: Person, action: a.AnyAction) -> Refused | None:
        """Why this person cannot ask for this now. `NotAuthorised` when they never may."""
        if not any(seat.intersection(person.roles) for seat in action.seats):
            message = f"{person.staff} may not ask for this."
            raise NotAuthorised("wrong_role", message, "Ask somebody with the right role.")
        performer = self._performers.get(type(action))
        if performer is None:
            return Refused("not_here", "This kiosk cannot do that.", "Look at the kiosk's version.")
        return await performer.ready(action)

    async def _planned(self, person: Person, action: a.AnyAction) -> Reply:
        """The same questions as `_ask`, and nothing more."""
        refused = await self._refused(person, action)
        if refused is not None:
            return refused
        seats = tuple(tuple(sorted(map(str, seat))) for seat in action.seats)
        return Planned(seats, self._door.rules.delays_s.get(type(action).__name__, 0), a.content(action))

    async def _ask(self, person: Person, action: a.AnyAction) -> Reply:
        refused = await self._refused(person, action)
        if refused is not None:
            return refused
        staff = person.staff
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
        early = self._early(request)
        if early is not None:
            return _asked(state, request, early)
        performer = self._performers[type(request.action)]
        refused = await performer.ready(request.action) or await self._settle(performer, request)
        if refused is not None:
            return _asked(state, request, refused)
        await performer.carry_out(_allowed(request))
        return msgspec.structs.replace(_asked(state, request), done=True)

    def _early(self, request: OpenRequest) -> Refused | None:
        """Why it is not done yet though everybody has signed: a time delay, for who is forced to sign."""
        left_s = request.made_s + self._door.rules.delays_s.get(type(request.action).__name__, 0) - self._at_s()
        if left_s <= 0:
            return None
        return Refused("time_delay", f"A time delay runs for {left_s} s more.", f"Carry it out in {left_s} s.")

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
                PersonView(
                    p.staff, tuple(map(str, p.roles)), p.active, state.locked_s(p.staff, at_s), p.second is not None
                )
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
