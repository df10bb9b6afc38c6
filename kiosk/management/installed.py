"""What is installed on this kiosk, so that a deposit's record can say whether it still is what was started."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_KINDS: Final = frozenset({".py", ".toml", ".html", ".css", ".js", ".cddl"})


@dataclass(frozen=True)
class Installed:
    """`software` reads the files again; `models` are the manifests' SHA-256 by stream, as they were at the start."""

    software: Callable[[], str]
    software_at_start: str
    logs_masked: Callable[[], bool]
    models: Mapping[str, str] = field(default_factory=dict)


def digest(packages: Iterable[Path]) -> str:
    """SHA-256 over names and contents of the programs below these folders, in hex. Raises OSError.

    Each file counts as its path within its package, NUL, its own SHA-256; in the order of the paths.
    """
    found = hashlib.sha256()
    for package in packages:
        files = (path for path in package.rglob("*") if path.suffix in _KINDS and path.is_file())
        for path in sorted(files, key=lambda path: path.relative_to(package).as_posix()):
            name = f"{package.name}/{path.relative_to(package).as_posix()}"
            found.update(name.encode() + b"\x00" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
