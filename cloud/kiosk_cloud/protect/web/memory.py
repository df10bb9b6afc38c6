"""A folder in memory for what must not reach a disk in clear: checked, not believed."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kiosk.errors import ConfigError

DEFAULT: Final = Path("/dev/shm")  # noqa: S108 - a file system in memory, which is the point
_IN_MEMORY: Final = ("tmpfs", "ramfs")


def check(folder: Path) -> None:
    """Raises ConfigError when files in `folder` would lie on a disk."""
    if _kind(folder) not in _IN_MEMORY:
        raise ConfigError(
            f"{folder} is not in memory: tables would lie on a disk in clear",
            remedy="Name a folder of a tmpfs (--memory), e.g. /dev/shm; and let swap be encrypted or off.",
        )


def _kind(folder: Path) -> str:
    """The file system's type, of the mount that is nearest above."""
    found = (-1, "")
    where = folder.resolve()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(left.split()[4].replace("\\040", " "))
        if mount == where or mount in where.parents:
            found = max(found, (len(mount.parts), right.split()[0]))
    return found[1]


@contextmanager
def folder(below: Path, state: Path, job: str) -> Iterator[Path]:
    """For one job of the server whose state folder this is; gone with everything in it at the end."""
    made = below / f"{prefix(state)}{job}-{secrets.token_hex(4)}"
    made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def prefix(state: Path) -> str:
    """How names of one server's folders begin: another server must not take them for left behind."""
    return f"kiosk-protect-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]}-"


def clear(below: Path, state: Path) -> None:
    """Remove what the server of this state folder left behind when it was killed."""
    for left in below.glob(f"{prefix(state)}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
