"""What was done to put this kiosk into service, from before there is a log: lines that hold each other. Pure.

Devices are named, and keys are made, before anything can be signed. So every step of `kioskctl commission` is a line of
JSON in a file that is only ever added to, each with the SHA-256 of the line before; the controller takes them into the
log as soon as there is one (`kiosk.management.commissioned`). Until then they are worth what root's word is worth.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from kiosk.core.people import StaffId

FILE: Final = "commissioning.jsonl"  # beside the configuration
FILE_BYTES_MAX: Final = 1 << 20
LINE_BYTES_MAX: Final = 16 << 10
STEPS_MAX: Final = 500
TEXT_CHARACTERS_MAX: Final = 400
StepName = Literal["devices", "configuration", "request", "enrolment", "pin", "camera", "calibration", "golden deposit"]
_Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)]
_Word = Annotated[str, msgspec.Meta(max_length=64)]


class StepTaken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step that somebody took, and what came of it."""

    before: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]  # hash of the line before; empty: the first
    at: _Word  # RFC 3339 UTC, by the kiosk's clock
    by: StaffId  # as they said; nobody is enrolled yet
    uid: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]  # the user of this machine who had signed in
    step: StepName
    ok: bool
    result: _Text  # in words; why not, when it is not `ok`
    arguments: Annotated[dict[_Word, _Text], msgspec.Meta(max_length=8)]


@dataclass(frozen=True)
class Entry:
    """A line, and the hash by which the next one holds it."""

    step: StepTaken
    sha256: str


@dataclass(frozen=True)
class Entries:
    """The lines that hold each other from the first on; `trouble` says why the rest is not believed."""

    steps: tuple[Entry, ...]
    trouble: str = ""

    @property
    def last(self) -> str:
        """The hash that the next line has to name."""
        return self.steps[-1].sha256 if self.steps else ""


def line(step: StepTaken) -> bytes:
    """A step as a line of the file. Raises ValueError when it is too long."""
    encoded = msgspec.json.encode(msgspec.convert(msgspec.to_builtins(step), StepTaken)) + b"\n"
    if len(encoded) > LINE_BYTES_MAX:
        raise ValueError(f"a step has at most {LINE_BYTES_MAX} bytes")
    return encoded


def whole(data: bytes) -> bytes:
    """Without a line that was broken off while it was written: nobody was told that it stands."""
    return data[: data.rfind(b"\n") + 1]


def read(data: bytes) -> Entries:
    """The steps of such a file."""
    if len(data) > FILE_BYTES_MAX:
        return Entries((), f"the file has more than {FILE_BYTES_MAX} bytes")
    found: list[Entry] = []
    for number, each in enumerate(whole(data).split(b"\n")[:-1], start=1):
        if number > STEPS_MAX:
            return Entries(tuple(found), f"the file has more than {STEPS_MAX} steps")
        try:
            step = msgspec.json.decode(each, type=StepTaken)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Entries(tuple(found), f"line {number} is no step")
        if step.before != (found[-1].sha256 if found else ""):
            return Entries(tuple(found), f"line {number} does not follow the line before: one was changed or taken out")
        found.append(Entry(step, hashlib.sha256(each + b"\n").hexdigest()))
    return Entries(tuple(found))
