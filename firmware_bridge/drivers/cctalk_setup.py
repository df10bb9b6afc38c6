"""Who a ccTalk bill validator is and which bills it knows: the questions of a start (P3 app. 16)."""

from dataclasses import dataclass
from typing import Final

from firmware_bridge.drivers.cctalk_session import CctalkSession
from firmware_bridge.errors import CommandRefused, DeviceFault
from firmware_bridge.interfaces import Channel, ValidatorIdentity
from firmware_bridge.protocols.cctalk.errors import CctalkError
from firmware_bridge.protocols.cctalk.headers import Header
from firmware_bridge.protocols.cctalk.money import Scaling, currency_of, decode_bill_id, decode_scaling, minor_units

CATEGORIES: Final = frozenset({"Bill Validator", "Bill Acceptor"})  # the specification's table and its example differ
_HAS_STACKER: Final = 1
_HAS_ESCROW: Final = 2
_TYPES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Setup:
    """What the device is: `mask_bytes` is how many bytes its inhibits take."""

    identity: ValidatorIdentity
    mask_bytes: int


async def read_setup(session: CctalkSession, device: str) -> Setup:
    """Ask everything. `CommandRefused` for a device that is no bill validator with escrow and stacker."""
    category = await _text(session, Header.EQUIPMENT_CATEGORY)
    if category not in CATEGORIES:
        raise CommandRefused(device, f"it is a {category!r}, no bill validator")
    options = (await session.exchange(Header.OPTION_FLAGS))[0]
    if not (options & _HAS_STACKER and options & _HAS_ESCROW):
        raise CommandRefused(device, "it has no escrow and stacker: a bill could not be held for the journal")
    types = min((await session.exchange(Header.VARIABLE_SET))[0], _TYPES_MAX)
    product = await _text(session, Header.PRODUCT_CODE)
    manufacturer = await _text(session, Header.MANUFACTURER_ID)
    build = await _text(session, Header.BUILD_CODE)
    revision = await session.exchange(Header.COMMS_REVISION)
    identity = ValidatorIdentity(
        serial_number=await read_serial(session),
        firmware=await _text(session, Header.SOFTWARE_REVISION),
        dataset=f"{manufacturer} {product} {build}",
        protocol_version=revision[0],
        channels=await _channels(session, device, types),
    )
    return Setup(identity, (types + 7) // 8)


async def read_serial(session: CctalkSession) -> int:
    """Least significant byte first."""
    return int.from_bytes(await session.exchange(Header.SERIAL_NUMBER), "little")


async def _text(session: CctalkSession, header: Header) -> str:
    return (await session.exchange(header)).decode("ascii", "replace").strip()


async def _channels(session: CctalkSession, device: str, types: int) -> tuple[Channel, ...]:
    """Every programmed position; one whose worth cannot be told is left out, and so never accepted."""
    channels = []
    scalings: dict[str, Scaling] = {}
    for number in range(1, types + 1):
        try:
            bill = decode_bill_id(await session.exchange(Header.REQUEST_BILL_ID, bytes((number,))))
            if bill is None:
                continue
            if bill.country not in scalings:
                data = await session.exchange(Header.COUNTRY_SCALING_FACTOR, bill.country.encode("ascii"))
                scalings[bill.country] = decode_scaling(data)
            if scalings[bill.country].known:
                worth = minor_units(bill, scalings[bill.country])
                channels.append(Channel(number, worth, currency_of(bill.country)))
        except CctalkError:
            continue
    if not channels:
        raise DeviceFault(device, "it knows no bill")
    return tuple(channels)
