"""One soak: kills by plan, progress in words, and a verdict that asks journal and store, not the processes."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk_cloud.store import Store
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import KIOSK
from tests.uplink_soak.stage import INSTANCES, Ended, Stage

STUCK_S: Final = 240.0  # no record was signed for in this time
SAY_S: Final = 10.0
SETTLED: Final = 0.6  # of the records: from here on only the broker is ended, and memory is held against this moment
GROWTH: Final = 0.15  # of the memory at that moment,
GROWTH_KB: Final = 8192  # or so much


@dataclass
class Plan:
    """Who ends when: (records signed for, who), in order."""

    ends: list[tuple[int, str]]

    @classmethod
    def make(cls, records: int, kills: int) -> "Plan":
        """`kills` ends of the broker, half of them orderly; with each fifth an uplink, with each third a receiver."""
        ends = []
        for number in range(kills):
            at = (number + 1) * records // (kills + 1)
            ends.append((at, "broker stop" if number % 2 else "broker kill"))
            if at < SETTLED * records:
                if number % 5 == 0:
                    ends.append((at + records // (3 * kills + 3), "uplink"))
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
        self._acknowledged = -1
        self._settled = False

    async def run(self) -> Outcome:
        """Until every record is signed for, or nothing moves any more."""
        wrong = []
        try:
            await self._stage.up()
            await self._stage.follow(self._progress)
        except Ended as error:
            wrong.append(str(error))
        finally:
            await self._stage.down()
        seconds = time.monotonic() - self._began_s
        outcome = await asyncio.to_thread(judge, self._stage, self._ended, seconds)
        return Outcome(outcome.line, wrong + outcome.wrong)

    async def _progress(self) -> bool:
        told, now_s = self._stage.told, time.monotonic()
        if told["acknowledged"] > self._acknowledged:
            self._acknowledged, self._moved_s = told["acknowledged"], now_s
        if now_s - self._said_s >= SAY_S:
            self._said_s = now_s
            network = dict(self._stage.weather.happened)
            self._say(f"{now_s - self._began_s:.0f} s: {told}, ended {dict(self._ended)}, network {network}")
        if now_s - self._moved_s > STUCK_S:
            raise Ended(f"nothing was signed for during {STUCK_S:g} s: {told}")
        if not self._settled and self._acknowledged >= SETTLED * self._stage.records:
            self._settled = True
            for memory in self._stage.memory.values():
                memory.settle()
        while self._plan and self._plan[0][0] <= self._acknowledged:
            await self._end(self._plan.pop(0)[1])
        return not self._plan and self._acknowledged >= self._stage.records

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
    report = verify_store(config.store, config.keys)
    line: dict[str, Any] = {
        "records": stage.records,
        "arrived": len(deposits),
        "duplicates_stored": arrived - len(deposits),
        "posted": None,
        "broker_stops": ended["broker stop"],
        "broker_kills": ended["broker kill"],
        "uplink_kills": ended["uplink"],
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
    if stage.told["refused"]:
        wrong.append(f"the kiosk refused {stage.told['refused']} acknowledgements")
    wrong += [f"fork: {found}" for found in store.forks(KIOSK)]
    wrong += [f"quarantine: {found}" for found in store.quarantined(KIOSK)]
    store.close()
    for name, memory in stage.memory.items():
        if memory.start and memory.end - memory.start > max(GROWTH * memory.start, GROWTH_KB):
            wrong.append(f"memory of {name} grew from {memory.start} to {memory.end} kB")
    return Outcome(line, wrong)


async def soak(folder: Path, records: int, kills: int, seed: int) -> Outcome:
    """One soak below `folder`, which must be there."""

    def say(words: str) -> None:
        sys.stderr.write(f"uplink-soak: {words}\n")
        sys.stderr.flush()

    return await Soak(Stage(folder, seed, records), Plan.make(records, kills), say).run()
