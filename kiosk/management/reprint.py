"""A bundle's label printed again: ordered on record, printed, and what became of it on record, too.

The rules are `kiosk.core.labels`'s: only while the cabinet is being exchanged, so that no deposit can begin and the
bundle is in somebody's hand. The label comes out of the machine's own printer and is stuck on by hand.
"""

import asyncio
import logging
from typing import Final, Literal

from msgspec.structs import replace

from firmware_bridge.errors import DeviceFault
from kiosk.clock import rfc3339
from kiosk.core.exchange import find
from kiosk.core.labels import printing
from kiosk.core.storage import Item, Ledger
from kiosk.core.unit_facts import LabelOrdered, LabelReported
from kiosk.core.unit_refusals import UnitRefused
from kiosk.management.bundle_label import label_again
from kiosk.management.controller import Controller
from kiosk.management.machine import label_printer_status
from kiosk.messages import LabelView, Ok, Refused, Reply

_log = logging.getLogger(__name__)
DETAIL_CHARACTERS_MAX: Final = 300
RESTARTED: Final = "the controller was restarted meanwhile"
HANGS: Final = Refused(
    "label_hangs",
    "A label still hangs out of the label printer.",
    "Take it off: stick it on its bundle, or tear it up.",
)


class Reprints:
    """One label at a time."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._task: asyncio.Task[None] | None = None
        self.last: LabelView | None = None  # of this process
        controller.at_start.append(self._after_restart)

    async def order(self, bundle: str, by: str) -> Reply:
        """Begin; `last` tells how it goes. `Ok` or `Refused`."""
        if await self.hangs():  # the printer would wait for a hand to take it, and this one would be in doubt
            return HANGS
        ordered: Item | None = None

        def fact(ledger: Ledger) -> LabelOrdered:
            nonlocal ordered
            ordered = find(ledger, bundle)
            return LabelOrdered(rfc3339(self._c.clock.now_utc()), bundle, by)

        try:
            await self._c.storage.apply(fact, idle=True)
        except UnitRefused as refused:
            return Refused(refused.code, str(refused), refused.remedy)
        assert ordered is not None, "no label of a bundle that is not there can be ordered"
        item = replace(ordered, copy=ordered.copy + 1)
        self._show(item, "printing")
        self._task = asyncio.get_running_loop().create_task(self._print(item))
        return Ok()

    async def hangs(self) -> bool:
        """Whether the printer says that a label is still to be taken off."""
        return (await label_printer_status(self._c.devices)).label_waiting

    async def _print(self, item: Item) -> None:
        detail = ""
        try:
            await self._c.devices.printer.print_label(label_again(item, self._c.clock.now_utc()))
        except DeviceFault as fault:
            _log.warning("the label of %s was not printed again: %s", item.id, fault)
            detail = str(fault)[:DETAIL_CHARACTERS_MAX] or "it was not printed"
        await self._report(item, detail)

    async def _report(self, item: Item, detail: str) -> None:
        at = rfc3339(self._c.clock.now_utc())
        fact = LabelReported(at, item.id, item.copy, printed=not detail, detail=detail)
        await self._c.storage.apply(lambda _: fact)
        self._show(item, "failed" if detail else "printed")

    async def _after_restart(self) -> None:
        """What was ordered before the last end of this process is in doubt, and so it is void."""
        item = printing(self._c.storage.ledger)
        if item is not None:
            await self._report(item, RESTARTED)

    def _show(self, item: Item, stands: Literal["printing", "printed", "failed"]) -> None:
        self.last = LabelView(item.id, item.copy, stands)
        self._c.announce()
