"""The Merkle tree of RFC 6962 section 2.1: hashes, roots, proofs and their strict verification. Pure.

Proofs are made from the hashes of *complete* subtrees, which never change once written: node (level, index) covers
leaves [index * 2**level, (index + 1) * 2**level). Verification follows RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kiosk.errors import VerificationError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
SIZE_MAX: Final = 2**63 - 1
NodeReader = Callable[[int, int], bytes]  # (level, index) -> hash of that complete subtree


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The leaves so far as the O(log n) hashes of their complete subtrees: enough to append and for the root."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Resume at `size` with `peaks`, largest subtree first. Raises ValueError when they do not fit."""
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"{len(peaks)} peaks do not make a tree of {size}")
        self._size = size
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Hashes of the complete subtrees, largest first; with `size` all that a resume needs."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> tuple[bytes, ...]:
        """Add one leaf hash; returns it and the hashes of the subtrees that it completes, smallest first."""
        _require_hash(leaf)
        completed = [leaf]
        for _ in range(trailing_ones(self._size)):
            completed.append(node_hash(self._peaks.pop(), completed[-1]))
        self._peaks.append(completed[-1])
        self._size += 1
        return tuple(completed)

    def root(self) -> bytes:
        """The tree's root, EMPTY_ROOT for no leaf."""
        return fold_peaks(self._peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """The root from complete subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node)
    return node


def trailing_ones(number: int) -> int:
    """How many subtrees a leaf with this index completes."""
    return (~number & (number + 1)).bit_length() - 1


def range_root(read: NodeReader, begin: int, end: int) -> bytes:
    """The RFC 6962 hash of leaves [begin, end), which must be a subtree that can occur in a tree: O(log n) reads."""
    peaks = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        peaks.append(read(level, begin >> level))
        begin += 1 << level
    return fold_peaks(peaks)


def inclusion_proof(read: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, leaf's sibling first. Raises ValueError when out of range."""
    if not 0 <= index < size <= SIZE_MAX:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    proof = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(range_root(read, middle, end))
            end = middle
        else:
            proof.append(range_root(read, begin, middle))
            begin = middle
    return tuple(reversed(proof))


def consistency_proof(read: NodeReader, size1: int, size2: int) -> tuple[bytes, ...]:
    """PROOF(size1, D[size2]) of RFC 6962 section 2.1.2. Raises ValueError unless 1 <= size1 <= size2."""
    if not 1 <= size1 <= size2 <= SIZE_MAX:
        raise ValueError(f"no consistency proof from {size1} to {size2}")
    proof: list[bytes] = []
    begin, end = 0, size2
    whole = True  # D[begin:end] starts where the old tree does, so the verifier knows the old root already
    while size1 != end:
        middle = begin + _split(end - begin)
        if size1 <= middle:
            proof.append(range_root(read, middle, end))
            end = middle
        else:
            proof.append(range_root(read, begin, middle))
            begin, whole = middle, False
    if not whole:
        proof.append(range_root(read, begin, end))
    return tuple(reversed(proof))


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise VerificationError unless `proof` shows leaf hash `leaf` at `index` of the tree (`size`, `root`)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise VerificationError(f"leaf {index} is not in a tree of {size}")
    _require_hashes(leaf, root, *proof)
    position, last = index, size - 1
    node = leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError("inclusion proof is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last or node != root:
        raise VerificationError(f"leaf {index} is not shown to be in the tree of {size}")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Raise VerificationError unless `proof` shows that (`size2`, `root2`) only appended to (`size1`, `root1`)."""
    if not 1 <= size1 <= size2 <= SIZE_MAX:
        raise VerificationError(f"no tree of {size2} continues one of {size1} provably")
    _require_hashes(root1, root2, *proof)
    if size1 == size2:
        if proof or root1 != root2:
            raise VerificationError(f"two trees of {size1} differ, or their proof is not empty")
        return
    # When the old tree is a complete subtree of the new one, its root is the proof's implied first hash.
    path = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    shift = trailing_ones(size1 - 1)
    position, last = (size1 - 1) >> shift, (size2 - 1) >> shift
    if not path or not _walk(position, last, path, (root1, root2)):
        raise VerificationError(f"the tree of {size2} is not shown to continue that of {size1}")


def _walk(position: int, last: int, path: Sequence[bytes], roots: tuple[bytes, bytes]) -> bool:
    """Whether `path` leads to both roots (RFC 9162 section 2.1.4.2, steps 4 to 7)."""
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and (old, new) == roots


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (>= 2)."""
    return 1 << (count - 1).bit_length() - 1


def _require_hash(candidate: bytes) -> None:
    if len(candidate) != HASH_BYTES:
        raise VerificationError(f"a hash has {HASH_BYTES} bytes, not {len(candidate)}")


def _require_hashes(*candidates: bytes) -> None:
    for candidate in candidates:
        _require_hash(candidate)
