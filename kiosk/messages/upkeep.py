"""Upkeep: settings changed at the running kiosk, and files that the controller makes for people: backup and bundle."""

from typing import Annotated, Final, Literal

import msgspec

from kiosk.messages.maintenance import Confidential, Secret, Staff
from kiosk.messages.shared import Message
from kiosk.messages.watcher import Sha256Hex

FILE_PART_BYTES: Final = 512 * 1024
Key = Annotated[str, msgspec.Meta(max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=64)]


class GetSettings(Message, frozen=True):
    """What can be set at the running kiosk. `Settings`."""


class SettingView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One setting; values as TOML has them."""

    key: str
    value: str  # in force
    configured: str  # by the file or the default
    origin: Literal["configured", "set", "tentative"]
    by: tuple[str, ...]  # whoever set it
    at: str  # and when, RFC 3339; empty: as configured
    two_people: bool


class Settings(Message, frozen=True):
    """What can be set. `undone_in_s`: tentative ones are undone then, unless confirmed; 0: there are none."""

    settings: tuple[SettingView, ...]
    undone_in_s: int


class PlanSetting(Message, frozen=True):
    """Whether this value could be set, and what it would change. `SettingPlan` or `Refused`."""

    key: Key
    value: Text


class SettingPlan(Message, frozen=True):
    """It could. `before` is part of what is signed."""

    key: str
    before: str
    value: str
    two_people: bool


class MakeFile(Confidential, frozen=True):
    """Make a file for somebody to carry away. `FileMade` or `Refused`."""

    staff: Staff
    secret: Secret
    kind: Literal["backup", "bundle"]


CapturedDevice = Literal["validator", "board", "label_printer", "camera"]
CAPTURE_S_MAX: Final = 60


class Capture(Confidential, frozen=True):
    """Listen to a line, or look through the camera, for so long; `FileMade` when that is over, or `Refused`."""

    staff: Staff
    secret: Secret
    device: CapturedDevice
    seconds: Annotated[int, msgspec.Meta(ge=1, le=CAPTURE_S_MAX)]


class FileMade(Message, frozen=True):
    """It is there for some time, part by part."""

    sha256: Sha256Hex
    size: int
    parts: int
    about: str  # in words


class FetchFile(Confidential, frozen=True):
    """One part of it. `FilePart` or `Refused`."""

    staff: Staff
    secret: Secret
    sha256: Sha256Hex
    part: Annotated[int, msgspec.Meta(ge=0)]


class FilePart(Message, frozen=True):
    """Bytes."""

    data: bytes
