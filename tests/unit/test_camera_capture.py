"""A capture of the camera: everybody blurred, encrypted while it is kept, bounded; handed over in parts; read again."""

import asyncio
import hashlib
import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from kiosk.errors import JournalError
from kiosk.management.camera_capture import BYTES_MAX as TAKEN_MAX
from kiosk.management.camera_capture import CameraCaptures
from kiosk.messages import CameraCaptured, CaptureCamera, EvidencePart, Ok, Refused, Reply, Request
from kiosk.monitoring.camera_capture import BYTES_MAX, FRAMES_MAX, CameraCapture
from kiosk.monitoring.frames import Frame
from kiosk.monitoring.hand_over import PART_BYTES, hand_over
from kiosk.processes.kioskctl import main
from tests.unit.test_ring import ALONE, Shop, detail


def captured(seconds: float, image: np.ndarray | None = None) -> CameraCapture:
    """So many seconds at twelve frames a second."""
    made = CameraCapture(7, 100.0, seconds)
    shown = np.full((480, 640, 3), 90, np.uint8) if image is None else image
    for number in range(round(seconds * 12)):
        made.take(Frame(shown, 100.0 + number / 12, number + 1))
    return made


def files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_whoever_is_on_it_is_blurred_the_depositor_too() -> None:
    image = Shop().show(ALONE, 3)
    made = files(captured(2.0, image).content(""))
    about = json.loads(made.pop("capture.json"))
    assert about["frames"] == 24
    assert [each["name"] for each in about["pictures"]] == sorted(made)
    small = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    for jpeg in made.values():
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert detail(shown) < 0.1 * detail(small)
    assert about["pictures"][0]["sharpness"] > 10, "the figures are those of the camera"


def test_no_picture_of_it_lies_in_memory_in_clear() -> None:
    made = captured(3.0)
    sealed = b"".join(kept.sealed for kept in made._ring._frames)  # noqa: SLF001 - what is kept
    assert sealed
    assert b"\xff\xd8\xff" not in sealed


def test_it_is_bounded_in_time_frames_and_bytes() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    made = captured(90.0, noise)
    assert made.over(160.0)
    assert not made.over(159.9)
    content = files(made.content(""))
    about = json.loads(content["capture.json"])
    assert about["pictures"][-1]["at_s"] < 60
    assert len(about["pictures"]) <= FRAMES_MAX
    assert sum(map(len, content.values())) < BYTES_MAX + (1 << 16)


def test_a_camera_that_gives_nothing_says_why(tmp_path: Path) -> None:
    file = tmp_path / "camera.zip"
    file.write_bytes(CameraCapture(1, 0.0, 5.0).content("/dev/video0 cannot be opened"))
    done = CliRunner().invoke(main, ["replay", str(file)])
    assert done.exit_code == 0
    assert "0 frames" in done.output
    assert "cannot be opened" in done.output


def test_it_is_read_again_as_figures_and_as_a_page(tmp_path: Path) -> None:
    file, page = tmp_path / "<camera>.zip", tmp_path / "page.html"
    file.write_bytes(captured(3.0).content(""))
    done = CliRunner().invoke(main, ["replay", str(file), "--json", "--page", str(page)])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.output.splitlines()]
    assert [row["brightness"] for row in rows] == [90.0] * 6
    assert [row["changed"] for row in rows] == [0.0] * 6, "a frozen picture"
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 6
    assert "<camera>" not in text
    assert "36 frames, 6 of them kept" in CliRunner().invoke(main, ["replay", str(file)]).output


def archive(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(name.replace("_", "."), data)
    return made.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04nothing",
        archive(other_txt=b"x"),
        archive(capture_json=b"{}"),
        archive(capture_json=b" " * (1 << 20)),  # small when packed
        captured(1.0).content("").replace(b"\xff\xd8\xff", b"GIF"),
    ],
)
def test_what_is_no_capture_of_a_camera(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "camera.zip"
    file.write_bytes(content)
    done = CliRunner().invoke(main, ["replay", str(file), "--json"])
    assert done.exit_code == 1, done.output
    assert json.loads(done.output)["remedy"]


# --- from the watcher to the controller ---------------------------------------------------------------


class Bus:
    """The watcher's end: answers what it is pushed."""

    def __init__(self, *, present: bool = True) -> None:
        self.pushed: list[CaptureCamera] = []
        self.desk = CameraCaptures(self.pushed.append, lambda: present)
        self.replies: list[Reply] = []

    async def request(self, message: Request) -> Reply:
        assert isinstance(message, CameraCaptured)
        self.replies.append(self.desk.take(message))
        return self.replies[-1]


def part(data: bytes, index: int, chunks: int, size: int) -> EvidencePart:
    return EvidencePart(hashlib.sha256(data).hexdigest(), index, chunks, size, data[:PART_BYTES])


async def test_it_goes_to_whoever_asked_in_parts() -> None:
    bus, content = Bus(), bytes(range(256)) * 1000
    waiting = asyncio.ensure_future(bus.desk.captured(1))
    await asyncio.sleep(0)
    number = bus.pushed[0].number
    assert await hand_over(bus, content, lambda each: CameraCaptured(number, each))
    assert await waiting == content
    late = bus.desk.take(CameraCaptured(number, part(b"x", 0, 1, 1)))
    assert isinstance(late, Refused), "nobody waits any more"


async def test_what_nobody_asked_for_or_is_not_in_turn_is_refused() -> None:
    bus = Bus()
    assert isinstance(bus.desk.take(CameraCaptured(1, part(b"x", 0, 1, 1))), Refused)
    waiting = asyncio.ensure_future(bus.desk.captured(1))
    await asyncio.sleep(0)
    refused = (
        CameraCaptured(9, part(b"x", 0, 1, 1)),
        CameraCaptured(1, part(b"x", 1, 2, 2)),
        CameraCaptured(1, part(b"xx", 0, 1, 1)),
        CameraCaptured(1, EvidencePart("ab" * 32, 0, 1, 1, b"x")),
    )
    assert all(isinstance(bus.desk.take(each), Refused) for each in refused)
    for index in range(TAKEN_MAX // PART_BYTES):
        assert bus.desk.take(CameraCaptured(1, part(bytes(PART_BYTES), index, 1000, 1 << 30))) == Ok()
    too_much = CameraCaptured(1, part(bytes(PART_BYTES), TAKEN_MAX // PART_BYTES, 1000, 1 << 30))
    assert isinstance(bus.desk.take(too_much), Refused)
    assert bus.desk.take(CameraCaptured(1, part(b"x", 0, 1, 1))) == Ok(), "begun anew"
    assert await waiting == b"x"


async def test_without_a_watcher_nothing_is_asked_for() -> None:
    with pytest.raises(JournalError, match="not there"):
        Bus(present=False).desk.ready()
