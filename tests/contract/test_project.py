"""The project's own promises: locks that match, scripts that parse, lint exceptions that are explained."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEPENDENCY = re.compile(r"^([A-Za-z0-9._-]+)(?:==([^ ;\\]+))?")


def locked(name: str) -> dict[str, str]:
    """Name to version of what a lock pins."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    found = (re.match(r"^([a-z0-9._-]+)==([^ ;\\]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def names_of(dependencies: list[str]) -> set[str]:
    matches = (DEPENDENCY.match(text) for text in dependencies)
    return {re.sub(r"[-_.]+", "-", match[1]).lower() for match in matches if match}


@pytest.mark.parametrize("extra", ["", "sim", "cloud", "dev"])
def test_every_dependency_is_locked(extra: str) -> None:
    project = PYPROJECT["project"]
    wanted = names_of(project["optional-dependencies"][extra] if extra else project["dependencies"])
    assert wanted - set(locked("all.lock")) == set(), "pyproject.toml changed: run `make lock`"


def test_the_package_has_what_the_kiosk_needs_in_the_same_versions() -> None:
    project, packaged, everything = PYPROJECT["project"], locked("kiosk.lock"), locked("all.lock")
    wanted = names_of([*project["dependencies"], *project["optional-dependencies"]["hsm"]])
    assert wanted - set(packaged) == set(), "pyproject.toml changed: run `make lock`"
    assert {name: everything[name] for name in packaged} == packaged


def test_torch_is_for_training_only() -> None:
    assert not {"torch", "triton"} & set(locked("all.lock"))


def test_the_two_locks_agree() -> None:
    everything, build = locked("all.lock"), locked("build.lock")
    assert {name: everything[name] for name in build if name in everything} == {
        name: version for name, version in build.items() if name in everything
    }


def test_every_locked_file_has_a_hash() -> None:
    for name in ("all.lock", "build.lock"):
        for entry in re.split(r"\n(?=\S)", (ROOT / "requirements" / name).read_text().strip()):
            assert "--hash=sha256:" in entry, entry


def test_lint_has_all_rules_and_each_exception_says_why() -> None:
    assert PYPROJECT["tool"]["ruff"]["lint"]["select"] == ["ALL"]
    text = (ROOT / "pyproject.toml").read_text()
    lint = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    exceptions = [line for line in lint.splitlines() if re.match(r'  "[A-Z]+[0-9]*"', line)]
    assert exceptions
    for line in exceptions:
        assert re.search(r"# \w+", line), f"why? {line}"


def test_every_suppression_in_the_code_names_its_rule() -> None:
    folders = ("kiosk", "firmware_bridge", "models/somgan", "cloud", "hw-sim", "scripts")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for line in path.read_text().splitlines():
            assert not re.search(r"# noqa(?!:)|# type: ignore(?!\[)", line), f"{path}: {line}"


def test_ci_is_make_test_and_test_interop() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "make" in line]
    assert commands == ["make test", "exec make test-interop"]


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=20)
    assert set(re.findall(r"make ([a-z0-9-]+)", listed.stdout)) == targets
    assert {"setup", "setup-train", "demo", "test", "train", "lint", "lock", "clean"} <= targets


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse_and_stop_at_the_first_error(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)
    assert re.search(r"^set -eu", script.read_text(), re.MULTILINE)


def test_links_between_our_pages_lead_somewhere() -> None:
    folders = ("docs", "kiosk", "firmware_bridge", "models", "cloud", "hw-sim", "requirements")
    pages = [*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
