"""The bank's counts, as they come over the uplink: verified, then posted one by one, each in its own transaction.

A count that cannot be posted (unknown item, one that is still inside) is passed over and said; the statement comes
again at every connection, and what was posted is not posted twice.
"""

import asyncio
import logging

from kiosk.core.unit_refusals import UnitRefused
from kiosk.guarantee import counts as statement
from kiosk.management.controller import Controller
from kiosk.management.directory import AccountDirectory
from kiosk.management.refusals import Refusals
from kiosk.messages import DeliverCounts, Ok, Refused, Reply

_log = logging.getLogger(__name__)
_NO_KEY = Refused(
    "no_directory_key",
    "This kiosk was provisioned without the bank's command key.",
    "Run `kiosk-cloud provision` for it again and install directory.key and bank_command.pub.",
)


class BankCounts:
    """Takes the bank's word for what was counted. Without the bank's command key none is ever accepted."""

    def __init__(self, directory: AccountDirectory, controller: Controller, refusals: Refusals) -> None:
        self._kiosk, self._keys = directory.kiosk, directory.keys  # the bank's command key signs both
        self._c = controller
        self._refusals = refusals

    async def deliver(self, message: DeliverCounts) -> Reply:
        """Post what is new. Raises VerificationError for anything that is not the bank's word to this kiosk."""
        if self._keys is None:
            return _NO_KEY
        found = statement.verify(message.data, self._keys.bank_commands, self._kiosk)
        storage = self._c.storage
        waiting = {item.id for item in storage.ledger.collected}
        for count in found.entries:
            if count.item not in waiting:
                continue  # counted already, still inside, or never here: the next statement tells
            try:
                await asyncio.shield(asyncio.ensure_future(storage.post(count)))
            except UnitRefused as refused:
                _log.warning("the bank's count of %s is not posted: %s", count.item, refused)
                await self._refusals.note("counts", message.data, f"the count of {count.item}: {refused}")
        return Ok()
