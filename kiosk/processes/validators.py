"""Which driver and which line settings go with `validator.protocol`. A new driver is one more row here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from firmware_bridge.drivers.cctalk_validator import CctalkValidator
from firmware_bridge.drivers.ebds_validator import EbdsValidator
from firmware_bridge.drivers.ssp_validator import SspValidator
from firmware_bridge.interfaces import Transport, Validator
from firmware_bridge.protocols.cctalk.framing import Checksum
from firmware_bridge.serial_port import CCTALK_SETTINGS, EBDS_SETTINGS, SSP_SETTINGS, SerialSettings
from kiosk.config.schema import ValidatorConfig


class Make(NamedTuple):
    """How to speak to one kind of validator."""

    line: SerialSettings
    driver: Callable[[Transport, ValidatorConfig], Validator]


def _ssp(line: Transport, config: ValidatorConfig) -> Validator:
    return SspValidator(line, fixed_key=int(config.fixed_key_hex, 16), escrow_notes_max=config.escrow_notes_max)


def _cctalk(line: Transport, config: ValidatorConfig) -> Validator:
    return CctalkValidator(line, checksum=Checksum(config.cctalk_checksum), echo=config.cctalk_echo)


MAKES: Final[dict[str, Make]] = {
    "ssp": Make(SSP_SETTINGS, _ssp),
    "ebds": Make(EBDS_SETTINGS, lambda line, _: EbdsValidator(line)),
    "cctalk": Make(CCTALK_SETTINGS, _cctalk),
}
