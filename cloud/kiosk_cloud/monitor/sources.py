"""Where a monitor reads: mirrors of tiles in a folder or behind a URL, and notes that others hold of the same log."""

import http.client
import urllib.parse
from pathlib import Path
from typing import Final, Protocol

from kiosk.errors import VerificationError
from kiosk.guarantee import tiles
from kiosk.guarantee.tiles import Tile

TIMEOUT_S: Final = 20.0
FILE_BYTES_MAX: Final = 1 << 20  # 256 leaf entries of 256 bytes are 66 kB
NOTES_MAX: Final = 10_000
_OK, _NOT_FOUND, _GONE = 200, 404, 410


class Missing(LookupError):
    """The place answers, and this file is not there."""


class Silent(ConnectionError):
    """The place does not answer, or cannot be read."""


class Source(Protocol):
    """A mirror of one log. `name` stands in alarms."""

    name: str

    def read(self, path: str) -> bytes:
        """The file at `path` below the log's prefix. Raises Missing, Silent."""


class Folder:
    """Tiles on this machine."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def read(self, path: str) -> bytes:
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(FILE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Missing(f"{path} is not there") from error
        except OSError as error:
            raise Silent(f"{path}: {error.strerror}") from error


class Site:
    """Tiles behind HTTP or HTTPS (certificates are checked), as any static server gives them out."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._parts = urllib.parse.urlsplit(url.rstrip("/"))

    def read(self, path: str) -> bytes:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", f"{self._parts.path}/{path}", headers={"cache-control": "no-cache"})
            answer = connection.getresponse()
            if answer.status in (_NOT_FOUND, _GONE):
                raise Missing(f"{path} is not there")
            if answer.status != _OK:
                raise Silent(f"{path}: status {answer.status}")
            return answer.read(FILE_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, Silent):
                raise
            raise Silent(f"{path}: {type(error).__name__} {error}") from error
        finally:
            connection.close()


def source(place: str, kiosk: str) -> Source:
    """The mirror of a kiosk's log below `place`, a folder or a URL."""
    if place.startswith(("http://", "https://")):
        return Site(f"{place.rstrip('/')}/{kiosk}")
    return Folder(Path(place) / kiosk)


def read_tile(mirror: Source, tile: Tile) -> bytes:
    """A tile or bundle, or the beginning of the full one that has taken a partial one's place.

    Raises Missing, Silent, VerificationError.
    """
    try:
        data = mirror.read(tile.path)
    except Missing:
        if tile.width == tiles.WIDTH:
            raise
        full = mirror.read(Tile(tile.level, tile.number).path)
        if tile.level >= 0:
            return full[: tile.width * 32]
        return tiles.bundle(tiles.unbundle(full, tiles.WIDTH)[: tile.width])
    if len(data) > FILE_BYTES_MAX:
        raise VerificationError(f"{tile.path} is too large")
    return data


def notes(paths: list[Path]) -> list[tuple[str, str]]:
    """(name, text) of files with signed checkpoints or receipts' second codes; folders are read one level deep."""
    files = [each for path in paths for each in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found = []
    for path in files[:NOTES_MAX]:
        if path.is_file():
            with path.open("rb") as file:
                found.append((str(path), file.read(FILE_BYTES_MAX).decode("utf-8", "replace")))
    return found
