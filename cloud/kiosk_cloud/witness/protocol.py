"""The `add-checkpoint` request of C2SP tlog-witness: read strictly, answered by a status and a body.

Nothing here depends on HTTP but the meaning of the numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, merkle, note
from kiosk.guarantee.checkpoint import Checkpoint
from kiosk.guarantee.cosignature import Cosigner

REQUEST_BYTES_MAX: Final = 64 * 1024
PROOF_LINES_MAX: Final = 63
TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
OK: Final = 200
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422


@dataclass(frozen=True)
class Answer:
    """What goes back; `content_type` matters to clients for 409 only."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(frozen=True)
class Request:
    """A request taken apart, nothing verified."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str
    origin: str


class State(Protocol):
    """What the witness remembers, durably, of each log: the largest tree that it has signed."""

    def latest(self, origin: str) -> tuple[int, bytes]:
        """Size and root last signed; (0, EMPTY_ROOT) for a log never seen."""

    def advance(self, origin: str, old_size: int, point: Checkpoint, signed: str) -> bool:
        """Make `point` the latest, durably, if `old_size` still is; whether it was. Atomic."""

    def keep_evidence(self, origin: str, point: Checkpoint, signed: str) -> None:
        """Keep a signed checkpoint that contradicts the latest one: proof of a fork."""


def parse(body: bytes) -> Request:
    """Take a request apart. Raises VerificationError when it is malformed."""
    if len(body) > REQUEST_BYTES_MAX:
        raise VerificationError("the request is too long")
    try:
        head, separator, signed = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise VerificationError("the request is not UTF-8") from error
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if not separator or old is None or len(lines) > PROOF_LINES_MAX:
        raise VerificationError("a request is `old <size>`, at most 63 proof lines, an empty line and a checkpoint")
    proof = tuple(map(note.decode_base64, lines))
    return Request(int(old[1]), proof, signed, note.parse(signed).text.split("\n")[0])


class _Refused(Exception):
    """Carries the answer out of the checks."""

    def __init__(self, status: int, body: str, content_type: str = TEXT) -> None:
        super().__init__(body)
        self.answer: Final = Answer(status, f"{body}\n", content_type)


def answer(
    body: bytes, logs: Mapping[str, note.Verifier], state: State, cosigners: Sequence[Cosigner], now_posix_s: int
) -> Answer:
    """Check, remember, then sign; in this order, so that no signature leaves that the witness could forget."""
    try:
        request, point = _signed_by_its_log(body, logs)
        size, root = state.latest(request.origin)
        if request.old_size != size:
            raise _conflict(size)
        if request.old_size == point.size and point.root != root:
            state.keep_evidence(request.origin, point, request.checkpoint)
            raise _conflict(size)
        _check_consistency(request, point, root)
        if not state.advance(request.origin, request.old_size, point, request.checkpoint):
            raise _conflict(state.latest(request.origin)[0])  # another request was quicker
    except _Refused as refused:
        return refused.answer
    return Answer(OK, "".join(cosigner.line(point, now_posix_s) for cosigner in cosigners))


def _signed_by_its_log(body: bytes, logs: Mapping[str, note.Verifier]) -> tuple[Request, Checkpoint]:
    try:
        request = parse(body)
    except VerificationError as error:
        raise _Refused(BAD_REQUEST, str(error)) from error
    log = logs.get(request.origin)
    if log is None:
        raise _Refused(NOT_FOUND, "this witness does not know this log")
    try:
        point = checkpoint.verify(request.checkpoint, log)
    except VerificationError as error:
        raise _Refused(FORBIDDEN, str(error)) from error
    if request.old_size > point.size:
        raise _Refused(BAD_REQUEST, "the old size is larger than the checkpoint's")
    return request, point


def _check_consistency(request: Request, point: Checkpoint, root: bytes) -> None:
    if request.old_size == 0:
        if request.proof:
            raise _Refused(UNPROCESSABLE, "a consistency proof from size 0 is empty")
        return
    try:
        merkle.verify_consistency(request.old_size, point.size, root, point.root, request.proof)
    except VerificationError as error:
        raise _Refused(UNPROCESSABLE, str(error)) from error


def _conflict(size: int) -> _Refused:
    return _Refused(CONFLICT, str(size), SIZE)
