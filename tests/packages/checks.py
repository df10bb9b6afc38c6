"""What must hold of an installed kiosk from its first minute to after its purge."""

import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from kiosk.processes.table import PROCESSES, SCREEN
from tests.packages.chroot import Chroot

PACKAGE: Final = "/srv/package.deb"
NEWER: Final = "/srv/newer.deb"
STATE: Final = "/var/lib/kiosk"
KIOSK: Final = "chroot-0001"
RECORDS: Final = 3
USERS: Final = (*(process.user for process in (*PROCESSES, SCREEN)), "kiosk-maintenance")
IMPORTS: Final = """
import importlib, pkgutil, sys
import cv2, onnxruntime, numpy, cryptography, cbor2, paho.mqtt.client, serial, gpiozero, pymodbus, escpos, starlette
for package in ("kiosk", "firmware_bridge"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
absent = ("hwsim", "kiosk_cloud", "somgan", "cellkinds", "pip", "setuptools")
here = [name for name in absent if importlib.util.find_spec(name)]
assert not here, here
assert sys.prefix == "/usr/lib/deposit-kiosk", sys.prefix
assert not [path for path in sys.path if "dist-packages" in path or path.startswith("/root")], sys.path
print("imported", len([name for name in sys.modules if name.startswith(("kiosk", "firmware_bridge"))]))
"""
MODELS: Final = """
from pathlib import Path
import kiosk
from kiosk.processes.watcher import NAMES, load_models
faults = {}
models = load_models(Path(kiosk.__file__).parent / "appraisal" / "artifacts", faults)
assert set(models) == set(NAMES) and not faults, faults
print("judging", len(models))
"""
JOURNAL: Final = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from kiosk.core.records import service
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
state = Path("/var/lib/kiosk")
keys = state / "keys"
journal = Journal(
    state / "journal.db", LogKeys.load(sys.argv[1], keys), load_kek(keys / "vault.key"), clock_synchronised=lambda: True
)
for _ in range(int(sys.argv[2])):
    journal.append(service("started", {"state": "idle"}), datetime.now(UTC))
journal.check()
print("records", journal.log.audit().size)
journal.close()
"""
FAKES: Final = {  # a machine under systemd with a controller that answers
    "systemctl": "#!/bin/sh\nexit 0\n",
    "deb-systemd-invoke": '#!/bin/sh\necho "$@" >>/srv/invoked\n',
    "runuser": "#!/bin/sh\ncat /srv/status.json\n",
}


class Installation:
    """Runs through an installation's life; `checks` says what held."""

    def __init__(self, chroot: Chroot) -> None:
        self.chroot = chroot
        self.checks: list[tuple[str, bool]] = []

    def check(self, words: str, held: bool, seen: str = "") -> None:
        """Note a verdict; what was seen is shown when it did not hold."""
        self.checks.append((words, held))
        if not held:
            print(f"--- {words}\n{seen}\n---", file=sys.stderr)

    def did(self, words: str, *command: str) -> str:
        """Run it inside: that it ends well is a check."""
        done = self.chroot.run(*command)
        self.check(words, done.returncode == 0, f"{shlex.join(command)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def all(self, package: Path, newer: Path) -> None:
        """From the first installation to the purge, and back."""
        self.chroot.put(package, PACKAGE)
        self.chroot.put(newer, NEWER)
        self._install()
        self._runs()
        before = self._lived_in()
        self._refuses_amid_a_deposit()
        self._upgrade(before)
        self._remove_and_purge(before)

    def _install(self) -> None:
        said = self.did("it installs without a network", "dpkg", "-i", PACKAGE)
        self.check("it asks nothing and warns of nothing", "?" not in said and "arning" not in said, said)
        first = self._state()
        self.did("configuring it again ends well", "dpkg-reconfigure", "deposit-kiosk")
        self.did("and once more, by hand", "/var/lib/dpkg/info/deposit-kiosk.postinst", "configure")
        again = self._state()
        self.check("and changes nothing", first == again, f"{first}\n{again}")
        for name in USERS:
            self.did(f"there is the user {name}", "id", name)
        folders = ("/run/kiosk/bus/terminal", "/etc/kiosk/pki")
        listed = self.chroot.run("stat", "-c", "%a %U %G", *folders).stdout.split("\n")
        expected = ["2750 kiosk-controller kiosk-bus-terminal", "750 root kiosk-uplink"]
        self.check("each role's directory is its own", listed[:2] == expected, str(listed))
        links = self.chroot.run("ls", "/etc/systemd/system/kiosk.target.wants").stdout.split()
        units = {process.unit for process in (*PROCESSES, SCREEN)}
        self.check("the units are enabled", set(links) == units, str(links))
        written = "find /usr/lib/deposit-kiosk -xdev ! -user root -o -xdev -perm /022 ! -type l"
        self.check("its files are root's alone", not self.chroot.run("sh", "-c", written).stdout)

    def _state(self) -> str:
        """Users, groups, links of units and directories."""
        look = "cat /etc/passwd /etc/group; ls -lR /etc/systemd/system /run/kiosk /etc/kiosk | grep -v total"
        return self.chroot.run("sh", "-c", look).stdout

    def _runs(self) -> None:
        bill = json.loads(self.chroot.path("/usr/share/doc/deposit-kiosk/sbom.cdx.json").read_text())
        listed = {row["name"].lower().replace("_", "-") for row in bill["components"]}
        site = self.chroot.path("/usr/lib/deposit-kiosk/lib").glob("python3*/site-packages/*.dist-info")
        there = {path.name.split("-")[0].lower().replace("_", "-") for path in site} - {"deposit-kiosk"}
        self.check("the bill of materials lists what is there", listed == there, str(listed ^ there))
        for program in ("kiosk", "kioskctl", "kiosk-verify"):
            self.did(f"{program} runs", program, "--help")
        for words, text in (("every module imports, and nothing else is there", IMPORTS), ("the models judge", MODELS)):
            done = self.chroot.python(text)
            self.check(words, done.returncode == 0, done.stdout)
        units = "systemd-analyze verify --man=no /usr/lib/systemd/system/kiosk* 2>&1 | grep -i kiosk"
        complaints = self.chroot.run("sh", "-c", units).stdout
        # Recommended packages are not installed here, so the display's unit finds no seatd; that is a Wants= only.
        self.check("systemd accepts the installed units", not complaints, complaints)
        elsewhere = "cd /srv && echo 'exit(9)' >kiosk.py && PYTHONPATH=/srv kioskctl --version && rm kiosk.py"
        done = self.chroot.run("sh", "-c", elsewhere)
        self.check("neither environment nor directory changes what is imported", done.returncode == 0, done.stdout)

    def _lived_in(self) -> dict[str, str]:
        """A configuration, keys and a journal with records that no bank has signed for; what must stay, hashed."""
        with tempfile.TemporaryDirectory() as name:
            subprocess.run(
                [sys.executable, "-m", "kiosk_cloud.cli", "provision", "--dir", name, "--kiosk", KIOSK],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            keys = Path(name) / "kiosk" / "keys"
            for file in keys.iterdir():
                self.chroot.put(file, f"{STATE}/keys/{file.name}")
        self.did("an administrator may own the keys", "chmod", "-R", "go=", STATE)
        templates = "/usr/share/deposit-kiosk"
        self.did("a configuration is written", "cp", f"{templates}/kiosk.toml.example", "/etc/kiosk/kiosk.toml")
        self.did("and its notes", "cp", f"{templates}/cash-cny.toml", "/etc/kiosk/")
        self.did("the example configuration is accepted", "kioskctl", "config", "check", "/etc/kiosk/kiosk.toml")
        done = self.chroot.python(JOURNAL, KIOSK, str(RECORDS))
        self.check("a journal takes records", f"records {RECORDS}" in done.stdout, done.stdout)
        return self._kept()

    def _kept(self) -> dict[str, str]:
        look = self.chroot.path(STATE)
        fleeting = ("-shm", "-wal", ".lock")
        files = [path for path in look.rglob("*") if path.is_file() and not path.name.endswith(fleeting)]
        return {str(path.relative_to(look)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def _refuses_amid_a_deposit(self) -> None:
        for name, text in FAKES.items():
            path = self.chroot.path(f"/usr/local/fake/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        status = self.chroot.path("/srv/status.json")
        inside = "mkdir -p /run/systemd/system; PATH=/usr/local/fake:$PATH dpkg -i /srv/newer.deb"
        status.write_text(json.dumps({"deposit": {"state": "confirming"}}))
        done = self.chroot.run("sh", "-c", inside)
        invoked = self.chroot.path("/srv/invoked")
        refused = done.returncode != 0 and "a deposit is under way" in done.stdout
        self.check("no upgrade amid a deposit", refused and "stop" not in invoked.read_text(), done.stdout)
        version = self.chroot.run("dpkg-query", "-W", "-f=${Status} ${Version}", "deposit-kiosk").stdout
        self.check("the old version stays installed", "ok installed" in version and "+next" not in version, version)
        self.did("and whole", "kioskctl", "--version")
        status.write_text(json.dumps({"deposit": {"state": "done"}}))
        invoked.unlink()
        self.did("after the deposit the upgrade goes on", "sh", "-c", inside)
        told = invoked.read_text()
        in_order = told.startswith("stop kiosk.target") and told.strip().endswith("start kiosk.target")
        self.check("the kiosk is stopped before and started after", in_order, told)
        self.chroot.run("rm", "-rf", "/run/systemd/system", "/usr/local/fake")
        self.did("the older version can come back", "dpkg", "-i", "--force-downgrade", PACKAGE)

    def _upgrade(self, before: dict[str, str]) -> None:
        self.did("a user's choice is made", "systemctl", "disable", "kiosk-screen.service")
        self.did("it upgrades", "dpkg", "-i", NEWER)
        self.check("to the newer files", self.chroot.path("/usr/share/deposit-kiosk/NEXT").exists())
        self.check("journal and keys are the same, byte by byte", self._kept() == before)
        self.did("so is the configuration", "kioskctl", "config", "check", "/etc/kiosk/kiosk.toml")
        links = self.chroot.run("ls", "/etc/systemd/system/kiosk.target.wants").stdout
        self.check("what was disabled stays disabled", "kiosk-screen" not in links, links)
        self.did("again the older one", "dpkg", "-i", "--force-downgrade", PACKAGE)
        self.check("without the newer files", not self.chroot.path("/usr/share/deposit-kiosk/NEXT").is_file())

    def _remove_and_purge(self, before: dict[str, str]) -> None:
        said = self.did("it can be removed", "dpkg", "-r", "deposit-kiosk")
        self.check("and says that journal and keys stay", "stay in /var/lib/kiosk" in said, said)
        left = "ls -d /usr/lib/deposit-kiosk /usr/bin/kiosk* /usr/lib/systemd/system/kiosk* 2>/dev/null"
        seen = self.chroot.run("sh", "-c", left).stdout
        self.check("nothing of the program is left", not seen, seen)
        self.check("journal and keys are", self._kept() == before)
        self.did("and the configuration", "test", "-e", "/etc/kiosk/kiosk.toml")
        self.did("it comes back over them", "dpkg", "-i", PACKAGE)
        said = self.did("it can be purged", "dpkg", "--purge", "deposit-kiosk")
        self.check("and says how much the bank has not signed for", f"NOT SIGNED FOR {RECORDS} RECORDS" in said, said)
        self.check("journal and keys survive that", self._kept() == before)
        self.did("the configuration does not", "test", "!", "-e", "/etc/kiosk")
        left = self.chroot.run("sh", "-c", "find /etc/systemd/system -name 'kiosk*'").stdout
        self.check("no unit is left", not left, left)
        without = f"dpkg -i {PACKAGE} && mv {STATE} /srv/ && dpkg --purge deposit-kiosk && mv /srv/kiosk {STATE}"
        self.did("a purge of a kiosk that never ran", "sh", "-c", without)
        self.did("it is installed anew", "dpkg", "-i", PACKAGE)
        done = self.chroot.python(JOURNAL, KIOSK, "1")
        self.check("and its journal goes on", f"records {RECORDS + 1}" in done.stdout, done.stdout)
