"""A deposit ticket or a badge held up to the camera: looked for while the screen asks for one, never else.

A frame with a code in it is dropped at once: it is not learnt from, not judged, and goes into no clip. Of a code that
does not say that it is a ticket nothing is told but that there was one: it could be anybody's, for anything.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from kiosk.guarantee import badge, ticket
from kiosk.messages import TICKET_CHARACTERS_MAX

EVERY_S: Final = 0.2
AGAIN_S: Final = 2.0  # the same code that is still held up is told again, so that its refusal stays on the screen
ILLEGIBLE_LOOKS: Final = 6  # in a row, before a code is called illegible: it may still be on its way up

_OURS: Final = (ticket.PREFIX, badge.PREFIX)
_QR: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


class TicketEye:
    """Looks where it is told to, for as long as it is told to. `look` is called on one thread."""

    def __init__(self) -> None:
        self._until_s = float("-inf")
        self._looked_s = float("-inf")
        self._told: tuple[str, float] | None = None
        self._illegible = 0
        self._code_s = float("-inf")

    def seek(self, now_s: float, for_s: float) -> None:
        """From now on, for so long; 0: not any more."""
        if now_s >= self._until_s:
            self._told, self._illegible = None, 0
        self._until_s = now_s + for_s if for_s else float("-inf")

    def seeking(self, now_s: float) -> bool:
        """Whether somebody is asked for a ticket."""
        return now_s < self._until_s

    def look(self, image: npt.NDArray[np.uint8], at_s: float) -> tuple[bool, str | None]:
        """Whether there is a code in this BGR frame (as far as was looked), and what to tell of it, if anything."""
        if not self.seeking(at_s):
            return False, None
        if at_s - self._looked_s < EVERY_S:
            return at_s - self._code_s < 2 * EVERY_S, None
        self._looked_s = at_s
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        found = zxingcpp.read_barcodes(grey, formats=_QR, return_errors=True)
        texts = [code.text for code in found if code.valid and code.text.startswith(_OURS)]
        if found:
            self._code_s = at_s
        self._illegible = self._illegible + 1 if found and not texts else 0
        text = next((text for text in texts if len(text) <= TICKET_CHARACTERS_MAX), None)
        if text is None and self._illegible < ILLEGIBLE_LOOKS:
            return bool(found), None
        return bool(found), self._news(text or "", at_s)

    def _news(self, text: str, at_s: float) -> str | None:
        if self._told is not None and self._told[0] == text and at_s - self._told[1] < AGAIN_S:
            return None
        self._told = text, at_s
        return text
