"""The systemd units: what systemd makes of them, and that they say the same as the process table."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from kiosk.messages import Role
from kiosk.processes.entry import EXIT_CONFIG
from kiosk.processes.table import PROCESSES, SCREEN, Process

SYSTEMD = Path(__file__).parents[2] / "systemd"
DEVICES = {
    "serial": {"char-ttyUSB rw", "char-ttyACM rw", "char-ttyAMA rw"},
    "gpio": {"char-gpiochip rw"},
    "camera": {"char-video4linux rw"},
    "display": {"char-drm rw", "char-alsa rw"},
}
EXPOSURE_MAX = 20  # of `systemd-analyze security`, in tenths
HELPERS = {  # what takes over when one of the processes stays down
    "kiosk-out-of-service.service",
    "kiosk-retry.service",
}
PROGRAM = "/usr/lib/deposit-kiosk/bin/kiosk"
ALL = (*PROCESSES, SCREEN)
UNITS = sorted(path for kind in ("service", "target", "timer") for path in SYSTEMD.glob(f"*.{kind}"))

Unit = dict[str, list[str]]
each_process = pytest.mark.parametrize("process", ALL, ids=lambda process: process.name)


def parsed(path: Path) -> Unit:
    """Settings of a unit file, each with all its values in order."""
    settings: Unit = defaultdict(list)
    for line in path.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            settings[key].append(value)
    return settings


def unit_of(process: Process) -> Unit:
    return parsed(SYSTEMD / process.unit)


@pytest.fixture(scope="module")
def verifiable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with a program that is there: the package is not installed on a developer's machine."""
    folder = tmp_path_factory.mktemp("units")
    for path in UNITS:
        (folder / path.name).write_text(path.read_text().replace(PROGRAM, sys.executable))
    return folder


def analyze(*arguments: str) -> str:
    """What systemd-analyze complains of, nothing if all is well."""
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is missing: run make setup"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=50)
    return "" if done.returncode == 0 and not done.stderr else done.stdout + done.stderr


def test_there_is_a_unit_for_each_process_and_no_other() -> None:
    assert {path.name for path in SYSTEMD.glob("*.service")} == {process.unit for process in ALL} | HELPERS
    for process in ALL:
        unit = unit_of(process)
        assert unit["WantedBy"] == unit["PartOf"] == ["kiosk.target"]
        # Who starts one of them must not start the controller with it: it may be out of service.
        assert not [name for name in " ".join(unit["Wants"] + unit["Requires"]).split() if name.startswith("kiosk-")]


def test_systemd_accepts_all_units(verifiable: Path) -> None:
    complaints = analyze("verify", "--man=no", *(str(path) for path in sorted(verifiable.iterdir())))
    # What other packages installed on this machine is not ours to judge.
    assert [line for line in complaints.splitlines() if "kiosk" in line] == []


def test_exposure_is_small(verifiable: Path) -> None:
    for path in sorted(verifiable.glob("*.service")):
        assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(path)) == ""


def test_a_unit_that_is_open_does_not_pass(verifiable: Path, tmp_path: Path) -> None:
    weak = tmp_path / "kiosk-weak.service"
    text = (verifiable / "kiosk-controller.service").read_text()
    weak.write_text(text.replace("NoNewPrivileges=yes\n", "").replace("CapabilityBoundingSet=\n", ""))
    assert "exposure" in analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(weak))
    weak.write_text(text.replace("WatchdogSec", "WatchdogSeconds"))
    assert "WatchdogSeconds" in analyze("verify", "--man=no", str(weak))


def test_what_stays_down_ends_safe_and_is_tried_again_only_where_no_money_is() -> None:
    for process in ALL:
        helper = "kiosk-out-of-service.service" if process.essential else "kiosk-retry.timer"
        assert unit_of(process)["OnFailure"] == [helper]
    retried = parsed(SYSTEMD / "kiosk-retry.service")["ExecStart"][0].split()
    assert {name for name in retried if name.startswith("kiosk-")} == {p.unit for p in ALL if not p.essential}
    closing = parsed(SYSTEMD / "kiosk-out-of-service.service")
    assert closing["ExecStart"] == [f"{PROGRAM} out-of-service --config /etc/kiosk/kiosk.toml"]
    assert closing["Conflicts"] == ["kiosk-controller.service"]
    assert set(closing["DeviceAllow"]) == set(DEVICES["gpio"])


@each_process
def test_start_and_restart_are_the_tables(process: Process) -> None:
    unit = unit_of(process)
    assert unit["ExecStart"] == [f"{PROGRAM} {process.name} --config /etc/kiosk/kiosk.toml"]
    assert unit["WatchdogSec"] == [str(process.watchdog_s)]
    assert unit["Type"] == ["notify"]
    assert unit["User"] == [process.user]
    assert unit["Restart"] == ["always"]
    assert unit["RestartPreventExitStatus"] == [str(EXIT_CONFIG)]
    assert unit["RestartSec"] == [f"{process.restart_delay_s * 1000:.0f}ms"]
    assert unit["StartLimitBurst"] == [str(process.restarts_max + 1)]  # the first start counts, too
    assert unit["StartLimitIntervalSec"] == [str(process.restart_window_s)]
    assert unit["TimeoutStopSec"] == [str(process.stop_timeout_s)]
    before = unit["After"][0].split()
    assert {name for name in before if name.startswith("kiosk-")} == {f"kiosk-{one}.service" for one in process.after}


@each_process
def test_limits_are_the_tables(process: Process) -> None:
    unit = unit_of(process)
    assert unit["MemoryMax"] == [f"{process.memory_mib_max}M"]
    assert unit["CPUQuota"] == [f"{process.cpu_percent_max}%"]


def test_the_installers_page_has_the_memory_budget() -> None:
    page = (SYSTEMD.parent / "docs" / "install.md").read_text()
    for process in PROCESSES:
        assert process.memory_mib_budget < process.memory_mib_max
        assert f"| {process.name} | {process.memory_mib_budget} MiB | {process.memory_mib_max} MiB |" in page
    assert f"| all together | {sum(process.memory_mib_budget for process in PROCESSES)} MiB | |" in page


@each_process
def test_network_is_the_tables(process: Process) -> None:
    unit = unit_of(process)
    families = set(unit["RestrictAddressFamilies"][0].split())
    if process.network == "none":
        assert unit["PrivateNetwork"] == ["yes"]
        assert families == {"AF_UNIX"}
    else:
        assert "PrivateNetwork" not in unit
        netlink = {"AF_NETLINK"} if process is SCREEN else set()  # Chromium asks the kernel for its interfaces
        assert families == {"AF_UNIX", "AF_INET", "AF_INET6"} | netlink
    # The uplink has the network, but not this machine's own services: the screen listens on loopback.
    allowed = {"loopback": ["localhost"], "bank": ["127.0.0.53"]}
    assert unit.get("IPAddressDeny") == (["localhost"] if process.network == "bank" else ["any"])
    assert unit.get("IPAddressAllow") == allowed.get(process.network)


@each_process
def test_devices_are_the_tables(process: Process) -> None:
    unit = unit_of(process)
    assert unit["DevicePolicy"] == ["closed"]
    assert set(unit.get("DeviceAllow", [])) == {rule for device in process.devices for rule in DEVICES[device]}
    assert unit.get("PrivateDevices") == (None if process.devices else ["yes"])


@each_process
def test_every_unit_is_hardened_and_keeps_its_uid_visible_to_the_bus(process: Process) -> None:
    unit = unit_of(process)
    for key, value in (("ProtectSystem", "strict"), ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", "")):
        assert unit[key] == [value]
    assert ("PrivateUsers" in unit) == (process is SCREEN)  # the bus asks for uids (SO_PEERCRED)
    assert unit["LimitCORE"] == ["0"]  # keys and accounts are in memory
    assert "DynamicUser" not in unit


def test_systemd_makes_the_users_and_the_directories(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for kind, arguments in (("sysusers", []), ("tmpfiles", ["--create"])):
        program = shutil.which(f"systemd-{kind}")
        assert program, f"systemd-{kind} is missing: run make setup"
        folder = tmp_path / "usr" / "lib" / f"{kind}.d"
        folder.mkdir(parents=True)
        shutil.copy(SYSTEMD / f"kiosk.{kind}.conf", folder / "kiosk.conf")
        done = subprocess.run(
            [program, f"--root={tmp_path}", *arguments, "kiosk.conf"],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("Creating ")]
        assert (done.returncode, said) == (0, [])
    users = (tmp_path / "etc" / "passwd").read_text()
    for process in ALL:
        assert f"\n{process.user}:" in f"\n{users}"
    if os.geteuid() == 0:
        mode = (tmp_path / "run" / "kiosk" / "bus" / "terminal").stat().st_mode
        assert oct(mode)[-4:] == "2750"


@each_process
def test_users_and_socket_directories_are_installed(process: Process) -> None:
    users = (SYSTEMD / "kiosk.sysusers.conf").read_text()
    folders = (SYSTEMD / "kiosk.tmpfiles.conf").read_text()
    assert re.search(rf"^u {process.user} ", users, re.MULTILINE)
    if process.role is not None:
        assert re.search(rf"^m {process.user} +kiosk-bus-{process.role}$", users, re.MULTILINE)
        assert f"/run/kiosk/bus/{process.role} " in folders


def test_every_role_has_its_own_directory_and_user() -> None:
    folders = (SYSTEMD / "kiosk.tmpfiles.conf").read_text()
    roles = msgspec.inspect.type_info(Role)
    assert isinstance(roles, msgspec.inspect.LiteralType)
    for role in roles.values:
        assert re.search(rf"^d /run/kiosk/bus/{role} +2750 kiosk-controller +kiosk-bus-{role} ", folders, re.MULTILINE)


def test_the_example_configuration_names_the_units_users() -> None:
    example = msgspec.toml.decode((SYSTEMD / "kiosk.toml.example").read_bytes())
    uids = example["bus"]["uids"]
    for process in PROCESSES:
        if process.role is not None:
            assert uids[process.role] == process.user
    assert example["paths"] == {
        "state_dir": "/var/lib/kiosk",
        "bus_dir": "/run/kiosk/bus",
        "stills_dir": "/var/lib/kiosk-watcher/stills",
    }
