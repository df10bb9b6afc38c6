"""The receipt: what a depositor takes home, and how anybody checks it without asking the kiosk or the bank.

The *statement* is a record of its own, small, signed, with a leaf and a salt of its own; it names the full record of
the deposit by that record's leaf hash, and says nothing of risk, staff or scene. Two texts, each small enough for one
QR code on paper, are all that is needed to verify it (DESIGN.md section 6):

- the *opening*: the line `deposit-kiosk-receipt@v1`, then base64 of deterministic CBOR [salt, COSE]; the leaf entry is
  recomputed from what was signed,
- the literal C2SP tlog-proof with the log's signed checkpoint.

The verifying half only reads; it needs the log's vkey and the kiosk's record keys.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, checkpoint, cose, leaf, note, proof, verify
from kiosk.guarantee.cosignature import Cosigned, Witness
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.verify import VerifiedRecord

KIND: Final = "receipt"
HEADER: Final = "deposit-kiosk-receipt@v1"
QR_BYTES_MAX: Final = 1400
CLAIMS: Final = ("credited", "returned", "retained", "disputed")
_BODY: Final = frozenset(
    {
        *("deposit_id", "account_masked", "account_known", "outcome", "sums", "disputed_unvalued"),
        *("bundle", "record_seq", "record_leaf"),
    }
)


@dataclass(frozen=True)
class Receipt:
    """The two texts of one receipt, each of at most QR_BYTES_MAX bytes in UTF-8."""

    opening: str
    proof: str
    sequence: int  # the statement's leaf
    at: str  # RFC 3339, UTC: when the statement was signed


@dataclass(frozen=True)
class VerifiedReceipt:
    """A statement that the kiosk has signed and that is in its log. `content` is the whole map."""

    kiosk: str
    sequence: int
    at: str  # RFC 3339, UTC, the kiosk's clock
    content: dict[str, Any]
    log_size: int  # of the checkpoint that it was proved against
    cosigned: tuple[Cosigned, ...] = ()  # which known witnesses have signed that checkpoint, too

    @property
    def provisional(self) -> bool:
        """Whether only the kiosk itself vouches for its log. Whether the witnesses are enough, a policy says."""
        return not self.cosigned


def make(statement: VerifiedRecord, hashes: Sequence[bytes], signed_checkpoint: str) -> Receipt:
    """The two texts for a statement that is in the log.

    `hashes` prove its leaf in the tree of `signed_checkpoint`. Raises ValueError for another kind of record, or when
    a text does not fit its QR code (from some ten million leaves on).
    """
    if statement.kind != KIND:
        raise ValueError(f"a record of kind {statement.kind} is no receipt statement")
    opening = f"{HEADER}\n{note.encode_base64(cbor.encode([statement.salt, statement.cose]))}"
    made = Receipt(opening, proof.make(statement.sequence, hashes, signed_checkpoint), statement.sequence, statement.at)
    for text in (made.opening, made.proof):
        if len(text.encode()) > QR_BYTES_MAX:
            raise ValueError(f"{len(text.encode())} bytes do not fit a receipt's QR code of {QR_BYTES_MAX}")
    return made


def check(
    opening: str, proof_text: str, log: note.Verifier, keys: PublicKeys, witnesses: Iterable[Witness] = ()
) -> VerifiedReceipt:
    """Recompute everything from the two texts, the log's verifier key and the kiosk's record keys.

    Raises VerificationError when any part of it does not hold.
    """
    kiosk = log.name.removeprefix(checkpoint.origin(""))
    statement = verify_statement(opening, kiosk, keys)
    point, cosigned = proof.verify(proof_text, statement.leaf_hash, statement.sequence, log, witnesses)
    return VerifiedReceipt(kiosk, statement.sequence, statement.at, statement.content, point.size, tuple(cosigned))


def verify_statement(opening: str, kiosk: str, keys: PublicKeys) -> VerifiedRecord:
    """The statement in an opening, signed by one of the kiosk's record keys; whether it is in the log is not asked.

    Raises VerificationError.
    """
    salt, signed = _opened(opening)
    record = verify.verify_record(kiosk, salt, _leaf_entry(salt, signed), signed, keys)
    if record.kind != KIND or not _is_statement(record.content):
        raise VerificationError("what was signed is not a receipt statement")
    return record


def claimed_kiosk(opening: str) -> str:
    """Which kiosk an opening says that it is from: to find the keys with, not to be believed. VerificationError."""
    _, signed = _opened(opening)
    match cbor.decode(cose.parse(signed).payload, cose.PAYLOAD_BYTES_MAX):
        case {"kiosk": str(kiosk)}:
            return kiosk
    raise VerificationError("a statement that names no kiosk")


def _opened(text: str) -> tuple[bytes, bytes]:
    """Salt and COSE of an opening."""
    if len(text.encode()) > QR_BYTES_MAX:
        raise VerificationError("this opening is too long to be one")
    header, _, encoded = text.partition("\n")
    if header != HEADER:
        raise VerificationError(f"a receipt begins with the line {HEADER}")
    match cbor.decode(note.decode_base64(encoded), QR_BYTES_MAX):
        case [bytes(salt), bytes(signed)] if len(salt) == leaf.SALT_BYTES:
            return salt, signed
    raise VerificationError("a receipt's opening is a salt and a signed statement")


def _leaf_entry(salt: bytes, signed: bytes) -> bytes:
    """The leaf entry that this statement must have; what it says of itself is verified by the caller."""
    match cbor.decode(cose.parse(signed).payload, cose.PAYLOAD_BYTES_MAX):
        case {"kiosk": str(kiosk), "seq": int(sequence), "kind": str(kind), "at": str(at)}:
            try:
                minute = leaf.minute(datetime.fromisoformat(at))
                return leaf.entry(kiosk, sequence, kind, minute, leaf.commitment(salt, signed))
            except (ValueError, OverflowError) as error:
                raise VerificationError("a statement whose kiosk, sequence, kind or time cannot be") from error
    raise VerificationError("a statement without kiosk, sequence, kind or time")


def _is_statement(content: dict[str, Any]) -> bool:
    match content:
        case {
            "deposit_id": bytes(),
            "account_masked": str(),
            "account_known": bool() | None,
            "outcome": str(),
            "sums": dict(sums),
            "disputed_unvalued": int(unvalued),
            "bundle": str(),
            "record_seq": int(record_seq),
            "record_leaf": bytes(record_leaf),
        }:
            named = content.keys() == verify.HEADER_FIELDS | _BODY
            sized = len(content["deposit_id"]) == 16 and len(record_leaf) == leaf.SALT_BYTES  # noqa: PLR2004 - an id
            return named and sized and _is_count(unvalued) and _is_count(record_seq) and _are_sums(sums)
    return False


def _are_sums(sums: dict[object, object]) -> bool:
    """Currency -> claim -> minor units, and what was inserted is the sum over the claims."""
    for currency, row in sums.items():
        if not isinstance(currency, str) or not isinstance(row, dict) or row.keys() != {"inserted", *CLAIMS}:
            return False
        amounts = list(row.values())
        if not all(map(_is_count, amounts)) or row["inserted"] != sum(row[claim] for claim in CLAIMS):
            return False
    return True


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0  # a bool is an int in Python, and no count
