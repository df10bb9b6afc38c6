"""Settings at the running kiosk: in force for the next deposit, undone after ten minutes unless confirmed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.clock import rfc3339
from kiosk.config import Config, load_config
from kiosk.core.actions import ChangeRule, ChangeSetting, ConfirmSettings, RevertSettings
from kiosk.errors import JournalError
from kiosk.management.settings_desk import AGAIN_S, CONFIRM_S, SettingsDesk
from kiosk.messages import Asked, GetSettings, PlanSetting, Refused, Settings, SettingView
from kiosk.processes.live import LiveSettings
from tests.simulation.people import approve, ask, asked, found, say
from tests.simulation.rig import Rig

CONFIG = load_config(Path(__file__).parents[2] / "systemd" / "kiosk.toml.example")
KEY = "timing.confirm_s"
LIMIT = "limits.CNY.deposit_minor_max"


class Bench:
    """A kiosk whose settings can be set."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.config: Config = CONFIG
        self.start()

    def start(self) -> None:
        self.rig.start()
        live = LiveSettings(CONFIG, self._follow)
        desk = SettingsDesk(self.rig.controller, self.rig.desk.authority, live)
        self.rig.desk._settings = desk  # noqa: SLF001 - as the process does, without its files
        self.rig.controller.at_start.append(desk.start)

    def restart(self) -> None:
        self.rig.crash_takes_power = False
        self.rig.die()
        self.rig.bury()
        self.start()

    def _follow(self, config: Config) -> None:
        self.config = config

    async def row(self, key: str) -> SettingView:
        return next(row for row in (await self.all()).settings if row.key == key)

    async def all(self) -> Settings:
        reply = await say(self.rig, GetSettings())
        assert isinstance(reply, Settings)
        return reply

    def events(self) -> list[dict[str, Any]]:
        log = self.rig.journal.log
        records = (log.record(sequence) for sequence in range(log.size()))
        return [dict(one.content) for one in records if str(one.content.get("event", "")).startswith("setting")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.rig.close()


def refusal(reply: object) -> str:
    assert isinstance(reply, Refused), reply
    assert reply.remedy
    return reply.code


async def set_it(bench: Bench, value: str = "90.0", before: str = "120.0") -> None:
    done = await ask(bench.rig, "carl", ChangeSetting(KEY, before, value))
    assert isinstance(done, Asked), done
    assert done.done


def test_it_is_undone_unless_somebody_confirms(bench: Bench) -> None:
    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        assert (await bench.row(KEY)).origin == "configured"
        await set_it(bench)
        assert bench.config.timing.confirm_s == 90
        row, view = await bench.row(KEY), await bench.all()
        assert (row.origin, row.value, row.configured, row.by) == ("tentative", "90.0", "120.0", ("carl",))
        assert row.at == rfc3339(bench.rig.clock.now_utc())
        assert CONFIRM_S - 5 < view.undone_in_s <= CONFIRM_S
        await asyncio.sleep(CONFIRM_S - 1)
        assert bench.config.timing.confirm_s == 90
        await asyncio.sleep(2)
        assert bench.config.timing.confirm_s == 120
        assert refusal(await ask(bench.rig, "carl", ConfirmSettings())) == "nothing_set"

    bench.rig.run(play())
    assert [(one["event"], one["by"]) for one in bench.events()] == [
        ("setting_changed", ["carl"]), ("settings_reverted", []),
    ]  # fmt: skip


def test_a_full_disk_does_not_keep_what_nobody_confirmed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written, refused = bench.rig.journal.remember, [0]

    def full(*arguments: Any) -> None:
        refused[0] += 1
        if refused[0] <= 2:
            raise JournalError("the journal cannot be written: the disk is full")
        written(*arguments)

    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        await set_it(bench)
        monkeypatch.setattr(bench.rig.journal, "remember", full)
        await asyncio.sleep(CONFIRM_S + AGAIN_S + 5)
        assert bench.config.timing.confirm_s == 90  # what is not durable is not undone either
        await asyncio.sleep(AGAIN_S)
        assert bench.config.timing.confirm_s == 120

    bench.rig.run(play())
    assert refused == [3]
    assert [one["event"] for one in bench.events()] == ["setting_changed", "settings_reverted"]


def test_confirmed_it_stays_also_after_a_restart(bench: Bench) -> None:
    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        await set_it(bench)
        done = await ask(bench.rig, "ben", ConfirmSettings())
        assert isinstance(done, Asked)
        assert done.done

    bench.rig.run(play())
    bench.config = CONFIG
    bench.restart()

    async def later() -> None:
        await bench.rig.ready()
        await asyncio.sleep(2 * CONFIRM_S)
        assert bench.config.timing.confirm_s == 90
        assert (await bench.row(KEY)).origin == "set"
        await set_it(bench, "120.0", "90.0")
        await ask(bench.rig, "carl", ConfirmSettings())
        assert (await bench.row(KEY)).origin == "configured"

    bench.rig.run(later())


@pytest.mark.parametrize("away_s", [0, 300, 5000])
def test_the_deadline_outlives_a_restart(bench: Bench, away_s: int) -> None:
    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        await set_it(bench)

    bench.rig.run(play())
    began_s = bench.rig.clock.monotonic_s()
    bench.rig.crash_takes_power = False
    bench.rig.die()
    bench.rig.bury()
    bench.rig.loop.run_until_complete(asyncio.sleep(away_s))
    bench.start()

    async def later() -> None:
        await bench.rig.ready()
        if away_s < CONFIRM_S:
            assert (await bench.row(KEY)).origin == "tentative"
            assert bench.config.timing.confirm_s == 90
            await asyncio.sleep(CONFIRM_S - (bench.rig.clock.monotonic_s() - began_s) + 2)
        assert (await bench.row(KEY)).origin == "configured"
        assert bench.config.timing.confirm_s == 120

    bench.rig.run(later())


def test_reverted_at_once(bench: Bench) -> None:
    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        await set_it(bench)
        done = await ask(bench.rig, "carl", RevertSettings())
        assert isinstance(done, Asked)
        assert bench.config.timing.confirm_s == 120

    bench.rig.run(play())


def test_what_bounds_the_money_takes_two(bench: Bench) -> None:
    async def play() -> None:
        await bench.rig.ready()
        await found(bench.rig)
        before = (await bench.row(LIMIT)).value
        assert refusal(await ask(bench.rig, "carl", ChangeSetting(LIMIT, before, "100"))) == "bad_setting"
        request = await asked(bench.rig, "ben", ChangeRule(LIMIT, before, "100"))
        assert not request.done
        assert bench.config.limits["CNY"].deposit_minor_max == int(before)
        done = await approve(bench.rig, "anna", request)
        assert isinstance(done, Asked)
        assert done.done
        assert bench.config.limits["CNY"].deposit_minor_max == 100
        assert (await bench.row(LIMIT)).by == ("ben", "anna")

    bench.rig.run(play())


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (KEY, "0", "bad_setting"),
        (KEY, "soon", "bad_setting"),
        (KEY, "120", "no_change"),
        ("validator.port", "x", "bad_setting"),
        ("paths.state_dir", "/tmp", "bad_setting"),  # noqa: S108 - refused
        (LIMIT, str(10**12), "bad_setting"),
    ],
)
def test_what_cannot_be_set_is_said_before_anybody_signs(bench: Bench, key: str, value: str, code: str) -> None:
    async def play() -> None:
        await bench.rig.ready()
        assert refusal(await say(bench.rig, PlanSetting(key, value))) == code

    bench.rig.run(play())
