"""A Debian userland to install into: a cached tree below, what we change above it, nothing mounted when we are done."""

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# In namespaces of its own: the mounts end with the command, and there is no network.
_ENTER: Final = """
set -e
lower=$1 upper=$2 work=$3 root=$4
shift 4
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
exec chroot "$root" "$@"
"""
_ENVIRONMENT: Final = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",  # and standard input is empty: whoever asks gets no answer
}


def tree(arch: str) -> Path:
    """The cached tree of this architecture; made the first time (minutes)."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "debian-tree.sh"), arch], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(done.stdout.strip())


class Chroot:
    """One installation. `folder` holds what differs from the tree; remove it and nothing is left."""

    def __init__(self, lower: Path, folder: Path) -> None:
        self._lower = lower
        self.upper, self._work, self._root = folder / "upper", folder / "work", folder / "root"
        for path in (self.upper, self._work, self._root):
            path.mkdir(parents=True, exist_ok=True)

    def run(self, *command: str, timeout_s: float = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it inside as root; standard output and error together in `stdout`."""
        where = [str(self._lower), str(self.upper), str(self._work), str(self._root)]
        return subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", _ENTER, "enter", *where, *command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            env=_ENVIRONMENT | environment,
        )

    def python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the package's own Python."""
        return self.run("/usr/lib/deposit-kiosk/bin/python3", "-I", "-c", program, *arguments)

    def path(self, inside: str) -> Path:
        """Where a file that was written inside lies outside; one of the tree's own is not here."""
        return self.upper / inside.lstrip("/")

    def put(self, source: Path, inside: str) -> None:
        """Copy a file in."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
