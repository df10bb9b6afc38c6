"""The receipt printer over ESC/POS: satisfies `interfaces.ReceiptPrinter`.

Bytes handed to the port mean nothing. Each part of a receipt ends with a mark (`GS r`) that the printer answers only
when it has worked off all before it; after the last one, behind the cut, the real-time status must be free of faults
(fact sheet `escpos.md` section 7). A printer that loses its power meanwhile loses the mark with its buffer.
"""

import asyncio
from typing import Final

from firmware_bridge.errors import LinkDown, ReceiptNotPrinted
from firmware_bridge.interfaces import Receipt, ReceiptPrinterStatus, Transport
from firmware_bridge.protocols.escpos.errors import EscposError
from firmware_bridge.protocols.escpos.job import Letters, build_job
from firmware_bridge.protocols.escpos.status import MARK, QUESTIONS, RECOVER_AND_CLEAR, heard, question, told

ANSWER_TIMEOUT_S: Final = 1.0
ANSWER_RETRIES_MAX: Final = 1
LOOK_S: Final = 2.5  # without the mark: look what is the matter. One part takes 1.7 s on a line of 9600 baud
PRINT_TIMEOUT_S: Final = 20.0
QUIET_S: Final = 0.25  # a mark of an earlier, broken-off job would come within this time before ours


class EscposPrinter:
    """One printer on one `Transport`. One receipt at a time."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str = "receipt printer",
        letters: Letters = "ascii",
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        print_timeout_s: float = PRINT_TIMEOUT_S,
    ) -> None:
        self._transport = transport
        self._name = name
        self._letters = letters
        self._answer_timeout_s = answer_timeout_s
        self._print_timeout_s = print_timeout_s
        self._lock = asyncio.Lock()
        self._answer: asyncio.Future[int] | None = None
        self._mark: asyncio.Future[None] | None = None
        self._late = False  # an answer that did not come in time may still come
        transport.set_receiver(self._receive)

    async def status(self) -> ReceiptPrinterStatus:
        """What the printer says of itself; `answered` is false when it says nothing. Raises `LinkDown`."""
        async with self._lock:
            return await self._status()

    async def print_receipt(self, receipt: Receipt) -> None:
        """Returns when the printer has worked off everything and has no fault; `ReceiptNotPrinted` otherwise.

        After `ReceiptNotPrinted` nobody knows how much of it is out: the next one is a copy.
        """
        try:
            parts = build_job(receipt, letters=self._letters)
        except EscposError as error:
            raise ReceiptNotPrinted(self._name, str(error), remedy="Report this: the receipt does not fit.") from error
        async with self._lock:
            try:
                self._demand_ready(await self._status())
                await self._print(parts)
            except LinkDown as error:
                raise ReceiptNotPrinted(self._name, f"the link broke: {error}") from error

    def close(self) -> None:
        self._transport.set_receiver(None)
        self._transport.close()

    async def _print(self, parts: list[bytes]) -> None:
        end_s = asyncio.get_running_loop().time() + self._print_timeout_s
        try:
            await self._work_off(b"", end_s)
            await asyncio.sleep(QUIET_S)
            for part in parts:
                await self._work_off(part, end_s)
            self._demand_ready(await self._status())
        except ReceiptNotPrinted:
            self._transport.write(RECOVER_AND_CLEAR)
            raise

    async def _work_off(self, part: bytes, end_s: float) -> None:
        """Send a part and wait for its mark. Raises `ReceiptNotPrinted` when the printer tells why none comes."""
        loop = asyncio.get_running_loop()
        mark = self._mark = loop.create_future()
        try:
            self._transport.write(part + MARK)
            while loop.time() < end_s:
                await asyncio.wait({mark}, timeout=min(LOOK_S, max(end_s - loop.time(), 0.0)))
                if mark.done():
                    return
                status = await self._status()
                if status.answered:
                    self._demand_ready(status)
        finally:
            self._mark = None
        raise ReceiptNotPrinted(self._name, "not confirmed in time")

    def _demand_ready(self, status: ReceiptPrinterStatus) -> None:
        if not status.ready:
            raise ReceiptNotPrinted(self._name, status.trouble, remedy=status.remedy)

    async def _status(self) -> ReceiptPrinterStatus:
        answers: dict[int, int] = {}
        for number in QUESTIONS:
            byte = await self._ask(number)
            if byte is None:
                break
            answers[number] = byte
        return told(answers)

    async def _ask(self, number: int) -> int | None:
        for _ in range(ANSWER_RETRIES_MAX + 1):
            if self._late:
                await asyncio.sleep(self._answer_timeout_s)
            self._answer = asyncio.get_running_loop().create_future()
            try:
                self._transport.write(question(number))
                await asyncio.wait({self._answer}, timeout=self._answer_timeout_s)
                self._late = not self._answer.done()
                if self._answer.done():
                    return self._answer.result()
            finally:
                self._answer = None
        return None

    def _receive(self, chunk: bytes) -> None:
        for item in heard(chunk):
            if item.kind == "mark":
                if self._mark is not None and not self._mark.done():
                    self._mark.set_result(None)
            elif self._answer is not None and not self._answer.done():
                self._answer.set_result(item.byte)
