"""Evidence on the wire: a file in sealed chunks, named by its content, and the bank's word for how much of it is here.

A still or clip is named by its SHA-256, which a signed record carries; so the file needs no signature of its own, and
a chunk that is not of it is found out when the bank puts the file together. Each chunk is sealed alone (HPKE, as
envelopes are), so that a transfer goes on where it was after a restart of either end.

    chunk = [version, suite, kiosk, sha256, index, chunks, size, recipient, enc || ct]; HPKE's info: its first eight
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag

from kiosk.clock import rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf, merkle, seal
from kiosk.guarantee.keys import PublicKeys, Signer
from kiosk.guarantee.seal import SealPrivateKey, SealPublicKey

VERSION: Final = 1
CHUNK_BYTES: Final = 64 * 1024  # of the file; the last chunk may be shorter, no other
FILE_BYTES_MAX: Final = 32 << 20
CHUNKS_MAX: Final = FILE_BYTES_MAX // CHUNK_BYTES
CHUNK_MESSAGE_BYTES_MAX: Final = CHUNK_BYTES + 2048
ACK_BYTES_MAX: Final = 1024
_ACK_VERSION: Final = 1


@dataclass(frozen=True)
class Piece:
    """Which part of which file: `index` of `chunks`, from 0. Raises VerificationError for one that cannot be."""

    sha256: bytes
    index: int
    chunks: int
    size: int  # of the whole file, bytes

    def __post_init__(self) -> None:
        """Nothing that would not fit together."""
        sizes = 0 < self.size <= FILE_BYTES_MAX and self.chunks == chunks_of(self.size)
        if not sizes or not 0 <= self.index < self.chunks or len(self.sha256) != merkle.HASH_BYTES:
            raise VerificationError(f"chunk {self.index} of {self.chunks} of {self.size} bytes cannot be one")

    @property
    def bytes(self) -> int:
        """How long this part is."""
        return min(CHUNK_BYTES, self.size - self.index * CHUNK_BYTES)


@dataclass(frozen=True)
class EvidenceAck:
    """What the bank holds of a file: chunks 0 to `held` - 1; `complete`: all of it, and it is what its name says.

    A `held` that went back says that the bank has thrown away what did not fit together.
    """

    kiosk: str
    sha256: bytes
    held: int
    complete: bool
    at: str


def chunks_of(size: int) -> int:
    """How many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_BYTES)


def pieces(content: bytes) -> list[tuple[Piece, bytes]]:
    """A whole file, in parts. Raises VerificationError when it is empty or too large."""
    digest, count = hashlib.sha256(content).digest(), chunks_of(len(content))
    if not 0 < count <= CHUNKS_MAX:
        raise VerificationError(f"evidence of {len(content)} bytes")
    parts = (content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES))
    return [(Piece(digest, index, count, len(content)), part) for index, part in enumerate(parts)]


def seal_chunk(kiosk: str, piece: Piece, data: bytes, recipient: SealPublicKey) -> bytes:
    """The sealed chunk. Raises ValueError for data of another length than the piece says."""
    if len(data) != piece.bytes:
        raise ValueError(f"{len(data)} bytes for a piece of {piece.bytes}")
    header = _header(kiosk, piece, recipient.key_id)
    return cbor.encode([*header, seal.HPKE.encrypt(data, recipient.hpke, info=cbor.encode(header))])


def open_chunk(message: bytes, kiosk: str, private_key: SealPrivateKey) -> tuple[Piece, bytes]:
    """Open a chunk that is said to come from `kiosk`. Raises VerificationError; what is inside is still anybody's."""
    match cbor.decode(message, CHUNK_MESSAGE_BYTES_MAX):
        case [_, _, str(), bytes(digest), int(index), int(chunks), int(size), bytes(recipient), bytes(sealed)]:
            piece = Piece(digest, int(index), int(chunks), int(size))
        case _:
            raise VerificationError("not a chunk of evidence")
    header = _header(kiosk, piece, recipient)
    if message != cbor.encode([*header, sealed]):  # another version, suite or kiosk, or True where 1 belongs
        raise VerificationError(f"not a chunk of version {VERSION} from {kiosk}")
    if recipient != private_key.public.key_id:
        raise VerificationError(f"sealed to key {recipient.hex()[:16]}, which is not ours")
    try:
        data = seal.HPKE.decrypt(sealed, private_key.hpke, info=cbor.encode(header))
    except InvalidTag as error:
        raise VerificationError(f"chunk {piece.index} of {digest.hex()[:16]} does not open") from error
    if len(data) != piece.bytes:
        raise VerificationError(f"{len(data)} bytes in a piece of {piece.bytes}")
    return piece, data


def recipient_of(message: bytes) -> bytes:
    """The id of the key that a chunk is sealed to, nothing verified. Raises VerificationError."""
    match cbor.decode(message, CHUNK_MESSAGE_BYTES_MAX):
        case [_, _, _, _, _, _, _, bytes(recipient), _]:
            return recipient
    raise VerificationError("not a chunk of evidence")


def make_ack(ack: EvidenceAck, signer: Signer) -> bytes:
    """The bank's signed word. Raises ValueError."""
    problem = _problem(ack)
    if problem:
        raise ValueError(problem)
    return cose.sign1(_payload(ack), signer, cose.EVIDENCE_ACK_TYPE)


def ack_of(kiosk: str, digest: bytes, held: int, now: datetime, *, complete: bool) -> EvidenceAck:
    """With the bank's time in it."""
    return EvidenceAck(kiosk, digest, held, complete, rfc3339(now))


def verify_ack(data: bytes, keys: PublicKeys, kiosk: str) -> EvidenceAck:
    """The word of one of the bank's pinned `keys` to `kiosk`. Raises VerificationError."""
    if len(data) > ACK_BYTES_MAX:
        raise VerificationError(f"evidence acknowledgement of {len(data)} bytes")
    payload = cose.verify1(data, keys, cose.EVIDENCE_ACK_TYPE).payload
    match cbor.decode(payload, ACK_BYTES_MAX):
        case {"kiosk": str(to), "sha256": bytes(digest), "held": int(held), "complete": bool(complete), "at": str(at)}:
            found = EvidenceAck(to, digest, int(held), complete, at)
        case _:
            raise VerificationError("not an evidence acknowledgement")
    if payload != _payload(found):  # another version, a field too many, or True where 1 belongs
        raise VerificationError(f"not an evidence acknowledgement of version {_ACK_VERSION}")
    problem = _problem(found)
    if problem or found.kiosk != kiosk:
        raise VerificationError(f"evidence acknowledgement for {found.kiosk}: {problem or 'another kiosk'}")
    return found


def _header(kiosk: str, piece: Piece, recipient: bytes) -> list[object]:
    return [VERSION, seal.SUITE, kiosk, piece.sha256, piece.index, piece.chunks, piece.size, recipient]


def _payload(ack: EvidenceAck) -> bytes:
    return cbor.encode({"v": _ACK_VERSION, **vars(ack)})


def _problem(ack: EvidenceAck) -> str:
    if not leaf.kiosk_id_fits(ack.kiosk):
        return f"{ack.kiosk!r} cannot name a kiosk"
    if len(ack.sha256) != merkle.HASH_BYTES or not 0 <= ack.held <= CHUNKS_MAX:
        return f"{ack.held} chunks of {ack.sha256.hex()[:16]} cannot be"
    return ""
