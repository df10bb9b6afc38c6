"""`kioskctl config`, and the reference page that is made from the types."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kiosk.config import config_hash, load_config, understood
from kiosk.config.origin import lines_of, shown
from kiosk.config.reference import page, settings_of, tables
from kiosk.config.schema import Config
from kiosk.maintenance.cli import build
from kiosk.maintenance.session import Exit

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "systemd" / "kiosk.toml.example"
TEXT = """# a comment
[kiosk]
id = "demo-0001"
branch = "demo"
staff = "staff-1"

[paths]
state_dir = "state"
bus_dir = '/run/kiosk/bus'
[bus]
uids = { watcher = 7 }

[validator]
port = "/dev/v"
fixed_key_hex = "00112233AABBCCDD"
[board]
port = "/dev/b"
[label_printer]
port = "/dev/l"
[camera]
source = "/dev/video0"
[limits.CNY]
deposit_minor_max = 70_000
[uplink]
ca = "pki/ca.pem"
cert = "pki/kiosk.pem"
key = "pki/kiosk.key"
[[uplink.brokers]]
host = "one"
[[uplink.brokers]]
port = 8884
host = "two"
[timing]
idle_s = 30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kiosk.toml"
    path.write_text(TEXT)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(()), ["config", *arguments])


# --- the page -----------------------------------------------------------------------------------------


def test_the_page_of_settings_is_what_the_types_say() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page(), "docs/settings.md is stale: run `make docs`"


def test_every_setting_says_what_it_means() -> None:
    structs = {table.struct for table in tables()} | {Config}
    silent = [
        f"{struct.__name__}.{setting.name}"
        for struct in structs
        for setting in settings_of(struct)
        if not setting.text and struct is not Config
    ]
    undocumented = [table.header for table in tables() if not table.struct.__doc__]
    assert (silent, undocumented) == ([], []), "add a comment behind the setting in kiosk/config/schema.py"


def test_every_setting_and_table_is_on_the_page() -> None:
    text = page()
    for table in tables():
        assert f"## `{table.header}`" in text
        assert all(f"| `{setting.name}` |" in text for setting in table.settings)


def test_the_example_mentions_every_setting() -> None:
    text = EXAMPLE.read_text() + (EXAMPLE.parent / "cash-cny.toml").read_text()
    for table in tables():
        for setting in table.settings:
            assert setting.name in text, f"{table.header} {setting.name}"


# --- where a value comes from -------------------------------------------------------------------------


def test_each_value_has_its_line_or_is_a_default(file: Path) -> None:
    found = {value.key: (value.value, value.line) for value in shown(file)}
    assert found["kiosk.id"] == ("demo-0001", 3)
    assert found["paths.state_dir"] == (str(file.parent / "state"), 8)
    assert found["paths.keys_dir"] == (None, None)
    assert found["bus.uids"][1] == 11
    assert found["limits.CNY.deposit_minor_max"] == (70_000, 23)
    assert found["limits.CNY.day_minor_max"] == (100_000_000, None)
    assert found["uplink.brokers[0].host"] == ("one", 29)
    assert found["uplink.brokers[0].port"] == (8883, None)
    assert found["uplink.brokers[1].port"] == (8884, 31)
    assert found["gpio.lines.tamper.pin"] == (24, None)
    assert found["timing.idle_s"] == (30, 34)


def test_all_that_is_understood_is_shown(file: Path) -> None:
    flat: dict[str, Any] = {value.key: value.value for value in shown(file)}
    plain = understood(load_config(file))

    def leaves(value: Any, key: str) -> None:
        if key in flat:
            assert flat.pop(key) == (list(value) if isinstance(value, tuple) else value)
        else:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for name, inner in items:
                leaves(inner, f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}" if key else name)

    leaves(plain, "")
    assert flat == {}


def test_a_note_table_of_its_own_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cash.toml").write_text('[[notes]]\nchannel = 1\ncurrency = "CNY"\nvalue_minor = 100\n')
    file.write_text('cash = { file = "cash.toml" }\n' + file.read_text())
    found = {value.key: (value.file, value.line) for value in shown(file)}
    assert found["cash.file"] == (file, 1)
    assert found["cash.notes[0].value_minor"] == (tmp_path / "cash.toml", 4)
    assert found["cash.notes[0].suspect"] == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a = 1\nb.c = 2\n", [(("a",), 1), (("b", "c"), 2)]),
        ('a = """\n[b]\nc = 1\n"""\nd = 2\n', [(("a",), 1), (("d",), 5)]),
        ("a = [\n 1, # x\n 2,\n]\n['b.c']\nd = {}\n", [(("a",), 1), (("b.c", "d"), 6)]),
        (
            "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\nb = 2\n",
            [(("a", 0, "b"), 2), (("a", 0, "c", "d"), 4), (("a", 1, "b"), 6)],
        ),
        ("a = [{b = 1}, {b = 2}]\n", [(("a", 0, "b"), 1), (("a", 1, "b"), 1)]),
    ],
)
def test_lines_are_found_in_every_form_of_toml(text: str, expected: list[tuple[tuple[str | int, ...], int]]) -> None:
    assert lines_of(text) == expected


def test_every_value_of_the_example_has_a_line() -> None:
    text = EXAMPLE.read_text()
    values = dict(lines_of(text))
    assert {key[0] for key in values} == set(tomllib.loads(text)) - {"gpio", "limits"}  # all of them commented out
    for key, line in values.items():
        assert str(key[-1]) in text.splitlines()[line - 1]


# --- the commands -------------------------------------------------------------------------------------


def test_show_prints_value_place_and_range(file: Path) -> None:
    said = run("show", str(file))
    assert said.exit_code == 0
    lines = {line.split(" = ")[0].strip(): line for line in said.output.splitlines()}
    assert "kiosk.toml:34" in lines["timing.idle_s"]
    assert "from 1 to 3600; seconds" in lines["timing.idle_s"]
    assert "default" in lines["timing.confirm_s"]
    assert "00112233" not in said.output


def test_show_as_json(file: Path) -> None:
    rows = {row["key"]: row for row in json.loads(run("show", str(file), "--json").output)}
    assert rows["timing.idle_s"] == {
        "key": "timing.idle_s",
        "value": 30.0,
        "origin": "file",
        "file": str(file),
        "line": 34,
        "unit": "seconds",
        "allowed": "a number, from 1 to 3600",
    }
    assert rows["validator.fixed_key_hex"]["value"] == "(not shown)"


def test_check_says_that_a_file_can_be_used_and_its_hash(file: Path) -> None:
    said = run("check", str(file))
    assert said.exit_code == 0
    assert "can be used" in said.output
    digest = config_hash(load_config(file))
    assert digest[:16] in said.output
    assert json.loads(run("check", str(file), "--json").output) == {
        "ok": True,
        "file": str(file),
        "config_hash": digest,
    }


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_wrong_setting_is_named_with_what_is_allowed(file: Path, command: str) -> None:
    file.write_text(file.read_text().replace("idle_s = 30", "idle_s = 0"))
    said = run(command, str(file))
    assert said.exit_code == Exit.CONFIG
    assert "timing.idle_s cannot be 0" in said.stderr
    assert "-> Allowed: a number, from 1 to 3600." in said.stderr
    told = json.loads(run(command, str(file), "--json").stdout)
    assert (told["exit_code"], "from 1 to 3600" in told["remedy"]) == (Exit.CONFIG, True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = run("check", str(tmp_path / "none.toml"))
    assert said.exit_code == Exit.CONFIG
    assert "cannot read" in said.stderr
