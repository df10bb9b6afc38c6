"""`kioskctl replay` of what `capture camera` wrote: figures of each picture, and a page that shows them."""

import base64
import html
import zipfile
from pathlib import Path
from typing import Annotated, Final

import msgspec

from kiosk.maintenance.captures import BadCaptureError

MAGIC: Final = b"PK"
NAME: Final = "capture.json"
PICTURES_MAX: Final = 200
PICTURE_BYTES_MAX: Final = 1 << 18
_JPEG: Final = b"\xff\xd8\xff"
_PAGE: Final = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>body{{font:14px sans-serif;margin:1em}}figure{{display:inline-block;margin:4px}}figcaption{{color:#555}}</style>
<h1>{title}</h1><p>{about}</p>
{figures}
"""


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture's figures, taken before it was blurred."""

    name: Annotated[str, msgspec.Meta(pattern="^[0-9]{3}[.]jpg$")]
    at_s: float
    width: int
    height: int
    brightness: float  # 0 to 255
    sharpness: float
    changed: float


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the camera gave."""

    kind: Annotated[str, msgspec.Meta(pattern="^camera-capture$")]
    frames: int
    longest_gap_s: float
    trouble: str
    pictures: Annotated[tuple[Picture, ...], msgspec.Meta(max_length=PICTURES_MAX)]


def is_camera(file: Path) -> bool:
    """Whether it is a capture of the camera, by its first bytes."""
    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def read(file: Path) -> tuple[Seen, dict[str, bytes]]:
    """The figures, and each picture's JPEG by name. Raises BadCaptureError."""
    try:
        with zipfile.ZipFile(file) as archive:
            seen = msgspec.json.decode(_member(archive, NAME), type=Seen)
            jpegs = {each.name: _member(archive, each.name) for each in seen.pictures}
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, msgspec.MsgspecError) as error:
        raise BadCaptureError(f"it is no capture of a camera: {error}") from error
    if any(not jpeg.startswith(_JPEG) for jpeg in jpegs.values()):
        raise BadCaptureError("one of its pictures is none")
    return seen, jpegs


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        data = member.read(PICTURE_BYTES_MAX + 1)
    if len(data) > PICTURE_BYTES_MAX:
        raise BadCaptureError(f"{name} has more than {PICTURE_BYTES_MAX} bytes")
    return data


def summary(seen: Seen) -> str:
    """One line."""
    trouble = f"; {seen.trouble}" if seen.trouble else ""
    return f"{seen.frames} frames, {len(seen.pictures)} of them kept, longest gap {seen.longest_gap_s:g} s{trouble}"


def text(picture: Picture) -> str:
    """One line of a picture."""
    look = f"brightness {picture.brightness:5.1f}  sharpness {picture.sharpness:8.1f}"
    return f"{picture.at_s:>10.2f}  {picture.width}x{picture.height}  {look}  changed {picture.changed:6.2f}"


def page(title: str, seen: Seen, jpegs: dict[str, bytes]) -> str:
    """A page of its own with all pictures; it loads nothing."""
    figures = "\n".join(
        f'<figure><img alt="{each.name}" src="data:image/jpeg;base64,{base64.b64encode(jpegs[each.name]).decode()}">'
        f"<figcaption>{html.escape(text(each))}</figcaption></figure>"
        for each in seen.pictures
    )
    return _PAGE.format(title=html.escape(title), about=html.escape(summary(seen)), figures=figures)
