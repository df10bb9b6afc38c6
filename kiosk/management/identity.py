"""Which validator answers: the one that was accepted, with the table that the configuration says."""

from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import DeviceChanged, DeviceFault
from firmware_bridge.interfaces import ValidatorIdentity
from kiosk.core.records import service

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

ACCEPTED_SERIAL: Final = "validator_serial"  # in the journal's memory
WRONG_TABLE: Final = (
    "Correct cash.notes: one entry for each channel of the validator's own table, as its data sheet says."
)


async def identified(controller: "Controller") -> ValidatorIdentity:
    """Start the validator. Raises `DeviceFault` for another table, `DeviceChanged` for one nobody accepted."""
    identity = await controller.devices.validator.start(controller.deposit.bookmark)
    _check_worth(controller, identity)
    if identity.serial_number is not None:  # without one, nothing tells a device from its like
        await _check_serial(controller, identity.serial_number)
    return identity


def _check_worth(controller: "Controller", identity: ValidatorIdentity) -> None:
    """Our table says what a channel is worth; with a device whose own says otherwise we would credit wrongly."""
    told = {channel.number: (channel.currency, channel.value_minor) for channel in identity.channels}
    for number, (currency, value_minor) in controller.settings.worth.items():
        if told.get(number) != (currency, value_minor):
            message = f"its channel {number} is {told.get(number)}, the configuration has {(currency, value_minor)}"
            raise DeviceFault("validator", message, remedy=WRONG_TABLE)


async def _check_serial(controller: "Controller", found: int) -> None:
    journal, machine = controller.journal, controller.machine
    remembered = await controller.runner.run(journal.memory, ACCEPTED_SERIAL)
    accepted = controller.settings.accepted_serial if remembered is None else int(remembered)
    machine.stranger = found if accepted is not None and found != accepted else None
    if machine.stranger is not None:
        raise DeviceChanged("validator", f"serial number {found} instead of {accepted}")
    if remembered is None:
        draft = service("device_accepted", {"device": "validator", "serial": found})
        await controller.runner.run(journal.remember, ACCEPTED_SERIAL, str(found), draft, controller.clock.now_utc())
