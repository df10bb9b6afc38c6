"""What people ask at the machine: who may do what, the four-eyes actions, keys and disputes."""

from typing import Annotated, Any, Final, Literal

import msgspec

from kiosk.messages.shared import Message

SECRET_CHARACTERS_MAX: Final = 128
Secret = Annotated[str, msgspec.Meta(max_length=SECRET_CHARACTERS_MAX)]
Staff = Annotated[str, msgspec.Meta(max_length=32)]


class Confidential(Message, frozen=True, kw_only=True):
    """Base of requests that carry a PIN or passphrase: none may show up in a log."""

    code: Annotated[str, msgspec.Meta(max_length=16)] = ""  # the one-time code, of those who have a second factor

    def __repr__(self) -> str:
        """The type alone."""
        return f"{type(self).__name__}(...)"


class GetPeople(Message, frozen=True):
    """Answered with `People`."""


class PersonView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is or was enrolled."""

    staff: str
    roles: tuple[str, ...]
    active: bool
    locked_s: int  # locked out for so many more seconds; 0: not
    second: bool = False  # has enrolled a device for one-time codes


class RequestView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that somebody asked for, and that may still be signed, withdrawn or carried out."""

    number: int
    action: dict[str, Any]  # "action" names it (kiosk/core/actions.py), the rest are its parameters
    content: bytes  # what a signature is for: 32 bytes
    signers: tuple[str, ...]  # who asked, then who approved
    waits_for: tuple[str, ...]  # the next signer has one of these roles; empty: everybody has signed
    ends_in_s: int


class People(Message, frozen=True):
    """Who may allow what, and what is being asked for."""

    people: tuple[PersonView, ...]  # empty: nobody was ever enrolled, nothing can be allowed
    requests: tuple[RequestView, ...]


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the first people."""

    staff: Staff
    roles: tuple[str, ...]
    secret: Secret

    def __repr__(self) -> str:
        """Without the secret."""
        return f"NewPerson({self.staff!r}, ...)"


class FoundPeople(Confidential, frozen=True):
    """The first people, once, at commissioning: enough of them to enrol others. `Ok` or `Refused`."""

    founders: Annotated[tuple[NewPerson, ...], msgspec.Meta(max_length=16)]


class RequestAction(Confidential, frozen=True):
    """Ask for an action of kiosk/core/actions.py. `Asked` or `Refused`; what takes one person is done at once."""

    staff: Staff
    secret: Secret
    action: dict[str, Any]


class RequestEnrolment(Confidential, frozen=True):
    """Ask to enrol somebody, who typed `new_secret`. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    new_staff: Staff
    roles: tuple[str, ...]
    new_secret: Secret


class RequestRenewal(Confidential, frozen=True):
    """Ask for a new PIN of somebody who forgot theirs, and typed `new_secret`. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    new_staff: Staff
    new_secret: Secret


class ApproveAction(Confidential, frozen=True):
    """Sign what somebody else asked for, having seen this content. `Asked` or `Refused`; done at once if possible."""

    staff: Staff
    secret: Secret
    number: int
    content: bytes


class CarryOut(Confidential, frozen=True):
    """Try again what everybody has signed and was not possible then. `Asked` or `Refused`."""

    staff: Staff
    secret: Secret
    number: int


class WithdrawAction(Confidential, frozen=True):
    """It is not wanted any more. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    number: int


class ChangeSecret(Confidential, frozen=True):
    """Replace one's own PIN. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    new_secret: Secret


class Asked(Message, frozen=True):
    """How a request stands now."""

    number: int
    content: bytes
    signers: tuple[str, ...]
    waits_for: tuple[str, ...]
    done: bool
    not_yet: str = ""  # everybody has signed, and this is why it is not done; `CarryOut` tries again
    remedy: str = ""


class SignIn(Confidential, frozen=True):
    """Stay signed in for some time. `SignedInAs` or `Refused`. The session stands in for `secret`, without a code."""

    staff: Staff
    secret: Secret


class SignedInAs(Message, frozen=True):
    """A session: `session` is a secret that only whoever signed in has. It ends by itself."""

    session: Secret
    roles: tuple[str, ...]
    idle_s: int  # after so long without a request
    ends_in_s: int  # in any case

    def __repr__(self) -> str:
        """Without the secret."""
        return f"SignedInAs(..., {self.roles!r})"


class SignOut(Confidential, frozen=True):
    """End this session. `Ok`, also when there is none any more."""

    staff: Staff
    secret: Secret


class OfferSecondFactor(Confidential, frozen=True):
    """Ask for a secret for a telephone; nothing changes before `ConfirmSecondFactor`. `SecondFactorOffer`."""

    staff: Staff
    secret: Secret


class SecondFactorOffer(Message, frozen=True):
    """Shown once. `uri` is what the QR code says; `text` the secret for those who type it."""

    uri: str
    text: str
    ends_in_s: int

    def __repr__(self) -> str:
        """Without the secret."""
        return "SecondFactorOffer(...)"


class ConfirmSecondFactor(Confidential, frozen=True):
    """The telephone shows `first_code`: from now on its codes are asked for. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    first_code: Annotated[str, msgspec.Meta(max_length=16)]


class SetDuress(Confidential, frozen=True):
    """Choose a PIN for when one is threatened; empty: none any more. `Ok` or `Refused`."""

    staff: Staff
    secret: Secret
    new_secret: Secret


class TakeCommissioning(Message, frozen=True):
    """A step of commissioning was written down beside the configuration: put it on record. `Ok`."""


class GetKeys(Message, frozen=True):
    """Answered with `Keys`."""


class KeyView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signing key of this kiosk and its part of the log: leaves (checkpoint: tree sizes) `first` <= place < `end`."""

    purpose: Literal["record", "checkpoint"]
    kid: bytes
    algorithm: str
    first: int | None  # None: it has not signed yet, a rotation may take it up
    end: int | None = None  # None: it signs now


class Keys(Message, frozen=True):
    """Every key that has signed, and those that lie beside the present ones."""

    keys: tuple[KeyView, ...]


class GetDisputes(Message, frozen=True):
    """Answered with `Disputes`."""


class DisputeView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A disputed note that nobody has cleared."""

    deposit_id: bytes
    n: int  # its number in the deposit
    value_minor: int | None
    currency: str
    suspect: bool
    place: str
    reason: str


class Disputes(Message, frozen=True):
    """Open disputes, by deposit and note; `more` when not all of them fit."""

    disputes: tuple[DisputeView, ...]
    more: bool = False
