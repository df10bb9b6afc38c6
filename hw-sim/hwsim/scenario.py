"""Reads a scenario file: the world, its devices, the scene and the faults to come.

`[[step]]` and `[expect]` belong to whoever plays the depositor and are ignored; any other unknown key is refused.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from hwsim.config import (
    BoardConfig,
    CctalkConfig,
    EbdsConfig,
    Fraction,
    LabelPrinterConfig,
    ReceiptPrinterConfig,
    ValidatorConfig,
    WorldConfig,
)
from hwsim.errors import HwsimError, ScenarioError
from hwsim.faults import FaultOrder
from hwsim.world import World

RUNNERS_TABLES: Final = frozenset({"step", "expect"})
CHANNELS_MAX: Final = 16  # of an SSP set-up reply
FAULTS_MAX: Final = 1000


class FaultEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[fault]]: what, and exactly one trigger (at_s; or on with nth or probability)."""

    device: str
    fault: str
    at_s: Annotated[float, msgspec.Meta(ge=0.0)] | None = None
    on: str | None = None  # a happening, "source.what", e.g. "validator.credited"
    nth: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Fraction | None = None
    parameters: dict[str, bool | int | float | str] = {}

    def order(self) -> FaultOrder:
        """The same, checked; `ScenarioError` when the trigger is not one."""
        timed = self.at_s is not None and self.on is None and self.nth is None and self.probability is None
        counted = self.at_s is None and self.on is not None and (self.nth is None) != (self.probability is None)
        if not timed and not counted:
            message = f"fault {self.device}.{self.fault} needs exactly one trigger"
            raise ScenarioError(
                message, 'Give at_s = 12.5, or on = "validator.credited" with nth = 3 or probability = 0.1.'
            )
        return FaultOrder(self.device, self.fault, self.parameters, self.at_s, self.on, self.nth, self.probability)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything of a scenario file that is hwsim's."""

    world: WorldConfig = WorldConfig()
    validator: ValidatorConfig = ValidatorConfig()  # SSP, unless one of the next two tables is there
    ebds: EbdsConfig | None = None
    cctalk: CctalkConfig | None = None
    board: BoardConfig = BoardConfig()
    label_printer: LabelPrinterConfig = LabelPrinterConfig()
    receipt_printer: ReceiptPrinterConfig = ReceiptPrinterConfig()
    scene: dict[str, bool | int | float | str] = {}
    fault: tuple[FaultEntry, ...] = ()


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """The scenario of a TOML text; `ScenarioError` names the key that is wrong."""
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"{name} is no TOML: {error}"
        raise ScenarioError(message) from error
    own = {key: value for key, value in tables.items() if key not in RUNNERS_TABLES}
    try:
        scenario = msgspec.convert(own, Scenario)
    except msgspec.ValidationError as error:
        message = f"{name}: {error}"
        raise ScenarioError(message) from error
    _check(scenario, name)
    return scenario


def load_scenario(path: Path | None) -> Scenario:
    """The scenario of a file, or the defaults."""
    if path is None:
        return Scenario()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {error}"
        raise ScenarioError(message, "Give the path of a readable TOML file.") from error
    return parse_scenario(text, str(path))


def arm(scenario: Scenario, world: World) -> None:
    """Set the scene and arm the faults, once all devices are attached."""
    try:
        if scenario.scene:
            world.set_scene(**scenario.scene)
        for entry in scenario.fault:
            world.order_fault(entry.order())
    except ScenarioError:
        raise
    except HwsimError as error:
        message = f"scenario: {error}"
        raise ScenarioError(message, error.remedy) from error


def _check(scenario: Scenario, name: str) -> None:
    """What types alone cannot say."""
    slots = scenario.world.slots
    if any(not 0 <= slot < slots for slot in scenario.world.occupied_slots):
        message = f"{name}: world.occupied_slots must lie within 0..{slots - 1}"
        raise ScenarioError(message)
    channels = scenario.validator.channels
    if not 1 <= len(channels) <= CHANNELS_MAX:
        message = f"{name}: validator.channels must be 1 to {CHANNELS_MAX}"
        raise ScenarioError(message)
    if len(set(channels)) != len(channels):
        message = f"{name}: validator.channels lists a channel twice"
        raise ScenarioError(message)
    country = scenario.validator.profile.suspect_country
    if any(channel.currency == country for channel in channels):
        message = f"{name}: {country} is the suspects' pseudo currency (validator.profile.suspect_country)"
        raise ScenarioError(message, "Choose another pseudo currency.")
    if scenario.validator.escrow_size > scenario.validator.store_capacity:
        message = f"{name}: validator.escrow_size is larger than validator.store_capacity"
        raise ScenarioError(message)
    if scenario.ebds is not None and scenario.cctalk is not None:
        message = f"{name}: [ebds] and [cctalk] are both given"
        raise ScenarioError(message, "One machine has one validator.")
    if len(scenario.fault) > FAULTS_MAX:
        message = f"{name}: more than {FAULTS_MAX} faults"
        raise ScenarioError(message)
    for entry in scenario.fault:
        entry.order()
