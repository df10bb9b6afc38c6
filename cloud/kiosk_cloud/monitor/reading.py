"""A mirror's leaves read in order, each checked as a leaf of this log, and its tiles held against them."""

from collections.abc import Iterable

from kiosk.errors import VerificationError
from kiosk.guarantee import leaf, tiles
from kiosk.guarantee.merkle import CompactRange
from kiosk.guarantee.tiles import Tile
from kiosk_cloud.monitor.sources import Source, read_tile


class Wrong(VerificationError):
    """A mirror that is not what it was, or not what was signed. `kind` names the alarm."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class _Tiles:
    """Leaf hashes from the first one on; each tile that they complete is compared with the mirror's."""

    def __init__(self, mirror: Source) -> None:
        self._mirror = mirror
        self._rows: list[list[bytes]] = []
        self._numbers: list[int] = []

    def add(self, node: bytes, level: int = 0) -> None:
        if level == len(self._rows):
            self._rows.append([])
            self._numbers.append(0)
        self._rows[level].append(node)
        if len(self._rows[level]) == tiles.WIDTH:
            data = self._compare(level)
            self._rows[level] = []
            self._numbers[level] += 1
            self.add(tiles.above(data), level + 1)

    def finish(self) -> None:
        """The partial ones."""
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level)

    def _compare(self, level: int) -> bytes:
        tile = Tile(level, self._numbers[level], len(self._rows[level]))
        data = b"".join(self._rows[level])
        if read_tile(self._mirror, tile) != data:
            raise Wrong("altered", f"{tile.path} is not the tile of the mirror's own entries")
        return data


def read_leaves(mirror: Source, kiosk: str, tree: CompactRange, size: int, sizes: Iterable[int]) -> dict[int, bytes]:
    """Append the entries from `tree.size` to `size`; the roots at those of `sizes` that come by.

    From the first leaf on all tiles are compared, too. Raises Wrong, Missing, Silent, VerificationError.
    """
    wanted, roots = set(sizes), {}
    compared = _Tiles(mirror) if tree.size == 0 else None
    if tree.size in wanted:
        roots[tree.size] = tree.root()
    for number in range(tree.size // tiles.WIDTH, -(-size // tiles.WIDTH)):
        bundle = Tile(-1, number, min(tiles.WIDTH, size - number * tiles.WIDTH))
        entries = tiles.unbundle(read_tile(mirror, bundle), bundle.width)
        for entry in entries[max(0, tree.size - bundle.first) :]:
            found = leaf.parse(entry)
            if (found.kiosk, found.sequence) != (kiosk, tree.size):
                reason = f"entry {found.sequence} of {found.kiosk} stands where entry {tree.size} of {kiosk} belongs"
                raise Wrong("reordered", reason)
            hashed = leaf.leaf_hash(entry)
            tree.append(hashed)
            if compared is not None:
                compared.add(hashed)
            if tree.size in wanted:
                roots[tree.size] = tree.root()
    if compared is not None:
        compared.finish()
    return roots
