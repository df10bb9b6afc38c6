"""`make deb-test`: the packages installed, upgraded, removed and purged in Debian chroots without a network.

    python -m tests.packages [--arch amd64] [--arch arm64] [--dist dist]

Says each check, ends with one line of JSON; exit code 1 when one did not hold.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.packages import chroot
from tests.packages.checks import Installation

NEXT: Final = "+next"


def newer(package: Path, folder: Path) -> Path:
    """The same package with a higher version and one more file, to upgrade to."""
    root = folder / "newer"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", str(package), str(root)], check=True)
    control = root / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    control.write_text("\n".join(f"{line}{NEXT}" if line.startswith("Version: ") else line for line in lines) + "\n")
    (root / "usr/share/deposit-kiosk/NEXT").write_text("of the newer package\n")
    made = folder / "newer.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", str(root), str(made)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(root)
    return made


def tested(arch: str, package: Path) -> list[str]:
    """All checks in one chroot; the names of those that did not hold."""
    began_s = time.monotonic()
    lower = chroot.tree(arch)
    # Beside the trees: an overlay's upper side wants a plain disk, which /tmp may not be.
    with tempfile.TemporaryDirectory(prefix=f"test-{arch}-", dir=lower.parent) as name:
        folder = Path(name)
        installation = Installation(chroot.Chroot(lower, folder))
        installation.all(package, newer(package, folder))
    for words, held in installation.checks:
        print(f"  {'ok  ' if held else 'FAIL'} {arch}: {words}")
    print(f"deb-test: {arch} in {time.monotonic() - began_s:.0f} s", flush=True)
    return [f"{arch}: {words}" for words, held in installation.checks if not held]


def main() -> int:
    """Parse, test, print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", action="append", choices=("amd64", "arm64"))
    parser.add_argument("--dist", type=Path, default=chroot.ROOT / "dist")
    arguments = parser.parse_args()
    failed: list[str] = []
    arches = arguments.arch or ["amd64", "arm64"]
    for arch in arches:
        packages = sorted(arguments.dist.glob(f"deposit-kiosk_*_{arch}.deb"))
        if not packages:
            failed.append(f"{arch}: there is no package in {arguments.dist}: run make deb")
            continue
        failed += tested(arch, packages[-1])
    print(json.dumps({"deb_test": "failed" if failed else "ok", "arches": arches, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
