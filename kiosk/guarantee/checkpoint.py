"""C2SP tlog-checkpoint: a kiosk's signed statement of its log's size and root."""

import re
from dataclasses import dataclass
from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle, note
from kiosk.guarantee.keys import Signer

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


def verify(signed: bytes | str, verifier: note.Verifier) -> Checkpoint:
    """The checkpoint in `signed`, by the log that `verifier` names. Raises VerificationError."""
    lines = note.verify(signed, [verifier]).text.split("\n")[:-1]
    if len(lines) != _LINES or lines[0] != verifier.name or not _SIZE.fullmatch(lines[1]):
        raise VerificationError("not a checkpoint of this log")
    found = Checkpoint(lines[0], int(lines[1]), note.decode_base64(lines[2]))
    empty_is_empty = (found.size == 0) == (found.root == merkle.EMPTY_ROOT)
    if len(found.root) != merkle.HASH_BYTES or found.size > merkle.SIZE_MAX or not empty_is_empty:
        raise VerificationError("a checkpoint whose size or root cannot be")
    return found
