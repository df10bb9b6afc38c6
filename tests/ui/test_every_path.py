"""The ways a deposit can go, by touches in Chromium on the real stage: `make ui-paths`, each in every language.

PATHS=all: every path in zh, en and ru; PATHS=once: every path, in these languages by turns; PATHS=limit:ru: that one.
After each path the bank's own check of its store and the world's count must say where the money is.
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from kiosk.core.accounts import luhn_valid
from scripts.stage import Stage
from tests.ui.depositor import Depositor, Ends
from tests.ui.paths import DEPOSITS_A_DAY, LIMIT_MINOR, NOTES_MAX, PATHS
from tests.ui.person import person_at

CHOSEN: Final = os.environ.get("PATHS", "")
LANGUAGES: Final = ("zh", "en", "ru")
# Over 20 s each, so that the screen asks; short, so that those who walk away do not take minutes.
TIMING: Final = "idle_s = 24\nconfirm_s = 24\ntake_s = 24\nresume_s = 30"
TABLES: Final = f"""
[limits.CNY]
deposit_minor_max = {LIMIT_MINOR}
deposit_notes_max = {NOTES_MAX}

[risk]
depositor_day_max = {DEPOSITS_A_DAY}
"""

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not CHOSEN, reason="every path takes 20 to 120 s: `make ui-paths`"),
]


def chosen() -> list[tuple[str, str]]:
    """Path and language, in the order in which they are walked."""
    if CHOSEN == "all":
        return [(name, language) for name in PATHS for language in LANGUAGES]
    if CHOSEN == "once":
        return [(name, LANGUAGES[n % len(LANGUAGES)]) for n, name in enumerate(PATHS)]
    pairs = [(name, language) for name, _, language in (each.partition(":") for each in CHOSEN.split(","))]
    assert all(name in PATHS and language in LANGUAGES for name, language in pairs), f"no such paths: {CHOSEN}"
    return pairs


def account(number: int) -> str:
    """One that nobody else uses: what somebody brought in before changes the grade."""
    first = f"62{number:013d}"
    return next(f"{first}{digit}" for digit in range(10) if luhn_valid(f"{first}{digit}"))


async def money(stage: Stage) -> Ends:
    """Where all of it is by now, once the bank has signed for every record."""
    await stage.wait(stage.settled, "kiosk")
    bank = await stage.verify()
    assert bank["ok"], bank["failures"]
    world = (await stage.world("/state"))["totals"]
    booked = {name: _minor(bank[f"{name}_minor"]) for name in ("credited", "returned", "retained", "disputed")}
    assert sum(booked.values()) == world["inserted_minor"], (booked, world)
    places: dict[str, dict[str, int]] = world["by_place"]
    at = {name: places.get(place, {}).get("CNY", 0) for name, place in (("safe", "slot"), ("box", "retract"))}
    return Ends(**booked, **at, out=world["returned_minor"])


def _minor(amounts: int | dict[str, int]) -> int:
    return amounts if isinstance(amounts, int) else amounts.get("CNY", 0)


def _after(before: Ends, path: Ends) -> Ends:
    out = path.returned if path.out is None else path.out
    return Ends(
        credited=before.credited + path.credited,
        returned=before.returned + path.returned,
        retained=before.retained + path.retained,
        disputed=before.disputed + path.disputed,
        safe=before.safe + path.safe,
        box=before.box + path.box,
        out=(before.out or 0) + out,
    )


async def test_each_path_ends_as_its_screens_say_and_with_the_money_where_they_say() -> None:
    walks = chosen()
    holders = {account(number): "Erika Mustermann" for number in range(len(walks))}
    with tempfile.TemporaryDirectory(prefix="kiosk-ui-") as folder:  # short: socket paths have a limit
        stage = Stage(Path(folder), timing=TIMING, tables=TABLES, holders=holders)
        try:
            await stage.up()
            await stage.scene({"depositor": True, "onlooker": False})
            async with person_at(stage) as person:
                stands = await money(stage)
                for number, (name, language) in enumerate(walks):
                    print(f"{name}:{language}", end=" ", flush=True)  # noqa: T201 - followed with -s
                    stands = _after(stands, await PATHS[name](Depositor(person, language, account(number))))
                    assert await money(stage) == stands, f"PATHS={name}:{language} make ui-paths"
                    print("ok", flush=True)  # noqa: T201
                assert [text for text in person.complaints if "WebSocket" not in text] == []
            status: Any = await stage.status()
            assert status.in_service
        finally:
            await stage.down()
