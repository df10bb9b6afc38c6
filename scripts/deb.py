"""`make deb`: Debian packages of the kiosk, for amd64 and arm64, made on either of them.

    python -m scripts.deb [--arch amd64] [--arch arm64] [--version V] [--out dist]

A virtual environment in /usr/lib/deposit-kiosk, from wheels: the locked ones (requirements/kiosk.lock, by hash, for the
target's platform) and our own, without the simulator, the bank's programs and the training. Nothing is downloaded when
it is installed. The same sources give the same bytes: times are SOURCE_DATE_EPOCH (default: the last commit's).
"""

import argparse
import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.markers import default_environment
from packaging.requirements import Requirement

from scripts import sbom

ROOT: Final = Path(__file__).parent.parent
HOME: Final = Path("usr/lib/deposit-kiosk")
MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC_MINORS: Final = range(17, 37)  # manylinux_2_17 (2014) to Debian 12's glibc 2.36
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
NOT_SHIPPED: Final = (
    "hwsim",
    "kiosk_cloud",
    "somgan",
    "cellkinds",
)  # no business of a kiosk in the field
# What sqlite-utils and python-escpos ask for and only their command lines use.
NOT_INSTALLED: Final = frozenset({"pip", "setuptools"})
PROGRAMS: Final = {
    "kiosk": "kiosk.__main__",
    "kioskctl": "kiosk.processes.kioskctl",
    "kiosk-verify": "kiosk.verifier.cli",
}
UNITS: Final = ("service", "target", "timer")
TEMPLATES: Final = ("kiosk.toml.example", "cash-cny.toml", "60-kiosk.rules.example")


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """Its output; raises CalledProcessError."""
    return subprocess.run(command, check=True, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True).stdout


def pip(*arguments: str) -> None:
    """The .venv's pip, quiet."""
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def requirements(machine: str) -> Iterator[str]:
    """The lock's lines that hold on the target: pip itself would judge markers by this machine."""
    here = {name: str(value) for name, value in default_environment().items()}
    target = {**here, "platform_machine": machine}
    taken = False
    for line in (ROOT / "requirements" / "kiosk.lock").read_text().splitlines():
        if line[:1].isalnum():
            wanted = Requirement(line.removesuffix(" \\"))
            taken = wanted.name not in NOT_INSTALLED and (wanted.marker is None or wanted.marker.evaluate(target))
            if taken:
                yield f"{wanted.name}{wanted.specifier} \\"
        elif taken and line.strip().startswith("--hash"):
            yield line


def platforms(machine: str) -> list[str]:
    """Pip's words for which wheels the target takes."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC_MINORS)]
    tags += [f"manylinux2014_{machine}", f"linux_{machine}"]
    words = [word for tag in tags for word in ("--platform", tag)]
    abis = [f"cp{PYTHON.replace('.', '')}", "abi3", "none"]
    return [*words, "--python-version", PYTHON, *(word for abi in abis for word in ("--abi", abi))]


def wheelhouse(arch: str, epoch: str) -> Path:
    """Every wheel that the package of this architecture is made of; downloaded by hash."""
    folder = ROOT / "build" / "wheelhouse" / arch
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "requirements.txt"
    text = "\n".join(requirements(MACHINES[arch])) + "\n"
    if not lock.exists() or lock.read_text() != text:
        shutil.rmtree(folder)
        folder.mkdir()
        new = folder / "requirements.new"
        new.write_text(text)
        where = ["--dest", str(folder), "--only-binary", ":all:", "--no-deps", *platforms(MACHINES[arch])]
        pip("download", "--require-hashes", "--requirement", str(new), *where)
        new.rename(lock)
    for old in folder.glob("deposit_kiosk-*.whl"):
        old.unlink()
    run(
        *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", ".", "--no-deps"),
        *("--no-build-isolation", "--no-index", "--wheel-dir", str(folder)),
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
    )
    return folder


def install(root: Path, house: Path, arch: str) -> None:
    """The virtual environment below `root`, as it will stand at the kiosk."""
    site = root / HOME / "lib" / f"python{PYTHON}" / "site-packages"
    site.mkdir(parents=True)
    where = ["--no-index", "--find-links", str(house), "--only-binary", ":all:", "--no-deps", "--no-compile"]
    lock = str(house / "requirements.txt")
    tags = platforms(MACHINES[arch])
    pip("install", *where, *tags, "--target", str(site), "--require-hashes", "--requirement", lock)
    shutil.rmtree(site / "bin", ignore_errors=True)  # scripts for this machine's Python; PROGRAMS are ours
    pip("install", *where, *tags, "--target", str(site), "deposit-kiosk")
    shutil.rmtree(site / "bin")
    for name in NOT_SHIPPED:
        shutil.rmtree(site / name)
    _forget(next(site.glob("deposit_kiosk-*.dist-info")))
    # Checked by nobody at start: the tree is root's and read-only to all of the kiosk's users.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(site, quiet=1, stripdir=str(root), prependdir="/", invalidation_mode=mode):
        raise SystemExit("deb: some modules do not compile")
    environment = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    (root / HOME / "pyvenv.cfg").write_text(environment)
    programs = root / HOME / "bin"
    programs.mkdir()
    for name in ("python", "python3", f"python{PYTHON}"):
        (programs / name).symlink_to(f"/usr/bin/python{PYTHON}")
    (root / "usr/bin").mkdir(parents=True)
    for name, module in PROGRAMS.items():
        script = programs / name
        # -I: neither the caller's environment nor their directory says what is imported.
        script.write_text(f"#!/{HOME}/bin/python3 -I\nimport sys\nfrom {module} import main\n\nsys.exit(main())\n")
        script.chmod(0o755)
        (root / "usr/bin" / name).symlink_to(f"/{HOME}/bin/{name}")


def _forget(dist_info: Path) -> None:
    """What is not shipped does not stand in our own RECORD and entry points either."""
    record = dist_info / "RECORD"
    gone = tuple(f"{name}/" for name in NOT_SHIPPED)
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if not line.startswith(gone)))
    entry_points = dist_info / "entry_points.txt"
    kept = [
        line for line in entry_points.read_text().splitlines() if line.split(" = ")[-1].split(".")[0] not in NOT_SHIPPED
    ]
    entry_points.write_text("\n".join(kept) + "\n")


def system_files(root: Path, epoch: str) -> None:
    """Units, users, directories, templates, documentation."""
    units = root / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for kind in UNITS:
        for path in (ROOT / "systemd").glob(f"*.{kind}"):
            shutil.copy(path, units)
    for kind in ("sysusers", "tmpfiles"):
        folder = root / f"usr/lib/{kind}.d"
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "systemd" / f"kiosk.{kind}.conf", folder / "kiosk.conf")
    share = root / "usr/share/deposit-kiosk"
    share.mkdir(parents=True)
    for name in TEMPLATES:
        shutil.copy(ROOT / "systemd" / name, share)
    doc = root / "usr/share/doc/deposit-kiosk"
    doc.mkdir(parents=True)
    shutil.copytree(ROOT / "docs", doc / "docs")
    for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"):
        shutil.copy(ROOT / name, doc)
    shutil.copy(ROOT / "packaging" / "copyright", doc)
    (doc / "BUILT").write_text(f"SOURCE_DATE_EPOCH {epoch}\nPython {PYTHON}\n")


def control(root: Path, arch: str, version: str) -> None:
    """DEBIAN/: control, checksums, maintainer scripts."""
    folder = root / "DEBIAN"
    folder.mkdir()
    files = sorted(path for path in (root / "usr").rglob("*") if path.is_file() and not path.is_symlink())
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324 - dpkg's format
    (folder / "md5sums").write_text(sums)
    size_kib = sum(path.stat().st_size for path in files) // 1024
    text = (ROOT / "packaging" / "control.in").read_text()
    (folder / "control").write_text(text.format(version=version, arch=arch, size_kib=size_kib, python=PYTHON))
    enabled = [path for path in sorted((ROOT / "systemd").iterdir()) if "[Install]" in path.read_text()]
    units = " ".join(path.name for path in reversed(enabled))  # the target first
    for name in ("postinst", "prerm", "postrm"):
        (folder / name).write_text((ROOT / "packaging" / name).read_text().replace("@UNITS@", units))
        (folder / name).chmod(0o755)


def settle(root: Path, epoch: int) -> None:
    """Modes and times that do not depend on who built it, or when."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def build(arch: str, version: str, out: Path) -> Path:
    """One package; returns where it is."""
    epoch = sbom.epoch()
    root = ROOT / "build" / "deb" / arch
    shutil.rmtree(root, ignore_errors=True)
    house = wheelhouse(arch, epoch)
    install(root, house, arch)
    system_files(root, epoch)
    bill = root / "usr/share/doc/deposit-kiosk/sbom.cdx.json"
    bill.write_bytes(sbom.document(house / "requirements.txt", epoch))
    control(root, arch, version)
    settle(root, int(epoch))
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"deposit-kiosk_{version}_{arch}.deb"
    run(
        *("dpkg-deb", "--root-owner-group", "-Zzstd", "-z6", "--build", str(root), str(package)),
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
    )
    return package


def main() -> None:
    """Parse and build."""
    if sysconfig.get_platform().split("-")[0] != "linux" or shutil.which("dpkg-deb") is None:
        raise SystemExit("deb: this is no Debian: dpkg-deb is missing")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parser.add_argument("--arch", action="append", choices=tuple(MACHINES))
    parser.add_argument("--version", default=project["version"])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    arguments = parser.parse_args()
    for arch in arguments.arch or MACHINES:
        package = build(arch, arguments.version, arguments.out)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        print(f"deb: {package} {package.stat().st_size // 1024} KiB sha256 {digest}", flush=True)


if __name__ == "__main__":
    main()
