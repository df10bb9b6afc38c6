"""An MJPEG camera over HTTP: `/camera.mjpeg` streams, `/camera.jpg` gives one picture.

Frames are rendered and encoded on a thread, a dozen a second, whether or not anybody looks; a client that is
slow misses frames. The stream's rhythm is the clock's, whatever the scene shows.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2

from hwsim.scene import SceneRenderer, SceneState

_log = logging.getLogger(__name__)

FRAMES_PER_SECOND: Final = 12.0
JPEG_QUALITY: Final = 80
BOUNDARY: Final = "frame"
HEADER_BYTES_MAX: Final = 8192
REQUEST_TIMEOUT_S: Final = 5.0
SEND_TIMEOUT_S: Final = 5.0
CLIENTS_MAX: Final = 8


class CameraServer:
    """Serves what `scene_provider` says is true in front of the kiosk."""

    def __init__(self, scene_provider: Callable[[], SceneState], host: str, port: int, *, seed: int = 7) -> None:
        """Port 0 takes a free one; `seed` is the shop's."""
        self._scene_provider = scene_provider
        self._host = host
        self.port = port
        self._renderer = SceneRenderer(seed)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="camera")
        self._server: asyncio.Server | None = None
        self._rendering: asyncio.Task[None] | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._jpeg = b""
        self._number = 0
        self._fresh = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the stream is, for cv2.VideoCapture."""
        return f"http://{self._host}:{self.port}/camera.mjpeg"

    def jpeg(self) -> bytes:
        """The latest picture; empty before the first one."""
        return self._jpeg

    async def start(self) -> None:
        """Begin to render and to listen; returns when there is a first picture."""
        await self._render()
        self._rendering = asyncio.create_task(self._render_for_good())
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody; idempotent."""
        if self._server is not None:
            self._server.close()
        tasks = [*self._clients] + ([self._rendering] if self._rendering is not None else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._worker.shutdown(wait=True, cancel_futures=True)

    # --- pictures -------------------------------------------------------------------------------------

    async def _render_for_good(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + 1.0 / FRAMES_PER_SECOND, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            await self._render()

    async def _render(self) -> None:
        loop = asyncio.get_running_loop()
        self._jpeg = await loop.run_in_executor(self._worker, self._encode, self._scene_provider(), loop.time())
        self._number += 1
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()

    def _encode(self, state: SceneState, at_s: float) -> bytes:
        frame = self._renderer.render(state, at_s)
        _, encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return encoded.tobytes()

    # --- clients --------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= CLIENTS_MAX:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _log.debug("camera: a client left: %r", error)
        except asyncio.CancelledError:
            _log.debug("camera: hanging up")  # ends here: the server awaits nothing of this task
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            request = (await reader.readuntil(b"\r\n\r\n"))[:HEADER_BYTES_MAX]
        method, _, rest = request.partition(b" ")
        path = rest.split(b" ")[0].split(b"?")[0]
        if method != b"GET" or path not in (b"/camera.mjpeg", b"/camera.jpg"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if path == b"/camera.jpg":
            writer.write(_head("image/jpeg", len(self._jpeg)) + self._jpeg)
            await writer.drain()
            return
        writer.write(_head(f"multipart/x-mixed-replace; boundary={BOUNDARY}", None))
        while True:
            await self._fresh.wait()
            jpeg = self._jpeg
            part = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            writer.write(part.encode() + jpeg + b"\r\n")
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await writer.drain()


def _head(content_type: str, length: int | None) -> bytes:
    size = "" if length is None else f"Content-Length: {length}\r\n"
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{size}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode()
