"""What needs a person's word: every action with its parameters, who may allow it, and whether that takes two.

An action is a value. Its `seats` say who must sign: each seat is filled by another person who has one of its roles.
The signatures are for exactly this value (`content`): another parameter is another action. To add one: a class here,
its member in `AnyAction`, its parameters in `records.cddl`, and who performs it (`kiosk.management.authority`).
"""

import hashlib
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from kiosk.core.model_shelf import NUMBER_MAX, Stream
from kiosk.core.people import Credential, Role, StaffId
from kiosk.core.storage import UnitName
from kiosk.core.unit_facts import CountedRow

Seat = frozenset[Role]
STAFF_OR_SUPERVISOR: Final[Seat] = frozenset({Role.STAFF, Role.SUPERVISOR})
SUPERVISOR: Final[Seat] = frozenset({Role.SUPERVISOR})
TECHNICIAN: Final[Seat] = frozenset({Role.TECHNICIAN})
CASH: Final[Seat] = frozenset({Role.STAFF, Role.SUPERVISOR, Role.COURIER})
SERVICE: Final[Seat] = frozenset({Role.STAFF, Role.SUPERVISOR, Role.TECHNICIAN})

Resolution = Literal["credited", "returned", "bank", "not_found"]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
DepositId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
_CONTENT: Final = b"kiosk-action-v1\x00"


class Action(msgspec.Struct, tag=True, tag_field="action", frozen=True, forbid_unknown_fields=True):
    """Base of all actions; the tag is the class name."""

    seats: ClassVar[tuple[Seat, ...]] = ()  # nobody may: each action names its own
    lifetime_s: ClassVar[int] = 900  # from the request until it is used; then it has to be asked for again


class AcceptDevice(Action, frozen=True):
    """Accept another validator, by the serial number that status shows. Changes who is believed for value."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN,)
    device: Literal["validator"]
    serial_number: Count


class Reset(Action, frozen=True):
    """Bring every device to a known state; notes found on the way stay inside the cabinet."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)


class ReturnTray(Action, frozen=True):
    """Give the tray's notes out at the port, in service. Money leaves the machine: two people."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE, SUPERVISOR)
    notes: Count  # as the board counts them now


class ExchangeStart(Action, frozen=True):
    """Open these storage units for their exchange: no deposit begins until it has ended."""

    seats: ClassVar[tuple[Seat, ...]] = (CASH, STAFF_OR_SUPERVISOR)
    units: Annotated[tuple[UnitName, ...], msgspec.Meta(min_length=1, max_length=5)]


class ExchangeEnd(Action, frozen=True):
    """Close the exchange of this number: both sign for exactly the steps of it (`kiosk.core.exchange.digest`)."""

    seats: ClassVar[tuple[Seat, ...]] = (CASH, STAFF_OR_SUPERVISOR)
    lifetime_s: ClassVar[int] = 3600
    exchange: Count
    steps_sha256: Digest


class PostCount(Action, frozen=True):
    """Post the count of a collected bundle or container against the journal; it clears the disputes that it decides.

    `found` says whose the disputed notes are that were counted; those that were not are `not_found`.
    """

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    item: Label
    rows: Annotated[tuple[CountedRow, ...], msgspec.Meta(max_length=64)]
    found: Literal["credited", "bank"] = "bank"
    reference: Annotated[str, msgspec.Meta(max_length=64)] = ""


class CloseDate(Action, frozen=True):
    """Z: close this business date before the cut-over does."""

    seats: ClassVar[tuple[Seat, ...]] = (SUPERVISOR,)
    date: Label


class ClearedNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One disputed note, by its number in its deposit; a value for one that had none, where it was found out."""

    n: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    value_minor: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)] | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^([A-Z]{3})?$")] = ""


class ClearDispute(Action, frozen=True):
    """Decide whose disputed notes are. `evidence` says what showed it; staff ids and places, no depositor's data."""

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    deposit_id: DepositId
    notes: Annotated[tuple[ClearedNote, ...], msgspec.Meta(min_length=1, max_length=1000)]
    resolution: Resolution
    evidence: Annotated[str, msgspec.Meta(min_length=10, max_length=500)]


class RotateKey(Action, frozen=True):
    """Let the key that lies beside the present one sign from now on; `kid` is the new one's, seen by both."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN, SUPERVISOR)
    purpose: Literal["record", "checkpoint"]
    kid: Digest


class InstallModel(Action, frozen=True):
    """Put the bundle that was just handed over on trial; `bundle_sha256` is of the whole of it, signed by the bank."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN,)
    stream: Stream
    number: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
    bundle_sha256: Digest


class RollBackModel(Action, frozen=True):
    """Let an older edition judge again, one that was good; 0 is the packaged one."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN,)
    stream: Stream
    number: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


class CalibrateModel(Action, frozen=True):
    """Make a model's grades anew from this kiosk's own deposits, which `maxima_sha256` names."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN, SUPERVISOR)
    stream: Stream
    model_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    until: Count  # the number of the last deposit that counts
    without: Annotated[tuple[Count, ...], msgspec.Meta(max_length=64)]  # deposits that were not normal
    deposits: Count
    maxima_sha256: Digest


class Enrol(Action, frozen=True):
    """A new person, or one who comes back after a revocation."""

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    staff: StaffId
    roles: tuple[Role, ...]
    credential: Credential


class Revoke(Action, frozen=True):
    """This person allows nothing any more; what waits for their signature or has it falls with them."""

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    staff: StaffId


class Renew(Action, frozen=True):
    """Another credential for somebody who forgot theirs or is locked out."""

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    staff: StaffId
    credential: Credential


Move = Literal["open", "close", "home", "shutter", "lamp", "alarm", "self_test"]
JamPlace = Literal["port", "validator", "transport", "tray", "gate", "board"]


class ServiceEnter(Action, frozen=True):
    """Somebody works on the machine: no deposit begins until they have left."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)


class ServiceLeave(Action, frozen=True):
    """The work is done."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)


class ServiceMove(Action, frozen=True):
    """Move one thing in service mode. None of these moves a note: the belt and the gate have commands of their own."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)
    move: Move


class ClearJam(Action, frozen=True):
    """Somebody freed a jam by hand and laid what they found into the tray, counted; then as `Reset`."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)
    where: JamPlace
    found: Annotated[int, msgspec.Meta(ge=0, le=1000)]  # notes, as the person counted them


SettingKey = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$", max_length=64)]
SettingValue = Annotated[str, msgspec.Meta(max_length=64)]  # as TOML has it


class ChangeSetting(Action, frozen=True):
    """Set a value at the running kiosk, where there was `before`; undone by itself unless confirmed."""

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN,)
    key: SettingKey
    before: SettingValue
    value: SettingValue


class ChangeRule(Action, frozen=True):
    """The same for what bounds the money: limits, and what a grade does."""

    seats: ClassVar[tuple[Seat, ...]] = (STAFF_OR_SUPERVISOR, SUPERVISOR)
    key: SettingKey
    before: SettingValue
    value: SettingValue


class RestoreBackup(Action, frozen=True):
    """Take this copy of the journal back though the present one may know more: no deposit before a new log epoch.

    Signed beside a controller that does not run (`kioskctl restore`), against the people of the copy.
    """

    seats: ClassVar[tuple[Seat, ...]] = (TECHNICIAN, SUPERVISOR)
    sha256: Digest
    size: Count  # leaves of its log


class ConfirmSettings(Action, frozen=True):
    """Keep what was set: it is not undone any more."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)


class RevertSettings(Action, frozen=True):
    """Undo at once what waits to be confirmed."""

    seats: ClassVar[tuple[Seat, ...]] = (SERVICE,)


AnyAction = (
    AcceptDevice
    | ChangeSetting
    | ChangeRule
    | ConfirmSettings
    | RestoreBackup
    | RevertSettings
    | ServiceEnter
    | ServiceLeave
    | ServiceMove
    | ClearJam
    | Reset
    | ReturnTray
    | ExchangeStart
    | ExchangeEnd
    | PostCount
    | CloseDate
    | ClearDispute
    | RotateKey
    | InstallModel
    | RollBackModel
    | CalibrateModel
    | Enrol
    | Revoke
    | Renew
)


def content(action: AnyAction) -> bytes:
    """What a signature is bound to: SHA-256 of the action with every parameter, credentials included."""
    return hashlib.sha256(_CONTENT + msgspec.json.encode(action)).digest()


def said(action: AnyAction) -> dict[str, object]:
    """The action as approvers and records are told it: a plain map with everything but verifiers."""
    plain = msgspec.to_builtins(action, builtin_types=(bytes,))
    plain.pop("credential", None)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
