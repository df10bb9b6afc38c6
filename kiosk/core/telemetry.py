"""Health on its way to the bank: JSON on the lane `telemetry`, retained, neither signed nor believed for anything.

The grammar is `telemetry` in `kiosk/guarantee/records.cddl`. Samples are those of `kiosk.core.metrics`.
"""

from typing import Annotated, Literal

import msgspec

from kiosk.core.metrics import HEALTH_BYTES_MAX, SAMPLES_MAX, Sample, refusal

EXPIRY_S = 3600  # the broker forgets it then: a kiosk that has been away for an hour has no health


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last health of a kiosk."""

    v: Literal[1]
    kiosk: Annotated[str, msgspec.Meta(max_length=64)]
    at: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]  # the kiosk's clock
    in_service: bool
    reasons: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=1000)], ...], msgspec.Meta(max_length=32)]
    samples: Annotated[tuple[Sample, ...], msgspec.Meta(max_length=SAMPLES_MAX)]


def encoded(told: Telemetry) -> bytes:
    """As it is published. ValueError when it would be too long."""
    data = msgspec.json.encode(told, order="deterministic")
    if len(data) > HEALTH_BYTES_MAX:
        message = f"health of {len(data)} bytes"
        raise ValueError(message)
    return data


def decoded(data: bytes, kiosk: str) -> Telemetry:
    """What came on the topic of `kiosk`, without samples that our table does not have: a newer kiosk may know more.

    Raises ValueError (msgspec's errors are such) for anything that is no health of this kiosk.
    """
    if len(data) > HEALTH_BYTES_MAX:
        message = f"health of {len(data)} bytes"
        raise ValueError(message)
    told = msgspec.json.decode(data, type=Telemetry)
    if told.kiosk != kiosk:
        message = "health of another kiosk than the topic's"
        raise ValueError(message)
    first = {(name, labels): each for each in reversed(told.samples) for name, labels, _ in (each,)}
    known = tuple(each for each in told.samples if not refusal(each) and first[each[0], each[1]] is each)
    return msgspec.structs.replace(told, samples=known)
