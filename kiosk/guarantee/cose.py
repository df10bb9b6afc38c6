"""COSE_Sign1 (RFC 9052 section 4.2) in one strict profile.

Tag 18; algorithm, content type and kid in the protected header, nothing else there and nothing at all in the
unprotected one (it is not signed, so it could be changed at will); payload attached. The content type is pinned by
the verifier: an acknowledgement cannot be passed off as a record.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor
from kiosk.guarantee.cbor_reader import BYTES, NO_MAP, read
from kiosk.guarantee.keys import Algorithm, PublicKey, PublicKeys, Signer

RECORD_TYPE: Final = "application/vnd.deposit-kiosk.record+cbor"
ACKNOWLEDGEMENT_TYPE: Final = "application/vnd.deposit-kiosk.ack+cbor"
DIRECTORY_TYPE: Final = "application/vnd.deposit-kiosk.directory+cbor"
COUNTS_TYPE: Final = "application/vnd.deposit-kiosk.counts+cbor"
TERMS_TYPE: Final = "application/vnd.deposit-kiosk.terms+cbor"
COMMAND_TYPE: Final = "application/vnd.deposit-kiosk.command+cbor"
EVIDENCE_ACK_TYPE: Final = "application/vnd.deposit-kiosk.evidence-ack+cbor"
COMPLAINT_TYPE: Final = "application/vnd.deposit-kiosk.complaint+cbor"
ROTATION_TYPE: Final = "application/vnd.deposit-kiosk.rotation+cbor"
COMPROMISE_TYPE: Final = "application/vnd.deposit-kiosk.compromise+cbor"
BANK_KEY_TYPE: Final = "application/vnd.deposit-kiosk.bank-key+cbor"
MODEL_TYPE: Final = "application/vnd.deposit-kiosk.model+cbor"
TICKET_TYPE: Final = "application/vnd.deposit-kiosk.ticket+cbor"
BADGE_TYPE: Final = "application/vnd.deposit-kiosk.badge+cbor"
PAYLOAD_BYTES_MAX: Final = 64 * 1024
MESSAGE_BYTES_MAX: Final = PAYLOAD_BYTES_MAX + 512
_TAG_18: Final = b"\xd2"
_ARRAY_OF_4: Final = b"\x84"
_EMPTY_MAP: Final = b"\xa0"
_PARTS: Final = (BYTES, NO_MAP, BYTES, BYTES)  # of what we sign: the unprotected header is empty
_SIGNATURE_1: Final = _ARRAY_OF_4 + b"\x6aSignature1"  # a text of 10 bytes
_ALGORITHM, _CONTENT_TYPE, _KID = 1, 3, 4  # header labels, RFC 9052 table 3
_ALGORITHM_IDS: Final[dict[Algorithm, int]] = {"EdDSA": -8, "ES256": -7}  # RFC 9053 section 2
_ALGORITHM_NAMES: Final = {number: name for name, number in _ALGORITHM_IDS.items()}


class Sign1(msgspec.Struct, frozen=True, gc=False):
    """A message taken apart and not yet believed."""

    protected: bytes
    unprotected: dict[object, object]
    payload: bytes
    signature: bytes


@dataclass(frozen=True)
class Verified:
    """What a pinned key has signed."""

    payload: bytes
    kid: bytes


def sign1(payload: bytes, signer: Signer, content_type: str, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> bytes:
    """Sign `payload` as a message of `content_type`. Raises ValueError for a payload over `payload_bytes_max`."""
    if len(payload) > payload_bytes_max:
        raise ValueError(f"payload of {len(payload)} bytes, at most {payload_bytes_max}")
    protected = _protected(signer.algorithm, content_type, signer.kid)
    signature = signer.sign(to_be_signed(protected, payload))
    rest = cbor.byte_string(payload) + cbor.byte_string(signature)
    return _TAG_18 + _ARRAY_OF_4 + cbor.byte_string(protected) + _EMPTY_MAP + rest


@lru_cache(maxsize=64)  # as many as there are keys and content types in one program
def _protected(algorithm: Algorithm, content_type: str, kid: bytes) -> bytes:
    return cbor.encode({_ALGORITHM: _ALGORITHM_IDS[algorithm], _CONTENT_TYPE: content_type, _KID: kid})


def verify1(data: bytes, keys: PublicKeys, content_type: str, bytes_max: int = MESSAGE_BYTES_MAX) -> Verified:
    """The payload of `data`, signed by one of `keys` with its own algorithm, of exactly `content_type`.

    Raises VerificationError for anything else.
    """
    message = parse(data, bytes_max)
    return Verified(message.payload, verify_parsed(message, keys, content_type))


def verify_parsed(message: Sign1, keys: PublicKeys, content_type: str) -> bytes:
    """The kid of the one of `keys` that has signed `message`, of exactly `content_type`. Raises VerificationError."""
    if message.unprotected:
        raise VerificationError("COSE headers are not those of our profile")
    algorithm, stated_type, kid = _header(message.protected)
    if stated_type != content_type:
        raise VerificationError(f"signed as {stated_type!r}, not as {content_type}")
    check_signature(message, keys.get(kid, algorithm))
    return kid


@lru_cache(maxsize=1024)  # a few for each key: the same header is on all that it signs
def _header(protected: bytes) -> tuple[Algorithm, object, bytes]:
    """Algorithm, content type and kid. Raises VerificationError unless these and nothing else are there."""
    header = cbor.decode(protected, bytes_max=512)
    if not isinstance(header, dict) or set(header) != {_ALGORITHM, _CONTENT_TYPE, _KID}:
        raise VerificationError("COSE headers are not those of our profile")
    number, kid = header[_ALGORITHM], header[_KID]
    algorithm = _ALGORITHM_NAMES.get(number) if type(number) is int else None
    if not isinstance(kid, bytes) or algorithm is None:
        raise VerificationError(f"signed with algorithm {number!r}, which is none of ours, or by no key")
    return algorithm, header[_CONTENT_TYPE], kid


def parse(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> Sign1:
    """Take a tagged COSE_Sign1 of at most `bytes_max` bytes apart without believing it. Raises VerificationError."""
    if data[:1] != _TAG_18:
        raise VerificationError("not a COSE_Sign1 (tag 18)")
    try:
        protected, payload, signature = read(data, _TAG_18 + _ARRAY_OF_4, _PARTS, bytes_max + 1)
    except VerificationError:  # nothing of ours, or with something in its unprotected header: let others say what
        match cbor.decode(data[1:], bytes_max):
            case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
                return Sign1(protected, unprotected, payload, signature)
        raise VerificationError("not a COSE_Sign1 with an attached payload") from None
    return Sign1(protected, {}, payload, signature)


def check_signature(message: Sign1, key: PublicKey, external_aad: bytes = b"") -> None:
    """Raise VerificationError unless `key` has signed `message`; the headers are the caller's business."""
    key.verify(message.signature, to_be_signed(message.protected, message.payload, external_aad))


def to_be_signed(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The Sig_structure of RFC 9052 section 4.4. An empty map is signed as the empty string."""
    signed = (b"" if protected == _EMPTY_MAP else protected, external_aad, payload)
    return _SIGNATURE_1 + b"".join(map(cbor.byte_string, signed))
