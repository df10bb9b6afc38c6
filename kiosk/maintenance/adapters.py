"""Serial adapters and cameras of this machine, by the serial numbers that udev rules can hold them to."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.errors import ConfigError

ROLES: Final = ("validator", "board", "label", "receipt")
LEVELS_MAX: Final = 8  # from an interface up to the device that has the serial number
_SERIAL_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:")
_HEAD: Final = """\
# Written by `kioskctl commission devices`: each device by its adapter's serial number, so that a plug moved to another
# socket changes nothing.
"""


@dataclass(frozen=True)
class Adapter:
    """A serial port or a camera, as the kernel names it now."""

    node: str  # /dev/ttyUSB0
    serial: str  # empty: it has none; such a one is named by its socket (/dev/serial/by-path)
    about: str  # maker and product, or the camera's name


def found(sys: Path = Path("/sys")) -> list[Adapter]:
    """What is plugged in, in the order of the kernel's names."""
    adapters = []
    for kind in ("ttyUSB*", "ttyACM*"):
        for port in sorted((sys / "class" / "tty").glob(kind)):
            about = " ".join(word for word in (_above(port, "manufacturer"), _above(port, "product")) if word)
            adapters.append(Adapter(f"/dev/{port.name}", _above(port, "serial"), about))
    adapters.extend(
        Adapter(f"/dev/{camera.name}", _above(camera, "serial"), _text(camera / "name"))
        for camera in sorted((sys / "class" / "video4linux").glob("video*"))
    )
    return adapters


def rules(assigned: dict[str, str]) -> str:
    """Udev rules that give each role's adapter its name below /dev/kiosk. Raises ConfigError."""
    lines = []
    for role, serial in assigned.items():
        if role not in ROLES:
            raise ConfigError(f"there is no device {role!r}", remedy=f"The devices are: {', '.join(ROLES)}.")
        if not serial or not set(serial) <= _SERIAL_CHARACTERS:
            raise ConfigError(f"{serial!r} is no serial number of an adapter", remedy="Take it from the list.")
        which = f'SUBSYSTEM=="tty", ENV{{ID_SERIAL_SHORT}}=="{serial}"'
        lines.append(f'{which}, SYMLINK+="kiosk/{role}", GROUP="dialout", MODE="0660"')
        lines.append(f'{which}, ENV{{ID_MM_DEVICE_IGNORE}}="1"')  # ModemManager probes ports with AT commands
    if len(set(assigned.values())) != len(assigned):
        raise ConfigError("one adapter is two devices", remedy="Each device has an adapter of its own.")
    lines.append('SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"')
    return _HEAD + "\n".join(lines) + "\n"


def _above(entry: Path, name: str) -> str:
    """The attribute of the nearest device above that has it."""
    place = (entry / "device").resolve()
    for _ in range(LEVELS_MAX):
        if text := _text(place / name):
            return text
        place = place.parent
    return ""


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""
