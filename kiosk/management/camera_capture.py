"""Asks the watcher for what the camera gives, and takes it part by part: bounded, in order, only what was asked for."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from kiosk.errors import JournalError
from kiosk.messages import CameraCaptured, CaptureCamera, Ok, Refused, Reply

BYTES_MAX: Final = 4 << 20
ANSWER_S: Final = 20.0  # after the time to look: the watcher has its reports first
_AGAIN: Final = "Begin again."


class CameraCaptures:
    """One capture at a time; its caller sees to that."""

    def __init__(self, push: Callable[[CaptureCamera], None], present: Callable[[], bool]) -> None:
        """`push` reaches the watcher; `present`: whether there is one."""
        self._push, self._present = push, present
        self._number = 0
        self._waits: asyncio.Future[bytes] | None = None
        self._data, self._next = bytearray(), 0  # parts so far, and the next one's index

    def ready(self) -> None:
        """Raises JournalError: nobody looks through the camera."""
        if not self._present():
            raise JournalError("the watcher is not there", remedy="journalctl -u kiosk-watcher says why.")

    async def captured(self, seconds: int) -> bytes:
        """What the watcher made of so many seconds. Raises JournalError when it does not answer."""
        self._number += 1
        self._waits = asyncio.get_running_loop().create_future()
        self._data, self._next = bytearray(), 0
        try:
            self._push(CaptureCamera(self._number, float(seconds)))
            async with asyncio.timeout(seconds + ANSWER_S):
                return await self._waits
        except TimeoutError as error:
            raise JournalError("the watcher did not answer", remedy="Look at `kioskctl test watcher`.") from error
        finally:
            self._waits = None

    def take(self, request: CameraCaptured) -> Reply:
        """One part of it."""
        part = request.part
        if self._waits is None or self._waits.done() or request.number != self._number:
            return Refused("not_asked", "Nobody asked for this.", "Nothing is to be done.")
        if part.index == 0:  # begun, or begun anew
            self._data, self._next = bytearray(), 0
        if part.index != self._next or len(self._data) + len(part.data) > min(part.size, BYTES_MAX):
            return Refused("out_of_turn", "This part is not the next one, or too large.", _AGAIN)
        self._data += part.data
        self._next += 1
        if self._next == part.chunks:
            if hashlib.sha256(self._data).hexdigest() != part.sha256:
                return Refused("damaged", "It is not what its hash says.", _AGAIN)
            self._waits.set_result(bytes(self._data))
        return Ok()
