"""Tiles: the specification's own layout, every proof from them as from the tree, and nothing wrong is read."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle, tiles
from kiosk.guarantee.tiles import Mirror, Tile

LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(70_000)]


def tree(size: int) -> dict[tuple[int, int], bytes]:
    """All complete subtrees."""
    nodes = {(0, index): leaf for index, leaf in enumerate(LEAVES[:size])}
    level, count = 0, size
    while count > 1:
        level, count = level + 1, count // 2
        for index in range(count):
            nodes[level, index] = merkle.node_hash(nodes[level - 1, 2 * index], nodes[level - 1, 2 * index + 1])
    return nodes


def files(size: int) -> dict[str, bytes]:
    nodes = tree(size)
    found = {}
    for tile in tiles.layout(size):
        if tile.level < 0:
            entries = [str(number).encode() for number in range(tile.first, tile.first + tile.width)]
            found[tile.path] = tiles.bundle(entries)
        else:
            found[tile.path] = tiles.content(tile, lambda level, index: nodes[level, index])
    return found


def test_seventy_thousand_leaves_lie_as_the_specification_says() -> None:
    found = [tile for tile in tiles.layout(70_000) if tile.level >= 0]
    widths = {level: [tile.width for tile in found if tile.level == level] for level in {tile.level for tile in found}}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert [tile.path for tile in tiles.layout(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles.layout(0)) == []


@given(st.integers(-1, tiles.LEVEL_MAX), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_comes_back(level: int, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert tiles.parse_path(tile.path) == tile


NO_PATHS = (
    *("tile/0/1", "tile/0/x000/001", "tile/00/001", "tile/0/001.p/0", "tile/0/001.p/256", "tile/64/000"),
    *("tile/8/000", "tile/0/../../etc", "checkpoint", "tile/entries/x001", ""),
)


@pytest.mark.parametrize("path", NO_PATHS)
def test_another_spelling_is_no_path(path: str) -> None:
    with pytest.raises(VerificationError):
        tiles.parse_path(path)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000, 65_536, 70_000])
def test_root_and_proofs_from_tiles_are_those_of_the_tree(size: int) -> None:
    mirror = Mirror(size, files(size).__getitem__)
    root = merkle.root_of(LEAVES[:size])
    assert mirror.root() == root
    for index in {0, size // 3, size - 1}:
        proof = merkle.inclusion_proof(mirror.node, index, size)
        merkle.verify_inclusion(index, size, LEAVES[index], proof, root)
    for old in {1, max(1, size // 2), size}:
        proof = merkle.consistency_proof(mirror.node, old, size)
        merkle.verify_consistency(old, size, merkle.root_of(LEAVES[:old]), root, proof)
    assert next(mirror.entries(size - 1)) == str(size - 1).encode()


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_what_is_new_completes_what_was_there(one: int, other: int) -> None:
    since, size = sorted((one, other))
    before, after = set(tiles.layout(since)), set(tiles.layout(size))
    new = set(tiles.layout(size, since))
    assert new <= after
    assert after - new <= before


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_come_back_and_no_other_bytes_are_one(entries: list[bytes]) -> None:
    data = tiles.bundle(entries)
    assert tiles.unbundle(data, len(entries)) == entries
    for spoiled in (data + b"\0", data[:-1]):
        if data:
            with pytest.raises(VerificationError):
                tiles.unbundle(spoiled, len(entries))


@given(st.data())
def test_a_changed_tile_never_makes_the_same_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    whole = files(size)
    path = data.draw(st.sampled_from([path for path in whole if path.startswith("tile/0")]))
    at = data.draw(st.integers(0, len(whole[path]) - 1))
    spoiled = bytearray(whole[path])
    spoiled[at] ^= 1
    fetch: Callable[[str], bytes] = {**whole, path: bytes(spoiled)}.__getitem__
    # The upper tiles are what they are; the root over the leaves, recomputed, is not.
    leaves = [Mirror(size, fetch).node(0, index) for index in range(size)]
    assert merkle.root_of(leaves) != merkle.root_of(LEAVES[:size])


def test_a_file_of_another_length_is_refused() -> None:
    with pytest.raises(VerificationError, match="bytes"):
        Mirror(3, lambda _: hashlib.sha256().digest()).root()
