"""C2SP tlog-tiles: a log as static files that anybody may mirror. Pure: paths, layout, bundles, and reading them back.

A tile holds up to 256 hashes of one level; tile level L holds Merkle nodes of level 8 L. Entries lie in bundles of up
to 256, each with its length before it. Full files never change; partial ones (`.p/<width>`) are there for the sizes
that a checkpoint was made of.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle
from kiosk.guarantee.merkle import HASH_BYTES, NodeReader

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
LEVEL_MAX: Final = 63 // HEIGHT
ENTRY_BYTES_MAX: Final = 0xFFFF
TILES_KEPT_MAX: Final = 1024  # 8 MiB
CHECKPOINT: Final = "checkpoint"
_NAME: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


class Tile(NamedTuple):
    """One file of a log. `level` -1 is a bundle of entries; `width` 256 a full one."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Below the log's prefix, as in `tile/0/x001/234.p/17`."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        kind = "entries" if self.level < 0 else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join(reversed(groups))}{partial}"

    @property
    def first(self) -> int:
        """Index of its first hash (or entry) within its level."""
        return self.number * WIDTH


def parse_path(path: str) -> Tile:
    """The tile that a path names, in its only spelling. Raises VerificationError."""
    found = _NAME.fullmatch(path)
    if found:
        level = -1 if found[1] == "entries" else int(found[1])
        tile = Tile(level, int(found[2].replace("/", "").replace("x", "")), int(found[3] or WIDTH))
        if tile.path == path and tile.level <= LEVEL_MAX:
            return tile
    raise VerificationError(f"{path[:80]!r} names no tile")


def layout(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile of a tree of `size` whose content a tree of `since` leaves did not have, lowest level first."""
    for level in (-1, *range(LEVEL_MAX + 1)):
        shift = max(level, 0) * HEIGHT
        count, known = size >> shift, since >> shift
        if level > 0 and not count:
            return
        for number in range(known // WIDTH, -(-count // WIDTH)):
            width = min(WIDTH, count - number * WIDTH)
            if number * WIDTH + width > known:
                yield Tile(level, number, width)


def content(tile: Tile, read: NodeReader) -> bytes:
    """The hashes of a tile (not of a bundle), from a tree's complete subtrees."""
    level = tile.level * HEIGHT
    return b"".join(read(level, tile.first + index) for index in range(tile.width))


def above(data: bytes) -> bytes:
    """The one hash above a full tile: what stands for it in the tile of the next level."""
    return _fold([data[at : at + HASH_BYTES] for at in range(0, WIDTH * HASH_BYTES, HASH_BYTES)])


def bundle(entries: Sequence[bytes]) -> bytes:
    """Up to 256 entries as one file. Raises ValueError for too many or too long ones."""
    if len(entries) > WIDTH or any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise ValueError("a bundle holds 256 entries of at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def unbundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle of `width`. Raises VerificationError."""
    entries = []
    at = 0
    for _ in range(width):
        length = int.from_bytes(data[at : at + 2])
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise VerificationError("a bundle of entries ends too early")
        entries.append(entry)
        at += 2 + length
    if at != len(data):
        raise VerificationError("a bundle of entries has bytes left over")
    return entries


class Mirror:
    """A log of `size` leaves read from tiles; nothing is believed before `root` or a proof was verified with it."""

    def __init__(self, size: int, fetch: Callable[[str], bytes]) -> None:
        """`fetch` gives the file at a path below the prefix; whatever it raises passes through."""
        self._size = size
        self._fetch = fetch
        self._tiles: dict[Tile, bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (a `merkle.NodeReader`). Raises VerificationError for a wrong file."""
        below = level % HEIGHT
        tile_level, first = level // HEIGHT, index << below
        data = self._tile(tile_level, first // WIDTH)
        at = first % WIDTH
        hashes = [data[k * HASH_BYTES : (k + 1) * HASH_BYTES] for k in range(at, at + (1 << below))]
        return _fold(hashes)

    def root(self) -> bytes:
        """The root that the tiles make, to be held against a checkpoint's."""
        return merkle.EMPTY_ROOT if self._size == 0 else merkle.range_root(self.node, 0, self._size)

    def entries(self, first: int = 0) -> Iterator[bytes]:
        """Entries from `first` on, bundle by bundle, as fetched: whoever reads them recomputes the root."""
        for number in range(first // WIDTH, -(-self._size // WIDTH)):
            tile = Tile(-1, number, min(WIDTH, self._size - number * WIDTH))
            yield from unbundle(self._fetch(tile.path), tile.width)[max(0, first - tile.first) :]

    def _tile(self, level: int, number: int) -> bytes:
        count = self._size >> (level * HEIGHT)
        tile = Tile(level, number, min(WIDTH, count - number * WIDTH))
        if tile.width < 1:
            raise VerificationError(f"a tree of {self._size} has no {Tile(level, number).path}")
        if tile not in self._tiles:
            data = self._fetch(tile.path)
            if len(data) != tile.width * HASH_BYTES:
                raise VerificationError(f"{tile.path} has {len(data)} bytes, not {tile.width * HASH_BYTES}")
            if len(self._tiles) >= TILES_KEPT_MAX:
                self._tiles.clear()
            self._tiles[tile] = data
        return self._tiles[tile]


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The hash above a power of two of hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [merkle.node_hash(level[k], level[k + 1]) for k in range(0, len(level), 2)]
    return level[0]
