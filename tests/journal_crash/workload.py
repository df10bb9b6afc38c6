"""What is recorded: the real journal on its thread, through deposits of every length and whatever else it stores.

Run by `recording.py` with the shim below it. Before each transaction it marks `begin N`, after each that returned
`ack N DIGEST`; N counts from 1, 0 is the empty journal.
"""

import argparse
import asyncio
import ctypes
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import facts as f
from kiosk.core.deposit import step
from kiosk.core.facts import Fact
from kiosk.core.records import service
from kiosk.core.state import Deposit, Outcome
from kiosk.guarantee import acks
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log import Appended
from kiosk.management.store import ThreadRunner
from tests.guarantee_kit import KIOSK, NOW, Kit
from tests.journal_crash.books import connection_of, digest
from tests.unit.test_core_deposit import board, closed, in_review

Mode = Literal["full", "normal", "off", "split"]
"""`full` is the journal as it is. The others are wrong on purpose, and the proof must see it: WAL/NORMAL loses commits,
no syncs at all ruin the file, a fact and its record in two transactions leave half a commit."""

JOURNAL: Final = "state/journal.db"
RESTART_EVERY: Final = 14  # deposits; between two the log outgrows SQLite's automatic checkpoint
_ACCOUNT: Final = "6217000010001234567"


def open_journal(folder: Path) -> Journal:
    """The journal below `folder`, with the keys that every run has."""
    kit = Kit()
    return Journal(folder / JOURNAL, kit.keys, kit.kek, clock_synchronised=lambda: True)


def deposit_facts(rng: random.Random) -> list[Fact]:
    """All facts of a deposit of one to four notes, from the first touch to the end."""
    play = in_review(*rng.choices((1, 2), k=rng.randint(1, 4)))
    notes = len(play.deposit.notes)
    counts = tuple(
        (value, "CNY", sum(1 for note in play.deposit.notes if note.value_minor == value))
        for value in {note.value_minor or 0 for note in play.deposit.notes}
    )
    play.do(f.Confirm(rfc3339(NOW)), f.EscrowCommitted(), f.BoardDispatched(2, 1, 1), f.StoreEmptied(counts, 0))
    play.do(f.BoardFinished(2, 0, board(tray=notes)), f.BoardDispatched(3, 2, 1))
    play.do(f.BoardFinished(3, 0, board(tray=notes, strap=True)), f.LabelPrinted(1, ok=True))
    play.do(f.BoardFinished(4, 0, board(tray=notes)), f.BoardFinished(5, 0, board(stored=notes)))
    return closed(play).do(f.ReceiptPrinted(0, "printed"), f.Finish()).facts


class Workload:
    """One run; `mark` tells the shim."""

    def __init__(self, folder: Path, seed: int, mark: Callable[[str], None], mode: Mode = "full") -> None:
        self._folder, self._mark, self._mode = folder, mark, mode
        self._rng = random.Random(seed)
        self._kit = Kit()
        self._runner = ThreadRunner()
        self._journal: Journal
        self._done = 0
        self._now = NOW

    async def run(self, deposits: int) -> None:
        """Deposits, with an acknowledgement, a memory or a restart of the process between them."""
        await self._open()
        self._mark(f"ack 0 {await self._runner.run(digest, self._journal)}")
        for number in range(deposits):
            await self._deposit(number)
            await self._between(number)
            if number % RESTART_EVERY == 1:
                await self._runner.run(self._journal.close)
                await self._open()
        await self._runner.run(self._journal.close)
        self._runner.close()

    async def _open(self) -> None:
        self._journal = await self._runner.run(open_journal, self._folder)
        if self._mode == "split":
            self._journal._append = _split(self._journal, self._journal._append)  # type: ignore[method-assign]  # noqa: SLF001
        elif self._mode != "full":
            await self._runner.run(connection_of(self._journal).execute, f"PRAGMA synchronous = {self._mode}")

    async def _commit(self, call: Callable[[], object]) -> None:
        self._mark(f"begin {self._done + 1}")
        await self._runner.run(call)
        self._done += 1
        self._mark(f"ack {self._done} {await self._runner.run(digest, self._journal)}")

    async def _deposit(self, number: int) -> None:
        deposit_id = self._rng.randbytes(16)
        sealed: list[bytes] = []
        await self._commit(lambda: sealed.append(self._journal.seal_account(deposit_id, _ACCOUNT)))
        deposit = Deposit()
        for fact in deposit_facts(self._rng):
            if isinstance(fact, f.Begin):
                fact = msgspec.structs.replace(  # noqa: PLW2901 - the same fact, of this deposit
                    fact,
                    at=rfc3339(self._now),
                    deposit_id=deposit_id,
                    account_sealed=sealed[0],
                    bundle_serial=await self._runner.run(self._journal.next_serial),
                    slot=number,
                )
            outcome: Outcome = step(deposit, fact)
            self._now += timedelta(seconds=1)
            await self._commit(partial(self._journal.commit, fact, outcome, deposit, self._now))
            deposit = outcome.deposit

    async def _between(self, number: int) -> None:
        for call in self._others(number):
            await self._commit(call)

    def _others(self, number: int) -> Iterator[Callable[[], object]]:
        journal, draft = self._journal, service("started", {"state": "idle"})
        if number % 2:
            yield lambda: journal.acknowledge(self._ack())
        yield partial(journal.remember, "validator_serial", str(number), draft, self._now)
        yield partial(journal.store_directory, self._rng.randbytes(20_000), draft, self._now)
        yield journal.check

    def _ack(self) -> bytes:
        log = self._journal.log
        return acks.make(KIOSK, log.size(), log.root(), self._now, self._kit.ack_signer)


def _split(journal: Journal, append: Callable[..., Appended]) -> Callable[..., Appended]:
    """The mistake of committing what belongs together in two parts."""

    def apart(*arguments: object) -> Appended:
        connection_of(journal).execute("COMMIT")
        connection_of(journal).execute("BEGIN IMMEDIATE")
        return append(*arguments)

    return apart


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--deposits", type=int, required=True)
    parser.add_argument("--mode", choices=get_args(Mode), default="full")
    chosen = parser.parse_args()
    tell = ctypes.CDLL(None).journal_crash_mark  # the preloaded shim's
    work = Workload(chosen.folder, chosen.seed, lambda text: tell(text.encode()), chosen.mode)
    asyncio.run(work.run(chosen.deposits))


if __name__ == "__main__":
    _main()
