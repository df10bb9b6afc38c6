"""One schedule, played: depositors, technician and fate around the real controller, until everything is at rest.

What the judge needs to know that neither journal nor world keeps is noted here: which note was fed in which deposit,
where the notes were when a record was made, what was promised to whom, and what went wrong in which deposit.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from hwsim.config import CctalkConfig, CctalkProfile, EbdsConfig, EbdsProfile, SspProfile, ValidatorConfig
from hwsim.notes import Place as Real
from hwsim.world import Happening
from kiosk.core import facts as f
from kiosk.core.facts import Fact
from kiosk.core.money import Claim, sums
from kiosk.core.state import Deposit, Outcome, State
from kiosk.messages import ApproveAction, Asked, GetDisputes, Ok, Reply, RequestAction
from tests.simulation.actors import Customer, Stuck, Technician, ask
from tests.simulation.fate import Fate
from tests.simulation.people import PINS, clear_all, found
from tests.simulation.rig import Rig
from tests.simulation.schedule import Schedule
from tests.simulation.staff import Staff
from tests.simulation.validators import ValidatorKind
from tests.simulation.write_ahead import WriteAhead

RESTART_S: Final = 0.5  # what systemd waits before it starts a controller again
FAILED_RESTART_S: Final = 5.0  # and when it failed by itself
RESTARTS_MAX: Final = 4000
AT_REST_S_MAX: Final = 3 * 3600.0
LAST_VISITS: Final = 4


def built_in(schedule: Schedule) -> ValidatorKind:
    """The validator of a schedule, with its maker's choices."""
    match schedule.validator:
        case "ebds":
            return EbdsConfig(profile=EbdsProfile(**schedule.profile))
        case "cctalk":
            return CctalkConfig(profile=CctalkProfile(**schedule.profile))
    return ValidatorConfig(profile=SspProfile(**schedule.profile))


@dataclass
class Told:
    """What one deposit was promised, and what happened to it."""

    number: int
    causes: set[str] = field(default_factory=set)
    fed: list[int] = field(default_factory=list)  # ids of the notes that were fed in it
    confirmed: dict[str, int] | None = None  # currency -> minor, when the confirmation became durable
    confirming: bool = False  # the touch itself is durable
    accepted: bool = False  # "confirm" was answered with Ok
    records: list[dict[int, Real]] = field(default_factory=list)  # where its notes were when it was recorded


class Play:
    """Give it a folder and a schedule; `run` plays it and leaves everything for the judge."""

    def __init__(self, folder: Path, schedule: Schedule, *, trace: bool = False) -> None:
        self.schedule = schedule
        validator = built_in(schedule)
        self.serial = 0 if isinstance(validator, EbdsConfig) else validator.serial_number  # an EBDS device tells none
        self.rig = Rig(folder, seed=schedule.seed, validator=validator)
        self.rig.commit_s = schedule.commit_s
        self.rig.durable = self._durable
        self.write_ahead = WriteAhead(self.rig.world)
        self.rig.world.observe(self._happened)
        self.trace: list[str] | None = [] if trace else None
        self.coverage: Counter[tuple[str, str]] = Counter()
        self.deposits: dict[bytes, Told] = {}
        self.ordered_in: set[int] = set()  # ids of the notes that the validator was told to take
        self._unread: set[int] = set()  # that the validator took in unasked, at power-up, since the last durable fact
        self.untold: set[int] = set()  # those whose report went with a second power cut: it was in volatile memory
        self.crashes = 0
        self.repairs = 0  # visits of a technician
        self.validator_cuts = 0  # how often the validator lost its power, however that came
        self.deaths = 0  # of controllers, for whatever reason
        self.died_of: list[str] = []
        self.dark = False
        self.dark_s = RESTART_S
        self.stuck = ""
        self.complaints: list[str] = []
        self.facts = 0  # that were committed and acknowledged
        self._told: Told | None = None
        self._visit = -1
        self._early_causes: set[str] = set()
        self._by_note: dict[int, Told] = {}
        self.staff = Staff(self)
        self.fate = Fate(self)
        self.fate.struck[f"validator.is:{schedule.validator}"] += 1
        if trace:
            self._listen()

    # --- the run ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play it to the end; `stuck` says whether it came to one."""
        logging.disable(logging.NOTSET if self.trace is not None else logging.CRITICAL)
        traced = _Traced(self)
        logging.getLogger("kiosk").addHandler(traced)
        loop = self.rig.loop
        loop.set_exception_handler(lambda *_: None)  # tasks of dead controllers
        try:
            loop.run_until_complete(self._all())
        except Stuck as stuck:
            self.stuck = str(stuck)
        finally:
            logging.getLogger("kiosk").removeHandler(traced)
            logging.disable(logging.NOTSET)

    async def _all(self) -> None:
        self.rig.start()
        life = asyncio.ensure_future(self._keep_alive())
        technician = Technician(self)
        work = asyncio.ensure_future(technician.work())
        script = asyncio.ensure_future(self._script(technician))
        try:
            await asyncio.wait({life, script, work}, return_when=asyncio.FIRST_COMPLETED)
            for task in (life, work, script):
                if task.done():
                    task.result()
        finally:
            for task in (script, work, life):
                task.cancel()
            await asyncio.wait({script, work, life})

    async def _script(self, technician: Technician) -> None:
        await self.rig.ready()
        await found(self.rig)
        await self._visits(technician)
        await self._one_person_tries()

    async def _one_person_tries(self) -> None:
        """To clear a dispute alone. Two people may; one may not, whoever it is and however often."""
        reply: Any = await ask(self, "maintenance", GetDisputes())
        if reply is None or not reply.disputes:
            return
        action: Any = msgspec.to_builtins(await clear_all(self.rig), builtin_types=(bytes,))
        asked: Any = await ask(self, "maintenance", RequestAction("anna", PINS["anna"], action))
        if isinstance(asked, Asked):
            request = ApproveAction("anna", PINS["anna"], asked.number, asked.content)
            asked = await ask(self, "maintenance", request)
        if isinstance(asked, Ok) or (isinstance(asked, Asked) and asked.done):
            self.complaints.append("one person alone cleared a dispute")
        left: Any = await ask(self, "maintenance", GetDisputes())
        if left is not None and len(left.disputes) != len(reply.disputes):
            self.complaints.append("a dispute is gone that nobody but one person cleared")

    async def _visits(self, technician: Technician) -> None:
        for number, visit in enumerate(self.schedule.visits):
            await asyncio.sleep(visit.waits_s)
            self._visit = number
            await Customer(self, visit).visit()
            await self.staff.exchange()
        for _ in range(LAST_VISITS):
            await self._at_rest()
            await self.staff.exchange()
            await self._at_rest()  # a crash may have met the exchange
            if not technician.wanted():
                return
            await technician.repair()
            await asyncio.sleep(30.0)
        await self._at_rest()

    async def _at_rest(self) -> None:
        """Idle and in service, or out of service for a reason that it says."""
        end_s = self.rig.loop.time() + AT_REST_S_MAX
        while self.rig.loop.time() < end_s:
            await asyncio.sleep(5.0)
            if self.dark or self.rig.deposit.state is not State.IDLE:
                continue
            if self.rig.controller.machine.connected or self.rig.controller.machine.fault:
                return
        raise Stuck(f"state {self.rig.deposit.state}, dark {self.dark}, {self.rig.controller.machine.fault!r}")

    async def _keep_alive(self) -> None:
        """What systemd and the mains are: power comes back, and a controller that ended is started again."""
        for _ in range(RESTARTS_MAX):
            await self.rig.ended()
            crashed = self.rig.crashed
            self.dark = True
            self.deaths += 1
            died_of = await self.rig.buried()
            if crashed:
                self.crashes += 1
                self.tell("everything is dark" if self.rig.crash_takes_power else "the controller is dead")
            else:
                self.died_of.append(repr(died_of))
                self.tell(f"the controller ended: {died_of!r}")
                self.rig.crash_takes_power = False
            await asyncio.sleep(self.dark_s if crashed else FAILED_RESTART_S)
            self.dark_s = RESTART_S
            self.rig.start()
            self._still_durable()
            self.dark = False
            self.fate.restarted()
            self.tell("the controller is started again")
        raise Stuck("the controller ends again and again")

    # --- what is noted for the judge --------------------------------------------------------------------

    def alive(self, deaths: int) -> bool:
        """Whether the controller of that moment still lives."""
        return self.deaths == deaths and not self.rig.crashed

    def cause(self, label: str) -> None:
        """Something that may explain a dispute of the deposit under way."""
        self.tell(f"! {label}")
        if self._told is None:
            self._early_causes.add(label)
        else:
            self._told.causes.add(label)

    def fed(self, note: int) -> None:
        """A note was fed in now."""
        if self._told is not None:
            self._told.fed.append(note)
            self._by_note[note] = self._told

    def touched(self, action: str, reply: Reply | None) -> None:
        """What the screen answered to a touch."""
        self.tell(f"touch {action}: {reply}")
        if action == "confirm" and isinstance(reply, Ok) and self._told is not None:
            self._told.accepted = True
            if not self._told.confirming:
                self.complaints.append(f"deposit {self._told.number}: its confirmation was answered before durable")

    def _durable(self, fact: Fact, outcome: Outcome, before: Deposit) -> None:
        """A commit has returned: nothing may take it back."""
        self.facts += 1
        self._unread.clear()
        self.write_ahead.durable(fact, outcome, before)
        self.coverage[str(before.state), type(fact).__name__] += 1
        self.tell(f"fact {_short(fact)}: {before.state} -> {outcome.deposit.state}", *map(_short, outcome.orders))
        if isinstance(fact, f.Begin):
            self._told = self.deposits[fact.deposit_id] = Told(len(self.deposits))
            self._told.causes |= self._early_causes
            self.fate.deposit_began(self._visit)
        if isinstance(fact, f.Confirm) and self._told is not None:
            self._told.confirming = True
        if isinstance(fact, f.Confirm) and self._told is not None and outcome.deposit.confirmed:
            self._told.confirmed = sums(outcome.deposit.notes, Claim.CREDITED)
        if self._told is not None and outcome.deposit.consented_at:
            self._credited_so_far(self._told, outcome.deposit)
        for draft in outcome.records:
            if draft.kind == "deposit" and self._told is not None:
                places = {number: self.rig.world.notes.get(number).place for number in self._told.fed}
                self._told.records.append(places)
        if isinstance(fact, f.Begin) and self._told is not None:
            self._left_behind(self._told)
        if outcome.deposit.state is State.IDLE and self._told is not None:
            self._early_causes = {label for label in self._told.causes if label.startswith(_LASTING)}
            self._told = None

    def _credited_so_far(self, told: Told, deposit: Deposit) -> None:
        """Without bunch escrow each credit is final when it is durable: it may never become less."""
        now, before = sums(deposit.notes, Claim.CREDITED), told.confirmed or {}
        if any(now.get(currency, 0) < minor for currency, minor in before.items()):
            self.complaints.append(f"deposit {told.number}: {before} was credited, then {now}")
        told.confirmed = now

    def _left_behind(self, heir: Told) -> None:
        """A note left in the throat is within reach of whoever comes next: when it goes in, it goes in for them."""
        for note in self.rig.world.notes.at(Real.THROAT):
            owner = self._by_note.get(note.id)
            if owner is not None and owner is not heir:
                owner.fed.remove(note.id)
                heir.fed.append(note.id)
                self._by_note[note.id] = heir

    def _still_durable(self) -> None:
        """After a crash every acknowledged fact is still there."""
        connection = self.rig.journal._connection  # noqa: SLF001 - the judge counts rows
        kept = int(connection.execute("SELECT count(*) FROM facts").fetchone()[0])
        if kept < self.facts:
            self.complaints.append(f"{self.facts} facts were acknowledged, {kept} are there after a restart")
            self.facts = kept
        self.facts = kept  # one more when the last commit was never acknowledged

    # --- trace ------------------------------------------------------------------------------------------

    def tell(self, *words: str) -> None:
        """A line of the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{self.rig.loop.time() - 1000.0:10.3f}  {'  '.join(words)}")

    def _happened(self, happening: Happening) -> None:
        self.write_ahead.happened(happening)
        if happening.what == "accepted" and "note" in happening.facts:
            self.ordered_in.add(int(str(happening.facts["note"])))
        off = (happening.source, happening.what) == ("power", "off")
        if off and happening.facts["device"] in ("all", "validator"):
            self.validator_cuts += 1
        if self.schedule.validator == "cctalk":
            self._taken_in_unasked(happening)
        if self.trace is not None:
            facts = " ".join(f"{key}={value}" for key, value in happening.facts.items())
            self.tell(f"world {happening.source}.{happening.what} {facts}")

    def _taken_in_unasked(self, happening: Happening) -> None:
        """A ccTalk device keeps its events in volatile memory; what nobody could read, nobody can know."""
        match happening.source, happening.what:
            case "validator", "stacked":
                self._unread |= {int(str(happening.facts["note"]))} - self.ordered_in
            case "power", "off" if happening.facts["device"] in ("all", "validator"):
                self.untold |= self._unread
                self._unread.clear()

    def _listen(self) -> None:
        """Frames are part of the trace, too."""
        whole = self.rig._chunk  # noqa: SLF001 - the one place where all chunks pass

        def chunk(direction: str, data: bytes) -> bool:
            self.tell(f"{direction} {data.hex()}")
            return whole(direction, data)

        self.rig._chunk = chunk  # type: ignore[method-assign, assignment]  # noqa: SLF001

    def trace_hash(self) -> str:
        return hashlib.sha256("\n".join(self.trace or ()).encode()).hexdigest()


class _Traced(logging.Handler):
    """What the product says of itself, between what happened and what was decided."""

    def __init__(self, play: Play) -> None:
        super().__init__(logging.INFO)
        self._play = play

    def emit(self, record: logging.LogRecord) -> None:
        self._play.tell(f"log {record.levelname} {record.getMessage()}")


_LASTING: Final = ("validator.", "board.", "label.", "receipt.", "cabinet.", "disk.", "watcher.", "stock.")


def _short(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= 300 else f"{text[:297]}..."
