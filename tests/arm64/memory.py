"""How much memory a program takes for itself under qemu-user: without the translator around it.

qemu-user runs the program in its own process. The program's addresses lie where qemu puts them for 64-bit Arm (mappings
from 0x40_0000_0000, the executable at 0x55_0000_0000; linux-user/mmap.c and elfload.c), everything else is the
translator: its code, its cache of translated code, its own heap. Both are read from /proc/PID/smaps.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GUEST: Final = range(0x40_0000_0000, 0x60_0000_0000)
_MAPPING: Final = re.compile(r"^([0-9a-f]+)-[0-9a-f]+ \S{4} ")


@dataclass
class Peak:
    """The largest seen so far, in MiB."""

    guest_mib: float = 0.0
    with_qemu_mib: float = 0.0
    looks: int = 0


def resident_mib(smaps: str) -> tuple[float, float]:
    """(the program's own, all of the process's) resident memory in one smaps text."""
    guest_kib = all_kib = 0
    inside = False
    for line in smaps.splitlines():
        if found := _MAPPING.match(line):
            inside = int(found[1], 16) in GUEST
        elif line.startswith("Rss:"):
            kib = int(line.split()[1])
            all_kib += kib
            guest_kib += kib * inside
    return guest_kib / 1024, all_kib / 1024


def look(pid: int, peak: Peak) -> None:
    """Take one look; a process that has just gone is not looked at."""
    try:
        smaps = Path(f"/proc/{pid}/smaps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return
    guest_mib, all_mib = resident_mib(smaps)
    peak.guest_mib, peak.with_qemu_mib = max(peak.guest_mib, guest_mib), max(peak.with_qemu_mib, all_mib)
    peak.looks += bool(smaps)
