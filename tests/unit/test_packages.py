"""What `make deb`, `make deb-test` and `make arm64-test` stand on; they themselves take minutes and root."""

import subprocess
from pathlib import Path

import pytest

from scripts import deb
from tests.arm64.memory import resident_mib

PACKAGING = Path(deb.ROOT) / "packaging"
SMAPS = """\
4000000000-4000200000 r--p 00000000 08:01 12 /usr/lib/aarch64-linux-gnu/libc.so.6
Size:               2048 kB
Rss:                1024 kB
Pss:                 512 kB
5500000000-5500400000 r-xp 00000000 08:01 13 /usr/bin/python3.11
Rss:                2048 kB
Anonymous:             0 kB
7f0000000000-7f0002000000 rwxp 00000000 00:00 0
Rss:               16384 kB
"""


@pytest.mark.parametrize(("machine", "pins"), [("aarch64", True), ("x86_64", False)])
def test_the_lock_is_read_for_the_target_not_for_this_machine(machine: str, pins: bool) -> None:
    lines = list(deb.requirements(machine))
    names = [line.partition("==")[0] for line in lines if not line.startswith(" ")]
    assert ("lgpio" in names) == pins
    assert {"cryptography", "onnxruntime", "click"} <= set(names)
    assert not {"pip", "setuptools", "essp6", "pytest", "colorama"} & set(names)
    assert len(names) == len(set(names))
    assert all(line.strip().startswith("--hash=sha256:") for line in lines if line.startswith(" "))
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith(" "):
            assert after.strip().startswith("--hash=sha256:"), line


def test_wheels_are_asked_for_by_the_target() -> None:
    words = deb.platforms("aarch64")
    assert "manylinux_2_28_aarch64" in words
    assert "manylinux2014_aarch64" in words
    assert not [word for word in words if "x86_64" in word or word.startswith("manylinux_2_37")]


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_shell_and_ask_nothing(name: str) -> None:
    script = PACKAGING / name
    subprocess.run(["sh", "-n", str(script)], check=True, timeout=20)
    text = script.read_text()
    assert "\nset -e\n" in text
    assert not [word for word in ("read ", "debconf", "/dev/tty") if word in text]


def test_nothing_removes_journal_or_keys() -> None:
    for name in ("postinst", "prerm", "postrm"):
        removed = [line for line in (PACKAGING / name).read_text().splitlines() if "rm -" in line]
        for line in removed:
            assert "/var/lib/kiosk " not in f"{line} "
            assert "/var/lib/kiosk-uplink" not in line
            assert "credstore" not in line


def test_the_translator_is_not_counted_as_the_program() -> None:
    assert resident_mib(SMAPS) == (3.0, 19.0)
