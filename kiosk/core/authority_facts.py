"""The facts of authority, and the state that they lead to: values. `kiosk.core.authority` has the step between them."""

from typing import Final

import msgspec

from kiosk.core import people
from kiosk.core.actions import AnyAction
from kiosk.core.guessing import Entrance, Tries
from kiosk.core.people import Credential, Person, Role, StaffId
from kiosk.core.state import RecordDraft

CLOCK_BACK_S: Final = 120  # a step back by more than this is no correction of the clock
REQUESTS_MAX: Final = 32
REQUESTS_OF_ONE_MAX: Final = 4  # or one person could leave no room for the others


class NotAuthorised(PermissionError):
    """This person's word is not enough, or not for this; nothing was changed."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


# --- facts --------------------------------------------------------------------------------------------


class AuthorityFact(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all; the tag is the class name. `by` means that the credential of this person has just matched."""

    at_s: int


class Founder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the first people."""

    staff: StaffId
    roles: tuple[Role, ...]
    credential: Credential


class Founded(AuthorityFact, frozen=True):
    """The first people, at commissioning. Once in the life of a journal."""

    founders: tuple[Founder, ...]


class Requested(AuthorityFact, frozen=True):
    """Somebody asks for an action, and signs the request with that."""

    by: StaffId
    action: AnyAction


class Approved(AuthorityFact, frozen=True):
    """Somebody else signs it too, having seen this content."""

    number: int
    by: StaffId
    content: bytes


class Withdrawn(AuthorityFact, frozen=True):
    """It is not wanted any more, says who asked or who could have signed."""

    number: int
    by: StaffId


class Used(AuthorityFact, frozen=True):
    """What was allowed is done now; in one transaction with its effect, before any device is told."""

    number: int
    content: bytes


class Failed(AuthorityFact, frozen=True):
    """A credential did not match, at this entrance."""

    by: StaffId
    entrance: Entrance = "maintenance"


class Changed(AuthorityFact, frozen=True):
    """Somebody replaced their own credential."""

    by: StaffId
    credential: Credential


class SecondFactorSet(AuthorityFact, frozen=True):
    """Somebody has enrolled a device for one-time codes, and shown the code of `step`. It replaces the one before."""

    by: StaffId
    sealed: bytes
    step: int


class DuressSet(AuthorityFact, frozen=True):
    """Somebody has chosen a code for when they are threatened; None: they have none any more."""

    by: StaffId
    credential: Credential | None


class SignedIn(AuthorityFact, frozen=True):
    """Somebody has shown who they are. `step`: of the one-time code that is used up by it; None: without one.

    `session`: they stay signed in. `duress`: by the code for that.
    """

    by: StaffId
    step: int | None
    session: bool
    duress: bool


AnyAuthorityFact = (
    Founded | Requested | Approved | Withdrawn | Used | Failed | Changed | SecondFactorSet | DuressSet | SignedIn
)

# --- state --------------------------------------------------------------------------------------------


class OpenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that may still be signed or used. `signers`: who asked, then who approved."""

    number: int
    action: AnyAction
    made_s: int
    signers: tuple[StaffId, ...]

    @property
    def ends_s(self) -> int:
        """The last second of its life."""
        return self.made_s + self.action.lifetime_s

    @property
    def complete(self) -> bool:
        """Whether everybody has signed who must."""
        return len(self.signers) == len(self.action.seats)


class Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everybody, and what they are asking for. `Authority()`: nobody was ever enrolled, nothing can be allowed."""

    at_s: int = 0  # of the last fact
    people: tuple[Person, ...] = ()
    requests: tuple[OpenRequest, ...] = ()
    next_number: int = 1  # never used twice
    tries: tuple[Tries, ...] = ()  # failed ones by entrance, of all people together

    def person(self, staff: str) -> Person | None:
        """The person of this id, revoked or not."""
        return next((person for person in self.people if person.staff == staff), None)

    def request(self, number: int, at_s: int) -> OpenRequest | None:
        """The open request of this number at this moment."""
        return next((request for request in self.open_requests(at_s) if request.number == number), None)

    def open_requests(self, at_s: int) -> tuple[OpenRequest, ...]:
        """What may still be signed or used at this moment, by number."""
        if at_s < self.at_s - CLOCK_BACK_S:
            return ()
        return tuple(request for request in self.requests if max(at_s, self.at_s) <= request.ends_s)

    def locked_s(self, staff: str, at_s: int) -> int:
        """For how many more seconds this person is locked out; 0 when not. Asked before a credential is looked at."""
        person = self.person(staff)
        if person is None:
            return 0
        return min(max(person.locked_until_s - at_s, 0), people.lock_s(person.failures))

    def failed_at(self, entrance: Entrance) -> Tries:
        """What has failed at this entrance."""
        return next((tries for tries in self.tries if tries.entrance == entrance), Tries(entrance))

    def closed_s(self, entrance: Entrance, at_s: int) -> int:
        """For how many more seconds nobody signs in by PIN there; 0: it is open."""
        return self.failed_at(entrance).closed_s(at_s)


class AuthorityOutcome(msgspec.Struct, frozen=True):
    """What one fact led to."""

    state: Authority
    records: tuple[RecordDraft, ...] = ()
