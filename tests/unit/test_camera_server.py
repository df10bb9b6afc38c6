"""The simulated camera as OpenCV sees it, and the product's frame source on top: real sockets on loopback."""

import asyncio
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from hwsim.camera import CameraServer
from hwsim.dataset import script, write_clip
from hwsim.scene import HEIGHT, WIDTH, SceneState
from kiosk.clock import SystemClock
from kiosk.monitoring import frames
from kiosk.monitoring.frames import CaptureSource


class Stage:
    state = SceneState()

    def __call__(self) -> SceneState:
        return self.state


def capture_source(address: str) -> CaptureSource:
    return CaptureSource(address, SystemClock(), width=640, height=480, frames_per_second=10)


async def test_opencv_opens_the_stream_and_reads_frames() -> None:
    server = CameraServer(Stage(), "127.0.0.1", 0)
    await server.start()
    try:

        def read(count: int) -> list[tuple[int, ...]]:
            capture = cv2.VideoCapture(server.url)
            try:
                assert capture.isOpened()
                return [np.asarray(capture.read()[1]).shape for _ in range(count)]
            finally:
                capture.release()

        assert await asyncio.to_thread(read, 5) == [(HEIGHT, WIDTH, 3)] * 5
    finally:
        await server.stop()


@pytest.mark.parametrize("place", ["/dev/video99", "http://127.0.0.1:9/camera.mjpeg", "/nowhere/film.avi"])
async def test_a_missing_camera_is_said_once_however_often_it_is_tried(
    place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tries, enough, loop = count(1), asyncio.Event(), asyncio.get_running_loop()
    opened = frames._open  # noqa: SLF001 - counted, and done

    def tried(source: str, wishes: tuple[int, int, int]) -> cv2.VideoCapture:
        if next(tries) > 3:
            loop.call_soon_threadsafe(enough.set)
        return opened(source, wishes)

    monkeypatch.setattr(frames, "BACKOFF_S", (0.01, 0.01))
    monkeypatch.setattr(frames, "_open", tried)
    source = capture_source(place)
    source.start()
    await enough.wait()
    await source.close()
    assert [record.getMessage() for record in caplog.records if "camera" in record.name or "frames" in record.name] == [
        f"camera: {place} cannot be opened; trying again"
    ]
    assert capfd.readouterr().err == ""


async def test_the_frame_source_follows_the_stream_and_survives_its_end() -> None:
    server = CameraServer(Stage(), "127.0.0.1", 0)
    await server.start()
    source = capture_source(server.url)
    source.start()
    try:
        number, stamps = 0, []
        for _ in range(15):
            frame = await source.newer(number, 10.0)
            assert frame is not None
            assert frame.number > number
            number = frame.number
            stamps.append(frame.at_s)
        assert source.trouble == ""
        assert stamps == sorted(stamps)
        assert (len(stamps) - 1) / (stamps[-1] - stamps[0]) >= 9.0  # a dozen a second, on a busy machine
    finally:
        await server.stop()
    try:
        async with asyncio.timeout(15):
            while not source.trouble:
                await source.newer(1 << 60, 0.05)
        again = CameraServer(Stage(), "127.0.0.1", server.port)
        await again.start()
        try:
            frame = await source.newer(number + 3, 20.0)
            assert frame is not None
            assert source.trouble == ""
        finally:
            await again.stop()
    finally:
        await source.close()


async def test_one_picture_and_nothing_else() -> None:
    stage = Stage()
    server = CameraServer(stage, "127.0.0.1", 0)
    await server.start()

    async def get(path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    try:
        head, _, body = (await get("/camera.jpg")).partition(b"\r\n\r\n")
        assert b"200 OK" in head
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (HEIGHT, WIDTH, 3)
        stage.state = replace(stage.state, depositor=True)
        assert (await get("/etc/passwd")).startswith(b"HTTP/1.1 404")
        assert server.jpeg()[:2] == b"\xff\xd8"
    finally:
        await server.stop()


async def test_a_clip_plays_through_the_frame_source(tmp_path: Path) -> None:
    made = script(1, 5, "none")
    made.end_s = 2.0
    assert write_clip(tmp_path / "clip.avi", made) > 15
    source = capture_source(str(tmp_path / "clip.avi"))
    source.start()
    try:
        frame = await source.newer(2, 10.0)
        assert frame is not None
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
    finally:
        await source.close()


async def test_a_missing_camera_is_said_and_gives_no_frame(tmp_path: Path) -> None:
    source = capture_source(str(tmp_path / "nothing.avi"))
    source.start()
    try:
        assert await source.newer(0, 0.3) is None
        assert "nothing.avi" in source.trouble
    finally:
        await source.close()
