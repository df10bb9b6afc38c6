"""Captures: what was written is read again, whatever the bytes; lines that are none are refused; replay explains."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kiosk.maintenance.captures import BadCaptureError, Message, messages
from kiosk.management.capturing import rows
from kiosk.processes.kioskctl import main

turns = st.lists(st.binary(min_size=1, max_size=100), max_size=10)


@given(turns)
def test_what_was_written_is_read_again(chunks: list[bytes]) -> None:
    lines = [
        line for number, data in enumerate(chunks) for line in rows(number / 8, "RX" if number % 2 else "TX", data)
    ]
    assert list(messages(lines)) == [
        Message(number / 8, "RX" if number % 2 else "TX", data) for number, data in enumerate(chunks)
    ]


def test_a_row_looks_like_that_of_pyserials_spy() -> None:
    (row,) = rows(3.001, "TX", b"HELLO")
    assert row == f"000003.001 TX   0000  {'48 45 4C 4C 4F':<49} HELLO"


def test_chunks_of_one_side_are_one_message() -> None:
    lines = [*rows(1.0, "TX", b"\x7f\x80"), "# a remark", "", *rows(1.1, "TX", b"\x01"), *rows(1.2, "RX", b"\x02")]
    assert list(messages(lines)) == [Message(1.0, "TX", b"\x7f\x80\x01"), Message(1.2, "RX", b"\x02")]


@pytest.mark.parametrize("line", ["hello", "000001.000 XX   0000  00", "000001.000 TX   0000  ", "1 TX 0000 00"])
def test_what_is_no_capture(line: str) -> None:
    with pytest.raises(BadCaptureError, match="line 1"):
        list(messages([line]))


def test_replay_says_what_the_frames_mean(tmp_path: Path) -> None:
    file = tmp_path / "ssp.capture"
    poll, reply = bytes.fromhex("7f8001071202"), bytes.fromhex("7f8001f02380")
    file.write_text("\n".join((*rows(0.5, "TX", poll), *rows(0.6, "RX", reply))))
    said = CliRunner().invoke(main, ["replay", str(file), "--protocol", "ssp", "--json"])
    assert said.exit_code == 0, said.output
    host, device = (json.loads(line) for line in said.output.splitlines())
    assert (host["at_s"], host["from"], host["ok"]) == (0.5, "host", True)
    assert (device["from"], device["ok"]) == ("device", True)
    assert host["says"]
    plain = CliRunner().invoke(main, ["replay", str(file)])
    assert "7f 80 01 07 12 02" in plain.output
    file.write_text("nonsense")
    assert CliRunner().invoke(main, ["replay", str(file)]).exit_code == 1
