"""One soak: kills by plan, progress in words, and a verdict that asks journal and store, not the processes."""

import asyncio
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk_cloud.store import Store
from kiosk_cloud.verify import verify_store
from tests.posting_kit import entries_of
from tests.uplink_kit import KIOSK
from tests.uplink_soak.controller import clip, clips
from tests.uplink_soak.stage import INSTANCES, Ended, Stage

STUCK_S: Final = 240.0  # no record was signed for in this time
SAY_S: Final = 10.0
ENDING: Final = 0.5  # of the records: from here on only the broker is ended, and memory is watched
SETTLED: Final = 0.6  # of the records: the end is held against the most that was used between the two
GROWTH: Final = 0.15  # of the memory at that time,
GROWTH_KB: Final = 8192  # or so much


@dataclass
class Plan:
    """Who ends when: (records signed for, who), in order."""

    ends: list[tuple[int, str]]

    @classmethod
    def make(cls, records: int, kills: int) -> "Plan":
        """`kills` ends of the broker, half of them orderly; now and then of uplink, receiver and poster, too."""
        ends = []
        for number in range(kills):
            at = (number + 1) * records // (kills + 1)
            ends.append((at, "broker stop" if number % 2 else "broker kill"))
            if at < ENDING * records:
                if number % 5 == 0:
                    ends.append((at + records // (3 * kills + 3), "uplink"))
                if number % 4 == 0:
                    ends.append((at + 2 * records // (3 * kills + 3), "poster"))
                if number % 3 == 0:
                    ends.append((at + records // (2 * kills + 2), f"receiver-{INSTANCES[number // 3 % 2]}"))
        return cls(sorted(ends))


@dataclass
class Outcome:
    """What there is to say in the end."""

    line: dict[str, Any]
    wrong: list[str] = field(default_factory=list)


class Soak:
    """Runs a stage through a plan."""

    def __init__(self, stage: Stage, plan: Plan, say: Callable[[str], None]) -> None:
        self._stage, self._plan, self._say = stage, list(plan.ends), say
        self._ended: Counter[str] = Counter()
        self._began_s = self._moved_s = self._said_s = time.monotonic()
        self._acknowledged, self._posted = -1, 0
        self._watched, self._settled = False, False

    async def run(self) -> Outcome:
        """Until every record is signed for, or nothing moves any more."""
        wrong = []
        try:
            await self._stage.up()
            await self._stage.follow(self._progress)
            await self._stage.end()
            report = await self._stage.post_rest()
            wrong += [f"posting is not done: {name} {report[name]}" for name in ("held", "refused") if report[name]]
        except Ended as error:
            wrong.append(str(error))
        finally:
            await self._stage.down()
        seconds = time.monotonic() - self._began_s
        outcome = await asyncio.to_thread(judge, self._stage, self._ended, seconds)
        return Outcome(outcome.line, wrong + outcome.wrong)

    async def _progress(self) -> bool:
        posted = 0 if self._stage.books is None else len(self._stage.books.booked)
        told, now_s = {**self._stage.told, "posted": posted}, time.monotonic()
        if told["acknowledged"] + posted > self._acknowledged + self._posted:
            self._acknowledged, self._posted, self._moved_s = told["acknowledged"], posted, now_s
        if now_s - self._said_s >= SAY_S:
            self._said_s = now_s
            network = dict(self._stage.weather.happened)
            self._say(f"{now_s - self._began_s:.0f} s: {told}, ended {dict(self._ended)}, network {network}")
        if now_s - self._moved_s > STUCK_S:
            raise Ended(f"nothing was signed for during {STUCK_S:g} s: {told}")
        self._watch_memory()
        while self._plan and self._plan[0][0] <= self._acknowledged:
            await self._end(self._plan.pop(0)[1])
        there = min(self._acknowledged, self._posted) >= self._stage.records
        return there and not self._plan and not told["evidence"]

    def _watch_memory(self) -> None:
        memory = self._stage.memory
        if not self._watched and self._acknowledged >= ENDING * self._stage.records:
            self._watched = True
            for each in memory.values():
                each.watch()
        if not self._settled and self._acknowledged >= SETTLED * self._stage.records:
            self._settled = True
            receivers = [memory[f"receiver-{instance}"] for instance in INSTANCES]
            for each in memory.values():
                each.settle(receivers if each in receivers else ())

    async def _end(self, who: str) -> None:
        self._ended[who] += 1
        if who.startswith("broker"):
            broker = self._stage.broker
            await asyncio.to_thread(broker.stop, kill=who == "broker kill")
            await asyncio.to_thread(broker.start)
        else:
            await self._stage.kill(who)


def judge(stage: Stage, ended: Counter[str], seconds: float) -> Outcome:
    """Journal against store: each record once, the same leaf, nothing else."""
    config = stage.bank()
    store = Store(config.store, read_only=True)
    arrived, deposits = 0, set()
    for record in store.records(KIOSK):
        arrived += 1
        deposits.add(record.deposit_id)
    whole = {path.name for path in (config.evidence_folder / KIOSK).glob("*")}
    booked = set(stage.books.booked) if stage.books is not None else set()
    filed = Counter(row["deposit"] for row in rows_of(stage) if row["status"] == "BOOK")
    report = verify_store(config.store, config.keys)
    line: dict[str, Any] = {
        "records": stage.records,
        "arrived": len(deposits),
        "duplicates_stored": arrived - len(deposits),
        "posted": len(booked),
        "posted_in_files": len(filed),
        "evidence_files": len(whole),
        "broker_stops": ended["broker stop"],
        "broker_kills": ended["broker kill"],
        "uplink_kills": ended["uplink"],
        "poster_kills": ended["poster"],
        "receiver_kills": sum(count for who, count in ended.items() if who.startswith("receiver")),
        "network": dict(sorted(stage.weather.happened.items())),
        "memory_kb": {name: memory.as_json() for name, memory in sorted(stage.memory.items())},
        "seconds": round(seconds, 1),
    }
    wrong = [f"the bank's own check: {failure}" for failure in report.failures]
    expected = {number.to_bytes(16, "big") for number in range(stage.records)}
    if deposits != expected:
        wrong.append(f"{len(expected - deposits)} deposits did not arrive, {len(deposits - expected)} were never made")
    if arrived != stage.records:
        wrong.append(f"{arrived} records are stored, {stage.records} were made")
    keys = {number.to_bytes(16, "big").hex() for number in range(stage.records)}
    if booked != keys:
        wrong.append(f"{len(keys - booked)} deposits were not posted, {len(booked - keys)} were never made")
    if set(filed) != keys or any(count != 1 for count in filed.values()):
        wrong.append(f"the files credit {len(filed)} deposits, {filed.total()} times, of {len(keys)}")
    if whole != {hashlib.sha256(clip(number)).hexdigest() for number in range(clips(stage.records))}:
        wrong.append(f"{len(whole)} files of evidence are at the bank, {clips(stage.records)} were handed over")
    if stage.told["refused"]:
        wrong.append(f"the kiosk refused {stage.told['refused']} acknowledgements")
    wrong += [f"fork: {found}" for found in store.forks(KIOSK)]
    wrong += [f"quarantine: {found}" for found in store.quarantined(KIOSK)]
    store.close()
    for name, memory in stage.memory.items():
        if memory.grew(GROWTH, GROWTH_KB):
            wrong.append(f"memory of {name} grew from {memory.start} to {memory.end} kB")
    return Outcome(line, wrong)


def rows_of(stage: Stage) -> list[dict[str, str]]:
    """Every entry of every camt.054 file."""
    files = stage.bank().store.parent / "posting"
    return [row for path in sorted(files.glob("*.xml")) for row in entries_of(path.read_bytes())]


async def soak(folder: Path, records: int, kills: int, seed: int) -> Outcome:
    """One soak below `folder`, which must be there."""

    def say(words: str) -> None:
        sys.stderr.write(f"uplink-soak: {words}\n")
        sys.stderr.flush()

    return await Soak(Stage(folder, seed, records), Plan.make(records, kills), say).run()
