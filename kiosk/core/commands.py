"""What the bank may order a kiosk to do: a small closed set, each with its arguments, pure.

A command is a value, like an action of the kiosk's own people (`kiosk.core.actions`). `signatures` says how many
different signers it takes: the bank's command key always, and a second signer (an auditor, another department)
where a stolen command key alone could loosen a limit, redirect what is sealed or change whom receipts trust. None
moves a note. `at_rest` ones wait for no deposit: they are refused while one is under way.
"""

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from kiosk.core.terms import BankLimit, Moment

REASON_CHARACTERS_MAX: Final = 200
POLICY_CHARACTERS_MAX: Final = 24 * 1024
SEAL_KEY_BYTES: Final = 1216  # ML-KEM-768 and X25519, as in kiosk.guarantee.seal
EPOCH_MAX: Final = 9999
SEQUENCE_MAX: Final = 2**53 - 1
Outcome = Literal["done", "refused", "expired"]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=SEQUENCE_MAX)]


class Command(msgspec.Struct, tag=True, tag_field="name", frozen=True, forbid_unknown_fields=True):
    """Base of all commands; the tag is the class name."""

    signatures: ClassVar[int] = 1
    at_rest: ClassVar[bool] = False


class OutOfService(Command, frozen=True):
    """No deposit begins until `InService`; one under way is finished. The reason is for status, in words."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]


class InService(Command, frozen=True):
    """Ends the bank's own hold; whatever else keeps the kiosk out of service stays."""


class Resend(Command, frozen=True):
    """Put records from `first_sequence` on into the outbox again: the bank has lost them."""

    first_sequence: Sequence


class ReportUnits(Command, frozen=True):
    """Say what is in the storage units and what the open business date comes to; the result has the figures."""


class SetLimits(Command, frozen=True):
    """Other limits than the bank's terms until a moment, never above the configuration's. No entry: as configured."""

    signatures: ClassVar[int] = 2
    until: Moment
    limits: Annotated[tuple[BankLimit, ...], msgspec.Meta(max_length=8)]


class SetSealKey(Command, frozen=True):
    """Seal records to this key of the bank from now on, those that it has not acknowledged included."""

    signatures: ClassVar[int] = 2
    at_rest: ClassVar[bool] = True
    key: Annotated[bytes, msgspec.Meta(min_length=SEAL_KEY_BYTES, max_length=SEAL_KEY_BYTES)]


class SetPolicy(Command, frozen=True):
    """Whose cosignatures make a receipt witnessed: the text of a C2SP tlog-policy that names this kiosk's log."""

    signatures: ClassVar[int] = 2
    at_rest: ClassVar[bool] = True
    policy: Annotated[str, msgspec.Meta(min_length=1, max_length=POLICY_CHARACTERS_MAX)]


class NewEpoch(Command, frozen=True):
    """Begin a new log: the present one is not the one that the bank knows, and stays as evidence.

    `size` and `root` are what the bank and the second signer go by of the old one; `policy` names the new log and its
    witnesses, empty: receipts are provisional.
    """

    signatures: ClassVar[int] = 2
    at_rest: ClassVar[bool] = True
    epoch: Annotated[int, msgspec.Meta(ge=2, le=EPOCH_MAX)]
    size: Sequence
    root: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    policy: Annotated[str, msgspec.Meta(max_length=POLICY_CHARACTERS_MAX)] = ""


class SetBankKey(Command, frozen=True):
    """Another key of the bank's signs acknowledgements or commands; the present one counts beside it until a moment.

    `key` is its SubjectPublicKeyInfo. Both keys have signed (`by_old`, `by_new`) what `kiosk.guarantee.bank_keys` says,
    with this command's own number in it.
    """

    signatures: ClassVar[int] = 2
    purpose: Literal["ack", "command"]
    key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=256)]
    until: Moment
    by_old: Annotated[bytes, msgspec.Meta(min_length=64, max_length=1024)]
    by_new: Annotated[bytes, msgspec.Meta(min_length=64, max_length=1024)]


AnyCommand = (
    OutOfService | InService | Resend | ReportUnits | SetLimits | SetSealKey | SetPolicy | NewEpoch | SetBankKey
)


def said(command: AnyCommand) -> dict[str, object]:
    """The command as a plain map with its `name`: how it is signed, and what its result repeats."""
    plain: dict[str, object] = msgspec.to_builtins(command, builtin_types=(bytes,))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
