"""C2SP tlog-checkpoint: a kiosk's signed statement of its log's size and root."""

import re
from dataclasses import dataclass
from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle, note
from kiosk.guarantee.keys import PublicKeys, Signer
from kiosk.guarantee.rotation import KeyHistory

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES: Final = 3  # origin, size, root; extension lines are discouraged and our logs have none


@dataclass(frozen=True)
class Checkpoint:
    """Origin, number of leaves, and root (32 bytes) of a log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{note.encode_base64(self.root)}\n"


@dataclass(frozen=True)
class Log(note.Verifier):
    """A log whose key was changed: `key` signs now; `keys.at(size)` are those that speak for a tree of that size."""

    keys: PublicKeys

    @classmethod
    def of(cls, name: str, keys: KeyHistory) -> note.Verifier:
        """The verifier of a log by all keys that ever signed for it. Raises VerificationError when none does now."""
        if len(keys) == 1 and keys.spans[0].always:
            return note.Verifier(name, keys.present)
        return cls(name, keys.present, keys)

    @property
    def verifiers(self) -> list[note.Verifier]:
        """One for each key; whether it speaks for a size is asked when the size is known."""
        return [note.Verifier(self.name, key) for key in self.keys]


def origin(kiosk: str) -> str:
    """The origin, and name of the checkpoint key, of a kiosk's log."""
    return f"deposit-kiosk/{kiosk}"


def verifier_of(kiosk: str, signer: Signer) -> note.Verifier:
    """The verifier (its `vkey` is what one hands out) of this kiosk's checkpoint key."""
    return note.Verifier(origin(kiosk), signer.public)


def sign(kiosk: str, size: int, root: bytes, signer: Signer) -> str:
    """The signed note that states (`size`, `root`). `signer` is Ed25519 always. Raises ValueError."""
    if not 0 <= size <= merkle.SIZE_MAX or len(root) != merkle.HASH_BYTES:
        raise ValueError(f"no checkpoint of size {size} and a root of {len(root)} bytes")
    return note.sign(Checkpoint(origin(kiosk), size, root).text, origin(kiosk), signer)


def verify(signed: bytes | str, log: note.Verifier) -> Checkpoint:
    """The checkpoint in `signed`, by a key of `log` that speaks for its size. Raises VerificationError."""
    known = note.verify(signed, log.verifiers)
    lines = known.text.split("\n")[:-1]
    if len(lines) != _LINES or lines[0] != log.name or not _SIZE.fullmatch(lines[1]):
        raise VerificationError("not a checkpoint of this log")
    found = Checkpoint(lines[0], int(lines[1]), note.decode_base64(lines[2]))
    empty_is_empty = (found.size == 0) == (found.root == merkle.EMPTY_ROOT)
    if len(found.root) != merkle.HASH_BYTES or found.size > merkle.SIZE_MAX or not empty_is_empty:
        raise VerificationError("a checkpoint whose size or root cannot be")
    if isinstance(log, Log):
        for signer in known.signed_by:  # each of them has to: a key whose time is over vouches for nothing
            log.keys.at(found.size).get(signer.key.kid, signer.key.algorithm)
    return found
