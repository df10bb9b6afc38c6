"""Scenario files: read, checked, refused with a remedy."""

from pathlib import Path

import pytest

import hwsim
from hwsim.config import (
    BoardConfig,
    CctalkConfig,
    CctalkProfile,
    ChannelConfig,
    LabelPrinterConfig,
    SensorConfig,
    SspProfile,
    ValidatorConfig,
    WorldConfig,
)
from hwsim.errors import ScenarioError
from hwsim.host import Machine
from hwsim.scenario import FaultEntry, Scenario, load_scenario, parse_scenario
from hwsim.scheduler import VirtualScheduler

FULL = """
[world]
straps = 3
occupied_slots = [0, 1]
[validator]
scan_s = 0.2
channels = [{ currency = "CNY", face = 100 }, { currency = "CNY", face = 100, suspect = true }]
[validator.profile]
escrow_window_s = 5
[board.sensors]
ambient_c = 31.5
[label_printer]
status_in_error = "flags"
[scene]
depositor = true
[[fault]]
device = "board"
fault = "strap_fails"
parameters = { count = 2 }
at_s = 1
[[fault]]
device = "validator"
fault = "misread"
on = "hand.fed"
nth = 1
[[step]]
do = "anything"
[expect]
credited_minor = 1
"""


def test_a_full_file_is_understood_and_the_runners_tables_are_left_alone() -> None:
    scenario = parse_scenario(FULL)
    machine = Machine(scenario, VirtualScheduler(), seed=1)
    assert machine.world.straps == 3
    assert machine.world.scene.depositor
    assert machine.world.slots[:3] == ["earlier", "earlier", ""]
    assert scenario.validator.profile.escrow_window_s == 5
    assert scenario.board.sensors.ambient_c == 31.5


def test_the_shipped_scenarios_are_readable() -> None:
    for path in (Path(__file__).parents[1] / "scenario").glob("*.toml"):
        Machine(load_scenario(path), VirtualScheduler(), seed=1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[world]\nbelts = 3", "belts"),
        ("[weather]\nrain = true", "weather"),
        ("[world]\nstraps = -1", "straps"),
        ("[world]\nstraps = 'many'", "straps"),
        ("[world]\noccupied_slots = [40]", "occupied_slots"),
        ("[validator]\nchannels = []", "channels"),
        ("[validator.profile]\nescrow_window_s = 7", "escrow_window_s"),
        ("[validator.profile]\nsuspect_country = 'CNY'", "CNY"),
        ("[validator]\nescrow_size = 90", "escrow_size"),
        ("[world", "TOML"),
        ("[[fault]]\ndevice = 'board'\nfault = 'restart'", "trigger"),
        ("[[fault]]\ndevice = 'board'\nfault = 'restart'\nat_s = 1\nnth = 2", "trigger"),
        ("[[fault]]\ndevice = 'board'\nfault = 'restart'\non = 'hand.fed'\nprobability = 1.5", "probability"),
    ],
)
def test_mistakes_are_named(text: str, names: str) -> None:
    with pytest.raises(ScenarioError, match=names) as error:
        parse_scenario(text)
    assert error.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "[scene]\nrain = true",
        "[[fault]]\ndevice = 'board'\nfault = 'meteor'\nat_s = 1",
        "[[fault]]\ndevice = 'board'\nfault = 'strap_fails'\nat_s = 1\nparameters = { colour = 'red' }",
    ],
)
def test_unknown_scenes_and_faults_are_refused_when_armed(text: str) -> None:
    with pytest.raises(ScenarioError):
        Machine(parse_scenario(text), VirtualScheduler(), seed=1)


def test_a_file_nested_without_end_is_refused() -> None:
    with pytest.raises(ScenarioError):
        parse_scenario("a = " + "[" * 5000)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml"):
        load_scenario(tmp_path / "nowhere.toml")


def test_every_setting_is_documented() -> None:
    readme = (Path(hwsim.__file__).parent / "README.md").read_text(encoding="utf-8")
    structs = (Scenario, FaultEntry, WorldConfig, ValidatorConfig, ChannelConfig, SspProfile)
    for struct in (*structs, CctalkConfig, CctalkProfile, BoardConfig, SensorConfig, LabelPrinterConfig):
        for name in struct.__struct_fields__:
            assert f"`{name}`" in readme or f"`[{name}]`" in readme or f"`[[{name}]]`" in readme, name
