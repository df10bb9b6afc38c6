"""The software bill of materials of a package: CycloneDX 1.6 (JSON), the same bytes from the same lock.

    python -m scripts.sbom requirements/all.lock sbom.cdx.json

Components are what the lock pins, each with the hashes that pip holds its files to; the main component is this project
with its licence. Times are SOURCE_DATE_EPOCH (default: the last commit's).
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


def epoch() -> str:
    """The time that everything of a build carries, in seconds since 1970."""
    command = ["git", "log", "-1", "--format=%ct"]
    asked = os.environ.get("SOURCE_DATE_EPOCH")
    return asked or subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def document(lock: Path, at: str) -> bytes:
    """The bill of what `lock` pins, as of `at` (seconds since 1970), valid by CycloneDX' own schema."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--sv", "1.6", "--of", "JSON", "--validate"]
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": at}
    )
    return done.stdout


def main() -> None:
    """Write the bill of the lock named first to the file named second."""
    lock, target = map(Path, sys.argv[1:3])
    target.write_bytes(document(lock.resolve(), epoch()))


if __name__ == "__main__":
    main()
