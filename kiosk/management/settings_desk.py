"""Settings changed at the running kiosk, *commit confirmed*: undone by themselves after ten minutes unless confirmed.

Whoever changes a setting so that nobody can confirm it any more has changed nothing for long. The deadline is durable:
a restart goes on waiting for it, and a clock that steps back makes it no longer than the ten minutes from then.
"""

import asyncio
import contextlib
import json
import logging
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from kiosk.clock import rfc3339
from kiosk.core.actions import Action, ChangeRule, ChangeSetting, ConfirmSettings, RevertSettings
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.records import service
from kiosk.errors import ConfigError, JournalError
from kiosk.guarantee.journal import Journal
from kiosk.management.authority import Allowed, AuthorityDesk, Performer
from kiosk.management.controller import Controller
from kiosk.messages import GetSettings, PlanSetting, Refused, Reply, SettingPlan, Settings, SettingView

_log = logging.getLogger(__name__)
KEPT: Final = "settings"  # in the journal's memory
CONFIRM_S: Final = 600
AGAIN_S: Final = 30.0  # until a journal that could not be written is tried again
SettingsRequest = GetSettings | PlanSetting


class Live(Protocol):
    """The settings that the process can change while it runs."""

    def keys(self) -> dict[str, bool]:
        """Every key, and whether it takes two people."""

    def configured(self, key: str) -> str:
        """The value by the file or the default, as TOML has it."""

    def check(self, values: dict[str, str]) -> dict[str, str]:
        """Every key's value with these over the file. Raises `ConfigError`."""

    def apply(self, values: dict[str, str]) -> None:
        """From the next deposit on these hold over the file."""


class SettingsDesk:
    """What is set over the file: `confirmed`, and `tentative` until a moment; each key: value, who set it, when."""

    def __init__(self, controller: Controller, authority: AuthorityDesk, live: Live) -> None:
        self.c = controller
        self.live = live
        self.kept: dict[str, Any] = _nothing()
        self._due_s: float | None = None  # monotonic
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        for action in (ChangeSetting, ChangeRule):
            authority.register(action, _Change(self))
        authority.register(ConfirmSettings, _Confirm(self))
        authority.register(RevertSettings, _Revert(self))

    async def start(self) -> None:
        """What was kept holds again; what waits to be confirmed goes on waiting."""
        text = await self.c.runner.run(self.c.journal.memory, KEPT)
        self.follow(json.loads(text) if text else _nothing())
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def handle(self, request: SettingsRequest) -> Reply:
        """Answer one."""
        if isinstance(request, PlanSetting):
            return self.planned(request.key, request.value)
        return self._view()

    def planned(self, key: str, value: str) -> SettingPlan | Refused:
        """What setting this would change."""
        keys = self.live.keys()
        try:
            values = self.live.check({**self.values(), key: value})
            before = self.live.check(self.values())[key]
        except (ConfigError, KeyError) as error:
            remedy = error.remedy if isinstance(error, ConfigError) else "Look at `kioskctl set`."
            return Refused("bad_setting", str(error.args[0]), remedy)
        if values[key] == before:
            return Refused("no_change", f"{key} is {before} already.", "There is nothing to set.")
        return SettingPlan(key, before, values[key], keys[key])

    def values(self) -> dict[str, str]:
        """What is set over the file, tentative ones included."""
        return {key: value for kind in ("confirmed", "tentative") for key, (value, *_) in self.kept[kind].items()}

    def follow(self, kept: dict[str, Any]) -> None:
        """What is durable takes effect. A value that a newer program does not take any more is left out."""
        self.kept = kept
        for key in [*kept["confirmed"], *kept["tentative"]]:
            with contextlib.suppress(ConfigError):
                self.live.check(self.values())
                break
            _log.warning("the setting %s cannot be used any more and is dropped", key)
            kept["confirmed"].pop(key, None)
            kept["tentative"].pop(key, None)
        self.live.apply(self.values())
        self._due_s = None
        if kept["tentative"]:
            left_s = (datetime.fromisoformat(kept["until"]) - self.c.clock.now_utc()).total_seconds()
            self._due_s = self.c.clock.monotonic_s() + min(max(left_s, 0.0), CONFIRM_S)
        self._moved.set()
        self.c.announce()

    async def _watch(self) -> None:
        while True:
            self._moved.clear()
            if self._due_s is None:
                await self._moved.wait()
                continue
            left_s = self._due_s - self.c.clock.monotonic_s()
            if left_s <= 0:
                try:
                    await self._undo()
                except JournalError as error:
                    _log.error("what nobody confirmed is not undone yet: %s", error)
                    await self.c.clock.sleep(AGAIN_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._moved.wait()

    async def _undo(self) -> None:
        kept, now = self.without_tentative(), self.c.clock.now_utc()
        draft = service("settings_reverted", {"keys": sorted(self.kept["tentative"]), "by": []})
        await self.c.runner.run(self.c.journal.remember, KEPT, json.dumps(kept), draft, now)
        self.follow(kept)
        self.c.recorded()

    def without_tentative(self) -> dict[str, Any]:
        """As it is once they are undone."""
        return {"confirmed": self.kept["confirmed"], "tentative": {}, "until": ""}

    def _view(self) -> Settings:
        values = self.live.check(self.values())
        rows = []
        for key, two_people in self.live.keys().items():
            set_by = self.kept["tentative"].get(key) or self.kept["confirmed"].get(key)
            tentative = key in self.kept["tentative"]
            rows.append(
                SettingView(
                    key=key,
                    value=values[key],
                    configured=self.live.configured(key),
                    origin="configured" if set_by is None else "tentative" if tentative else "set",
                    by=() if set_by is None else tuple(set_by[1]),
                    at="" if set_by is None else set_by[2],
                    two_people=two_people,
                )
            )
        left_s = 0 if self._due_s is None else max(int(self._due_s - self.c.clock.monotonic_s()), 1)
        return Settings(tuple(rows), left_s)


def _nothing() -> dict[str, Any]:
    return {"confirmed": {}, "tentative": {}, "until": ""}


class _Settled(Performer[Any]):
    """Foresees what is kept, stores it with the use of the request, then lets it take effect."""

    def __init__(self, desk: SettingsDesk) -> None:
        self.desk = desk
        self._foreseen: dict[str, Any] | None = None

    def keep(self, journal: Journal, kept: dict[str, Any], event: str, body: dict[str, object], now: datetime) -> None:
        self._foreseen = kept
        journal.remember(KEPT, json.dumps(kept), service(event, body), now)

    def settled(self) -> None:
        if self._foreseen is not None:
            self.desk.follow(self._foreseen)
            self._foreseen = None


class _Change(_Settled):
    async def ready(self, action: Action) -> Refused | None:
        assert isinstance(action, ChangeSetting | ChangeRule), "registered for these"
        plan = self.desk.planned(action.key, action.value)
        if isinstance(plan, Refused):
            return plan
        if plan.two_people is not isinstance(action, ChangeRule):
            who = "two people" if plan.two_people else "a technician"
            return Refused("bad_setting", f"{action.key} takes {who}.", "Use `kioskctl set`.")
        if (plan.before, plan.value) != (action.before, action.value):
            return Refused("changed_since", f"{action.key} is {plan.before} by now.", "Look again, then set it.")
        return None

    def settle(self, journal: Journal, allowed: Allowed[Any], now: datetime) -> None:
        action, desk = allowed.action, self.desk
        if isinstance(desk.planned(action.key, action.value), Refused):
            raise NotAuthorised("bad_setting", f"{action.key} cannot be set any more.", "Look at `kioskctl set`.")
        until = rfc3339(now + timedelta(seconds=CONFIRM_S))
        tentative = {**desk.kept["tentative"], action.key: (action.value, list(allowed.signers), rfc3339(now))}
        kept = {"confirmed": desk.kept["confirmed"], "tentative": tentative, "until": until}
        body: dict[str, object] = {
            "key": action.key,
            "before": action.before,
            "value": action.value,
            "until": until,
            "by": list(allowed.signers),
        }
        self.keep(journal, kept, "setting_changed", body, now)


class _Confirm(_Settled):
    async def ready(self, action: Action) -> Refused | None:
        del action
        if not self.desk.kept["tentative"]:
            return Refused("nothing_set", "Nothing waits to be confirmed.", "It may have been undone: `kioskctl set`.")
        return None

    def settle(self, journal: Journal, allowed: Allowed[Any], now: datetime) -> None:
        kept = self.desk.kept
        confirmed = {**kept["confirmed"], **kept["tentative"]}
        confirmed = {key: row for key, row in confirmed.items() if row[0] != self.desk.live.configured(key)}
        body: dict[str, object] = {"keys": sorted(kept["tentative"]), "by": list(allowed.signers)}
        self.keep(journal, {"confirmed": confirmed, "tentative": {}, "until": ""}, "settings_confirmed", body, now)


class _Revert(_Settled):
    async def ready(self, action: Action) -> Refused | None:
        del action
        if not self.desk.kept["tentative"]:
            return Refused("nothing_set", "Nothing waits to be confirmed.", "Look at `kioskctl set`.")
        return None

    def settle(self, journal: Journal, allowed: Allowed[Any], now: datetime) -> None:
        body: dict[str, object] = {"keys": sorted(self.desk.kept["tentative"]), "by": list(allowed.signers)}
        self.keep(journal, self.desk.without_tentative(), "settings_reverted", body, now)
