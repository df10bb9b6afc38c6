"""The controller: one loop that turns facts into durable state, and state into orders.

Crash-only: a restart, a device that resets and a link that fails all lead through the same door. `run` connects,
lets the devices tell what happened, reconciles that with the journal (`Reconciled`) and only then commands
anything. Every fact is applied under one lock and is durable before its orders are queued.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import BoardSnapshot, BoardState, NoteEventKind
from kiosk.clock import Clock, rfc3339
from kiosk.core import facts as f
from kiosk.core.deposit import IllegalTransition, allowed, step, timeout_s
from kiosk.core.facts import Fact
from kiosk.core.orders import AnyOrder
from kiosk.core.records import alert, service
from kiosk.core.state import Deposit, Outcome, RecordDraft, State
from kiosk.core.storage import WITH_BUNDLES, WITH_CASSETTE, Ledger
from kiosk.errors import LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee.evidence_queue import Bounds
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.policy import Policy
from kiosk.management.batches import AT_REST, Batches
from kiosk.management.boardring import BoardRing
from kiosk.management.cabinet_lines import CabinetLines
from kiosk.management.clockwatch import ClockWatch
from kiosk.management.handling import Handling
from kiosk.management.hands import Hands
from kiosk.management.identity import identified
from kiosk.management.machine import (
    OBSTACLES,
    Devices,
    Machine,
    evidence,
    label_printer_status,
    receipt_printer_status,
    store_levels,
)
from kiosk.management.power import Power, PowerLost
from kiosk.management.riskdesk import RiskDesk, stage_of
from kiosk.management.storage import Storage, StorageSettings
from kiosk.management.store import Runner
from kiosk.management.translate import JAMS
from kiosk.management.witnesses import Witnesses

_log = logging.getLogger(__name__)
RETRY_S: Final = 1.0
SNAPSHOT_S: Final = 0.25
REST_SNAPSHOT_S: Final = 1.0  # three times within the watchdog of the board
SUPPLIES_S: Final = 3.0
DEADLINE_GRAIN_S: Final = 0.01
BOARD_SETTLE_S: Final = 60.0
SERVICE_MODE: Final = "service_mode"  # in the journal's memory: who works on the machine
CONFIGURATION: Final = "configuration"  # in the journal's memory: what it was at the last start


@dataclass(frozen=True)
class Settings:
    """What the controller needs of the configuration, plain."""

    accept_channels: frozenset[int]
    suspect_channels: frozenset[int]
    shutter_s: float
    board_watchdog_ms: int
    worth: Mapping[int, tuple[str, int]] = field(default_factory=dict)  # genuine channel -> currency, minor units
    accepted_serial: int | None = None
    kiosk: str = ""  # as the receipt names it
    branch: str = ""
    receipt_language: Literal["en", "zh", "ru"] = "en"
    hold_up_s: float = 30.0  # the cabinet runs on for so long without mains power
    power_dip_s: float = 0.3  # and does not look up for less than this
    storage: StorageSettings = field(default_factory=StorageSettings)
    software: str = ""  # the version that runs
    config_hash: str = ""  # of the configuration as it was understood
    evidence: Bounds = field(default_factory=Bounds)


class Controller:
    """Owns the deposit. Everything that it waits for or draws is given to it."""

    def __init__(  # noqa: PLR0913 - the rooms that only the process entry point may join
        self,
        *,
        devices: Devices,
        journal: Journal,
        runner: Runner,
        risk: RiskDesk,
        clock: Clock,
        settings: Settings,
        guarantee: Callable[[Deposit, Machine, f.Evidence | None], tuple[f.Finding, ...]],
        changed: Callable[[], None],
        grew: Callable[[], None],
        sensed: Callable[[BoardSnapshot], None],
        policy: Policy | None = None,
        heard: Callable[[Fact, Deposit], None] | None = None,
    ) -> None:
        """`policy`: whose cosignatures make a receipt witnessed. `heard`: told of every durable fact.

        Raises VerificationError when the policy is not for us.
        """
        self.devices = devices
        self.journal = journal
        self.runner = runner
        self.risk = risk
        self.clock = clock
        self.settings = settings
        self.guarantee = guarantee
        self.witnesses = Witnesses(journal.log.kiosk, policy, journal, runner, clock)
        self.machine = Machine()
        self.deposit = Deposit()
        self.orders: asyncio.Queue[AnyOrder] = asyncio.Queue()
        self.deadline_s: float | None = None  # monotonic
        self.changed, self._grew, self._sensed, self._heard = changed, grew, sensed, heard
        self._lock = asyncio.Lock()
        self._deadline_moved = asyncio.Event()
        self._deadline_generation = 0
        self._restarted = True
        self._asked = False  # this process has begun to listen to the validator
        self.at_start: list[Callable[[], Awaitable[None]]] = []  # by rooms that have something to finish
        self._hands = Hands(self)
        self._ring = BoardRing(self)
        self._handling = Handling()
        self.power = Power(self, hold_up_s=settings.hold_up_s, dip_s=settings.power_dip_s)
        self._lines = CabinetLines(self)
        self.batches = Batches(self)
        self._clock_watch = ClockWatch(clock)
        self.storage = Storage(
            journal=journal,
            runner=runner,
            clock=clock,
            lock=self._lock,
            deposit=lambda: self.deposit,
            changed=self._units_changed,
            settings=settings.storage,
        )

    # --- facts ------------------------------------------------------------------------------------------

    async def apply(self, fact: Fact) -> None:
        """Step, make durable, queue the orders. Completes even if the caller is cancelled meanwhile."""
        await self.tell(lambda _: fact)

    async def tell(self, decide: Callable[[Deposit], Fact | None]) -> bool:
        """Apply what `decide` makes of the deposit as it stands when every fact before is durable; None: nothing."""
        return await asyncio.shield(asyncio.ensure_future(self._apply(decide)))

    async def offer(self, fact: Fact) -> bool:
        """Apply the outcome of an order, if the deposit still waits for such; decided under the lock."""
        return await self.tell(lambda deposit: fact if allowed(deposit.state, type(fact)) else None)

    async def request(self, fact: Fact) -> bool:
        """Apply what a person asked for, if the table lists it now; otherwise nothing happens."""
        if not self.machine.connected or not allowed(self.deposit.state, type(fact)):
            return False
        with contextlib.suppress(IllegalTransition):  # the state moved on while the lock was awaited
            await self.apply(fact)
            return True
        return False

    async def _apply(self, decide: Callable[[Deposit], Fact | None]) -> bool:
        async with self._lock:
            before = self.deposit
            fact = decide(before)
            if fact is None:
                return False
            if isinstance(fact, f.Begin) and not (self.storage.may_begin and self.machine.service is None):
                raise IllegalTransition(before.state, fact)
            outcome = step(before, fact)
            now = self.clock.now_utc()
            if before.state is State.IDLE and outcome.deposit.state is not State.IDLE:
                await self._ring.keep()  # the facts to come are replayed without those of the deposit before
            entries, units = self.storage.booked(outcome, now)
            await self.runner.run(self.journal.commit, fact, outcome, before, now, entries)
            self.deposit = outcome.deposit
            self.storage.took(units)
            for order in outcome.orders:
                self.orders.put_nowait(order)
            self._move_deadline(before, fact)
            if self._heard is not None:
                # Behind a callback of the loop: whatever goes wrong with a listener, the deposit goes on.
                asyncio.get_running_loop().call_soon(self._heard, fact, outcome.deposit)
        if outcome.records:
            self._grew()
        self.changed()
        return True

    def _move_deadline(self, before: Deposit, fact: Fact) -> None:
        if before.state is self.deposit.state and isinstance(fact, f.Assessed | f.Acknowledged | f.AtReset):
            return
        self._deadline_generation += 1
        limit_s = timeout_s(self.deposit)
        self.deadline_s = None if limit_s is None else self.clock.monotonic_s() + limit_s
        self._deadline_moved.set()

    async def record(self, draft: RecordDraft) -> None:
        """A record of its own: service events and alerts outside any deposit."""
        await self.runner.run(self.journal.append, draft, self.clock.now_utc())
        self._grew()
        self.changed()

    def _units_changed(self, records: bool) -> None:  # noqa: FBT001 - whether there are new ones
        self.machine.units = self.storage.hindrances()
        if records:
            self._grew()
        self.changed()

    def grown(self) -> None:
        """The log has a record more."""
        self._grew()
        self.changed()

    @property
    def hands(self) -> Hands:
        """For movements in service, which are no orders of a deposit."""
        return self._hands

    @property
    def idle(self) -> bool:
        """Whether no order waits or is under way."""
        return self.orders.empty() and self._hands.idle

    @property
    def headphones(self) -> bool:
        """Whether a depositor's are plugged in."""
        return self._lines.headphones

    def announce(self) -> None:
        """Something that status shows has changed outside the deposit."""
        self.changed()

    async def acknowledged(self, ack: bytes) -> None:
        """Apply the bank's acknowledgement. Raises `VerificationError`.

        One that proves our log old or rewritten keeps further deposits away; one under way is finished. No alert is
        recorded: a leaf would only be one more that contradicts those which the bank already holds.
        """
        try:
            await self.runner.run(self.journal.acknowledge, ack)
            self.witnesses.arrived()
        except (LogForkError, LogRollbackError) as error:
            _log.critical("no more deposits: %s", error)
            self.machine.distrust = await self.runner.run(self.journal.distrust)
            raise
        finally:
            self.changed()

    def recorded(self) -> None:
        """Records were added outside the deposit."""
        self._grew()
        self.changed()

    def replaced(self, outcome: Outcome, ledger: Ledger) -> None:
        """What another validator does to the open deposit is durable; nothing is ordered before it is connected."""
        self.deposit = outcome.deposit
        self.storage.took(ledger)
        self._grew()
        self.changed()

    async def reset(self, reset_id: bytes, by: str) -> bool:
        """Bring every device to a known state, also while they do not answer; False when that cannot be now."""
        if self.deposit.state is State.DONE:
            await self.offer(f.Finish())
        fact = f.ResetOrdered(rfc3339(self.clock.now_utc()), reset_id, by, self.storage.loose)
        return await self.offer(fact)

    @contextlib.asynccontextmanager
    async def at_rest(self) -> AsyncIterator[bool]:
        """Whether no deposit is under way; while this is held, none begins."""
        async with self._lock:
            yield self.deposit.state in (State.IDLE, State.DONE)

    async def self_check(self) -> None:
        """That a fact could be made durable now: the lock is free, the journal writes and reads back.

        Raises `JournalError`; hangs where the controller hangs.
        """
        async with self._lock:
            await self.runner.run(self.journal.check)

    # --- the loop ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled, or until the mains power is lost and all is safe.

        Device faults lead to reconciliation; a journal error ends the controller.
        """
        self.deposit = await self.runner.run(self.journal.unfinished)
        self._ring.replayed = self.deposit.ring
        self.machine.distrust = await self.runner.run(self.journal.distrust)
        self.machine.bank_hold = (await self.runner.run(self.journal.bank.get, "hold") or b"").decode()
        self.devices.lines.set_listener(self._lines.changed)
        await self.record(service("started", {"state": str(self.deposit.state)}))
        await self._note_configuration()
        await self.storage.load()
        service_mode = await self.runner.run(self.journal.memory, SERVICE_MODE)
        self.machine.service = tuple(json.loads(service_mode)) if service_mode else None
        for finish in self.at_start:
            await finish()
        async with asyncio.TaskGroup() as group:
            units = group.create_task(self.storage.watch(self.journal.clock_synchronised), name="units")
            checking = group.create_task(self._check_log(), name="log")
            await self._serve()
            units.cancel()  # the controller ends in order
            checking.cancel()

    async def _note_configuration(self) -> None:
        """Another configuration, version or witness policy than at the last start is a record of its own."""
        present = {
            "software": self.settings.software,
            "config_hash": self.settings.config_hash,
            "policy_sha256": self.witnesses.policy_sha256,
        }
        kept = await self.runner.run(self.journal.memory, CONFIGURATION)
        before = dict.fromkeys(present, "") if kept is None else json.loads(kept)
        if before != present:
            draft = service("configuration_changed", {**present, "before": before})
            await self.runner.run(
                self.journal.remember, CONFIGURATION, json.dumps(present), draft, self.clock.now_utc()
            )
            self.recorded()

    async def _check_log(self) -> None:
        """The whole record log once, beside the work: one that does not add up takes no further deposit.

        Not kept: whoever puts the right disk back starts again, and it is looked at again.
        """
        try:
            stretch = await self.runner.run(self.journal.auditing)
            leaves: int | None = 0
            while leaves is not None:
                leaves = await self.runner.run(stretch)
        except VerificationError as error:
            _log.critical("no more deposits: the record log does not add up: %s", error)
            self.machine.damage = str(error.args[0])
            self.changed()

    async def _serve(self) -> None:
        stopped = ""
        while not stopped:
            await self.power.wait_good()
            try:
                await self._connect()
                await self._operate()
            except* PowerLost as lost:
                stopped = str(_first(lost).args[0])
            except* DeviceFault as faults:
                await self._disconnected(_first(faults))
                await self.clock.sleep(RETRY_S)
        async with self._lock:  # a fact whose commit was under way
            self.machine.connected, self.machine.fault, self.deadline_s = False, stopped, None
        _log.warning("stopping in order: %s", stopped)
        await self.record(service("stopped", {"why": stopped, "state": str(self.deposit.state)}))

    async def _disconnected(self, fault: DeviceFault) -> None:
        _log.warning("reconciling after a fault: %s", fault)
        news = str(fault) != self.machine.fault
        self.machine.connected, self.machine.fault, self.machine.remedy = False, str(fault), fault.remedy
        self.deadline_s = None
        if news:
            await self.record(alert(self.deposit, "device", (str(fault),)))
        self.changed()

    async def _connect(self) -> None:
        """Start the devices, hear them out, then compare with the journal. Nothing is commanded before that."""
        self._hands.reset()
        self.machine.identity = await identified(self)
        await self._about_to_listen()
        await self.batches.hear_out()
        snapshot = await self._board_at_rest()
        await self._ring.connect(snapshot)
        found = await evidence(self.devices, snapshot)
        await self.devices.board.set_watchdog(self.settings.board_watchdog_ms)
        self.machine.levels = await store_levels(self.devices)
        self.machine.printer = await label_printer_status(self.devices)
        self.machine.receipt_printer = await receipt_printer_status(self.devices)
        escrow = self.devices.validator.capabilities.bunch_escrow
        await self.storage.configure(WITH_BUNDLES if escrow else WITH_CASSETTE)
        async with self._lock:  # a fact whose commit was under way when the fault came
            while not self.orders.empty():  # reconciliation orders anew what is still to be done
                self.orders.get_nowait()
            self.batches.held = False  # whoever would have decided was among them
        jammed = any(kind in JAMS for kind in self.machine.stopped)
        now = rfc3339(self.clock.now_utc())
        await self.apply(f.Reconciled(now, found, restarted=self._restarted, jammed=jammed))
        self._restarted = False
        self.machine.connected, self.machine.fault = True, ""
        self.changed()

    async def _about_to_listen(self) -> None:
        """A validator says once only that it handed a note back: that it is listened to now is durable before."""
        if self.deposit.accepting is None:
            return
        before = any(fact.kind == "asked" for fact in self.deposit.told) and not self._asked
        self._asked = True
        await self.offer(f.AtReset("asked_again" if before else "asked", 0, None, ""))

    async def _board_at_rest(self) -> BoardSnapshot:
        """The board's word once it has finished what it was told before; bounded."""
        end_s = self.clock.monotonic_s() + BOARD_SETTLE_S
        while True:
            snapshot = await self.devices.board.snapshot()
            self.machine.snapshot = snapshot
            working = snapshot.accepted_sequence != snapshot.finished_sequence
            if not working or snapshot.state == BoardState.FAULT or self.clock.monotonic_s() > end_s:
                return snapshot
            await self.clock.sleep(SNAPSHOT_S)

    async def _operate(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hands.work(group), name="hands")
                group.create_task(self.batches.poll(), name="validator")
                group.create_task(self._watch_board(), name="board")
                group.create_task(self._lines.watch(), name="lines")
                group.create_task(self.power.watch(), name="power")
                group.create_task(self._watch_supplies(), name="supplies")
                group.create_task(self._watch_deadline(), name="deadline")
                group.create_task(self._clock_watch.watch(self.record), name="clock")
        finally:
            self.machine.connected = False

    async def _watch_board(self) -> None:
        boot_id = self.machine.snapshot.boot_id if self.machine.snapshot else 0
        while True:
            snapshot = await self.devices.board.snapshot()
            if snapshot.boot_id != boot_id:
                raise DeviceFault("board", "it was restarted")
            self.machine.snapshot = snapshot
            await self._ring.seen(snapshot)
            await self._hands.board_seen(snapshot)
            self._sensed(snapshot)
            await self._handled(snapshot)
            await self.clock.sleep(REST_SNAPSHOT_S if self.deposit.state in AT_REST else SNAPSHOT_S)

    async def _handled(self, snapshot: BoardSnapshot) -> None:
        """Hands in the machine are high by a hard rule; the money goes its way."""
        words = self._handling.seen(snapshot, self.deposit)
        if words:
            await self.graded("high", words)

    async def graded(self, grade: f.Grade, words: str) -> None:
        """Grade the deposit under way by a hard rule, if it is in a state that can be graded."""
        if allowed(self.deposit.state, f.Assessed):
            item = f.Assessment(stage_of(self.deposit.state), grade, (words,))
            await self.offer(f.Assessed(rfc3339(self.clock.now_utc()), asked=False, assessments=(item,)))

    async def _watch_supplies(self) -> None:
        """Between deposits: a new roll, new labels or a store that is empty by now bring the kiosk back into service.

        Nobody has to touch a screen that says out of service. What was in order is not asked about all the time.
        """
        machine = self.machine
        while True:
            await self.clock.sleep(SUPPLIES_S)
            if self.deposit.state is not State.IDLE:
                continue
            if machine.snapshot is not None and machine.snapshot.finished_result in OBSTACLES:
                await self._hands.home()  # a tray put back, a door closed: only the board itself can say so
            before = (machine.receipt_printer, machine.printer, machine.levels)
            machine.receipt_printer = await receipt_printer_status(self.devices)
            if machine.printer is not None and not machine.printer.ready:
                machine.printer = await label_printer_status(self.devices)
            if any(level.count for level in machine.levels):  # as it was when a restart found it amid a bundle
                async with self.batches.lock:
                    machine.levels = await store_levels(self.devices)
            if before != (machine.receipt_printer, machine.printer, machine.levels):
                self.changed()

    # --- time ---------------------------------------------------------------------------------

    async def _watch_deadline(self) -> None:
        self._deadline_moved.set()
        while True:
            self._deadline_moved.clear()
            if self.deadline_s is None:
                await self._deadline_moved.wait()
                continue
            left_s = self.deadline_s - self.clock.monotonic_s()
            if left_s <= 0:
                await self._time_out(self._deadline_generation)
                continue
            # Not `wait_for`: in Python 3.11 it loses a cancellation that meets the event, and the controller hangs.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left_s, DEADLINE_GRAIN_S)):
                    await self._deadline_moved.wait()

    async def _time_out(self, generation: int) -> None:
        """Only if nothing has happened since: a confirmation that was being stored is never overtaken."""

        def still(deposit: Deposit) -> Fact | None:
            due = generation == self._deadline_generation and allowed(deposit.state, f.TimedOut)
            return f.TimedOut() if due else None

        applied = await self.tell(still)
        if not applied and generation == self._deadline_generation:
            self.deadline_s = None

    def kick_off(self, kind: NoteEventKind, words: str | None) -> None:
        """Remember (or forget) why the validator takes nothing, for readiness."""
        if words is None:
            self.machine.stopped.pop(kind, None)
        else:
            self.machine.stopped[kind] = words


_F = TypeVar("_F", DeviceFault, PowerLost)


def _first(group: BaseExceptionGroup[_F]) -> _F:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
        return error
    raise group
