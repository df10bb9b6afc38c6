"""`make audit`: known vulnerabilities of what is locked, and whether what is installed is what was locked.

    python -m scripts.audit [--offline]

pip-audit asks PyPI about every pin of every lock; whether the index knows of nothing or was not asked at all are two
answers that pip-audit gives the same exit code, so its report is read here. Then, without any network: installed
versions against the lock, and every installed file against the hash that its wheel came with.

Exit codes: 0 audited and clean; 1 a vulnerability, another version, a changed file; 3 somewhat was not audited. With
`--offline` that alone is no failure; it is said as loudly.
"""

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT: Final = Path(__file__).parent.parent
EXIT_FOUND: Final = 1
EXIT_NOT_AUDITED: Final = 3
TIMEOUT_S: Final = 600
INSTALLED: Final = "all.lock"  # what `make setup` installs
_OURS: Final = "deposit-kiosk"
NOT_AUDITED: Final = """\
audit: ======================================================================
audit: THE INDEX DID NOT ANSWER for {} pins: of their vulnerabilities nothing is
audit: known, and this is NO CLEAN AUDIT. Run it again where
audit: https://pypi.org/pypi/NAME/VERSION/json can be had.
audit: ======================================================================"""


@dataclass(frozen=True)
class Verdict:
    """What pip-audit's report on one lock says."""

    audited: int
    vulnerable: tuple[str, ...]  # in words
    skipped: tuple[str, ...]  # what was not audited, and why


def verdict(report: dict[str, Any]) -> Verdict:
    """Read pip-audit's JSON. KeyError when it is none."""
    vulnerable, skipped, audited = [], [], 0
    for each in report["dependencies"]:
        if "skip_reason" in each:
            skipped.append(f"{each['name']}: {each['skip_reason']}")
            continue
        audited += 1
        for found in each["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            vulnerable.append(f"{each['name']} {each['version']}: {found['id']}, fixed in {fixed}")
    return Verdict(audited, tuple(vulnerable), tuple(skipped))


def asked(lock: Path) -> Verdict:
    """Ask the index about a lock; what cannot be asked is skipped as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
        command += ["--vulnerability-service", "pypi", "--progress-spinner", "off", "--format", "json"]
        try:
            done = subprocess.run(
                [*command, "--output", str(out)], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            return Verdict(0, (), (f"all of {lock.name}: no answer within {TIMEOUT_S} s",))
        if not out.exists() or not out.read_text().strip():
            said = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
            return Verdict(0, (), (f"all of {lock.name}: {said}",))
        return verdict(json.loads(out.read_text()))


def pins(lock: Path) -> Iterator[tuple[NormalizedName, str]]:
    """Name and version of what a lock pins for this machine."""
    for line in lock.read_text().splitlines():
        if re.match(r"[a-z0-9]", line):
            wanted = Requirement(line.removesuffix(" \\"))
            if wanted.marker is None or wanted.marker.evaluate():
                yield canonicalize_name(wanted.name), str(wanted.specifier).removeprefix("==")


def differing(locked: Iterable[tuple[NormalizedName, str]], installed: Iterable[Distribution]) -> Iterator[str]:
    """What is not installed as it was locked: another version, or another file than the wheel's."""
    found = {canonicalize_name(each.name): each for each in installed}
    for name, version in locked:
        if name not in found:
            yield f"{name} {version} is locked and not installed"
        elif found[name].version != version:
            yield f"{name} is {found[name].version}, locked is {version}"
        else:
            yield from changed(found[name])


def changed(distribution: Distribution) -> Iterator[str]:
    """Installed files that are not what its RECORD says."""
    for path in distribution.files or ():
        if path.hash is None:  # RECORD itself, and what pip compiled here
            continue
        place = Path(str(path.locate()))
        if not place.is_file():
            yield f"{distribution.name}: {path} is gone"
            continue
        digest = hashlib.new(path.hash.mode, place.read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != path.hash.value:
            yield f"{distribution.name}: {path} is not the file of the wheel"


def main() -> int:
    """Look at every lock, then at what is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true", help="not being able to ask is no failure")
    offline = parser.parse_args().offline
    wrong: list[str] = []
    skipped = 0
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        found = asked(lock)
        print(f"audit: {lock.name}: {found.audited} audited, {len(found.vulnerable)} vulnerable", flush=True)
        wrong += found.vulnerable
        skipped += len(found.skipped)
        if found.skipped:
            print(f"audit: {lock.name}: NOT AUDITED: {len(found.skipped)}, among them {found.skipped[0]}", flush=True)
    locked = list(pins(ROOT / "requirements" / INSTALLED))
    differences = list(differing(locked, (each for each in distributions() if each.name != _OURS)))
    print(f"audit: installed: {len(locked)} packages held against lock and wheels, {len(differences)} differ")
    for words in (*wrong, *differences):
        print(f"audit: {words}", file=sys.stderr)
    if wrong or differences:
        return EXIT_FOUND
    if skipped:
        print(NOT_AUDITED.format(skipped))
        return 0 if offline else EXIT_NOT_AUDITED
    return 0


if __name__ == "__main__":
    sys.exit(main())
