"""The label printer over ZPL II: satisfies `interfaces.LabelPrinter`.

Bytes handed to the port mean nothing: a label counts as printed only when the printer itself says that
nothing is waiting any more (fact sheet `zpl.md` 3.4). Silence is a state: many printers do not answer
`~HS` while they are out of paper or open.
"""

import asyncio
from typing import Final

from firmware_bridge.errors import LabelNotPrinted, LinkDown
from firmware_bridge.interfaces import Label, LabelPrinterStatus, Transport
from firmware_bridge.protocols.zpl.errors import ZplError
from firmware_bridge.protocols.zpl.label import build_label
from firmware_bridge.protocols.zpl.status import HOST_STATUS, HostStatus, StatusReader

ANSWER_TIMEOUT_S: Final = 2.0
ANSWER_RETRIES_MAX: Final = 1
PRINT_TIMEOUT_S: Final = 20.0
POLL_INTERVAL_S: Final = 0.25
_IDLE_ANSWERS: Final = 2
# ~JA drops what the printer still holds, so that a void label cannot come out later. From general ZPL
# knowledge (unconfirmed, not in the sheet); a printer without it skips the command.
_CANCEL_ALL: Final = b"~JA"


class ZplPrinter:
    """One printer on one `Transport`. One label at a time."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str = "label printer",
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        print_timeout_s: float = PRINT_TIMEOUT_S,
        poll_interval_s: float = POLL_INTERVAL_S,
    ) -> None:
        self._transport = transport
        self._name = name
        self._answer_timeout_s = answer_timeout_s
        self._print_timeout_s = print_timeout_s
        self._poll_interval_s = poll_interval_s
        self._lock = asyncio.Lock()
        self._reader: StatusReader | None = None
        self._answer: asyncio.Future[HostStatus] | None = None
        transport.set_receiver(self._receive)

    async def status(self) -> LabelPrinterStatus:
        """What the printer says of itself; `answered` is false when it says nothing. Raises `LinkDown`."""
        async with self._lock:
            return _told(await self._host_status())

    async def print_label(self, label: Label) -> None:
        """Returns when the printer says that the label is out; `LabelNotPrinted` otherwise.

        After `LabelNotPrinted` the label is in doubt and void, except when it was raised before anything was
        sent; the caller need not tell these apart.
        """
        try:
            job = build_label(label)
        except ZplError as error:
            raise LabelNotPrinted(self._name, str(error), remedy="Report this: the label does not fit.") from error
        async with self._lock:
            try:
                before = await self._host_status()
            except LinkDown as error:
                raise LabelNotPrinted(self._name, str(error)) from error
            if before is None:
                raise LabelNotPrinted(self._name, "it does not answer")
            if not before.ready:
                raise LabelNotPrinted(self._name, f"not ready: {_trouble(before)}")
            if not before.idle:
                raise LabelNotPrinted(self._name, "an earlier label is still waiting inside")
            await self._print(job)

    def close(self) -> None:
        self._transport.set_receiver(None)
        self._transport.close()

    async def _print(self, job: bytes) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._print_timeout_s
        last: HostStatus | None = None
        idle_answers = 0
        try:
            self._transport.write(job)
            while loop.time() < deadline_s:
                await asyncio.sleep(self._poll_interval_s)
                last = await self._host_status(retries_max=0)
                idle_answers = idle_answers + 1 if last is not None and last.idle else 0
                # The first may be a late answer to a question from before the job.
                if idle_answers == _IDLE_ANSWERS:
                    return
        except LinkDown as error:
            raise LabelNotPrinted(self._name, f"the link broke while printing: {error}") from error
        self._cancel()
        raise LabelNotPrinted(self._name, f"not confirmed in time: {_trouble(last) if last else 'no answer'}")

    def _cancel(self) -> None:
        try:
            self._transport.write(_CANCEL_ALL)
        except LinkDown:
            return  # nothing to cancel on a printer that is gone; the label is void either way

    async def _host_status(self, *, retries_max: int = ANSWER_RETRIES_MAX) -> HostStatus | None:
        for _ in range(retries_max + 1):
            self._reader = StatusReader()
            self._answer = asyncio.get_running_loop().create_future()
            try:
                self._transport.write(HOST_STATUS)
                await asyncio.wait({self._answer}, timeout=self._answer_timeout_s)
                if self._answer.done():
                    return self._answer.result()
            finally:
                self._reader = None
                self._answer = None
        return None

    def _receive(self, chunk: bytes) -> None:
        if self._reader is None or self._answer is None or self._answer.done():
            return
        status = self._reader.feed(chunk)
        if status is not None:
            self._answer.set_result(status)


def _told(status: HostStatus | None) -> LabelPrinterStatus:
    if status is None:
        return LabelPrinterStatus(answered=False, ready=False)
    return LabelPrinterStatus(
        answered=True,
        ready=status.ready,
        paper_out=status.paper_out,
        paused=status.paused,
        head_open=status.head_open,
        ribbon_out=status.ribbon_out,
        labels_remaining=status.labels_remaining,
        formats_waiting=status.formats_waiting,
        label_waiting=status.label_waiting,
    )


def _trouble(status: HostStatus) -> str:
    """In words, what stands in the way."""
    told = {
        "paper out": status.paper_out,
        "paused": status.paused,
        "head open": status.head_open,
        "ribbon out": status.ribbon_out and status.thermal_transfer,
        "receive buffer full": status.buffer_full,
        "configuration lost": status.corrupt_ram,
        "too cold": status.under_temperature,
        "too hot": status.over_temperature,
        "labels remaining": status.labels_remaining > 0,
        "formats waiting": status.formats_waiting > 0,
    }
    return ", ".join(words for words, holds in told.items() if holds) or "no reason given"
