"""The poll and its answer: three bytes of what the host wants, six of how the device is (sections 3 and 4)."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from firmware_bridge.protocols.ebds.errors import EbdsError

COMMAND_BYTES: Final = 3
REPLY_BYTES: Final = 6
ALL_NOTES: Final = 0x7F
_VALUE: Final = 0x38  # bits of Data 2 that hold the note value
_BITS: Final = 0x7F


class Orientation(IntEnum):
    """Ways in which a note may be put in."""

    ONE_WAY = 0
    TWO_WAY = 1
    FOUR_WAY = 3


class PowerUpPolicy(IntEnum):
    """What the device does at power-up with a document inside (section 4.3)."""

    A = 0
    B = 1
    C = 2


class State(IntFlag):
    """Data 0 of a reply. Nothing set: out of service."""

    IDLING = 0x01
    ACCEPTING = 0x02
    ESCROWED = 0x04
    STACKING = 0x08
    STACKED = 0x10  # event
    RETURNING = 0x20
    RETURNED = 0x40  # event


class Status(IntFlag):
    """Data 1."""

    CHEATED = 0x01  # event
    REJECTED = 0x02  # event
    JAMMED = 0x04
    STACKER_FULL = 0x08
    CASSETTE_ATTACHED = 0x10
    PAUSED = 0x20
    CALIBRATION = 0x40


class Trouble(IntFlag):
    """Data 2 without the note value."""

    POWER_UP = 0x01
    INVALID_COMMAND = 0x02  # event
    FAILURE = 0x04
    TRANSPORT_OPEN = 0x40


class Miscellany(IntFlag):
    """Data 3."""

    STALLED = 0x01
    FLASH_DOWNLOAD = 0x02
    PRE_STACK = 0x04
    RAW_BARCODE = 0x08
    CAPABILITIES = 0x10
    DISABLED = 0x20
    RESERVED = 0x40


@dataclass(frozen=True, slots=True)
class OmnibusCommand:
    """What the host wants now. `stack` and `give_back` exclude each other."""

    enables: int = 0  # bit k: note k + 1; 0 disables the device
    orientation: Orientation = Orientation.FOUR_WAY
    escrow: bool = True
    stack: bool = False
    give_back: bool = False
    no_push: bool = False
    barcode: bool = False
    power_up: PowerUpPolicy = PowerUpPolicy.B
    extended_notes: bool = False
    extended_coupons: bool = False

    def encode(self) -> bytes:
        """Data 0 to 2. Raises `EbdsError` for an order that contradicts itself."""
        if not 0 <= self.enables <= _BITS or (self.stack and self.give_back):
            raise EbdsError("seven enables; stack or return, not both")
        mode = self.orientation << 2 | self.escrow << 4 | self.stack << 5 | self.give_back << 6
        configuration = self.no_push | self.barcode << 1 | self.power_up << 2
        configuration |= self.extended_notes << 4 | self.extended_coupons << 5
        return bytes((self.enables, mode, configuration))


def decode_command(data: bytes) -> OmnibusCommand:
    """A command from its three bytes. Raises `EbdsError`."""
    if len(data) != COMMAND_BYTES or any(byte > _BITS for byte in data):
        raise EbdsError("an omnibus command has three bytes of 7 bits")
    enables, mode, configuration = data
    ways, policy = mode >> 2 & 3, configuration >> 2 & 3
    if policy not in tuple(PowerUpPolicy) or mode & 3 or configuration & 0x40 or mode & 0x60 == 0x60:  # noqa: PLR2004 - section 3
        raise EbdsError("reserved or obsolete bits, or stack with return")
    return OmnibusCommand(
        enables=enables,
        orientation=Orientation(min(ways | ways >> 1, Orientation.FOUR_WAY)),
        escrow=bool(mode & 0x10),
        stack=bool(mode & 0x20),
        give_back=bool(mode & 0x40),
        no_push=bool(configuration & 0x01),
        barcode=bool(configuration & 0x02),
        power_up=PowerUpPolicy(policy),
        extended_notes=bool(configuration & 0x10),
        extended_coupons=bool(configuration & 0x20),
    )


@dataclass(frozen=True, slots=True)
class OmnibusReply:
    """How the device is. `note` is an index 1..7 or 0 (unknown, or told by an extended message)."""

    state: State
    status: Status
    trouble: Trouble
    note: int
    miscellany: Miscellany
    model: int
    revision: int

    def encode(self) -> bytes:
        """Data 0 to 5. Raises `EbdsError`."""
        if not 0 <= self.note <= 7 or not 0 <= self.model <= _BITS or not 0 <= self.revision <= _BITS:  # noqa: PLR2004 - three bits
            raise EbdsError("a note value of 3 bits, model and revision of 7")
        trouble = int(self.trouble) & ~_VALUE | self.note << 3
        return bytes((self.state, self.status, trouble, self.miscellany, self.model, self.revision))


def decode_reply(data: bytes) -> OmnibusReply:
    """A reply from its six bytes. Raises `EbdsError`."""
    if len(data) != REPLY_BYTES or any(byte > _BITS for byte in data):
        raise EbdsError("an omnibus reply has six bytes of 7 bits")
    return OmnibusReply(
        State(data[0]),
        Status(data[1]),
        Trouble(data[2] & ~_VALUE),
        data[2] >> 3 & 7,
        Miscellany(data[3]),
        data[4],
        data[5],
    )
