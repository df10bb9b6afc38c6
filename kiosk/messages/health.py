"""How the kiosk is: for the observer on this machine, and for the uplink to tell the bank. Nothing of any person."""

from typing import Annotated

import msgspec

from kiosk.messages.shared import Message

_Text = Annotated[str, msgspec.Meta(max_length=64)]
# Name, label values, value: a row of `kiosk.core.metrics.METRICS`, which says what may stand in it.
HealthSample = tuple[_Text, Annotated[tuple[_Text, ...], msgspec.Meta(max_length=4)], float]


class GetHealth(Message, frozen=True):
    """Answered with `Health`. The journal is read for it, so an answer says that it can be."""


class Health(Message, frozen=True):
    """The kiosk's health at one moment."""

    at: str  # RFC 3339
    in_service: bool  # a deposit may begin now, or one is under way
    reasons: Annotated[tuple[str, ...], msgspec.Meta(max_length=32)]  # why not, masked
    samples: Annotated[tuple[HealthSample, ...], msgspec.Meta(max_length=256)]
