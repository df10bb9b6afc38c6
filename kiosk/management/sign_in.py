"""The door: who somebody is, by PIN and one-time code, or by the session that both once opened.

A failed try is durable before it is answered, and so is a used code (a power cut in between tells the guesser nothing,
since a match is only known by its answer, too). Which of PIN and code was wrong is never said. A session is a secret in
memory: it ends by itself, with the controller, and with the credential that opened it.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kiosk.clock import Clock
from kiosk.core.authority_facts import AnyAuthorityFact, Authority, Failed, NotAuthorised, SecondFactorSet, SignedIn
from kiosk.core.guessing import Entrance
from kiosk.core.people import Credential, Person, Role
from kiosk.guarantee.credentials import Credentials
from kiosk.guarantee.keys import Randomness
from kiosk.guarantee.one_time import enrolment_uri
from kiosk.management.store import Runner

SESSION: Final = "session-"  # no PIN begins so
SESSIONS_MAX: Final = 16
OFFER_S: Final = 600
_WAIT: Final = "Wait, or let two others renew the PIN (`kioskctl people renew`)."


@dataclass(frozen=True)
class SignInRules:
    """From the configuration."""

    second_factor: frozenset[Role] = frozenset()  # who must have one
    idle_s: int = 300  # a session without a request ends
    session_s: int = 28_800  # and any session
    # Action -> so long after it was asked for nothing is done yet, whoever has signed.
    delays_s: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _Session:
    staff: str
    credential: Credential
    began_s: float  # monotonic, like the next
    used_s: float


@dataclass(frozen=True)
class Shown:
    """What somebody shows of themselves."""

    staff: str
    secret: str  # a PIN, or a session
    code: str = ""
    entrance: Entrance = "maintenance"


class Door:
    """Says who somebody is. Called under the authority desk's lock."""

    def __init__(  # noqa: PLR0913 - what the authority desk shares with it
        self,
        credentials: Credentials,
        worker: Runner,
        clock: Clock,
        rules: SignInRules,
        *,
        kiosk: str,
        synchronised: Callable[[], bool],
        load: Callable[[], Awaitable[Authority]],
        apply: Callable[[AnyAuthorityFact], Awaitable[Authority]],
        randomness: Randomness,
    ) -> None:
        self._credentials, self._codes, self._worker, self._clock = credentials, credentials.codes, worker, clock
        self.rules = rules
        self._kiosk, self._synchronised, self._load, self._apply = kiosk, synchronised, load, apply
        self._randomness = randomness
        self._sessions: dict[bytes, _Session] = {}  # by the hash of their secret
        self._offers: dict[str, tuple[bytes, float]] = {}  # staff -> sealed secret, when it was shown

    def at_s(self) -> int:
        """UTC seconds of the kiosk's clock."""
        return int(self._clock.now_utc().timestamp())

    async def enter(self, shown: Shown, *, session: bool = False, enrolling: bool = False) -> Person:
        """Who this is. `NotAuthorised` when that is not shown. `enrolling`: a missing second factor is why they come.

        `session`: the caller opens one; only a PIN, with its code, does that.
        """
        person = self._present(await self._load(), shown.staff)
        if shown.secret.startswith(SESSION):
            if session:
                raise NotAuthorised("wrong_pin", "A session does not open another one.", "Type the PIN.")
            self._in_session(person, shown.secret)
            return person
        await self._open(shown.entrance)
        duress = await self._matched(person, shown)
        if person.second is None and not enrolling and self.rules.second_factor.intersection(person.roles):
            raise NotAuthorised(
                "second_factor_needed",
                f"{shown.staff} has no second factor yet, and needs one here.",
                f"Enrol a telephone: kioskctl people second-factor --as {shown.staff}",
            )
        step = self._step(person, shown.code) if person.second is not None else None
        if session or duress or step is not None:
            await self._apply(SignedIn(self.at_s(), shown.staff, step, session, duress))
        return person

    def _present(self, state: Authority, staff: str) -> Person:
        person = state.person(staff)
        if person is None or not person.active:
            raise NotAuthorised("unknown_person", f"{staff} is not enrolled.", "Look at `kioskctl people list`.")
        locked_s = state.locked_s(staff, self.at_s())
        if locked_s:
            raise NotAuthorised("locked_out", f"{staff} is locked out for {locked_s} s.", _WAIT)
        return person

    async def _open(self, entrance: Entrance) -> None:
        """Before a PIN is looked at: `NotAuthorised` while too many have failed here, whoever's they were."""
        closed_s = (await self._load()).closed_s(entrance, self.at_s())
        if closed_s:
            message = f"Too many tries have failed here: nobody signs in by PIN for {closed_s} s."
            raise NotAuthorised("locked_out", message, f"Wait {closed_s} s; whoever is signed in already may go on.")

    async def _matched(self, person: Person, shown: Shown) -> bool:
        """Whether it is the code for duress. `NotAuthorised` when it is neither, or the one-time code is wrong."""
        known = await self._worker.run(self._credentials.matches, shown.secret, person.credential)
        duress = person.duress is not None and await self._worker.run(
            self._credentials.matches, shown.secret, person.duress
        )
        if (known or duress) and (person.second is None or self._step(person, shown.code) is not None):
            return duress and not known
        state = await self._apply(Failed(self.at_s(), person.staff, shown.entrance))
        locked_s = state.locked_s(person.staff, self.at_s())
        remedy = f"Wait {locked_s} s, or let two others renew the PIN." if locked_s else "Try again."
        if person.second is None:
            raise NotAuthorised("wrong_pin", f"This is not the PIN of {person.staff}.", remedy)
        if not locked_s:
            remedy = "Try again with the next code that the telephone shows."
        raise NotAuthorised("wrong_pin", f"PIN and code are not those of {person.staff}.", remedy)

    def _step(self, person: Person, code: str) -> int | None:
        """The time step of this code, if it has not been used."""
        assert person.second is not None, "asked for by those who have one"
        step = self._codes.step(
            person.staff, person.second.sealed, code, self.at_s(), synchronised=self._synchronised()
        )
        return step if step is not None and step > person.second.used else None

    # --- sessions -----------------------------------------------------------------------------------------

    def open_session(self, person: Person) -> str:
        """Its secret. The oldest one ends when there are too many."""
        now_s = self._clock.monotonic_s()
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda name: self._sessions[name].used_s)]
        secret = SESSION + self._randomness(32).hex()
        self._sessions[_name(secret)] = _Session(person.staff, person.credential, now_s, now_s)
        return secret

    def close_session(self, secret: str) -> None:
        """End it, if there is one."""
        self._sessions.pop(_name(secret), None)

    def _in_session(self, person: Person, secret: str) -> None:
        now_s, name = self._clock.monotonic_s(), _name(secret)
        found = self._sessions.get(name)
        if (
            found is None
            or found.staff != person.staff
            or found.credential != person.credential
            or now_s - found.used_s > self.rules.idle_s
            or now_s - found.began_s > self.rules.session_s
        ):
            self._sessions.pop(name, None)
            raise NotAuthorised("signed_out", "This session has ended.", "Sign in again.")
        found.used_s = now_s

    # --- second factor ------------------------------------------------------------------------------------

    def offer(self, staff: str) -> tuple[str, bytes]:
        """The URI for a telephone, and the secret in it; the kiosk keeps it sealed until the first code is shown."""
        secret = self._codes.new_secret()
        self._offers[staff] = (self._codes.seal(staff, secret), self._clock.monotonic_s())
        return enrolment_uri(secret, staff, self._kiosk), secret

    def confirmed(self, staff: str, code: str) -> SecondFactorSet:
        """The fact that the telephone is enrolled. `NotAuthorised` when it shows another code."""
        sealed, offered_s = self._offers.get(staff, (b"", 0.0))
        if not sealed or self._clock.monotonic_s() - offered_s > OFFER_S:
            self._offers.pop(staff, None)
            raise NotAuthorised("no_offer", "No second factor is being enrolled.", "Begin again.")
        step = self._codes.step(staff, sealed, code, self.at_s(), synchronised=self._synchronised())
        if step is None:
            raise NotAuthorised(
                "wrong_code", "This is not the code.", "Look at the telephone's clock; type the next one."
            )
        del self._offers[staff]
        return SecondFactorSet(self.at_s(), staff, sealed, step)


def _name(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
