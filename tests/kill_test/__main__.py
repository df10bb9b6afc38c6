"""`make kill-test`: kill -9 of the real controller at random instants of deposits; the world judges.

Real processes over ptys, pigpio, camera and a broker with mutual TLS, as `scripts/stage.py` brings them up; the
product's supervisor starts the controller again. Kills follow the status on the bus plus a seeded delay. Ends with
one line of JSON, the keys of `make simulate` and `kills_by_state`; exit code 1 when anything is wrong.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.stage import Stage, StageFailed
from tests.kill_test.killer import Kill, Killer
from tests.kill_test.person import Person, Told
from tests.kill_test.plan import WITHIN, make
from tests.kill_test.verdict import Books, Verdict, judge

SCHEDULES_OF_A_SEED: Final = 1_000_000
SHARE_WITHIN: Final = 0.8
_WORLD: Final = """
[world]
slots = 1000
straps = 10000
labels = 10000
receipt_mm = 100000
"""
_TABLES: Final = """
[units]
cabinet_slots = 1000
cabinet_high_slots = 900
"""
_TIMING: Final = "resume_s = 20\nconfirm_s = 60\nassess_s = 1"
_DEPOSITS_A_STAGE_MAX: Final = 120  # paper and outbox of one stage


@dataclass
class Fleet:
    """What is still to be killed, shared by the stages; and how it went."""

    seed: int
    kills: int
    done: int = 0
    schedules: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    exchanges: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def may_kill(self) -> bool:
        """Whether one more is wanted; counts it."""
        if self.done >= self.kills:
            return False
        self.done += 1
        return True

    def next_seed(self) -> int:
        """The seed of the next schedule."""
        self.schedules += 1
        return self.seed * SCHEDULES_OF_A_SEED + self.schedules


async def lane(fleet: Fleet, number: int, folder: Path, only: int | None) -> None:
    """One stage: deposit after deposit until enough was killed; then everything down, and judged."""
    stage = Stage(
        folder,
        seed=fleet.seed + number,
        world_file=_world_file(folder),
        timing=_TIMING,
        tables=_TABLES,
        up_options=("--restart-window-s", "1"),
    )
    schedules: list[Told] = []
    killer = Killer(stage, fleet.may_kill)
    try:
        await stage.up()
        while fleet.done < fleet.kills and len(schedules) < _DEPOSITS_A_STAGE_MAX:
            seed = fleet.next_seed() if only is None else only
            told = await _schedule(fleet, stage, killer, seed)
            schedules.append(told)
            if told.stuck or only is not None:
                break
        await stage.wait(stage.settled, "kiosk")
        world = await stage.world("/state")
    finally:
        await stage.down()
    fleet.verdicts.append(await _judged(stage, world, schedules, killer.kills))
    fleet.exchanges += sum(world["exchanges"].values())


def _world_file(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "world.toml"
    path.write_text(_WORLD)
    return path


async def _schedule(fleet: Fleet, stage: Stage, killer: Killer, seed: int) -> Told:
    plan = make(seed)
    before = len(killer.kills)
    hunt = asyncio.create_task(killer.pursue(plan))
    try:
        told = await Person(stage, plan).play()
    finally:
        hunt.cancel()
        await asyncio.wait({hunt})
    if not hunt.cancelled():
        hunt.result()
    killed = killer.kills[before:]
    seconds = time.monotonic() - fleet.began_s
    words = ", ".join(kill.moment for kill in killed) or "nowhere"
    _say(f"{fleet.done} of {fleet.kills} kills, {seconds:.0f} s: schedule {seed}, {plan.ending}, killed {words}")
    return told


async def _judged(stage: Stage, world: dict[str, Any], schedules: list[Told], kills: list[Kill]) -> Verdict:
    """The world's judgement, and the bank's own of what reached it."""
    verdict = judge(Books(stage.folder), world, schedules, kills)
    report = await stage.verify()
    if not report["ok"]:
        verdict.wrong.append((0, f"the bank's check fails: {report['failures']}"))
    if report["deposits"] != verdict.deposits:
        verdict.wrong.append((0, f"the bank has {report['deposits']} deposits, the kiosk {verdict.deposits}"))
    return verdict


def summary(fleet: Fleet) -> dict[str, Any]:
    """The keys of `make simulate`, and the histogram."""
    by_state: Counter[str] = Counter()
    for verdict in fleet.verdicts:
        by_state.update(verdict.kills_by_state)

    def total(name: str) -> int:
        return sum(getattr(verdict, name) for verdict in fleet.verdicts)

    seconds = time.monotonic() - fleet.began_s
    kills = by_state.total()
    return {
        "schedules": fleet.schedules,
        "deposits": total("deposits"),
        "notes": total("notes"),
        "device_exchanges": fleet.exchanges,
        "faults_injected": {"crash.controller": kills},
        "crashes": kills,
        **{name: total(name) for name in ("lost_minor", "double_minor", "disputes", "unexplained_disputes")},
        **{name: total(name) for name in ("disputed_minor", "stuck")},
        "virtual_hours": 0,
        "seconds": round(seconds, 1),
        "seed": fleet.seed,
        "kills_by_state": dict(sorted(by_state.items())),
        "kills_within": round(sum(by_state[state] for state in WITHIN) / max(kills, 1), 3),
    }


async def run(fleet: Fleet, jobs: int, folder: Path, only: int | None = None) -> list[str]:
    """All stages side by side; what is wrong, in words."""
    await asyncio.gather(*(lane(fleet, number, folder / f"stage-{number}", only) for number in range(jobs)))
    wrong = []
    for verdict in fleet.verdicts:
        for words in verdict.explained:
            _say(words)
        for seed, words in verdict.wrong:
            again = f"\n  replay: python -m tests.kill_test --schedule {seed}" if seed else ""
            wrong.append(f"{words}{again}")
    return wrong


def _say(words: str) -> None:
    sys.stderr.write(f"kill-test: {words}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kill_test", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the controller is killed (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of deposits and kills (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="stages side by side (default 2)")
    parser.add_argument("--schedule", type=int, help="play one schedule again; instants differ as processes do")
    parser.add_argument("--keep", type=Path, help="leave the run directories (logs, journals) here; must not exist")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when nothing is wrong, 1 when something is, 2 when a stage did not come up."""
    options = _parser().parse_args(arguments)
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return _run(options, options.keep)
    with tempfile.TemporaryDirectory(prefix="kill-test-") as name:
        return _run(options, Path(name))


def _run(options: argparse.Namespace, folder: Path) -> int:
    fleet = Fleet(options.seed, options.kills)
    jobs = options.jobs if options.schedule is None else 1
    try:
        wrong = asyncio.run(run(fleet, jobs, folder, options.schedule))
    except StageFailed as error:
        _say(f"{error}")
        return 2
    line = summary(fleet)
    if options.schedule is None and line["kills_within"] < SHARE_WITHIN:
        wrong.append(f"only {line['kills_within']:.0%} of the kills fell between shutter open and receipt")
    for words in wrong:
        _say(words)
    sys.stdout.write(json.dumps(line) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
