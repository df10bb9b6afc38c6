"""Which device may take part: the accepted one, until a technician accepts another (pure).

A swapped validator is a swapped cash counter: whoever exchanges the device between two deposits must not
get the kiosk's trust with it.
"""

from firmware_bridge.errors import DeviceChanged


def check_identity(device: str, serial_number: int, accepted: int | None) -> None:
    """Refuse a device whose serial number is not the accepted one.

    `accepted` None means that none was ever accepted: the first device is taken, and the caller records it.
    Raises `DeviceChanged`.
    """
    if accepted is not None and serial_number != accepted:
        message = f"serial number {serial_number} answers, {accepted} is accepted"
        raise DeviceChanged(device, message)
