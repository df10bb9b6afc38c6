"""The shell's pure parts: lines taken apart, filters, what can be typed next, what the history keeps."""

import contextlib
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.maintenance.cli import build
from kiosk.maintenance.completing import candidates, help_at
from kiosk.maintenance.history import LINES_MAX, CommandHistory
from kiosk.maintenance.line import BadLineError, parse

ROOT = build((), inside=True)


def test_a_line_has_words_and_filters() -> None:
    line = parse("show 'two words' --json | match 'a\\.b' | count")
    assert line.words == ("show", "two words", "--json")
    assert [stage.name for stage in line.filters] == ["match", "count"]
    lines: list[str] = ["a.b", "axb", "a.b c"]
    assert list(line.filters[0].run(lines)) == ["a.b", "a.b c"]
    assert list(line.filters[1].run(lines)) == ["3"]


@pytest.mark.parametrize(
    "text", ["status |", "| count", "status | sh", "status | match", "status | match (", "a 'b", "x" * 5000]
)
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(BadLineError):
        parse(text)


@pytest.mark.parametrize("text", ["status; reboot", "status > /etc/passwd", "status && sh", "$(sh)", "`sh`", "!sh"])
def test_nothing_of_another_shell_means_anything(text: str) -> None:
    line = parse(text)
    assert line.filters == ()
    assert " ".join(line.words) == text


@given(st.text(max_size=200))
def test_any_line_is_taken_apart_or_refused(text: str) -> None:
    with contextlib.suppress(BadLineError):
        assert all(word != "|" for word in parse(text).words)


def test_completion_knows_commands_options_and_values() -> None:
    assert [word for word, _ in candidates(ROOT, [], "stat")] == ["status"]
    assert ("take", "These bundles left their slots.") in candidates(ROOT, ["exchange"], "ta")
    assert {word for word, _ in candidates(ROOT, ["exchange", "remove"], "")} >= {"cabinet", "retract", "--serial"}
    assert {word for word, _ in candidates(ROOT, ["exchange", "start", "--unit"], "c")} == {"cabinet", "cassette"}
    assert [word for word, _ in candidates(ROOT, ["status", "|"], "")] == ["match", "count"]
    assert candidates(ROOT, ["nonsense"], "") == []


def test_help_says_what_can_be_typed() -> None:
    assert "whoami" in help_at(ROOT, "")
    assert "revoke" in help_at(ROOT, "people re")
    assert "list" not in help_at(ROOT, "people re")
    helped = help_at(ROOT, "exchange start ")
    assert "--unit" in helped
    assert "takes no deposit" in helped
    assert "--bus-dir" not in helped, "in the shell it is known where the controller is"
    assert "match" in help_at(ROOT, "status | ")


def everything(group: click.Group, path: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        here = f"{path} {name}".strip()
        found += everything(command, here) if isinstance(command, click.Group) else [here]
    return found


@pytest.mark.parametrize("path", everything(ROOT))
def test_every_command_has_help_at_the_cursor(path: str) -> None:
    assert "Usage" in help_at(ROOT, f"{path} ")


def test_the_history_keeps_commands_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    history = CommandHistory(path, lambda word: word in ROOT.commands)
    for line in ("status", "739155", "739155 status", "my secret", "", "'open", "dispute list", "status | count"):
        history.append_string(line)
    assert path.read_text().splitlines() == ["status", "dispute list", "status | count"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert next(iter(CommandHistory(path, bool).load_history_strings())) == "status | count"
    history.append_string("dispute clear 5b0e --evidence 'paid to account 6222021234567890128'")
    assert "6222021234567890128" not in path.read_text()
    for number in range(LINES_MAX + 5):
        history.append_string(f"status {number}")
    assert len(path.read_text().splitlines()) == LINES_MAX
