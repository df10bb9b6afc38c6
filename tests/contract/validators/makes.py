"""The validators that must conform. A new driver adds one `Make` to `MAKES`, and every test here runs on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.drivers.cctalk_validator import CctalkValidator
from firmware_bridge.drivers.ebds_validator import EbdsValidator
from firmware_bridge.drivers.ssp_validator import SspValidator
from firmware_bridge.interfaces import Transport, Validator
from firmware_bridge.protocols.cctalk.framing import Checksum
from hwsim.config import CctalkConfig, CctalkProfile, EbdsConfig, EbdsProfile, ValidatorConfig
from hwsim.devices.cctalk_validator import CctalkValidator as SimulatedCctalk
from hwsim.devices.ebds_validator import EbdsValidator as SimulatedEbds
from hwsim.devices.ssp_validator import SspValidator as SimulatedSsp
from hwsim.notes import Place
from hwsim.world import World


class Device(Protocol):
    """A simulated validator: bytes in, bytes out."""

    output: Callable[[bytes], None] | None

    def feed(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class Make:
    """One driver and its simulated device, and what of them is not the same for all."""

    name: str
    device: Callable[[World], Device]
    driver: Callable[[Transport], Validator]
    inside: Place  # where an accepted note ends
    channel: int  # of CNY 100
    accept: frozenset[int] = frozenset(range(1, 7))
    has_serial: bool = True
    has_window: bool = True  # a held note goes back by itself after a while
    tells_reach: bool = True  # of a jammed note: within the depositor's reach or not


def _cctalk(**profile: str) -> Callable[[World], Device]:
    return lambda world: SimulatedCctalk(world, CctalkConfig(profile=CctalkProfile(**profile)))  # type: ignore[arg-type]


def _ebds(**profile: bool) -> Callable[[World], Device]:
    return lambda world: SimulatedEbds(world, EbdsConfig(profile=EbdsProfile(**profile)))  # type: ignore[arg-type]


MAKES = (
    Make(
        "ssp",
        lambda world: SimulatedSsp(world, ValidatorConfig()),
        lambda line: SspValidator(line, prime_bits=24),
        Place.STORE,
        channel=6,
    ),
    Make(
        "ebds", _ebds(), EbdsValidator, Place.CASSETTE, channel=6, has_serial=False, has_window=False, tells_reach=False
    ),
    Make(
        "ebds-standard",
        _ebds(extended_notes=False),
        EbdsValidator,
        Place.CASSETTE,
        channel=6,
        has_serial=False,
        has_window=False,
        tells_reach=False,
    ),
    Make("cctalk", _cctalk(), CctalkValidator, Place.CASSETTE, channel=6),
    Make(
        "cctalk-crc",
        _cctalk(checksum="crc16", repeated_route="silent", cut_while_stacking="unreported"),
        lambda line: CctalkValidator(line, checksum=Checksum.CRC16),
        Place.CASSETTE,
        channel=6,
    ),
)
