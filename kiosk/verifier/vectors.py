"""`kiosk-verify vectors FILE`: cases that other people made, judged one by one.

A case is one JSON object a line, as transparency-dev/merkle's test data: `kind` inclusion (leafIdx, treeSize, leafHash,
proof, root) or consistency (size1, size2, root1, root2, proof), base64 hashes, `wantErr` true when it must be refused.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import merkle

LINE_BYTES_MAX: Final = 1 << 20
DISAGREED_MAX: Final = 1000  # named; all are counted


class Case(msgspec.Struct, frozen=True, rename="camel"):
    """One line of the file; the fields of the other kind keep their defaults. Unknown fields are ignored."""

    kind: str
    want_err: bool
    proof: list[str] | None = None
    case: str = ""
    leaf_idx: int = 0
    tree_size: int = 0
    leaf_hash: str | None = None
    root: str | None = None
    size1: int = 0
    size2: int = 0
    root1: str | None = None
    root2: str | None = None


def judge(lines: Iterable[bytes]) -> dict[str, Any]:
    """How many cases come out as they say, and which do not: {"cases", "agreed", "disagreed"}.

    Raises ConfigError for a line that is no case.
    """
    cases = agreed = 0
    disagreed: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        case = _case(number, line)
        cases += 1
        if _accepted(case) != case.want_err:
            agreed += 1
        elif len(disagreed) < DISAGREED_MAX:
            disagreed.append(f"{case.kind}/{case.case or number}")
    return {"cases": cases, "agreed": agreed, "disagreed": disagreed}


def _case(number: int, line: bytes) -> Case:
    if len(line) > LINE_BYTES_MAX:
        raise ConfigError(f"line {number} is longer than {LINE_BYTES_MAX} bytes", remedy="Give one case a line.")
    try:
        case = msgspec.json.decode(line, type=Case)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"line {number} is no case: {error}", remedy="Give one JSON object a line.") from error
    if case.kind not in ("inclusion", "consistency"):
        raise ConfigError(f"line {number}: kind {case.kind!r} is not known", remedy="Use inclusion or consistency.")
    return case


def _accepted(case: Case) -> bool:
    try:
        proof = [_hash(node) for node in case.proof or []]
        if case.kind == "inclusion":
            merkle.verify_inclusion(case.leaf_idx, case.tree_size, _hash(case.leaf_hash), proof, _hash(case.root))
        else:
            merkle.verify_consistency(case.size1, case.size2, _hash(case.root1), _hash(case.root2), proof)
    except VerificationError:
        return False
    return True


def _hash(encoded: str | None) -> bytes:
    try:
        return base64.b64decode(encoded or "", validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationError("not base64") from error
