"""The real controller, drivers and journal against the simulated world, in one process and in virtual time.

Only transports, clock, randomness and the watcher are replaced. `Rig.crash_at` cuts the power of everything, the
controller included, at the n-th journal write or the n-th chunk on a serial line.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from firmware_bridge.drivers.escpos_printer import EscposPrinter
from firmware_bridge.drivers.modbus_board import ModbusBoard
from firmware_bridge.drivers.zpl_printer import ZplPrinter
from firmware_bridge.protocols.escpos.job import LETTERS_OF
from hwsim.config import BoardConfig, LabelPrinterConfig, ReceiptPrinterConfig, ValidatorConfig, WorldConfig
from hwsim.devices.board import DepositBoard
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.errors import InsertionRefused
from hwsim.world import World
from kiosk.config.schema import cny_notes
from kiosk.core.facts import Fact
from kiosk.core.money import Claim
from kiosk.core.policy import NoteKind, Timing
from kiosk.core.state import Deposit, Outcome, State
from kiosk.guarantee import keys as guarantee_keys
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.credentials import Cost, Credentials
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.policy import Policy
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.management.assurance import Assurance
from kiosk.management.authority import AuthorityDesk
from kiosk.management.controller import Controller, Settings
from kiosk.management.desk import Desk, Rules
from kiosk.management.directory import AccountDirectory
from kiosk.management.health import Around, HealthDesk
from kiosk.management.host import Host
from kiosk.management.installed import Installed
from kiosk.management.machine import Devices, hazards
from kiosk.management.riskdesk import RiskDesk
from kiosk.management.store import InlineRunner
from kiosk.management.tally import Tally
from kiosk.management.view import Books, Identity, status
from kiosk.messages import AssessRequest, Depositor, Identify, Ok, Reply, Resume, RiskReport, Status, StreamReport
from kiosk.protection.canonical import Event, Scalar
from tests.simulation.validators import ValidatorKind, driver, simulated
from tests.simulation.virtual import MemoryLink, VirtualClock, VirtualLoop, WorldLines

T = TypeVar("T")
GLITCH_S = 2.0
ACCOUNT = "79927398713"  # the Luhn example of ISO/IEC 7812-1
KINDS = tuple(NoteKind(note.channel, note.currency, note.value_minor, suspect=note.suspect) for note in cny_notes())
MODELS = {"scene": "5c" * 32, "machine": "3a" * 32}
_STREAMS: tuple[Literal["scene", "machine"], ...] = ("scene", "machine")
INSTALLED = Installed(lambda: "a5" * 32, "a5" * 32, lambda: True, MODELS)
KIOSK = "test-0001"
RECORD_SIGNER = guarantee_keys.Ed25519Signer.from_seed(bytes(32))
RECORD_KEYS = guarantee_keys.PublicKeys([RECORD_SIGNER.public])
_SEAL = SealPrivateKey.generate(lambda count: bytes(range(count)))


class Interrupted(Exception):
    """The kiosk left cash-in by itself: the depositor's script does not go on as planned."""


class PowerCut(BaseException):
    """Not an Exception: nothing in the product may catch it."""


_WRITES = frozenset(  # the calls of a journal that write
    {
        "commit",
        "commit_units",
        "commit_authority",
        "commit_bank",
        "post",
        "append",
        "remember",
        "store_directory",
        "acknowledge",
    }
)
INTERRUPTED = (State.REVIEW, State.SUSPENDED, State.JAMMED, State.CLOSING, State.DONE, State.IDLE, State.RETRACTING)


class _CountingRunner(InlineRunner):
    """Of one process: counts its journal writes, cuts the power beside one, and writes nothing once it is dead."""

    def __init__(self, rig: "Rig") -> None:
        self._rig = rig
        self.dead = False

    async def run(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        if call.__name__ not in _WRITES:
            self._breathe()
            return await super().run(call, *args, **kwargs)
        if self._rig.commit_s:
            await asyncio.sleep(self._rig.commit_s)  # other tasks run meanwhile, as they do beside a real disk
        self._breathe()
        self._rig.check_crash("before-write")
        self._breathe()
        result = await super().run(call, *args, **kwargs)
        if call.__name__ == "commit" and self._rig.durable is not None:
            self._rig.durable(args[0], args[1], args[2])
        self._rig.check_crash("after-write")
        self._breathe()
        return result

    def _breathe(self) -> None:
        if self.dead:
            raise PowerCut


class Rig:
    """One world and one kiosk, which may be started again after each cut."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 1,
        validator: ValidatorKind | None = None,
        world: WorldConfig | None = None,
    ) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.random = random.Random(seed)
        self.world = World(world or WorldConfig(), self.loop, seed)
        self._kind = validator or ValidatorConfig()
        self.validator = simulated(self.world, self._kind)
        self.board = DepositBoard(self.world, BoardConfig())
        self.printer = LabelPrinter(self.world, LabelPrinterConfig())
        self.receipts = ReceiptPrinter(self.world, ReceiptPrinterConfig())
        self.folder = folder
        self.hold_up_s = 30.0  # of the supply, when the mains power fails
        self.software = self.config_hash = ""  # as the process would tell them
        self.commit_s = 0.0  # how long a journal write takes
        self.grade: Callable[[AssessRequest], RiskReport | None] = calm
        self.controller: Controller
        self.desk: Desk
        self.journal: Journal
        self.directory_keys: DirectoryKeys | None = None
        self.commanders: Commanders | None = None  # whose commands and terms count
        self.receipt_language: Literal["en", "zh", "ru"] = "en"
        self.installed = INSTALLED
        self.policy: Policy | None = None  # whose cosignatures make a receipt witnessed
        self.crash_at: tuple[str, int] | None = None
        self.on_crash_point: Callable[[], object] | None = None  # what happens there; by default the power goes
        self.crash_takes_power = True  # else only the controller dies, and the devices go on
        self.glitch_at: tuple[str, int] | None = None  # one device loses its power at this chunk of its line
        self.counts: dict[str, int] = {}
        self.crashed = False
        self.synchronised = True  # what the kernel says of its clock
        self.states: list[State] = []
        self.durable: Callable[[Fact, Outcome, Deposit], None] | None = None  # told of each fact that is committed
        self.line_noise: Callable[[str, bytes], Sequence[tuple[float, bytes]]] | None = None  # what the serial lines do
        self._runner: _CountingRunner | None = None
        self._task: asyncio.Task[None] | None = None
        self._keys = LogKeys(
            kiosk=KIOSK,
            record=RECORD_SIGNER,
            checkpoint=guarantee_keys.Ed25519Signer.from_seed(bytes([1] * 32)),
            bank_seal=_SEAL.public,
            bank_acks=guarantee_keys.PublicKeys([guarantee_keys.Ed25519Signer.from_seed(bytes([2] * 32)).public]),
        )

    # --- the kiosk --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Power (if it is off) and a new controller on the same journal."""
        if self.crashed and self.crash_takes_power:
            self.world.power("all", on=True)
        self.crashed = False
        links = [
            self._link("validator", self.validator),
            self._link("board", self.board),
            self._link("label", self.printer),
            self._link("receipt", self.receipts),
        ]
        devices = Devices(
            validator=driver(links[0], self._kind, self.random),
            board=ModbusBoard(links[1]),
            printer=ZplPrinter(links[2]),
            lines=WorldLines(self.world.lines),
            receipts=EscposPrinter(links[3], letters=LETTERS_OF[self.receipt_language]),
        )
        self.journal = Journal(
            self.folder / "journal.db",
            self._keys,
            bytes(32),
            clock_synchronised=lambda: self.synchronised,
            randomness=self.random.randbytes,
        )
        risk = RiskDesk(lambda request: self._ask(risk, request), lambda: hazards(devices.lines), timeout_s=2.0)
        self._runner = _CountingRunner(self)
        pinned = self.directory_keys
        commands = None if pinned is None else self.journal.bank_keys("command", pinned.bank_commands)
        assurance = Assurance(
            devices,
            self.journal,
            risk,
            self.installed,
            policy=lambda: self.controller.witnesses.policy,
            bank_commands=commands,
        )
        self.controller = Controller(
            devices=devices,
            journal=self.journal,
            runner=self._runner,
            risk=risk,
            clock=self.clock,
            settings=Settings(
                accept_channels=frozenset(kind.channel for kind in KINDS),
                suspect_channels=frozenset(kind.channel for kind in KINDS if kind.suspect),
                shutter_s=3.0,
                board_watchdog_ms=3000,
                kiosk=KIOSK,
                branch="test",
                receipt_language=self.receipt_language,
                hold_up_s=self.hold_up_s,
                software=self.software,
                config_hash=self.config_hash,
            ),
            guarantee=assurance.findings,
            changed=self._changed,
            grew=lambda: None,
            sensed=lambda _: None,
            policy=self.policy,
        )
        rules = Rules(KINDS, {"CNY": 5_000_000}, {"CNY": 100_000_000}, 40, Timing(), "staff-1")
        directory = AccountDirectory(KIOSK, self.directory_keys, self.journal, self.controller.runner, self.clock)
        credentials = Credentials(bytes(32), randomness=self.random.randbytes, cost=Cost(1, 1, 8))
        authority = AuthorityDesk(self.controller, credentials, InlineRunner())
        self.desk = Desk(
            self.controller,
            rules,
            self.random.randbytes,
            self._status,
            directory,
            authority=authority,
            commanders=self.commanders,
        )
        self.said: list[tuple[Event, Mapping[str, Scalar]]] = []  # canonical lines of this process
        self.tally = Tally(self.clock, lambda event, fields: self.said.append((event, fields)))
        self.journal.listener = self.tally.records
        identity = Identity(KIOSK, "c0" * 32, "0.1.0", single_user=True, started_s=self.loop.time())
        around = Around(self.desk, MODELS)
        host = Host(self.folder, self.folder / "sys")
        desk = HealthDesk(self.controller, identity, self.tally, host, around, lambda: self.synchronised)
        self.desk.take_health(desk.health)
        self._task = self.loop.create_task(self.controller.run())

    async def ended(self, limit_s: float | None = None) -> bool:
        """Until the controller's process has ended, whyever; False when it still lives after `limit_s`."""
        assert self._task is not None
        await asyncio.wait({self._task}, timeout=limit_s)
        return self._task.done()

    def bury(self) -> None:
        """End what is left of a controller that has crashed; `start` makes another."""
        self.loop.run_until_complete(self.buried())

    async def buried(self) -> BaseException | None:
        """`bury` on the running loop; what the controller died of, if it was its own error."""
        task, self._task = self._task, None
        if self._runner is not None:
            self._runner.dead = True
        died_of = None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            died_of = None if task.cancelled() else task.exception()
        self.controller.devices.close()
        self.journal.close()
        return died_of

    def close(self) -> None:
        if self._task is not None:
            self.bury()
        pending = asyncio.all_tasks(self.loop)
        for task in pending:
            task.cancel()
        if pending:
            self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self.loop.close()

    def _link(self, name: str, device: Any) -> MemoryLink:
        link = MemoryLink(self.loop, device.feed, self._chunk, name, lambda: self.line_noise)
        device.output = link.from_device
        return link

    def _chunk(self, direction: str, _: bytes) -> bool:
        if self.crashed:
            return False
        self.check_crash("frame")
        self.check_crash(direction)
        if self.glitch_at == (direction, self.counts[direction]):
            self.glitch_at = None
            device = direction[:-1]
            self.world.power(device, on=False)
            self.loop.call_later(GLITCH_S, self.world.power, device, True)
        return not self.crashed

    def check_crash(self, kind: str) -> None:
        """Count an event; at the chosen one everything loses its power."""
        if not kind:
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.crash_at == (kind, self.counts[kind]):
            self.crash_at = None
            if self.on_crash_point is None:
                self.die()
            else:
                self.on_crash_point()
            if self.crashed and kind.endswith("write"):
                raise PowerCut

    def die(self) -> None:
        """The controller is dead from here on, with or without everybody's power: it writes and says nothing more."""
        self.crashed = True
        if self._runner is not None:
            self._runner.dead = True
        if self.crash_takes_power:
            self.world.power("all", on=False)
        if self._task is not None:
            self._task.cancel()

    def _ask(self, risk: RiskDesk, request: AssessRequest) -> None:
        report = self.grade(request)
        if report is not None:
            self.loop.call_later(0.05, risk.report, report)

    def _changed(self) -> None:
        state = self.controller.deposit.state
        if not self.states or self.states[-1] is not state:
            self.states.append(state)

    def _status(self, books: Books) -> Status:
        identity = Identity(KIOSK, "", "0", single_user=True, started_s=0.0)
        return status(self.controller, books, identity, clock_synchronised=True)

    # --- driving ----------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a script on the virtual loop; `PowerCut` when the power was cut meanwhile."""

        async def guarded() -> T:
            task = asyncio.ensure_future(work)
            assert self._task is not None
            await asyncio.wait({task, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if self.crashed:
                raise PowerCut
            self._task.result()
            message = "the controller ended by itself"
            raise AssertionError(message)

        return self.loop.run_until_complete(guarded())

    async def until(self, condition: Callable[[], bool], limit_s: float = 300.0) -> None:
        end_s = self.loop.time() + limit_s
        while not condition():
            if self.loop.time() > end_s:
                message = f"not reached within {limit_s} s: state {self.controller.deposit.state}, {self.states[-12:]}"
                raise AssertionError(message)
            await asyncio.sleep(0.05)

    async def state(self, *states: State, limit_s: float = 300.0) -> None:
        await self.until(lambda: self.deposit.state in states, limit_s)

    @property
    def deposit(self) -> Deposit:
        return self.controller.deposit

    async def ready(self) -> None:
        await self.until(lambda: self.controller.machine.connected)

    async def identify(self) -> Reply:
        await self.ready()
        return await self.desk.handle("terminal", Identify(ACCOUNT))

    async def touch(self, action: Any) -> None:
        reply = await self.desk.handle("terminal", Depositor(action))
        assert isinstance(reply, Ok), reply

    async def want(self, action: Any) -> None:
        """A touch that may come too late: then the script is interrupted."""
        reply = await self.desk.handle("terminal", Depositor(action))
        if not isinstance(reply, Ok):
            raise Interrupted

    async def resume(self) -> None:
        reply = await self.desk.handle("terminal", Resume(self.deposit.code))
        assert isinstance(reply, Ok), reply

    async def feed(self, value_minor: int, kind: str = "genuine", currency: str = "CNY") -> None:
        """Feed one note and wait until the kiosk is ready for the next, taking back a refused one."""
        before = len(self.deposit.notes)
        while True:
            await self.until(lambda: self.deposit.state in (State.CASH_IN, State.CONSENTING) or self._interrupted())
            if self.deposit.state is State.CONSENTING:  # no bunch escrow: each note is final
                await self.want("consent")
                continue
            if self._interrupted():
                raise Interrupted
            with contextlib.suppress(InsertionRefused):
                note = self.world.insert(currency, value_minor, kind)
                break
            self.world.take()
            await asyncio.sleep(0.1)
        await self.until(
            lambda: (
                (len(self.deposit.notes) > before and self.deposit.state is not State.STACKING)
                or self.world.notes.get(note.id).place in ("bezel", "out")
                or self._interrupted()
            ),
            60.0,
        )
        self.world.take()

    def _interrupted(self) -> bool:
        return self.deposit.state in INTERRUPTED


def calm(request: AssessRequest) -> RiskReport:
    """A watcher that sees nothing unusual."""
    return reported(request, "low")


def onlooker(request: AssessRequest) -> RiskReport:
    """A watcher that sees somebody behind the depositor."""
    return reported(request, "medium")


def reported(request: AssessRequest, grade: Any, lens: Any = "clear") -> RiskReport:
    """What a watcher says whose models are the installed ones."""
    streams = tuple(
        StreamReport(
            stream=stream, score=0.0, p_value=1.0, grade=grade, bmu=(0, 0), reasons=(), model_sha256=MODELS[stream]
        )
        for stream in _STREAMS
    )
    return RiskReport(request.request_id, request.deposit_code, request.stage, grade, streams, lens, 10.0, None)


def books(rig: Rig) -> dict[str, int]:
    """What the last deposit record says, in minor units of CNY."""
    for sequence in range(rig.journal.log.size() - 1, -1, -1):
        record = rig.journal.log.record(sequence)
        if record.kind == "deposit":
            sums: Any = record.content["sums"]
            row = sums.get("CNY", {})
            return {claim.value: int(row.get(claim.value, 0)) for claim in Claim if claim is not Claim.OPEN} | {
                "inserted": int(row.get("inserted", 0)),
                "unvalued": int(record.content["disputed_unvalued"]),
            }
    return {}


def assessment_grades(deposit: Deposit) -> dict[str, str]:
    return {item.stage: item.grade for item in deposit.assessments}
