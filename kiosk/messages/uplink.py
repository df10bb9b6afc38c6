"""What the uplink fetches for the bank, and what it brings back: it can open and decide none of it."""

from typing import Annotated, Literal

import msgspec

from kiosk.messages.shared import Message


class FetchOutbox(Message, frozen=True):
    """Sealed envelopes from `first_sequence` on that the bank has not acknowledged. Answer: `OutboxRows`."""

    first_sequence: int
    rows_max: int


class OutboxRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed record on its way to the bank."""

    sequence: int
    envelope: bytes


class OutboxRows(Message, frozen=True):
    """The answer to `FetchOutbox`, in sequence."""

    rows: tuple[OutboxRow, ...]
    next_sequence: int  # one past the last record there is
    checkpoint: bytes  # the newest signed checkpoint (signed-note), empty when there is none


class DeliverAck(Message, frozen=True):
    """The bank's signed acknowledgement, as it came; the controller verifies it."""

    ack: bytes


class DeliverDirectory(Message, frozen=True):
    """The bank's signed account directory, as it came; the controller verifies and stores it. `Ok` or `Refused`."""

    data: bytes


class DeliverCounts(Message, frozen=True):
    """The bank's signed counts of what was collected; the controller verifies and posts them. `Ok` or `Refused`."""

    data: bytes


class DeliverStatement(Message, frozen=True):
    """Another signed word of the bank, as it came on its lane; the controller verifies it. `Delivered` or `Refused`."""

    lane: Literal["terms", "command", "complaint"]
    data: bytes


class Delivered(Message, frozen=True):
    """The statement was taken. `result` is the sealed record of a command's result, for the lane `result`."""

    result: bytes = b""
    resend_from: int | None = None  # records from here on are in the outbox again
    log: str = ""  # the kiosk's log is this one from now on: begin anew


class FetchEvidence(Message, frozen=True):
    """Sealed chunks behind the id `after` that the bank has not said it holds. Answer: `EvidenceRows`."""

    after: int
    rows_max: int


class EvidenceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed chunk on its way to the bank."""

    id: int
    sealed: bytes


class EvidenceRows(Message, frozen=True):
    """The answer to `FetchEvidence`, in order of ids."""

    rows: tuple[EvidenceRow, ...]


class DeliverEvidenceAck(Message, frozen=True):
    """The bank's signed word for what it holds of a file, as it came; the controller verifies it. `Ok` or `Refused`."""

    ack: bytes


class LinkReport(Message, frozen=True):
    """How the uplink is doing, for status; a client certificate that is not the last one is put on record."""

    connected: bool
    detail: str
    certificate_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""  # empty: not connected
    certificate_ends: Annotated[str, msgspec.Meta(max_length=32)] = ""  # RFC 3339
