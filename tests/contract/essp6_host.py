"""PyPI's eSSP6 - the validator maker's own C library - as a remote-controlled host in a process of its own.

    python -m tests.contract.essp6_host PORT

One JSON list [call, arguments...] a line in, one JSON object a line out.

A process of its own because the library blocks, keeps its port in a static variable and would take the tests with
it if it crashed. Only the C calls are used, through the package's own structures: its Python layer polls on a
thread of its own, every 0.5 s, and one poll too many accepts the note that is to be rejected.
"""

import ctypes
import json
import sys
from typing import Any, Final

from eSSP import eSSP
from eSSP.eSSP import Ssp6SetupRequestData, SspPollData6

FIXED_KEY: Final = 0x0123456701234567
POLL_EVENTS_MAX: Final = 20


class Host:
    """The C library on one port; every call returns the validator's first reply byte, and what it parsed."""

    def __init__(self, port: str) -> None:
        self._c = eSSP.essp
        # The package declares nothing, so that ctypes would cut the 64-bit pointer to an int.
        self._c.ssp_init.restype = ctypes.POINTER(ctypes.c_ubyte)
        self._c.ssp_get_response_data.restype = ctypes.POINTER(ctypes.c_ubyte)
        self._ssp = self._c.ssp_init(port.encode(), b"0", 0)
        if not self._ssp:
            message = f"{port} does not open"
            raise OSError(message)

    def call(self, name: str, *arguments: int) -> dict[str, Any]:
        """One call by its short name."""
        if name == "encrypt":
            return {"reply": self._c.ssp6_setup_encryption(self._ssp, ctypes.c_ulonglong(FIXED_KEY))}
        if name == "setup":
            return self._setup()
        if name == "poll":
            return self._poll()
        return {"reply": getattr(self._c, f"ssp6_{name}")(self._ssp, *arguments)}

    def _setup(self) -> dict[str, Any]:
        data = Ssp6SetupRequestData()
        reply = self._c.ssp6_setup_request(self._ssp, ctypes.byref(data))
        channels = [(one.cc.decode(), one.value) for one in data.ChannelData[: data.NumberOfChannels]]
        return {
            "reply": reply,
            "unit_type": data.UnitType,
            "firmware": data.FirmwareVersion.decode(),
            "protocol": data.ProtocolVersion,
            "multiplier": data.RealValueMultiplier,
            "channels": channels,
        }

    def _poll(self) -> dict[str, Any]:
        data = SspPollData6()
        reply = self._c.ssp6_poll(self._ssp, ctypes.byref(data))
        events = data.events[: min(data.event_count, POLL_EVENTS_MAX)]
        return {"reply": reply, "events": [(one.event, one.data1) for one in events]}


def main() -> None:
    """Until the end of standard input."""
    host = Host(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(host.call(*json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
