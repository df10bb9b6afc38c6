"""C2SP tlog-proof: one text that carries a leaf's index, its inclusion proof and the signed checkpoint."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import cosignature, merkle, note
from kiosk.guarantee.checkpoint import Checkpoint
from kiosk.guarantee.cosignature import Cosigned, Witness

HEADER: Final = "c2sp.org/tlog-proof@v1"
TEXT_BYTES_MAX: Final = 16 * 1024
HASHES_MAX: Final = 64  # a tree of 2**63 leaves
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True)
class Proof:
    """A proof taken apart and not yet believed. `checkpoint` is the signed note, verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str


def make(index: int, hashes: Sequence[bytes], signed_checkpoint: str) -> str:
    """The text for leaf `index`; `hashes` from the leaf's sibling up. Raises ValueError for an index below 0."""
    if index < 0:
        raise ValueError(f"no leaf has the index {index}")
    lines = [HEADER, f"index {index}", *map(note.encode_base64, hashes), "", signed_checkpoint]
    return "\n".join(lines)


def parse(text: str) -> Proof:
    """Take a proof apart; an `extra` line is skipped, it is not authenticated. Raises VerificationError."""
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise VerificationError("this proof is too long to be one")
    head, separator, signed_checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != HEADER or not separator:
        raise VerificationError(f"a proof begins with the line {HEADER}")
    rest = lines[1:]
    if rest and rest[0].startswith("extra "):
        note.decode_base64(rest.pop(0).removeprefix("extra "))
    found = _INDEX.fullmatch(rest[0]) if rest else None
    if found is None or len(rest) - 1 > HASHES_MAX:
        raise VerificationError("a proof has one index and at most 64 hashes")
    return Proof(int(found[1]), tuple(map(note.decode_base64, rest[1:])), signed_checkpoint)


def verify(
    text: str, leaf_hash: bytes, index: int, log: note.Verifier, witnesses: Iterable[Witness] = ()
) -> tuple[Checkpoint, list[Cosigned]]:
    """The checkpoint, signed by `log`, whose tree has `leaf_hash` at `index`, and who of `witnesses` cosigned it.

    Raises VerificationError.
    """
    found = parse(text)
    if found.index != index:
        raise VerificationError(f"the proof is about leaf {found.index}, not {index}")
    point, cosigned = cosignature.verify(found.checkpoint, log, witnesses)
    merkle.verify_inclusion(index, point.size, leaf_hash, found.hashes, point.root)
    return point, cosigned
