"""What is read of sysfs, from a tree like the kernel's."""

import os
from pathlib import Path

import pytest

from kiosk.management.host import Host


class Sysfs:
    """A small /sys around the device that really holds `folder`."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "state"
        self.folder.mkdir()
        self.root = tmp_path / "sys"
        device = self.folder.stat().st_dev
        self.disk = self.root / "devices" / "mmc0" / "block" / "mmcblk0"
        self.part = self.disk / "mmcblk0p2"
        self.part.mkdir(parents=True)
        (self.root / "dev" / "block").mkdir(parents=True)
        (self.root / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").symlink_to(self.part)
        self.put(self.part / "partition", "2")

    def put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def told(self) -> dict[str, float]:
        return {name: value for name, _, value in Host(self.folder, self.root).samples()}


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def test_space_is_the_file_systems(sysfs: Sysfs) -> None:
    found = os.statvfs(sysfs.folder)
    assert sysfs.told()["kiosk_disk_size_bytes"] == found.f_blocks * found.f_frsize
    assert 0 < sysfs.told()["kiosk_disk_free_bytes"] <= sysfs.told()["kiosk_disk_size_bytes"]


def test_emmc_tells_its_life_and_ext4_what_was_written(sysfs: Sysfs) -> None:
    sysfs.put(sysfs.disk / "device" / "life_time", "0x02 0x04")
    sysfs.put(sysfs.disk / "device" / "pre_eol_info", "0x01")
    sysfs.put(sysfs.root / "fs" / "ext4" / "mmcblk0p2" / "lifetime_write_kbytes", "2048")
    sysfs.put(sysfs.root / "class" / "thermal" / "thermal_zone0" / "temp", "48312")
    sysfs.put(sysfs.root / "class" / "thermal" / "thermal_zone1" / "temp", "51000")
    told = sysfs.told()
    assert told["kiosk_disk_life_used_ratio"] == 0.4
    assert told["kiosk_disk_end_of_life"] == 1
    assert told["kiosk_disk_written_bytes_total"] == 2 << 20
    assert told["kiosk_cpu_temperature_celsius"] == 51


@pytest.mark.parametrize("place", ["device/hwmon1", "device/hwmon/hwmon0"])  # NVMe; SATA by drivetemp
def test_a_disk_says_how_warm_it_is_and_its_wear_is_not_made_up(sysfs: Sysfs, place: str) -> None:
    sysfs.put(sysfs.disk / place / "temp1_input", "41850")
    told = sysfs.told()
    assert told["kiosk_disk_temperature_celsius"] == 41.85
    assert "kiosk_disk_life_used_ratio" not in told


@pytest.mark.parametrize("life", ["0x00 0x00", "", "worn out"])
def test_what_a_disk_does_not_say_is_missing_and_not_made_up(sysfs: Sysfs, life: str) -> None:
    sysfs.put(sysfs.disk / "device" / "life_time", life)
    assert set(sysfs.told()) == {"kiosk_disk_size_bytes", "kiosk_disk_free_bytes"}


def test_a_folder_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    assert list(Host(tmp_path / "none", tmp_path / "sys").samples()) == []
