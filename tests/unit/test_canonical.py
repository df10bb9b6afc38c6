"""The canonical line: its two forms, its table, and that nothing protected gets through it."""

import io
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.protection import canonical
from kiosk.protection.canonical import EVENTS, say

ROOT = Path(__file__).parents[2]
CARD = "4111 1111 1111 1111"
FAULT: dict[str, canonical.Scalar] = {
    "at": "2026-11-21T08:30:00.125Z",
    "alert": "device",
    "device": "board",
    "why": f"board: {CARD}\nx",
}


def test_without_a_journal_it_is_one_line_of_json() -> None:
    out = io.StringIO()
    say("fault", FAULT, stream=out, environ={})
    (line,) = out.getvalue().splitlines()
    assert json.loads(line) == {"event": "fault", **FAULT, "why": "board: [bank_card]\nx"}


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


def told(tmp_path: Path, *, matches: bool = True) -> str:
    """What is written to standard error while `JOURNAL_STREAM` names it, or another file."""
    with (tmp_path / "stderr").open("w+") as out:
        found = os.fstat(out.fileno())
        stream = f"{found.st_dev}:{found.st_ino if matches else found.st_ino + 1}"
        say("fault", FAULT, stream=out, environ={"JOURNAL_STREAM": stream}, journal=tmp_path / "socket")
        out.seek(0)
        return out.read()


def test_under_systemd_every_field_is_a_field_of_the_journal(tmp_path: Path, journal: socket.socket) -> None:
    assert told(tmp_path) == ""
    fields = dict(row.split("=", 1) for row in journal.recv(4096).decode().splitlines())
    assert fields["KIOSK_EVENT"] == "fault"
    assert fields["KIOSK_DEVICE"] == "board"
    assert fields["KIOSK_WHY"] == "board: [bank_card] x"  # a newline would be a field of its own
    assert fields["PRIORITY"] == "3"
    assert fields["MESSAGE"].startswith("fault: alert device, device board")
    assert all(re.fullmatch("[A-Z][A-Z0-9_]{0,63}", name) for name in fields)


def test_a_standard_error_that_leads_elsewhere_gets_the_json(tmp_path: Path, journal: socket.socket) -> None:
    assert json.loads(told(tmp_path, matches=False))["event"] == "fault"


def test_a_journal_that_does_not_take_it_leaves_the_json(tmp_path: Path) -> None:
    assert json.loads(told(tmp_path))["event"] == "fault"


@pytest.mark.parametrize(
    "fields", [{"account": "x"}, {"at": 1}, {"why": 3.0}, {"grade": "low"}], ids=["field", "type", "number", "other"]
)
def test_what_the_table_does_not_have_is_refused(fields: dict[str, canonical.Scalar]) -> None:
    with pytest.raises(ValueError, match="fault"):
        say("fault", fields, stream=io.StringIO())


@given(st.text(), st.sampled_from([CARD, "79927398713", "li.wei@bank.example", "+7 912 345-67-89"]))
def test_whatever_stands_around_it_what_is_protected_does_not_come_out(words: str, secret: str) -> None:
    out = io.StringIO()
    say("fault", {**FAULT, "why": f"{words} {secret} {words}"}, stream=out, environ={})
    assert secret not in json.loads(out.getvalue())["why"]


def test_the_page_describes_every_event_and_field_and_no_other() -> None:
    page = (ROOT / "docs" / "observing.md").read_text()
    rows = re.findall(r"^\| `(deposit|alert|fault)` \| `([a-z_]+)` \|", page, re.MULTILINE)
    assert set(rows) == {(event, field) for event, fields in EVENTS.items() for field in fields}
