"""A kiosk's log as a folder of C2SP tiles, grown from the store: what auditors copy and monitors follow.

    <folder>/<kiosk>/checkpoint  tile/<L>/...  tile/entries/...

Files are written whole, tiles before the checkpoint that needs them; a crash in between leaves tiles that are written
again with the same content.
"""

from pathlib import Path

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, merkle, note, tiles
from kiosk.guarantee.tiles import Mirror, Tile
from kiosk_cloud.files import private_dir, write_private
from kiosk_cloud.store import Store


class LogMirror:
    """The folder of one kiosk's log."""

    def __init__(self, folder: Path, log: note.Verifier) -> None:
        self._folder = folder
        self._log = log

    def size(self) -> int:
        """Of the tree that the folder holds; 0 when there is none, or one that this log never signed."""
        try:
            return checkpoint.verify((self._folder / tiles.CHECKPOINT).read_bytes(), self._log).size
        except (FileNotFoundError, VerificationError):
            return 0

    def signed(self) -> str:
        """Its checkpoint with all cosignatures. Raises OSError, VerificationError."""
        data = (self._folder / tiles.CHECKPOINT).read_bytes()
        checkpoint.verify(data, self._log)
        return data.decode()

    def tree(self, size: int) -> Mirror:
        """The log at `size`, which the folder must hold; its nodes make proofs."""
        return Mirror(size, self.read)

    def read(self, path: str) -> bytes:
        """One file, or the wider tile that has taken its place. Raises VerificationError."""
        tile = tiles.parse_path(path)
        wider = (Tile(tile.level, tile.number, width) for width in range(tile.width, tiles.WIDTH + 1))
        found = next((each for each in wider if (self._folder / each.path).is_file()), None)
        if found is None:
            raise VerificationError(f"{self._folder / path} is not there")
        data = (self._folder / found.path).read_bytes()
        if tile.level >= 0:
            return data[: tile.width * merkle.HASH_BYTES]
        return tiles.bundle(tiles.unbundle(data, found.width)[: tile.width])

    def grow(self, store: Store, kiosk: str, size: int, signed: bytes) -> None:
        """Write what a tree of `size` has beyond the present one, then `signed`, its checkpoint.

        Raises VerificationError when the entries in the store do not make the root that was signed.
        """
        known = self.size()
        for tile in tiles.layout(size, known):
            self._write(tile.path, self._content(store, kiosk, tile))
        if self.tree(size).root() != checkpoint.verify(signed, self._log).root:
            raise VerificationError(f"the entries of {kiosk} do not make the root that it signed at size {size}")
        self.set_checkpoint(signed)

    def set_checkpoint(self, signed: bytes) -> None:
        """The same tree's checkpoint with more cosignatures."""
        private_dir(self._folder)
        write_private(self._folder / tiles.CHECKPOINT, signed)

    def _content(self, store: Store, kiosk: str, tile: Tile) -> bytes:
        if tile.level > 0:
            below = (Tile(tile.level - 1, number) for number in range(tile.first, tile.first + tile.width))
            return b"".join(tiles.above(self.read(each.path)) for each in below)
        entries = store.entries(kiosk, tile.first, tile.width)
        if len(entries) != tile.width:
            raise VerificationError(f"{kiosk}: entries {tile.first} and on are not all in the store")
        return tiles.bundle(entries) if tile.level < 0 else b"".join(map(merkle.leaf_hash, entries))

    def _write(self, path: str, data: bytes) -> None:
        target = self._folder / path
        private_dir(target.parent)
        write_private(target, data)
