"""Hand a still or clip over to the controller, which keeps it for the bank: in parts that fit the bus, in order."""

import hashlib
import logging
from collections.abc import Callable
from typing import Final, Protocol

from kiosk.messages import EvidencePart, HandOver, Refused, Reply, Request

_log = logging.getLogger(__name__)
PART_BYTES: Final = 64 * 1024


class Controller(Protocol):
    """The bus, as far as this needs it."""

    async def request(self, message: Request) -> Reply:
        """Send one request and wait for its reply; raises BusError."""


async def hand_over(
    controller: Controller, content: bytes, wrapped: Callable[[EvidencePart], Request] = HandOver
) -> bool:
    """Give all of `content` to the controller; whether it is there now. Raises BusError.

    `wrapped`: the message that carries a part.

    The same content again changes nothing. One that was broken off is handed over again from its first part.
    """
    name = hashlib.sha256(content).hexdigest()
    chunks = -(-len(content) // PART_BYTES)
    for index in range(chunks):
        data = content[index * PART_BYTES : (index + 1) * PART_BYTES]
        reply = await controller.request(wrapped(EvidencePart(name, index, chunks, len(content), data)))
        if isinstance(reply, Refused):
            _log.warning("evidence %s is not handed over: %s (%s)", name[:16], reply.message, reply.remedy)
            return False
    return chunks > 0
