"""The SETUP REQUEST reply (fact sheet section 5.2): the one block whose shape depends on bytes inside it."""

from dataclasses import dataclass
from typing import Final, cast

from firmware_bridge.protocols.ssp.errors import SspError
from firmware_bridge.protocols.ssp.fields import (
    Content,
    Layout,
    Text,
    Uint,
    read_columns,
    read_layout,
    write_columns,
    write_layout,
)

EXPANDED_PV_MIN: Final = 6  # from here on each channel has its own currency and 4-byte value
CHANNELS_MAX: Final = 16

UNIT_TYPES: Final[dict[int, str]] = {
    0x00: "validator",
    0x03: "SMART Hopper",
    0x06: "validator with SMART PAYOUT",
    0x07: "note float",
    0x08: "add-on printer",
    0x09: "SMART SYSTEM",
    0x0B: "stand-alone printer",
    0x0D: "TEBS",
    0x0E: "TEBS with SMART PAYOUT",
    0x0F: "TEBS with SMART Ticket",
}

# The two multipliers are big endian; both open hosts and GA973 agree (errata E10, E11).
_HEAD: Final[Layout] = (
    Uint("unit_type"),
    Text("firmware", 4),
    Text("country", 3),
    Uint("value_multiplier", 3, "big"),
    Uint("channel_count"),
)
_FACES: Final[Layout] = (Uint("value"), Uint("security"))
_MIDDLE: Final[Layout] = (
    Uint("real_value_multiplier", 3, "big"),
    Uint("protocol_version"),
)
# Text, not Country: what an unused channel carries is not documented.
_EXPANDED: Final[Layout] = (Text("country", 3), Uint("expanded_value", 4))


@dataclass(frozen=True, slots=True)
class SetupBlock:
    """The whole reply behind F0 as one field; value is a flat dict with `channels` as rows."""

    name: str = "setup"

    def read(self, data: bytes, at: int) -> tuple[object, int]:
        content, at = read_layout(_HEAD, data, at)
        count = cast("int", content.pop("channel_count"))
        if count > CHANNELS_MAX:
            msg = f"{count} channels; at most {CHANNELS_MAX}"
            raise SspError(msg)
        rows, at = read_columns(_FACES, data, at, count)
        middle, at = read_layout(_MIDDLE, data, at)
        if cast("int", middle["protocol_version"]) >= EXPANDED_PV_MIN:
            expanded, at = read_columns(_EXPANDED, data, at, count)
            rows = [row | more for row, more in zip(rows, expanded, strict=True)]
        return content | middle | {"channels": rows}, at

    def write(self, value: object) -> bytes:
        if not isinstance(value, dict):
            msg = f"setup: {value!r} is not a dict"
            raise SspError(msg)
        content: Content = dict(value)
        rows = content.pop("channels", None)
        if not isinstance(rows, list) or len(rows) > CHANNELS_MAX:
            msg = f"setup: channels is not a list of at most {CHANNELS_MAX}"
            raise SspError(msg)
        middle: Content = {field.name: content.pop(field.name, None) for field in _MIDDLE}
        out = write_layout(_HEAD, content | {"channel_count": len(rows)})
        out += write_columns(_FACES, rows) + write_layout(_MIDDLE, middle)
        version = middle["protocol_version"]
        if isinstance(version, int) and version >= EXPANDED_PV_MIN:
            out += write_columns(_EXPANDED, rows)
        return out


@dataclass(frozen=True, slots=True)
class DatasetChannel:
    """One usable channel of the dataset, in minor units."""

    number: int
    value_minor: int
    country: str


def channels_of(setup: Content) -> tuple[DatasetChannel, ...]:
    """The dataset's used channels; minor units = face value x real value multiplier."""
    real = cast("int", setup["real_value_multiplier"])
    expanded = cast("int", setup["protocol_version"]) >= EXPANDED_PV_MIN
    channels = []
    for number, row in enumerate(cast("list[Content]", setup["channels"]), start=1):
        if expanded:
            face, country = (
                cast("int", row["expanded_value"]),
                cast("str", row["country"]),
            )
        else:
            face = cast("int", row["value"]) * cast("int", setup["value_multiplier"])
            country = cast("str", setup["country"])
        if face:
            channels.append(DatasetChannel(number, face * real, country))
    return tuple(channels)
