"""`make demo`: three deposits from banknote to verified record, on real interfaces, with every check stated.

The last line is one JSON object; the exit code is 0 only if every check held. `inserted`, `returned` and `retained`
are the simulated world's count, `credited`, `disputed` and `risk` the bank's store's, `records_sent` the kiosk's
journal's: no process passes its figure to another.
"""

import argparse
import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from kiosk.guarantee import policy
from kiosk.verifier import checking, reading
from scripts.depositor import ScenarioFailed, ScriptedDepositor, load
from scripts.stage import Stage, StageFailed

SCENARIO = Path(__file__).parent.parent / "tests" / "scenario" / "demo.toml"


class Progress:
    """Says what happens, with the seconds since the start."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()

    def __call__(self, words: str) -> None:
        print(f"[{time.monotonic() - self.began_s:5.1f} s] {words}", flush=True)


def journal_records(folder: Path) -> tuple[int, list[str]]:
    """Leaves in the kiosk's journal, and the code-free outcomes of its deposits."""
    with closing(sqlite3.connect(f"file:{folder / 'kiosk' / 'journal.db'}?mode=ro", uri=True)) as journal:
        leaves = int(journal.execute("SELECT count(*) FROM leaves").fetchone()[0])
        outcomes = [row[0] for row in journal.execute("SELECT outcome FROM deposits ORDER BY serial")]
    return leaves, outcomes


async def run(folder: Path, say: Progress) -> dict[str, Any]:
    """Set the stage, make the deposits, take it down, let the bank verify. Raises what failed."""
    scenario = load(SCENARIO)
    stage = Stage(folder, say)
    grades: list[str] = []
    try:
        await stage.up()
        say("in service; the depositor comes")
        depositor = ScriptedDepositor(stage, say)
        for deposit in _by_deposit(scenario.step):
            await depositor.perform(deposit[:-1])  # all but the last `finish`
            status = await stage.status()
            grades.append((status.deposit.grade if status.deposit else None) or "none")
            say(_told(status.deposit))
            await depositor.perform(deposit[-1:])
        say("waiting for the bank's signed acknowledgement of every record")
        await stage.wait(stage.settled, "kiosk")
        world = (await stage.world("/state"))["totals"]
        papers: Any = await stage.world("/receipts")
    finally:
        await stage.down()
    say("the bank verifies its store, offline")
    report = await stage.verify()
    say("and hands each deposit to its books, once")
    report["posted"] = [await stage.post() for _ in range(2)]  # the second time there is nothing left
    return _result(folder, world, report, receipts_verified(folder, papers), grades, scenario.expect)


def receipts_verified(folder: Path, papers: list[dict[str, Any]]) -> int:
    """How many deposits have a paper receipt whose two codes `kiosk-verify` finds good, from the policy file alone."""
    trusted = policy.parse((folder / "policy.txt").read_bytes())
    checked = [checking.check(reading.sort("\n".join(paper["qrs"])), trusted) for paper in papers]
    return len({each.content["deposit_id"] for each in checked if each.verdict != "refused"})


def _by_deposit(steps: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    parts: list[tuple[Any, ...]] = []
    part: list[Any] = []
    for step in steps:
        part.append(step)
        if step.do == "finish":
            parts.append(tuple(part))
            part = []
    return parts


def _told(deposit: Any) -> str:  # noqa: ANN401 - DepositView or None
    if deposit is None:
        return "no deposit"
    parts = [f"  {deposit.state}: risk {deposit.grade}"]
    for name in ("total", "retained", "returned", "disputed"):
        amounts = ", ".join(f"{amount.currency} {amount.minor / 100:.2f}" for amount in getattr(deposit, name))
        if amounts:
            parts.append(f"{'credited' if name == 'total' else name} {amounts}")
    parts.extend(deposit.reasons[:2])
    return "; ".join(parts)


def _result(
    folder: Path,
    world: dict[str, Any],
    report: dict[str, Any],
    receipts: int,
    grades: list[str],
    expect: dict[str, Any],
) -> dict[str, Any]:
    sent, outcomes = journal_records(folder)
    result = {
        "deposits": report["deposits"],
        "inserted_minor": minor(world["inserted_minor"]),
        "credited_minor": minor(report["credited_minor"]),
        "returned_minor": minor(world["returned_minor"]),
        "retained_minor": minor(world["retained_minor"]),
        "disputed_minor": minor(report["disputed_minor"]),
        "records_sent": sent,
        "records_verified": report["verified"],
        "risk": report["risk"],
    }
    inside = result["credited_minor"] + result["returned_minor"] + result["retained_minor"] + result["disputed_minor"]
    checks = {
        "the bank's store verifies": report["ok"],
        "three deposits": report["deposits"] == len(outcomes) == 3,  # noqa: PLR2004
        "inserted = credited + returned + retained + disputed": result["inserted_minor"] == inside,
        "what was returned: world and bank agree": result["returned_minor"] == minor(report["returned_minor"]),
        "what was retained: world and bank agree": result["retained_minor"] == minor(report["retained_minor"]),
        "every record sent was verified": sent == report["verified"] == report["records"],
        "every deposit has a receipt on paper whose codes verify": receipts == len(outcomes),
        "every deposit was handed to the bank's books once": [len(each["handed"]["files"]) for each in report["posted"]]
        == [1, 0]
        and report["posted"][1]["postings"]["file"] == len(outcomes),
        "nothing is disputed": result["disputed_minor"] == 0,
        "the clean deposit is low": grades[:1] == ["low"],
        "the one with the onlooker is not": len(grades) == 3 and grades[2] in ("medium", "high"),  # noqa: PLR2004
        **{f"{name} as the scenario expects": result[name] == value for name, value in expect.items()},
    }
    result["failed"] = [name for name, held in checks.items() if not held]
    for name, held in checks.items():
        print(f"  {'ok  ' if held else 'FAIL'} {name}")
    for failure in report["failures"][:10]:
        print(f"  FAIL verify: {failure}")
    return result


def minor(amounts: int | dict[str, int]) -> int:
    """The amount in minor units, whichever currency it is in."""
    return amounts if isinstance(amounts, int) else sum(amounts.values())


def main() -> int:
    """Parse, run, print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dir", type=Path, help="run directory; kept afterwards (default: a temporary one, kept on failure)"
    )
    arguments = parser.parse_args()
    say = Progress()
    folder = (arguments.dir or Path(tempfile.mkdtemp(prefix="kiosk-demo-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = asyncio.run(run(folder, say))
    except (StageFailed, ScenarioFailed) as error:
        print(f"FAIL {error}", file=sys.stderr)
        result = {"failed": [str(error).splitlines()[0]]}
    failed = result.pop("failed")
    word = "ok" if not failed else "failed"
    if failed:
        say(f"logs, journal and store are kept in {folder}")
    elif arguments.dir is None:
        shutil.rmtree(folder)
    seconds = round(time.monotonic() - say.began_s, 1)
    print(json.dumps({"demo": word, **result, "seconds": seconds} | ({"why": failed} if failed else {})))
    return 0 if not failed else 1


if __name__ == "__main__":
    sys.exit(main())
