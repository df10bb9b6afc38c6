"""All targets, and what is instrumented for each module of them. Plain data: nothing is imported before it must be."""

from importlib import import_module
from typing import Final, cast

from tests.fuzz.target import Target, Targets

GROUPS: Final[dict[str, tuple[str, ...]]] = {  # module of targets -> packages whose branches guide the fuzzer
    "tests.fuzz.bridge_targets": ("firmware_bridge.protocols",),
    "tests.fuzz.guarantee_targets": ("kiosk.guarantee",),
    "tests.fuzz.other_targets": ("kiosk.bus", "kiosk.config", "kiosk.verifier", "hwsim.devices", "hwsim.scenario"),
}


def targets_of(module: str) -> dict[str, Target]:
    """The targets of one module, by name."""
    return cast("Targets", import_module(module).TARGETS).by_name


def group_of(name: str) -> str:
    """The module that has the target `name`; `KeyError` when there is none."""
    for module in GROUPS:
        if name in targets_of(module):
            return module
    raise KeyError(name)
