"""Orders: what the table wants done. Each is journalled with the fact that caused it, before it is carried out.

`moves_notes` marks those that can move a note; the journal row that holds one is its durable intent.
"""

from typing import ClassVar

import msgspec

from kiosk.core.facts import Stage


class Order(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of all orders."""

    moves_notes: ClassVar[bool] = False


class RequestAssessment(Order, frozen=True):
    """Ask the watcher; `Assessed(asked=True)` follows within 2 s, its silence graded medium."""

    stages: tuple[Stage, ...]


class PrepareValidator(Order, frozen=True):
    """Channels, routes and escrow size; then read the baseline. `Prepared` follows."""


class EnableValidator(Order, frozen=True):
    """Take notes."""


class DisableValidator(Order, frozen=True):
    """Take no more notes."""


class AcceptNote(Order, frozen=True):
    """Let the held note in: the next poll accepts it."""

    moves_notes: ClassVar[bool] = True
    channel: int


class RejectNote(Order, frozen=True):
    """Give the held note back."""

    moves_notes: ClassVar[bool] = True
    reason: str


class CommitEscrow(Order, frozen=True):
    """Make the escrowed notes the bank's; `EscrowCommitted` follows."""

    moves_notes: ClassVar[bool] = True


class CancelEscrow(Order, frozen=True):
    """Return the escrowed notes; `BezelHeld` and `Dispensed` follow."""

    moves_notes: ClassVar[bool] = True


class EmptyStore(Order, frozen=True):
    """Move the store's notes to the stacker exit; `StoreEmptied` follows."""

    moves_notes: ClassVar[bool] = True


class ResetValidator(Order, frozen=True):
    """Let the validator restart, which clears its path; `ValidatorReset`, then `Reconciled` follow."""

    moves_notes: ClassVar[bool] = True


class RunBoard(Order, frozen=True):
    """One board command; `BoardDispatched`, then `BoardFinished` follow."""

    moves_notes: ClassVar[bool] = True
    opcode: int
    arguments: tuple[int, ...] = ()


class PrintLabel(Order, frozen=True):
    """Print this copy of the bundle's label; `LabelPrinted` follows."""

    copy: int


class PrintReceipt(Order, frozen=True):
    """Print the deposit's receipt; copy 0 is the original, all others say COPY. `ReceiptPrinted` follows."""

    copy: int


class OpenShutter(Order, frozen=True):
    """`ShutterMoved` follows."""


class CloseShutter(Order, frozen=True):
    """`ShutterMoved` follows."""


class CheckGuarantee(Order, frozen=True):
    """Check security, confidentiality, authenticity, integrity; `GuaranteeChecked` follows."""


AnyOrder = (
    RequestAssessment
    | PrepareValidator
    | EnableValidator
    | DisableValidator
    | AcceptNote
    | RejectNote
    | CommitEscrow
    | CancelEscrow
    | EmptyStore
    | ResetValidator
    | RunBoard
    | PrintLabel
    | PrintReceipt
    | OpenShutter
    | CloseShutter
    | CheckGuarantee
)
