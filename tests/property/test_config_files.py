"""Configuration and scenario files: whatever stands in them is understood, or refused by the reader's own error."""

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import ScenarioError
from hwsim.scenario import parse_scenario
from kiosk.config.loading import config_hash, load_config, understood
from kiosk.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "systemd/kiosk.toml.example").read_text("utf-8")
SCENARIO = (ROOT / "tests/scenario/demo.toml").read_text("utf-8")
values = st.sampled_from(["-1", "0", "1e999", "nan", "true", '""', '"\\u0000"', "[]", "{}", "9" * 30, '"x"', "[[1]]"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "kiosk.toml"


def _with_one_value_changed(text: str, line: int, value: str) -> str:
    """The file with another value at its n-th setting."""
    lines = text.splitlines()
    settings = [number for number, row in enumerate(lines) if "=" in row and not row.lstrip().startswith("#")]
    number = settings[line % len(settings)]
    lines[number] = f"{lines[number].split('=')[0]}= {value}"
    return "\n".join(lines)


def _load(file: Path, text: str) -> None:
    file.write_text(text, "utf-8", errors="replace")
    with contextlib.suppress(ConfigError):
        config = load_config(file)
        assert config_hash(config) == config_hash(load_config(file))
        assert understood(config)


@given(text=st.text(max_size=80))
def test_any_text_is_a_configuration_or_refused(file: Path, text: str) -> None:
    _load(file, text)


@given(line=st.integers(0, 200), value=values)
def test_any_value_at_any_key_is_understood_or_refused(file: Path, line: int, value: str) -> None:
    _load(file, _with_one_value_changed(EXAMPLE, line, value))


@given(line=st.integers(0, 200), value=values, text=st.text(max_size=40))
def test_any_scenario_is_read_or_refused(line: int, value: str, text: str) -> None:
    for candidate in (text, SCENARIO + text, _with_one_value_changed(SCENARIO, line, value)):
        with contextlib.suppress(ScenarioError):
            scenario = parse_scenario(candidate)
            assert scenario == parse_scenario(candidate)
            assert tomllib.loads(candidate) is not None
