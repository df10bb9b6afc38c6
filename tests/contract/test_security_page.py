"""SECURITY.md: each line of its tables names a test; each of those is there, and is run."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
ATTACKERS = ("depositor", "onlooker", "shop", "technician", "courier", "insider", "network", "thief with the disk")
NAMED = re.compile(r"(tests/[a-z_/0-9]+\.py)::(test_\w+)")


def rows() -> list[tuple[str, str, str]]:
    """What is tried, what stops it, and the test's name, of every row of every table."""
    found = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    return [row for row in found if row[0] != "tries"]


@cache
def collectable(file: str) -> frozenset[str]:
    """The tests of a module that pytest collects: at its top level, and not skipped for good."""
    body = ast.parse((ROOT / file).read_text()).body
    functions = (each for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(
        each.name for each in functions if not any("skip" in ast.dump(mark) for mark in each.decorator_list)
    )


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_every_line_names_a_test_that_is_there_and_runs(
    row: tuple[str, str, str], request: pytest.FixtureRequest
) -> None:
    named = NAMED.fullmatch(row[2])
    assert named, row
    file, name = named.groups()
    assert Path(file).name.startswith("test_")
    assert name in collectable(file), row[2]
    collected = {item.nodeid.partition("[")[0] for item in request.session.items}
    if any(each.startswith(f"{file}::") for each in collected):  # in a run of everything, pytest itself is asked
        assert f"{file}::{name}" in collected, row[2]


def test_every_attacker_has_a_table_and_what_is_not_stopped_is_said() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    for attacker in ATTACKERS:
        assert any(attacker in heading for heading in headings), attacker
    assert headings[-1] == "What is not stopped"
    assert len(re.findall(r"^- \*\*", PAGE, re.MULTILINE)) >= 8
    assert len(rows()) > 50


def test_no_test_stands_for_everything() -> None:
    named = [row[2] for row in rows()]
    assert len(set(named)) == len(named)
