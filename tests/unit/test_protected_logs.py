"""What the processes say in their logs goes through the gate, also what went wrong while it was said."""

import io
import logging
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kiosk.processes.table import PROCESSES
from kiosk.protection import egress, gate, logs

CARD = "4111 1111 1111 1111"


@pytest.fixture
def said(logging_as_before: None) -> io.StringIO:
    stream = io.StringIO()
    logs.set_up(logging.INFO, stream)
    return stream


def test_arguments_and_tracebacks_are_masked(said: io.StringIO) -> None:
    log = logging.getLogger("kiosk.test")
    log.warning("account %s of %s", "79927398713", {"phone": "+7 912 345-67-89"})
    try:
        int(f"card {CARD} refused")
    except ValueError:
        log.exception("it failed")
    lines = said.getvalue()
    assert "[bank_account]" in lines
    assert "card [bank_card] refused" in lines
    assert CARD not in lines
    assert "912" not in lines
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING kiosk\.test: account", lines)


def test_a_line_that_cannot_be_made_is_withheld_and_breaks_nothing() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(CARD)

    form = logs.MaskingFormatter(logs.FORMAT)  # not through the root logger: pytest's own handler would stumble
    for message, argument in (("deposit of %s", Broken()), ("so many: %d", CARD)):
        line = form.format(logging.LogRecord("kiosk.test", logging.WARNING, "", 0, message, (argument,), None))
        assert line.split("WARNING ")[1] == gate.WITHHELD


def test_a_fault_of_the_gate_withholds_the_line(said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(egress, "every", broken)
    logging.getLogger("kiosk.test").warning("card %s", CARD)
    assert said.getvalue() == f"{gate.WITHHELD}\n"


def test_what_nobody_caught_is_masked_too(said: io.StringIO) -> None:
    sys.excepthook(ValueError, ValueError(f"card {CARD}"), None)

    def work() -> None:
        raise ValueError(f"card {CARD} in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said.getvalue().count("[bank_card]") == 2
    assert CARD not in said.getvalue()


@pytest.mark.parametrize("name", [process.name for process in PROCESSES])
def test_every_process_says_why_it_cannot_start_through_the_gate(name: str, tmp_path: Path) -> None:
    config = tmp_path / "kiosk.toml"
    config.write_text(f'unknown_key = "{CARD}"\n[kiosk]\nid = "mail li.wei@bank.example"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kiosk", name, "--config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert "cannot start" in done.stderr
    assert CARD not in done.stderr + done.stdout
    assert "li.wei@" not in done.stderr + done.stdout
