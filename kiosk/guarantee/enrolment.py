"""How a kiosk and its bank come to trust each other: a signing request, and the bank's sealed answer to it.

The kiosk makes its own keys; no private half ever leaves it. Its *request* says the public halves, a certificate
request (PKCS#10) for TLS and an X-Wing key to answer to. It is signed by the record key, and within it by the
checkpoint key: whoever made it holds both. It proves nothing about whose kiosk it is: for that two people compare its
fingerprint, one at the kiosk, one at the bank, by a way of their own.

The bank's *answer* is signed by its command key, names the request by its SHA-256, and is sealed to the request's
X-Wing key, since one of its files is a secret (the account directory's hash key). Which bank it is from, the person at
the kiosk says: the fingerprint of the command key, from the letter that announced the kiosk.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from kiosk.core import topics
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, checkpoint, cose, note
from kiosk.guarantee.keys import PublicKey, PublicKeys, Signer
from kiosk.guarantee.seal import HPKE, SealPrivateKey, SealPublicKey

REQUEST_TYPE: Final = "application/vnd.deposit-kiosk.enrolment-request+cbor"
ANSWER_TYPE: Final = "application/vnd.deposit-kiosk.enrolment-answer+cbor"
VERSION: Final = 1
FILE_BYTES_MAX: Final = 32 * 1024
# What the answer brings, by the names under which the kiosk keeps it.
CERTIFICATE, AUTHORITY = "kiosk.pem", "ca.pem"
PINNED: Final = (
    "bank_seal.pub",
    "bank_ack.pub",
    "bank_command.pub",
    "second_signer.pub",
    "directory.key",
    "policy.txt",
)
FILES: Final = frozenset({CERTIFICATE, AUTHORITY, *PINNED})
_INFO: Final = b"deposit-kiosk enrolment answer v1\x00"


@dataclass(frozen=True)
class Asked:
    """A request that its own keys have signed. Whose kiosk it is nobody has said yet."""

    kiosk: str
    at: str  # RFC 3339 UTC, by the kiosk's clock
    record: PublicKey
    checkpoint: note.Verifier
    certificate_request: x509.CertificateSigningRequest
    answer_to: SealPublicKey
    digest: bytes  # SHA-256 of the request as it is


def fingerprint(digest: bytes) -> str:
    """The first 16 bytes of a SHA-256 as people compare them: eight groups of four hex digits."""
    text = digest[:16].hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def request(
    *, kiosk: str, at: str, record: Signer, log: Signer, certificate_request: bytes, answer_to: SealPublicKey
) -> bytes:
    """The signed request; `certificate_request` is PKCS#10 in DER, its common name the kiosk's id."""
    said: dict[str, Any] = {
        "v": VERSION,
        "kiosk": kiosk,
        "at": at,
        "record": record.public.pem,
        "checkpoint": checkpoint.verifier_of(kiosk, log).vkey,
        "csr": certificate_request,
        "answer_to": answer_to.raw,
    }
    both = {"said": cbor.encode(said), "by_checkpoint": log.sign(_own(cbor.encode(said)))}
    return cose.sign1(cbor.encode(both), record, REQUEST_TYPE)


def read_request(data: bytes) -> Asked:
    """Raises VerificationError for anything but a request that each of its keys has signed."""
    both = _fields(cose.parse(data).payload, {"said": bytes, "by_checkpoint": bytes})
    kinds = {"v": int, "kiosk": str, "at": str, "record": bytes, "checkpoint": str, "csr": bytes, "answer_to": bytes}
    said = _fields(both["said"], kinds)
    if said["v"] != VERSION or not topics.is_kiosk_id(said["kiosk"]):
        raise VerificationError("a request of another version, or of no kiosk's id")
    try:
        key = PublicKey.from_pem(said["record"])
        wanted = x509.load_der_x509_csr(said["csr"])
        answer_to = SealPublicKey(said["answer_to"])
    except (ConfigError, ValueError, UnsupportedAlgorithm) as error:
        raise VerificationError(f"the request's keys cannot be read: {error}") from error
    cose.verify1(data, PublicKeys([key]), REQUEST_TYPE)
    log = note.parse_vkey(said["checkpoint"])
    if log.name != checkpoint.origin(said["kiosk"]):
        raise VerificationError("the request's checkpoint key is another log's")
    log.key.verify(both["by_checkpoint"], _own(both["said"]))
    if not wanted.is_signature_valid or _common_name(wanted.subject) != said["kiosk"]:
        raise VerificationError("the certificate request is not signed by its key, or for another name")
    if not isinstance(wanted.public_key(), EllipticCurvePublicKey):
        raise VerificationError("the certificate request has no EC key")
    return Asked(said["kiosk"], said["at"], key, log, wanted, answer_to, hashlib.sha256(data).digest())


def answer(asked: Asked, files: dict[str, bytes], command: Signer) -> bytes:
    """The bank's answer: exactly `FILES`, signed by its command key, sealed to the request's key."""
    if set(files) != FILES:
        raise ValueError(f"an answer has {', '.join(sorted(FILES))}")
    said = {"v": VERSION, "kiosk": asked.kiosk, "request": asked.digest, "files": files}
    signed = cose.sign1(cbor.encode(said), command, ANSWER_TYPE)
    return HPKE.encrypt(signed, asked.answer_to.hpke, info=_INFO + asked.digest)


def read_answer(data: bytes, asked: Asked, private: SealPrivateKey, bank: str) -> dict[str, bytes]:
    """The files of the answer to this request, by the bank whose command key has the fingerprint `bank`.

    Raises VerificationError for an answer to another request, from another bank, or that does not hold together.
    """
    if len(data) > cose.MESSAGE_BYTES_MAX * 2:
        raise VerificationError("an answer of that size is none of ours")
    try:
        signed = HPKE.decrypt(data, private.hpke, info=_INFO + asked.digest)
    except (InvalidTag, ValueError) as error:
        raise VerificationError("the answer is to another request than the one that was made here") from error
    payload = cose.parse(signed).payload
    said = _fields(payload, {"v": int, "kiosk": str, "request": bytes, "files": dict})
    files = said["files"]
    if set(files) != FILES or not all(isinstance(one, bytes) and len(one) <= FILE_BYTES_MAX for one in files.values()):
        raise VerificationError("the answer does not bring what it should")
    try:
        command = PublicKey.from_pem(files["bank_command.pub"])
    except ConfigError as error:
        raise VerificationError("the answer's command key cannot be read") from error
    cose.verify1(signed, PublicKeys([command]), ANSWER_TYPE)
    if _plain(fingerprint(command.kid)) != _plain(bank):
        raise VerificationError(
            f"the answer is from a bank with the fingerprint {fingerprint(command.kid)}, and {bank} is expected",
            remedy="Compare with the bank's letter, digit by digit. Do not go on when it differs: call the bank.",
        )
    if (said["v"], said["kiosk"], said["request"]) != (VERSION, asked.kiosk, asked.digest):
        raise VerificationError("the answer is to another request than the one that was made here")
    _check_certificate(files[CERTIFICATE], files[AUTHORITY], asked)
    return dict(files)


def _check_certificate(pem: bytes, authority: bytes, asked: Asked) -> None:
    """The certificate is for our key and our name, by the authority that comes with it."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        issuer = x509.load_pem_x509_certificate(authority).public_key()
        if not isinstance(issuer, EllipticCurvePublicKey) or certificate.signature_hash_algorithm is None:
            raise VerificationError("the authority has no EC key")
        algorithm = ECDSA(certificate.signature_hash_algorithm)
        issuer.verify(certificate.signature, certificate.tbs_certificate_bytes, algorithm)
    except (ValueError, InvalidSignature) as error:
        raise VerificationError("the certificate is not the authority's") from error
    if _spki(certificate.public_key()) != _spki(asked.certificate_request.public_key()):
        raise VerificationError("the certificate is for another key")
    if _common_name(certificate.subject) != asked.kiosk:
        raise VerificationError("the certificate is for another kiosk")


def _own(said: bytes) -> bytes:
    """What the checkpoint key signs: nothing that could be taken for a checkpoint."""
    return REQUEST_TYPE.encode() + b"\x00" + said


def _plain(words: str) -> str:
    return "".join(words.split()).lower()


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def _fields(data: bytes, kinds: dict[str, type]) -> dict[str, Any]:
    """A map of exactly these fields. Raises VerificationError."""
    found = cbor.decode(data, cose.PAYLOAD_BYTES_MAX)
    if not isinstance(found, dict) or set(found) != set(kinds):
        raise VerificationError("not the fields of an enrolment")
    if any(type(found[name]) is not kind for name, kind in kinds.items()):
        raise VerificationError("a field of an enrolment has another type")
    return found
