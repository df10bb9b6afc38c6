"""The configuration: what is understood, and how every mistake is answered in words."""

import os
import re
from pathlib import Path

import msgspec
import pytest

from firmware_bridge.interfaces import Line
from kiosk.config import Config, config_hash, load_config, understood
from kiosk.config.loading import uid_of
from kiosk.config.schema import CashFile, cny_notes, reference_lines
from kiosk.errors import ConfigError

ROOT = Path(__file__).parents[2]
MINIMAL = """
[kiosk]
id = "demo-0001"
branch = "demo"
staff = "staff-1"
[paths]
state_dir = "state"
bus_dir = "/run/kiosk/bus"
[validator]
port = "/dev/v"
[board]
port = "/dev/b"
[label_printer]
port = "/dev/l"
[camera]
source = "/dev/video0"
[uplink]
ca = "pki/ca.pem"
cert = "pki/kiosk.pem"
key = "pki/kiosk.key"
[[uplink.brokers]]
host = "localhost"
"""


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "kiosk.toml"
    path.write_text(text)
    return load_config(path)


def changed(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new, 1)


def test_a_minimal_file_gets_sensible_defaults_and_absolute_paths(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config.paths.state_dir == tmp_path / "state"
    assert config.paths.bus_dir == Path("/run/kiosk/bus")
    assert config.keys_dir == tmp_path / "state" / "keys"
    assert config.uplink.ca == tmp_path / "pki" / "ca.pem"
    assert config.uplink.brokers[0].port == 8883
    assert config.cash.notes == cny_notes()
    assert config.timing.resume_s == 120
    assert config.board.watchdog_ms == 3000
    assert config.bus.single_user is False


def test_the_lines_are_those_of_the_firmware_bridge() -> None:
    assert set(reference_lines()) == {line.value for line in Line}


def test_shipped_examples_load(tmp_path: Path) -> None:
    config = load_config(ROOT / "systemd" / "kiosk.toml.example")
    assert config.cash.notes == cny_notes()
    table = msgspec.toml.decode((ROOT / "systemd" / "cash-cny.toml").read_bytes(), type=CashFile)
    assert table.notes == cny_notes()
    # Its comments show the defaults, so that a reader may trust them.
    defaults = understood(load(tmp_path, MINIMAL))
    for section in ("gpio", "timing", "limits"):
        assert understood(config)[section] == defaults[section]


def test_cash_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "cash.toml").write_text('[[notes]]\nchannel = 3\ncurrency = "EUR"\nvalue_minor = 500\n')
    config = load(tmp_path, MINIMAL + '[cash]\nfile = "cash.toml"\n[limits.EUR]\n')
    assert [(note.channel, note.currency, note.value_minor) for note in config.cash.notes] == [(3, "EUR", 500)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + "[bord]\nport='x'", [r"bord is no setting", r"did you mean board\?"]),
        (
            changed('port = "/dev/b"', 'port = "/dev/b"\nwatchdog = 5'),
            [r"board\.watchdog is no", r"board\.watchdog_ms\?"],
        ),
        (changed('port = "/dev/b"', 'port = "/dev/b"\nunit = 300'), [r"board\.unit cannot be 300", r"from 1 to 247"]),
        (changed('port = "/dev/b"', 'port = "/dev/b"\nunit = "1"'), [r"board\.unit cannot be '1'", r"a whole number"]),
        (changed('id = "demo-0001"', 'id = "a/b"'), [r"kiosk\.id cannot be 'a/b'", r"of the form"]),
        (changed('id = "demo-0001"', ""), [r"kiosk\.id is missing", r"allowed: text"]),
        (MINIMAL + '[gpio]\nfactory = "mock"', [r"gpio\.factory cannot be 'mock'", r'"lgpio", "pigpio"']),
        (MINIMAL + "[gpio.lines.alarmx]\npin = 3", [r"gpio\.lines cannot be 'alarmx'", r'"alarm"']),
        (MINIMAL + "[gpio.lines.alarm]\npin = 77", [r"gpio\.lines\.alarm\.pin cannot be 77", r"from 0 to 27"]),
        (MINIMAL + "[gpio.lines.alarm]\npin = 7", [r"gpio\.lines\.door_closed is missing", "all are"]),
        (MINIMAL + '[[cash.notes]]\nchannel = 0\ncurrency="CNY"\nvalue_minor=1', [r"cash\.notes\[0\]\.channel"]),
        (MINIMAL + "[limits.yuan]", [r"limits cannot be 'yuan'", r"\^\[A-Z\]\{3\}\$"]),
        (MINIMAL + "[limits.CNY]\ndeposit_minor_max = 0", [r"limits\.CNY\.deposit_minor_max cannot be 0"]),
        (MINIMAL + "[limits.EUR]", [r"limits\.CNY is missing", r"Add a table \[limits\.CNY\]"]),
        (MINIMAL + "[limits.CNY]\nday_minor_max = 5", ["deposit_minor_max is more than day_minor_max"]),
        (MINIMAL + '[terminal]\nlanguages = ["en"]', ["terminal.default_language 'zh' is not in terminal.languages"]),
        (MINIMAL + '[terminal]\nhost = "0.0.0.0"', ["terminal.host"]),
        (
            MINIMAL + '[[cash.notes]]\nchannel=1\ncurrency="CNY"\nvalue_minor=1\nsuspect=true',
            ["no genuine note"],
        ),
        (
            MINIMAL + '[[cash.notes]]\nchannel=1\ncurrency="CNY"\nvalue_minor=1\n' * 2,
            [r"cash\.notes\[1\]\.channel and cash\.notes\[0\]\.channel are both 1"],
        ),
        (MINIMAL + '[cash]\nfile="x.toml"\nnotes=[]', [r"cannot read .*x\.toml"]),
        (changed('port = "/dev/b"', 'port = "/dev/v"'), [r"board\.port and validator\.port are both '/dev/v'"]),
        (MINIMAL + "[bus.uids]\nwaiter = 3", [r"bus\.uids cannot be 'waiter'", '"watcher"']),
        (changed('state_dir = "state"', "state_dir = 3"), [r"paths\.state_dir cannot be 3", "a path"]),
        (changed('[kiosk]\nid = "demo-0001"\nbranch = "demo"\nstaff = "staff-1"', "kiosk = 3"), ["kiosk cannot be 3"]),
        (MINIMAL + "x = ", ["is no TOML", "line"]),
        ("", ["kiosk is missing", "a table with id, branch, staff"]),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    told = str(caught.value)
    assert "kiosk.toml" in told or "x.toml" in told
    for word in words:
        assert re.search(word, told), told


def test_a_wrong_key_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, changed('port = "/dev/v"', 'port = "/dev/v"\nfixed_key_hex = "0badsecret"'))
    assert "validator.fixed_key_hex" in str(caught.value)
    assert "0badsecret" not in str(caught.value)


def test_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ['[cash]\nfile = "\\u0000"\n', "a = " + "[" * 5000])
def test_a_path_that_cannot_be_and_a_file_nested_without_end_are_refused(tmp_path: Path, text: str) -> None:
    """Found by the property tests with random examples: ValueError and RecursionError came through."""
    with pytest.raises(ConfigError):
        load(tmp_path, MINIMAL + text)


def test_the_hash_is_of_what_was_understood(tmp_path: Path) -> None:
    first = config_hash(load(tmp_path, MINIMAL))
    spelled_out = "# a comment\n" + changed('port = "/dev/b"', 'port = "/dev/b"\nunit = 1')
    assert config_hash(load(tmp_path, spelled_out)) == first
    assert config_hash(load(tmp_path, changed('port = "/dev/b"', 'port = "/dev/b"\nunit = 2'))) != first
    assert re.fullmatch("[0-9a-f]{64}", first)


def test_secrets_are_not_in_what_is_shown(tmp_path: Path) -> None:
    text = changed('port = "/dev/v"', 'port = "/dev/v"\nfixed_key_hex = "8877665544332211"')
    config = load(tmp_path, text)
    assert config.validator.fixed_key_hex == "8877665544332211"
    assert "8877665544332211" not in str(understood(config))


def test_users_by_number_and_by_name() -> None:
    assert uid_of(1234, "bus.uids.watcher") == 1234
    assert uid_of("root", "bus.uids.watcher") == 0
    assert os.getuid() >= 0
    with pytest.raises(ConfigError, match=r"bus\.uids\.watcher: this machine has no user 'nobody-here'"):
        uid_of("nobody-here", "bus.uids.watcher")
