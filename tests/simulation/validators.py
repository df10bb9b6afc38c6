"""Which validator a simulated kiosk has: the simulated device and the driver for it, chosen by its settings."""

import random

from firmware_bridge.drivers.cctalk_validator import CctalkValidator
from firmware_bridge.drivers.ebds_validator import EbdsValidator
from firmware_bridge.drivers.ssp_validator import SspValidator
from firmware_bridge.interfaces import Transport, Validator
from firmware_bridge.protocols.cctalk.framing import Checksum
from hwsim.config import CctalkConfig, EbdsConfig, ValidatorConfig
from hwsim.devices.cctalk_validator import CctalkValidator as SimulatedCctalk
from hwsim.devices.ebds_validator import EbdsValidator as SimulatedEbds
from hwsim.devices.ssp_validator import SspValidator as SimulatedSsp
from hwsim.world import World

ValidatorKind = ValidatorConfig | EbdsConfig | CctalkConfig
Simulated = SimulatedSsp | SimulatedEbds | SimulatedCctalk


def simulated(world: World, config: ValidatorKind) -> Simulated:
    """The device, attached to the world."""
    if isinstance(config, EbdsConfig):
        return SimulatedEbds(world, config)
    if isinstance(config, CctalkConfig):
        return SimulatedCctalk(world, config)
    return SimulatedSsp(world, config)


def driver(link: Transport, config: ValidatorKind, rng: random.Random) -> Validator:
    """The product's driver for it. SSP draws small primes: 64 bits would take most of the time of a schedule."""
    if isinstance(config, EbdsConfig):
        return EbdsValidator(link)
    if isinstance(config, CctalkConfig):
        return CctalkValidator(link, checksum=Checksum(config.profile.checksum), echo=config.profile.echo)
    return SspValidator(link, random_bits=rng.getrandbits, prime_bits=24)
