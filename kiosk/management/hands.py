"""Carries out orders, one after another, each already durable. Outcomes come back as facts.

Board commands run in the background of the others (the belt turns while the store empties); their sequence number
and boot id are journalled (`BoardDispatched`) before the block is sent, so that a crash leaves exactly one question:
has the board accepted that sequence?
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Literal

from firmware_bridge.errors import CommandRefused, DeviceFault, DeviceRestarted
from firmware_bridge.interfaces import BoardCommand, BoardOpcode, BoardSnapshot, BunchEscrow, Line, Resettable
from kiosk.clock import rfc3339
from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.orders import AnyOrder
from kiosk.core.state import BoardPending, State
from kiosk.errors import VerificationError
from kiosk.management.bundle_label import bundle_label
from kiosk.management.machine import board_evidence, evidence, receipt_printer_status
from kiosk.management.receipt_page import Trust, receipt_page

if TYPE_CHECKING:
    from kiosk.management.controller import Controller

_log = logging.getLogger(__name__)
SEQUENCE_MODULUS: Final = 1 << 16
LINE_POLL_S: Final = 0.05
BOARD_REPLY_S_MAX: Final = 120.0


class Hands:
    """One worker for the controller's order queue."""

    def __init__(self, controller: "Controller") -> None:
        self._c = controller
        self._pending: BoardPending | None = None
        self._pending_until_s = 0.0
        self._working = False
        self._exercising = asyncio.Lock()  # the board is asked to look again from more than one side
        self._assessment: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no order is under way."""
        return not self._working and self._pending is None

    def reset(self) -> None:
        """Forget what was under way: reconciliation decides about it."""
        self._pending = None
        self._working = False

    async def work(self, group: asyncio.TaskGroup) -> None:
        """Take orders for ever. Raises `DeviceFault` when a device fails under one."""
        while True:
            order = await self._c.orders.get()
            _log.info("order %s", type(order).__name__)
            self._c.power.check(order)
            self._working = True
            await self._carry_out(order, group)
            self._working = False

    async def _carry_out(self, order: AnyOrder, group: asyncio.TaskGroup) -> None:
        match order:
            case o.RequestAssessment():
                self._assessment = group.create_task(self._assess(order))
            case o.CheckGuarantee():
                await self._check()
            case o.RunBoard():
                await self._run_board(order)
            case o.PrintLabel():
                await self._print_label(order)
            case o.PrintReceipt():
                await self._print_receipt(order)
            case o.OpenShutter():
                await self._move_shutter(opened=True)
            case o.CloseShutter():
                await self._move_shutter(opened=False)
            case o.ResetValidator():
                await self._reset_validator()
            case o.PrepareValidator():
                await self._prepare()
            case _:
                await self._command_validator(order)

    # --- validator --------------------------------------------------------------------------------------

    async def _command_validator(self, order: AnyOrder) -> None:
        if isinstance(order, o.CancelEscrow):
            await self._return_escrow()
            return
        validator, batches = self._c.devices.validator, self._c.batches
        async with batches.lock:
            match order:
                case o.AcceptNote():
                    await validator.accept()
                    batches.held = False
                case o.RejectNote():
                    await validator.reject()
                    batches.held = False
                case o.EnableValidator():
                    await validator.enable()
                case o.DisableValidator():
                    await validator.disable()
                case o.CommitEscrow():
                    await self._tolerate(self._escrow().commit_escrow())
        if isinstance(order, o.EmptyStore):
            await self._empty_store()
        if isinstance(order, o.CommitEscrow):
            await self._c.offer(f.EscrowCommitted())

    async def _reset_validator(self) -> None:
        """It starts again; what it says of itself afterwards is heard at the door that every start goes through."""
        validator = self._c.devices.validator
        can = isinstance(validator, Resettable)
        if isinstance(validator, Resettable):
            async with self._c.batches.lock:
                await validator.reset()
        await self._c.offer(f.ValidatorReset(can))
        raise DeviceRestarted("validator", "it was reset by order")

    async def _return_escrow(self) -> None:
        """What the validator says no to may work after a new start, but not for ever."""
        try:
            async with self._c.batches.lock:
                await self._escrow().cancel_escrow()
        except CommandRefused as refused:
            await self._c.offer(f.ReturnRefused(str(refused)))
            if self._c.deposit.state is State.RETURNING:
                raise

    def _escrow(self) -> BunchEscrow:
        """The bunch escrow. A deposit that began with one waits for it as for any device that does not answer."""
        escrow = self._c.devices.validator.escrow
        if escrow is None:
            raise DeviceFault("validator", "it has no bunch escrow, and this deposit needs it")
        return escrow

    async def _tolerate(self, command: Awaitable[None]) -> None:
        try:
            await command
        except CommandRefused as refusal:
            # Committing what is committed is refused by some firmware: emptying is what counts, and it will tell.
            _log.warning("commit refused: %s", refusal)

    async def _empty_store(self) -> None:
        """Refused while a note still moves: asked again, a bounded number of times."""
        began = self._step()
        while self._step() == began:  # whose own time limit ends this
            async with self._c.batches.lock:
                try:
                    await self._escrow().empty_to_stacker()
                except CommandRefused as refusal:
                    _log.info("the store cannot be emptied yet: %s", refusal)
                    await self._tolerate(self._escrow().commit_escrow())  # refused before, if it was busy then, too
                else:
                    return
            await self._c.clock.sleep(LINE_POLL_S * 10)

    def _step(self) -> tuple[str, str]:
        deposit = self._c.deposit
        return deposit.state, deposit.reset.phase if deposit.reset is not None else ""

    async def _prepare(self) -> None:
        settings, policy = self._c.settings, self._c.deposit.policy
        accept = settings.accept_channels
        if policy.bunch_escrow:
            await self.home()  # no note may come in before the board has shown that it can work, tray and all
        suspect = settings.suspect_channels if policy.suspect_custody else frozenset[int]()
        async with self._c.batches.lock:
            await self._c.devices.validator.configure(accept - (settings.suspect_channels - suspect), suspect)
            snapshot = await self._c.devices.board.snapshot()
            found = await evidence(self._c.devices, snapshot)
        await self._c.offer(f.Prepared(found))

    # --- board ------------------------------------------------------------------------------------------

    async def _run_board(self, order: o.RunBoard) -> None:
        snapshot = await self._c.devices.board.snapshot()
        sequence = (snapshot.accepted_sequence + 1) % SEQUENCE_MODULUS
        command = BoardCommand(sequence, BoardOpcode(order.opcode), order.arguments, snapshot.boot_id)
        occupied = snapshot.transport_occupied or snapshot.tray_notes > 0
        if not await self._c.offer(f.BoardDispatched(order.opcode, sequence, snapshot.boot_id, occupied)):
            return  # the deposit went another way while this order waited, such as into a jam
        await self._c.devices.board.submit(command)
        self._pending_until_s = self._c.clock.monotonic_s() + BOARD_REPLY_S_MAX
        self._pending = BoardPending(order.opcode, sequence, snapshot.boot_id)

    async def home(self) -> None:
        """Let the board look where everything is. HOME moves no note: nothing about it is journalled."""
        await self.exercise(BoardOpcode.HOME)

    async def exercise(self, opcode: Literal[BoardOpcode.HOME, BoardOpcode.SELF_TEST]) -> int:
        """A command that moves no note, to its end; the board's result. Raises `DeviceFault`."""
        board, clock = self._c.devices.board, self._c.clock
        async with self._exercising:
            snapshot = await board.snapshot()
            sequence = (snapshot.accepted_sequence + 1) % SEQUENCE_MODULUS
            await board.submit(BoardCommand(sequence, opcode, (), snapshot.boot_id))
            end_s = clock.monotonic_s() + BOARD_REPLY_S_MAX
            while snapshot.finished_sequence != sequence:
                if clock.monotonic_s() > end_s:
                    raise DeviceFault("board", f"it does not finish {opcode.name.lower()}")
                await clock.sleep(LINE_POLL_S)
                snapshot = await board.snapshot()
            self._c.machine.snapshot = snapshot
        return snapshot.finished_result

    async def board_seen(self, snapshot: BoardSnapshot) -> None:
        """Called with each snapshot: the end of the pending command becomes a fact."""
        pending = self._pending
        if pending is None:
            return
        if snapshot.finished_sequence != pending.sequence:
            if self._c.clock.monotonic_s() > self._pending_until_s:
                raise DeviceFault("board", f"command {pending.sequence} does not finish")
            return
        self._pending = None
        fact = f.BoardFinished(pending.opcode, snapshot.finished_result, board_evidence(snapshot))
        await self._c.offer(fact)

    # --- label, shutter ---------------------------------------------------------------------------------

    async def _print_label(self, order: o.PrintLabel) -> None:
        try:
            await self._c.devices.printer.print_label(
                bundle_label(self._c.deposit, order.copy, self._c.clock.now_utc())
            )
        except DeviceFault as fault:
            # A label never holds up a credit: the table decides about another copy.
            await self._c.offer(f.LabelPrinted(order.copy, ok=False, detail=str(fault)))
        else:
            await self._c.offer(f.LabelPrinted(order.copy, ok=True))

    async def _print_receipt(self, order: o.PrintReceipt) -> None:
        """Neither a missing printer nor a missing receipt holds anything up: the screen shows the QR codes."""
        detail = ""
        result: Literal["printed", "failed", "no_printer"] = "no_printer"
        printer, deposit = self._c.devices.receipts, self._c.deposit
        if printer is not None:
            try:
                made, names = await self._c.witnesses.receipt(deposit.id, wait=order.copy == 0)
                settings = self._c.settings
                await printer.print_receipt(
                    receipt_page(
                        deposit,
                        made,
                        order.copy,
                        place=(settings.kiosk, settings.branch),
                        language=settings.receipt_language,
                        trust=Trust(names, self._c.witnesses.policy_sha256),
                    )
                )
                result = "printed"
            except (DeviceFault, VerificationError, ValueError) as fault:
                result, detail = "failed", str(fault)
            self._c.machine.receipt_printer = await receipt_printer_status(self._c.devices)
        await self._c.offer(f.ReceiptPrinted(order.copy, result, detail))

    async def _move_shutter(self, *, opened: bool) -> None:
        moved = f.ShutterMoved(open=opened, ok=await self.shutter(opened=opened))
        await self._c.offer(moved)

    async def shutter(self, *, opened: bool) -> bool:
        """Move it; whether it reached its end in time."""
        lines, clock = self._c.devices.lines, self._c.clock
        lines.write(Line.SHUTTER_OPEN_CMD, opened)
        lines.write(Line.PORT_LAMP, opened)
        sensor = Line.SHUTTER_OPENED if opened else Line.SHUTTER_CLOSED
        end_s = clock.monotonic_s() + self._c.settings.shutter_s
        while not lines.read(sensor) and clock.monotonic_s() < end_s:
            await clock.sleep(LINE_POLL_S)
        return lines.read(sensor)

    # --- risk and guarantee -----------------------------------------------------------------------------

    async def _assess(self, order: o.RequestAssessment) -> None:
        found = await self._c.risk.assess(self._c.deposit.code, order.stages)
        await self._c.offer(f.Assessed(rfc3339(self._c.clock.now_utc()), asked=True, assessments=found))

    async def _check(self) -> None:
        if self._assessment is not None and not self._assessment.done():
            await asyncio.wait({self._assessment})  # bounded: it says which models have judged
        counted = await self._counted()
        findings = await self._c.runner.run(self._c.guarantee, self._c.deposit, self._c.machine, counted)
        await self._c.offer(f.GuaranteeChecked(rfc3339(self._c.clock.now_utc()), findings))

    async def _counted(self) -> f.Evidence | None:
        """What the validator's counters say at the end of a deposit that began with counters; None when it is mute."""
        base, snapshot = self._c.deposit.baseline, self._c.machine.snapshot
        if base is None or not base.validator.counted or snapshot is None:
            return None
        try:
            async with self._c.batches.lock:
                return await evidence(self._c.devices, snapshot)
        except DeviceFault as fault:  # a check that failed, no more: whoever polls next goes back to reconciliation
            _log.warning("the validator's counts are not known: %s", fault)
            return None
