"""Where the server keeps what, and its limits."""

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from kiosk.errors import ConfigError
from kiosk_cloud.files import private_dir
from kiosk_cloud.protect.web import memory, vault
from kiosk_cloud.protect.web.book import Book
from kiosk_cloud.protect.web.vault import Vault

UPLOAD_MIB: Final = 256
KEEP_HOURS: Final = 24.0
JOB_MEMORY_MIB: Final = 4096
JOB_S_MAX: Final = 4 * 3600


@dataclass(frozen=True)
class Place:
    """A state folder: `protect.key`, `protect.db`, `files/`."""

    folder: Path
    key: bytes

    @classmethod
    def at(cls, folder: Path) -> "Place":
        """Open or make it. Raises ConfigError, OSError."""
        private_dir(folder)
        return cls(folder, vault.key_file(folder / "protect.key"))

    def book(self) -> Book:
        """A connection for this thread."""
        return Book(self.folder / "protect.db", self.key)

    def alone(self) -> IO[bytes]:
        """Hold the folder for one server until the file is closed. Raises ConfigError when another has it."""
        file = (self.folder / "serve.lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise ConfigError(f"another server uses {self.folder}", remedy="Stop it, or name another --dir.") from error
        return file

    def vault(self) -> Vault:
        """The encrypted files."""
        return Vault(self.folder / "files", self.key)


@dataclass(frozen=True)
class Limits:
    """What one upload and one job may take."""

    upload_bytes_max: int = UPLOAD_MIB << 20
    keep_s: float = KEEP_HOURS * 3600
    job_memory_bytes_max: int = JOB_MEMORY_MIB << 20
    job_s_max: int = JOB_S_MAX
    memory: Path = memory.DEFAULT
