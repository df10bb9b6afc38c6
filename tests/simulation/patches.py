"""Mistakes that careless programmers make, put into the shipped code: the judge must catch each of them.

`python -m tests.simulation.patches --find NAME` plays schedules with the mistake until one is judged bad, and says how
many that took; `test_patches.py` pins the seeds. What the disk does to the wrong SQLite mode is proved with
`tests.journal_crash`, and ccTalk's event counter at its crash points: neither is in the schedules.
"""

import argparse
import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Final
from unittest.mock import patch

import msgspec

from firmware_bridge.drivers import cctalk_validator
from firmware_bridge.drivers.modbus_board import ModbusBoard
from firmware_bridge.errors import LinkDown
from firmware_bridge.interfaces import BoardCommand, BoardSnapshot, NoteEventKind, PollResult
from firmware_bridge.protocols.board import COMMAND_ADDRESS, command_registers
from firmware_bridge.protocols.cctalk.events import Bookmark, EventBuffer, News
from firmware_bridge.protocols.modbus import BUSY, ModbusRefusal, write_holding
from kiosk.core import authority, cash_in_end, deposit, steps
from kiosk.core import facts as f
from kiosk.core.authority_facts import Approved, Authority, AuthorityOutcome, OpenRequest
from kiosk.core.facts import Fact, RingMark
from kiosk.core.money import Claim, claimed
from kiosk.core.orders import OpenShutter
from kiosk.core.state import Deposit, Outcome, State
from kiosk.management import boardring, machine, translate
from kiosk.management.batches import Batches
from kiosk.management.controller import SNAPSHOT_S, Controller
from kiosk.management.hands import Hands
from tests.simulation.__main__ import Result, play, wrong
from tests.simulation.schedule import make

SEEDS_MAX: Final = 1000
FIRST_SEED: Final = 5_000_000  # never one of `make simulate` with SEED up to 4, nor of `test_schedules.py`
TRIES_MAX: Final = 20
TRY_AGAIN_S: Final = 0.5
Patch = Callable[[], AbstractContextManager[None]]


@contextlib.contextmanager
def credit_before_durable() -> Iterator[None]:
    """The confirmation is answered at once, so that the screen feels fast; it becomes durable when its turn comes."""
    plain = Controller.request
    under_way: set[asyncio.Task[None]] = set()

    async def request(self: Controller, fact: Fact) -> bool:
        if not isinstance(fact, f.Confirm):
            return await plain(self, fact)
        if not self.machine.connected or not deposit.allowed(self.deposit.state, f.Confirm):
            return False
        task = asyncio.ensure_future(self.apply(fact))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return True

    with patch.object(Controller, "request", request):
        yield


@contextlib.contextmanager
def intent_not_durable() -> Iterator[None]:
    """Orders are queued before the commit, so that the devices need not wait for the disk."""

    async def apply(self: Any, decide: Callable[[Deposit], Fact | None]) -> bool:
        async with self._lock:
            before = self.deposit
            fact = decide(before)
            if fact is None:
                return False
            outcome = deposit.step(before, fact)
            now = self.clock.now_utc()
            entries, units = self.storage.booked(outcome, now)
            for order in outcome.orders:
                self.orders.put_nowait(order)
            await self.runner.run(self.journal.commit, fact, outcome, before, now, entries)
            self.deposit = outcome.deposit
            self.storage.took(units)
            self._move_deadline(before, fact)
        if outcome.records:
            self._grew()
        self.changed()
        return True

    with patch.object(Controller, "_apply", apply):
        yield


@contextlib.contextmanager
def credit_acknowledged_first() -> Iterator[None]:
    """The validator's credit (EE) is acknowledged before its fact is durable: it then never tells it again."""
    plain = Batches.take

    async def take(self: Any, result: PollResult) -> None:
        if result.needs_ack:
            await self._controller.devices.validator.acknowledge()
        await plain(self, replace(result, needs_ack=False))

    with patch.object(Batches, "take", take):
        yield


@contextlib.contextmanager
def board_counter_ignored() -> Iterator[None]:
    """Whatever the board's event ring shows is taken for news, since nobody looks at its counter."""

    def unread(snapshot: BoardSnapshot, mark: RingMark) -> tuple[tuple[tuple[f.BoardHappening, int], ...], bool]:
        told = boardring._TOLD  # noqa: SLF001 - the mistake is made in its room
        return tuple((told[event.code], event.argument) for event in snapshot.events if event.code in told), False

    with patch.object(boardring, "unread", unread):
        yield


@contextlib.contextmanager
def cctalk_counter_ignored() -> Iterator[None]:
    """A ccTalk validator's newest event is taken for all there is, once; the event counter is not looked at."""

    def news(mark: Bookmark, buffer: EventBuffer) -> News:
        newest = buffer.events[0]
        return News((newest,) if newest != mark.newest[0] else ())

    with patch.object(cctalk_validator, "news", news):
        yield


@contextlib.contextmanager
def cleared_into_cashbox_ignored() -> Iterator[None]:
    """E2, what the validator did with a note at power-up, is taken for a status report that nobody needs."""
    kinds = dict(translate._AT_RESET)  # noqa: SLF001 - the mistake is made in its room
    del kinds[NoteEventKind.CLEARED_INTO_CASHBOX]
    with patch.object(translate, "_AT_RESET", kinds):
        yield


@contextlib.contextmanager
def retry_executes_twice() -> Iterator[None]:
    """A board command without an answer is given again, under a new number: "each try needs its own"."""

    async def submit(self: Any, command: BoardCommand) -> None:
        for _ in range(TRIES_MAX):
            request = write_holding(self._unit, COMMAND_ADDRESS, command_registers(command))
            async with self._lock:
                try:
                    if await self._once(request) is not None:
                        return
                except ModbusRefusal as refusal:
                    if refusal.code != BUSY:
                        raise self._refused(refusal, command.opcode.name) from refusal
                    await asyncio.sleep(TRY_AGAIN_S)
            accepted = (await self.snapshot()).accepted_sequence
            command = replace(command, sequence=(accepted + 1) & 0xFFFF)
        raise LinkDown("board", "not acknowledged after all retries")

    with patch.object(ModbusBoard, "submit", submit):
        yield


@contextlib.contextmanager
def boot_id_ignored() -> Iterator[None]:
    """A board that has nothing to do has done what it was told; that it was restarted meanwhile is not looked at."""

    async def watch_board(self: Any) -> None:
        while True:
            snapshot = self.machine.snapshot = await self.devices.board.snapshot()
            await self._ring.seen(snapshot)
            await self._hands.board_seen(snapshot)
            await self.clock.sleep(SNAPSHOT_S)

    plain = Hands.board_seen

    async def board_seen(self: Any, snapshot: BoardSnapshot) -> None:
        if self._pending is not None and snapshot.accepted_sequence == snapshot.finished_sequence:
            snapshot = replace(snapshot, finished_sequence=self._pending.sequence)
        await plain(self, snapshot)

    with patch.object(Controller, "_watch_board", watch_board), patch.object(Hands, "board_seen", board_seen):
        yield


@contextlib.contextmanager
def store_not_emptied() -> Iterator[None]:
    """The port opens for the next depositor, whatever lies in the note store, or in a jam on the way out of it."""

    def prepared(here: Deposit, fact: f.Prepared) -> Outcome:
        found = fact.evidence
        return steps.stay(
            msgspec.structs.replace(here, baseline=found, bookmark=found.validator.bookmark), OpenShutter()
        )

    plain = machine._bundling  # noqa: SLF001 - the mistake is made in its room

    def bundling(now: machine.Machine) -> Iterator[str]:
        return (words for words in plain(now) if "store" not in words)

    key = (State.STARTING, f.Prepared)
    row = deposit.TABLE[key]
    changed = patch.dict(deposit.TABLE, {key: row._replace(handler=prepared)})
    with changed, patch.object(machine, "_bundling", bundling), patch.dict(translate.JAMS, clear=True):
        yield


@contextlib.contextmanager
def label_blocks_credit() -> Iterator[None]:
    """A bundle that could not be labelled is credited to nobody: people must look at it first."""
    plain = cash_in_end._label_failed  # noqa: SLF001 - the mistake is made in its room

    def failed(here: Deposit) -> Outcome:
        if here.bundle.label_failures + 1 < cash_in_end.LABEL_FAILURES_MAX:
            return plain(here)
        notes = claimed(here.notes, lambda note: note.claim is Claim.CREDITED, Claim.DISPUTED, "stored unlabelled")
        return plain(msgspec.structs.replace(here, notes=notes))

    with patch.object(cash_in_end, "_label_failed", failed):
        yield


@contextlib.contextmanager
def one_person_clears() -> Iterator[None]:
    """Signatures are counted, not people: whoever asked may approve, too."""

    def signers(state: Authority, request: OpenRequest) -> tuple[Any, ...]:
        found = (state.person(staff) for staff in request.signers)
        return tuple(person.roles for person in found if person is not None and person.active)

    def approved(state: Authority, fact: Approved) -> AuthorityOutcome:
        request = state.request(fact.number, state.at_s)
        assert request is not None
        signed = msgspec.structs.replace(request, signers=(*request.signers, fact.by))
        requests = tuple(signed if each is request else each for each in state.requests)
        return AuthorityOutcome(msgspec.structs.replace(state, requests=requests))

    handlers = patch.dict(authority._HANDLERS, {Approved: approved})  # noqa: SLF001 - the mistake is made in its room
    with handlers, patch.object(authority, "_signers", signers):
        yield


@contextlib.contextmanager
def wrong_sqlite_mode(pragma: str, wanted: str, taken: str) -> Iterator[None]:
    """The journal's connection asks for one mode, and a setting somewhere makes it another."""

    class Careless(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace(f"{pragma} = {wanted}", f"{pragma} = {taken}"), *parameters)

    with patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=Careless)):
        yield


PATCHES: Final[dict[str, Patch]] = {
    made.__name__: made
    for made in (
        credit_before_durable,
        intent_not_durable,
        credit_acknowledged_first,
        board_counter_ignored,
        cleared_into_cashbox_ignored,
        retry_executes_twice,
        boot_id_ignored,
        store_not_emptied,
        label_blocks_credit,
        one_person_clears,
    )
}


def played(seed: int, mistake: Patch | None = None) -> Result:
    """One schedule, judged; with a mistake in the product if there is one."""
    with mistake() if mistake is not None else contextlib.nullcontext():
        return play(make(seed))[0]


def find(name: str, seeds: range, only: frozenset[str] = frozenset()) -> int | None:
    """The first seed whose schedule is judged bad with the mistake and good without; None when there is none.

    With `only`, seeds whose schedules hold none of these kinds are passed over, which saves time and is no less true:
    whoever plays all of them finds the mistake at this seed or before.
    """
    for seed in seeds:
        if only and not only & make(seed).kinds():
            continue
        if not played(seed, PATCHES[name]).ruling.good and played(seed).ruling.good:
            return seed
    return None


def main() -> int:
    """The command line: a JSON line, and exit code 1 when the mistake is not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.patches", description=__doc__)
    parser.add_argument("--find", choices=PATCHES, required=True, help="which mistake")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="at most so many schedules")
    parser.add_argument("--only", nargs="*", default=(), help="pass over schedules that hold none of these kinds")
    arguments = parser.parse_args()
    began_s = time.monotonic()
    seed = find(arguments.find, range(arguments.first, arguments.first + arguments.seeds), frozenset(arguments.only))
    words = [] if seed is None else wrong(played(seed, PATCHES[arguments.find]))
    found = {
        "patch": arguments.find,
        "caught": seed is not None,
        "schedules": arguments.seeds if seed is None else seed - arguments.first + 1,
        "seed": seed,
        "seconds": round(time.monotonic() - began_s, 1),
        "wrong": words[:3],
    }
    sys.stdout.write(f"{json.dumps(found)}\n")
    return int(seed is None)


if __name__ == "__main__":
    sys.exit(main())
