"""Builds the shim, runs the workload above it, and proves the trace complete before anybody believes it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.journal_crash.disk import SHARED_MEMORY, Disk
from tests.journal_crash.trace import BadTrace, Operation, read
from tests.journal_crash.workload import Mode

_SOURCE: Final = Path(__file__).with_name("shim.c")
_RUN_S_MAX: Final = 300.0


@dataclass(frozen=True)
class Recording:
    """One run of the journal, in every write and sync; `root` is the directory that the paths begin with."""

    root: str
    operations: list[Operation]


def build_shim(folder: Path) -> Path:
    """Compile the shim into `folder`. Raises `CalledProcessError`."""
    library = folder / "journal_crash.so"
    flags = ("-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run(["gcc", *flags, "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
    return library


def record(folder: Path, *, seed: int, deposits: int, mode: Mode = "full") -> Recording:
    """Run the workload on an empty directory below `folder`. Raises `CalledProcessError`, `BadTrace`."""
    root, trace = folder / mode, folder / f"{mode}.trace"
    root.mkdir()
    command = [sys.executable, "-m", "tests.journal_crash.workload", "--folder", str(root)]
    command += ["--seed", str(seed), "--deposits", str(deposits), "--mode", mode]
    surroundings = {"LD_PRELOAD": str(build_shim(folder)), "CRASH_ROOT": str(root), "CRASH_TRACE": str(trace)}
    subprocess.run(command, check=True, timeout=_RUN_S_MAX, env={**os.environ, **surroundings})
    recording = Recording(str(root), read(trace, str(root)))
    prove_complete(recording)
    return recording


def prove_complete(recording: Recording) -> None:
    """Replayed without a crash the trace gives the same files, byte for byte. Raises `BadTrace`."""
    disk = Disk(recording.root)
    for operation in recording.operations:
        disk.apply(operation)
    replayed = {path: data for path, data in disk.final().items() if not path.endswith(SHARED_MEMORY)}
    real = {
        str(path): path.read_bytes()
        for path in Path(recording.root).rglob("*")
        if path.is_file() and not path.name.endswith(SHARED_MEMORY)
    }
    if replayed != real:
        different = sorted(path for path in replayed.keys() | real.keys() if replayed.get(path) != real.get(path))
        message = f"the trace does not make these files as they are: {', '.join(different)}"
        raise BadTrace(message)
