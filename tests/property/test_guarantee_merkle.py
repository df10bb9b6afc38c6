"""Merkle proofs of trees of any size, against the definitions of RFC 6962 written out recursively."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle

LEAVES = [merkle.leaf_hash(index.to_bytes(2)) for index in range(300)]
SIZES = st.integers(1, len(LEAVES))


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = largest_power_of_two_below(len(leaves))
    return merkle.node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_of_two_below(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), mth(leaves[k:])]
    return [*path(index - k, leaves[k:]), mth(leaves[:k])]


def subproof(size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if size == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest_power_of_two_below(len(leaves))
    if size <= k:
        return [*subproof(size, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(size - k, leaves[k:], whole=False), mth(leaves[:k])]


def largest_power_of_two_below(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def read(level: int, index: int) -> bytes:
    """The complete subtrees that a log would have stored."""
    covered = LEAVES[index << level : (index + 1) << level]
    assert len(covered) == 1 << level, "only complete subtrees are stored"
    return mth(covered)


@given(SIZES)
def test_roots_are_those_of_the_definition(size: int) -> None:
    tree = merkle.CompactRange()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    assert tree.root() == merkle.range_root(read, 0, size) == mth(LEAVES[:size])
    assert merkle.CompactRange(tree.size, tree.peaks).root() == tree.root()


@given(SIZES, st.data())
def test_inclusion_proofs_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(read, index, size)
    assert list(proof) == path(index, LEAVES[:size])
    merkle.verify_inclusion(index, size, LEAVES[index], proof, mth(LEAVES[:size]))


@given(SIZES, st.data())
def test_consistency_proofs_are_those_of_the_definition(size2: int, data: st.DataObject) -> None:
    size1 = data.draw(st.integers(1, size2))
    proof = merkle.consistency_proof(read, size1, size2)
    assert list(proof) == subproof(size1, LEAVES[:size2])
    merkle.verify_consistency(size1, size2, mth(LEAVES[:size1]), mth(LEAVES[:size2]), proof)


@given(SIZES, st.data())
def test_a_changed_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(read, index, size))
    root = mth(LEAVES[:size])
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    other = data.draw(st.integers(0, len(LEAVES)))
    changes = [
        (index, size, LEAVES[index], [*proof, rng.randbytes(32)], root),
        (index, size, LEAVES[index], [rng.randbytes(32), *proof], root),
        (index, size, rng.randbytes(32), proof, root),
        (index, size, LEAVES[index], proof, rng.randbytes(32)),
        (size, size, LEAVES[index], proof, root),
        (-1, size, LEAVES[index], proof, root),
        (index, size, LEAVES[index][:31], proof, root),
    ]
    if proof:
        changes.append((index, size, LEAVES[index], proof[:-1], root))
        place = data.draw(st.integers(0, len(proof) - 1))
        changes.append((index, size, LEAVES[index], [*proof[:place], rng.randbytes(32), *proof[place + 1 :]], root))
    if other != index:
        changes.append((other, size, LEAVES[index], proof, root))
    for change in changes:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(*change)


@given(SIZES, st.data())
def test_a_changed_consistency_proof_is_refused(size2: int, data: st.DataObject) -> None:
    size1 = data.draw(st.integers(1, size2))
    proof = list(merkle.consistency_proof(read, size1, size2))
    root1, root2 = mth(LEAVES[:size1]), mth(LEAVES[:size2])
    noise = random.Random(data.draw(st.integers(0, 2**32))).randbytes(32)
    changes = [
        (size1, size2, root1, root2, [*proof, noise]),
        (size1, size2, root1, root2, [noise, *proof]),
        (size1, size2, noise, root2, proof),
        (size1, size2, root1, noise, proof),
        (0, size2, merkle.EMPTY_ROOT, root2, proof),
        (size2 + 1, size2, root1, root2, proof),
        (size1, size2, root1[:31], root2, proof),
    ]
    if proof:
        changes.append((size1, size2, root1, root2, proof[:-1]))
        changes.append((size1, size2, root1, root2, []))
    for change in changes:
        with pytest.raises(VerificationError):
            merkle.verify_consistency(*change)


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (2, [bytes(32), bytes(32)]), (1, [b"short"]), (-1, [])])
def test_a_compact_range_that_cannot_be_is_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        merkle.CompactRange(size, peaks)
