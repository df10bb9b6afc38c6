"""How often one address, and everybody together, may ask. Buckets of tokens; the state is bounded."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ADDRESSES_MAX: Final = 10_000
IPV6_PREFIX: Final = 64  # what one household gets


@dataclass(frozen=True)
class Rate:
    """So many at once, and then one each `every_s`."""

    burst: int
    every_s: float


ADDRESS: Final = Rate(10, 6.0)
EVERYBODY: Final = Rate(200, 0.05)


class Limits:
    """Call `wait_s` once for each request, in order of time."""

    def __init__(self, address: Rate = ADDRESS, everybody: Rate = EVERYBODY) -> None:
        self._rates = {"address": address, "everybody": everybody}
        self._full_at_s: OrderedDict[str, float] = OrderedDict()  # when each bucket is full again
        self._all_full_at_s = float("-inf")

    def wait_s(self, address: str, now_s: float) -> float:
        """0 when the request is let through, else after how many seconds another try makes sense."""
        name = network(address)
        own, wait = _take(self._full_at_s.get(name, now_s), now_s, self._rates["address"])
        if wait:
            return wait
        everybody, wait = _take(self._all_full_at_s, now_s, self._rates["everybody"])
        if wait:
            return wait
        self._all_full_at_s = everybody
        self._full_at_s[name] = own
        self._full_at_s.move_to_end(name)
        while len(self._full_at_s) > ADDRESSES_MAX:  # the longest unseen; everybody's limit still holds
            self._full_at_s.popitem(last=False)
        return 0.0


def network(address: str) -> str:
    """What counts as one address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return str(found)


def _take(full_at_s: float, now_s: float, rate: Rate) -> tuple[float, float]:
    """(when the bucket would be full again, seconds to wait before one may be taken)."""
    taken = max(full_at_s, now_s) + rate.every_s
    return taken, max(0.0, taken - now_s - rate.burst * rate.every_s)
