"""The computer below: what sysfs tells of the disk that holds the journal, and how hot the processor is.

Everything here is optional: a kernel or disk that does not say is a figure that is missing, never one that was made up.
eMMC alone tells its wear here. SD cards tell nobody, NVMe and SATA only those who may send them commands: for these
what was written to the file system since it was made, and the disk's temperature, are all there is to go by.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kiosk.core.metrics import Sample, sample

SYS: Final = Path("/sys")
_LIFE_STEP: Final = 0.1  # EXT_CSD life time estimation: 0x01 is 0 to 10 % used, ... 0x0B more than all (JESD84-B51)


class Host:
    """Give it the folder of the journal; `sys` is where sysfs is."""

    def __init__(self, folder: Path, sys: Path = SYS) -> None:
        self._folder, self._sys = folder, sys

    def samples(self) -> Iterator[Sample]:
        """What can be read now. Reads files; call it on a thread that may wait."""
        yield from self._space()
        yield from self._wear()
        yield from self._heat()

    def _space(self) -> Iterator[Sample]:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return
        yield sample("kiosk_disk_free_bytes", found.f_bavail * found.f_frsize)
        yield sample("kiosk_disk_size_bytes", found.f_blocks * found.f_frsize)

    def _wear(self) -> Iterator[Sample]:
        try:
            device = self._folder.stat().st_dev
            block = (self._sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True)
        except OSError:  # no disk of its own, as an overlay in a container
            return
        written_kib = _number(self._sys / "fs" / "ext4" / block.name / "lifetime_write_kbytes", 10)
        if written_kib is not None:
            yield sample("kiosk_disk_written_bytes_total", written_kib * 1024)
        disk = block.parent if (block / "partition").exists() else block
        used = [step for word in _words(disk / "device" / "life_time") if (step := _parsed(word, 16))]
        if used:  # 0 is "not defined"; the two are kinds of cells
            yield sample("kiosk_disk_life_used_ratio", round(max(used) * _LIFE_STEP, 1))
        # NVMe and SATA keep their wear from sysfs: that takes root's tools (nvme, smartctl), so it is not told.
        sensors = (*disk.glob("device/hwmon*/temp1_input"), *disk.glob("device/hwmon/hwmon*/temp1_input"))
        if (milli := next((value for path in sensors if (value := _number(path, 10)) is not None), None)) is not None:
            yield sample("kiosk_disk_temperature_celsius", milli / 1000)
        end = _number(disk / "device" / "pre_eol_info", 16)
        if end:
            yield sample("kiosk_disk_end_of_life", end)

    def _heat(self) -> Iterator[Sample]:
        zones = (self._sys / "class" / "thermal").glob("thermal_zone*/temp")
        found = [milli for zone in zones if (milli := _number(zone, 10)) is not None]
        if found:
            yield sample("kiosk_cpu_temperature_celsius", max(found) / 1000)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # not there, or a driver that refuses to read it now
        return []


def _number(path: Path, base: int) -> int | None:
    words = _words(path)
    return _parsed(words[0], base) if words else None


def _parsed(word: str, base: int) -> int | None:
    try:
        return int(word, base)
    except ValueError:
        return None
