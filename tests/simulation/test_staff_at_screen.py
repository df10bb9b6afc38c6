"""The staff at the screen: badge and PIN, who is on duty, and the cabinet's cash handed over by two people."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.people import FREE_FAILURES, Role
from kiosk.core.state import State
from kiosk.guarantee import badge
from kiosk.guarantee.badge import Badge
from kiosk.guarantee.one_time import STEP_S, code_at
from kiosk.guarantee.ticket import minute
from kiosk.management.sign_in import SignInRules
from kiosk.management.staff_desk import STILL_S
from kiosk.messages import (
    BadgeShown,
    Ok,
    Refused,
    Reply,
    SeekTicket,
    StaffAct,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    StaffView,
    TicketSeen,
)
from tests.simulation.people import PINS, ROLES, found
from tests.simulation.rig import KIOSK
from tests.simulation.test_sign_in import enrolled
from tests.simulation.test_tickets import SEEN, SIGNER, Till


class Door(Till):
    """A rig whose staff come to the screen."""

    async def comes(self, staff: str, pin: str = "", code: str = "") -> Reply:
        await self.rig.ready()
        await self.rig.desk.handle("watcher", SEEN)
        assert await self.rig.desk.handle("terminal", SeekTicket(on=True, kind="badge")) == Ok()
        ends = minute(self.rig.clock.now_utc() + timedelta(days=30))
        await self.rig.desk.handle("watcher", TicketSeen(badge.make(Badge(KIOSK, staff, ends), SIGNER)))
        shown = self.told[-1][1]
        assert isinstance(shown, BadgeShown)
        assert (shown.problem, shown.staff) == ("", staff)
        return await self.rig.desk.handle("terminal", StaffSignIn(shown.number, pin or PINS[staff], code=code))

    async def does(self, act: StaffAct) -> Reply:
        return await self.rig.desk.handle("terminal", StaffDo(act))

    async def sees(self) -> StaffView:
        books = await self.rig.desk.books()
        assert books.staff is not None
        return books.staff

    async def leaves(self) -> None:
        assert await self.rig.desk.handle("terminal", StaffLeave()) == Ok()
        assert (await self.rig.desk.books()).staff is None

    def records(self, kind: str) -> list[Any]:
        log = self.rig.journal.log
        found_ = [log.record(sequence).content for sequence in range(log.size())]
        return [content for content in found_ if content["kind"] == kind]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.rig.close()


def code(reply: Reply) -> str:
    assert isinstance(reply, Refused), reply
    return reply.code


def test_who_signs_on_is_responsible_for_the_deposits_that_follow_and_that_survives_a_restart(door: Door) -> None:
    async def on() -> None:
        await found(door.rig)
        assert await door.comes("ben") == Ok()
        assert (await door.sees()).offers == ("duty_on",)  # there is no bundle to take out
        assert await door.does("duty_on") == Ok()
        assert (await door.sees()).offers == ("duty_off",)
        await door.leaves()

    async def after() -> None:
        await door.rig.ready()
        await door.use(await door.show(door.paper()))
        await door.deposit()
        assert door.records("deposit")[0]["staff"] == "ben"
        await door.rig.touch("finish")
        assert await door.comes("ben") == Ok()
        assert await door.does("duty_off") == Ok()
        assert (await door.rig.desk.books()).on_duty == ""

    door.rig.run(on())
    door.rig.die()
    door.rig.bury()
    door.start()
    door.rig.run(after())
    duties = [
        (each["staff"], each["before"], each["by"]) for each in door.records("service") if each["event"] == "duty"
    ]
    assert duties == [("ben", "", "ben"), ("", "ben", "ben")]


def test_a_pin_is_guessed_three_times_and_then_the_badge_is_worth_nothing_for_a_while(door: Door) -> None:
    async def guess() -> None:
        await found(door.rig)
        tries = [code(await door.comes("ben", "000001")) for _ in range(FREE_FAILURES)]
        assert set(tries) == {"wrong_pin"}
        assert code(await door.comes("ben")) == "locked_out"
        assert (await door.rig.desk.books()).staff is None
        assert await door.comes("anna") == Ok()
        assert any(each["alert"] == "locked_out" for each in door.records("alert"))
        counted = door.rig.journal.authority()
        assert counted.failed_at("screen").count == FREE_FAILURES
        assert counted.failed_at("maintenance").count == 0, "nobody at the screen closes the shell"

    door.rig.run(guess())


def test_a_badge_that_was_not_shown_or_names_nobody_opens_nothing(door: Door) -> None:
    async def wrong() -> None:
        await found(door.rig)
        assert code(await door.rig.desk.handle("terminal", StaffSignIn(1, PINS["ben"]))) == "no_badge"
        assert code(await door.does("duty_on")) == "not_now"
        assert code(await door.comes("zoe", PINS["anna"])) == "unknown_person"
        assert await door.comes("carl") == Ok()  # a technician: no cash, no duty
        assert (await door.sees()).offers == ()
        assert code(await door.does("duty_on")) == "not_now"
        await door.rig.clock.sleep(STILL_S + 1)
        assert (await door.rig.desk.books()).staff is None

    door.rig.run(wrong())


def test_the_cash_is_handed_over_by_two_people_with_their_own_badges(door: Door) -> None:
    async def collect() -> None:
        await found(door.rig)
        await door.use(await door.show(door.paper()))
        await door.deposit()
        await door.rig.touch("finish")
        assert await door.comes("dora") == Ok()
        assert ROLES["dora"] == "courier"
        assert (await door.sees()).offers == ("collect",)
        assert await door.does("collect") == Ok()
        seen = await door.sees()
        assert (seen.asked, seen.asked_by, seen.bundles, seen.offers) == ("start", "dora", 1, ("withdraw",))
        assert code(await door.does("approve")) == "not_now"  # nobody is a second person to themselves
        await door.leaves()
        assert await door.comes("ben") == Ok()
        assert "approve" in (await door.sees()).offers
        assert await door.does("approve") == Ok()
        seen = await door.sees()
        assert (seen.exchange, seen.emptied, seen.offers) == (1, False, ("duty_on", "emptied"))
        assert code(await door.rig.identify()) == "out_of_service"
        door.rig.world.empty_cabinet()
        assert await door.does("emptied") == Ok()
        assert await door.does("end") == Ok()
        await door.leaves()
        assert await door.comes("anna") == Ok()
        assert (await door.sees()).asked == "end"
        assert await door.does("approve") == Ok()
        seen = await door.sees()
        assert (seen.exchange, seen.bundles, seen.asked) == (0, 0, "")
        handed = [each for each in door.records("exchange") if each["number"] == 1]
        assert len(handed) >= 1
        await door.leaves()
        await door.rig.until(lambda: door.rig.deposit.state is State.IDLE)

    door.rig.run(collect())


def test_the_screen_hears_of_headphones_from_the_jack(door: Door) -> None:
    async def plug() -> None:
        await door.rig.ready()
        for plugged in (True, False):
            door.rig.world.set_line("headphones", plugged)
            await door.rig.until(lambda: door.rig.controller.headphones is plugged)  # noqa: B023 - awaited here

    door.rig.run(plug())


def test_without_the_second_factor_that_is_asked_for_a_badge_is_good_for_duty_alone(door: Door) -> None:
    async def sign_on() -> None:
        await found(door.rig)
        await door.use(await door.show(door.paper()))
        await door.deposit()
        await door.rig.touch("finish")
        door.rig.desk.authority._door.rules = SignInRules(second_factor=frozenset(Role))  # noqa: SLF001 - as configured
        assert await door.comes("ben") == Ok()
        seen = await door.sees()
        assert (seen.whole, seen.offers) == (False, ("duty_on",))  # though there is a bundle to take out
        assert code(await door.does("collect")) == "not_now"
        assert await door.does("duty_on") == Ok()
        await door.leaves()
        secret = await enrolled(door.rig, "ben")
        await door.rig.clock.sleep(STEP_S)
        now_s = int(door.rig.clock.now_utc().timestamp())
        assert code(await door.comes("ben")) == "wrong_pin"  # the code is asked for, too
        assert await door.comes("ben", code=code_at(secret, now_s)) == Ok()
        assert (await door.sees()).offers == ("duty_off", "collect")

    door.rig.run(sign_on())
