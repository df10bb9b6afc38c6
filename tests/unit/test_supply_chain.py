"""What a build is made of: what the audit could not ask it says, the bill is whole, the same sources give one wheel."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from scripts import audit, sbom

ROOT = Path(__file__).parents[2]
CLEAN = {"name": "anyio", "version": "4.16.0", "vulns": []}
SKIPPED = {"name": "aenum", "skip_reason": "Dependency not found on PyPI and could not be audited: aenum (3.1.17)"}
KNOWN = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}]}


def test_what_was_not_asked_about_is_not_clean() -> None:
    found = audit.verdict({"dependencies": [CLEAN, SKIPPED, KNOWN]})
    assert found.audited == 2
    assert found.vulnerable == ("jinja2 2.0: PYSEC-2019-217, fixed in 2.10.1",)
    assert found.skipped == (f"aenum: {SKIPPED['skip_reason']}",)


@pytest.mark.parametrize(
    ("dependencies", "offline", "code"),
    [
        ([CLEAN], False, 0),
        ([CLEAN, SKIPPED], False, audit.EXIT_NOT_AUDITED),
        ([CLEAN, SKIPPED], True, 0),
        ([CLEAN, SKIPPED, KNOWN], True, audit.EXIT_FOUND),
    ],
    ids=["clean", "not-asked", "offline", "vulnerable"],
)
def test_exit_codes_and_that_an_audit_that_was_none_says_so(
    dependencies: list[dict[str, Any]],
    offline: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["audit", "--offline"] if offline else ["audit"])
    monkeypatch.setattr(audit, "asked", lambda _: audit.verdict({"dependencies": dependencies}))
    monkeypatch.setattr(audit, "differing", lambda _locked, _installed: iter(()))
    assert audit.main() == code
    assert ("NO CLEAN AUDIT" in capsys.readouterr().out) == (SKIPPED in dependencies and KNOWN not in dependencies)


def installed(folder: Path, text: str) -> Distribution:
    """A package whose wheel had `text` in its one module."""
    info = folder / "thing-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"thing.py,sha256={digest},{len(text)}\nthing-1.0.dist-info/RECORD,,\n")
    return Distribution.at(info)


def test_a_changed_a_missing_and_another_version_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text("good")
    good = installed(tmp_path, "good")
    assert list(audit.differing([(canonicalize_name("thing"), "1.0")], [good])) == []
    assert list(audit.differing([(canonicalize_name("thing"), "2.0")], [good])) == ["thing is 1.0, locked is 2.0"]
    assert list(audit.differing([(canonicalize_name("other"), "1.0")], [good])) == [
        "other 1.0 is locked and not installed"
    ]
    (tmp_path / "thing.py").write_text("evil")
    assert list(audit.differing([(canonicalize_name("thing"), "1.0")], [good])) == [
        "thing: thing.py is not the file of the wheel"
    ]
    (tmp_path / "thing.py").unlink()
    assert list(audit.differing([(canonicalize_name("thing"), "1.0")], [good])) == ["thing: thing.py is gone"]


def test_the_bill_is_the_lock_with_its_hashes_and_the_same_bytes_twice() -> None:
    lock = ROOT / "requirements" / "build.lock"
    first = sbom.document(lock, "1700000000")
    assert sbom.document(lock, "1700000000") == first
    bill = json.loads(first)
    assert bill["metadata"]["component"]["name"] == "deposit-kiosk"
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(audit.pins(lock))
    for each in bill["components"]:
        hashes = {found["content"] for place in each["externalReferences"] for found in place["hashes"]}
        assert hashes
        assert all(f"--hash=sha256:{digest}" in lock.read_text() for digest in hashes)


def wheel(tree: Path, out: Path, umask: int, zone: str) -> bytes:
    """Built in `tree` by somebody with this umask and time zone."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "TZ": zone, "PYTHONPATH": ""}
    subprocess.run(command, cwd=tree, check=True, capture_output=True, env=env, umask=umask, timeout=50)
    (made,) = out.glob("*.whl")
    return made.read_bytes()


def test_the_same_sources_give_the_same_wheel_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    done = subprocess.run(["git", "ls-files", "-z", "--cached"], cwd=ROOT, check=True, capture_output=True, timeout=20)
    trees = (tmp_path / "here", tmp_path / "elsewhere" / "deeper")
    for number, tree in enumerate(trees):
        for name in filter(None, done.stdout.decode().split("\0")):
            if not name.startswith(("tests/", "docs/", "bench/")) and (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tree / name)
                os.utime(tree / name, (10**9 + number, 10**9 + number))
    first = wheel(trees[0], tmp_path / "a", 0o022, "UTC")
    second = wheel(trees[1], tmp_path / "b", 0o077, "Asia/Shanghai")
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
