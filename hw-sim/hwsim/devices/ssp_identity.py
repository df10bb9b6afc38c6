"""SSP commands that only tell: who the validator is, what it knows, what it counted."""

from collections.abc import Callable
from dataclasses import astuple
from typing import Final

from hwsim.devices.ssp_body import Body
from hwsim.devices.ssp_codes import PV_LISTS, Generic
from hwsim.devices.ssp_layout import Values
from hwsim.devices.ssp_store import Counters

OK: Final = bytes((Generic.OK,))
UNIT_TYPE: Final = 0x06  # validator with SMART PAYOUT
VALUE_MULTIPLIER: Final = 1
REFILL_SET: Final = bytes.fromhex("0581101101")
REFILL_CLEAR: Final = bytes.fromhex("0581101100")
REFILL_READ: Final = bytes.fromhex("05811001")
BARCODE_INHIBIT_AT_POWER_UP: Final = 0xFE

Handler = Callable[[Values], bytes]


class Identity:
    """Read-only commands and harmless settings."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._refill = False
        self._barcode_inhibit = BARCODE_INHIBIT_AT_POWER_UP

    def handlers(self) -> dict[int, Handler]:
        body = self._body
        return {
            0x03: lambda _: OK,
            0x04: lambda _: OK,
            0x05: lambda _: OK + self._setup(),
            0x0C: lambda _: OK + body.serial_number.to_bytes(4, "big"),
            0x0D: lambda _: OK + self._unit_data(),
            0x0E: lambda _: OK + self._channel_values(),
            0x0F: lambda _: OK + self._channel_security(),
            0x17: lambda _: OK + bytes((body.last_reject,)),
            0x20: lambda _: OK + f"NV0200{body.config.firmware}1498000"[:16].ljust(16, "0").encode(),
            0x21: lambda _: OK + body.config.dataset.encode("ascii"),
            0x23: lambda _: OK + bytes((0, 0, 1, 18)),  # no barcode reader is fitted
            0x24: lambda _: bytes((Generic.PARAMETER_OUT_OF_RANGE,)),
            0x25: lambda _: OK + bytes((self._barcode_inhibit,)),
            0x26: self._set_barcode_inhibit,
            0x27: lambda _: OK + bytes((0, 0)),
            0x30: self._refill_mode,
            0x3E: self._minimum_payout,
            0x4D: lambda _: OK,  # a simulated line has no rate
            0x4F: lambda _: OK + bytes((0, 1, 0, 6, 1, 0)),
            0x54: lambda v: OK if len(v["colour"]) in {8, 10} else bytes((Generic.WRONG_PARAMETER_COUNT,)),
            0x58: lambda _: OK + self._counters(),
            0x59: self._reset_counters,
        }

    def _head(self) -> bytes:
        country = self._body.config.dataset[:3]
        return bytes((UNIT_TYPE,)) + self._body.config.firmware.encode() + country.encode()

    def _setup(self) -> bytes:
        """Section 5.2; from PV 6 on with country and expanded value of each channel."""
        body = self._body
        channels = body.dataset.channels
        data = self._head() + VALUE_MULTIPLIER.to_bytes(3, "big") + bytes((len(channels),))
        data += bytes(channel.face for channel in channels) + bytes((2,)) * len(channels)
        data += body.config.real_multiplier.to_bytes(3, "big") + bytes((body.pv,))
        if body.pv >= PV_LISTS:
            data += b"".join(channel.country.encode() for channel in channels)
            data += b"".join(channel.face.to_bytes(4, "little") for channel in channels)
        return data

    def _unit_data(self) -> bytes:
        return self._head() + VALUE_MULTIPLIER.to_bytes(3, "big") + bytes((self._body.pv,))

    def _channel_values(self) -> bytes:
        channels = self._body.dataset.channels
        data = bytes((len(channels),)) + bytes(channel.face for channel in channels)
        if self._body.pv >= PV_LISTS:
            data += b"".join(channel.country.encode() for channel in channels)
            data += b"".join(channel.face.to_bytes(4, "little") for channel in channels)
        return data

    def _channel_security(self) -> bytes:
        count = len(self._body.dataset.channels)
        return bytes((count,)) + bytes((2,)) * count

    def _set_barcode_inhibit(self, values: Values) -> bytes:
        self._barcode_inhibit = values["bits"]
        return OK

    def _refill_mode(self, values: Values) -> bytes:
        mode = bytes.fromhex(values["mode"])
        if mode == REFILL_READ:
            return OK + bytes((self._refill,))
        if mode not in {REFILL_SET, REFILL_CLEAR}:
            return bytes((Generic.PARAMETER_OUT_OF_RANGE,))
        self._refill = mode == REFILL_SET
        return OK

    def _minimum_payout(self, values: Values) -> bytes:
        country = values.get("country")
        stored = [
            held.channel.value_minor
            for held in self._body.store.held
            if country in {None, held.channel.country} and not held.escrow
        ]
        return OK + min(stored, default=0).to_bytes(4, "little")

    def _counters(self) -> bytes:
        return bytes((5,)) + b"".join(count.to_bytes(4, "little") for count in astuple(self._body.store.counters))

    def _reset_counters(self, _: Values) -> bytes:
        self._body.store.counters = Counters()
        return OK
