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
    LabelView,
    Ok,
    Refused,
    Reply,
    ReprintLabel,
    SeekTicket,
    StaffAct,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    StaffView,
    TicketSeen,
)
from tests.simulation.people import PINS, ROLES, found
from tests.simulation.rig import KIOSK, Rig
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


async def hand_over_begins(door: Door) -> None:
    """Ben, on duty, is signed in while dora's hand-over of one bundle is open."""
    await found(door.rig)
    assert await door.comes("ben") == Ok()
    assert await door.does("duty_on") == Ok()
    await door.use(await door.show(door.paper()))
    await door.deposit()
    await door.rig.touch("finish")
    assert await door.comes("dora") == Ok()
    assert await door.does("collect") == Ok()
    assert (await door.sees()).labels == ()
    await door.leaves()
    assert await door.comes("ben") == Ok()
    assert (await door.sees()).labels == ()  # the hand-over waits for a second person
    assert await door.does("approve") == Ok()


async def one_leaf_more(door: Door) -> None:
    log = door.rig.journal.log
    before = log.size()
    await door.rig.until(lambda: log.size() > before)


def label_events(door: Door) -> list[tuple[Any, ...]]:
    """What the log says of labels: ordered by whom, or how it ended."""
    return [
        (each["event"].removeprefix("label_"), each["bundle"], each["copy"], each.get("by", each.get("printed")))
        for each in door.records("service")
        if each["event"].startswith("label_")
    ]


def test_a_damaged_label_is_printed_again_under_the_same_id_and_nothing_else_changes(door: Door) -> None:
    async def again() -> None:
        rig = door.rig
        bundle = "B00000001"
        await hand_over_begins(door)
        seen = await door.sees()
        assert [(each.bundle, each.notes, each.labelled) for each in seen.labels] == [(bundle, 1, True)]
        books, labels = sums_of(rig), len(rig.printer.printed)
        assert code(await rig.desk.handle("terminal", ReprintLabel("B00000002"))) == "not_now"
        assert await rig.desk.handle("terminal", ReprintLabel(bundle)) == Ok()
        seen = await door.sees()
        assert seen.label == LabelView(bundle, 2, "printing")
        assert label_events(door) == [("ordered", bundle, 2, "ben")]  # before anything comes out of the printer
        assert len(rig.printer.printed) == labels
        assert code(await rig.desk.handle("terminal", ReprintLabel(bundle))) == "labelActive"
        await one_leaf_more(door)
        assert label_events(door)[-1] == ("reported", bundle, 2, True)
        assert (await door.sees()).label == LabelView(bundle, 2, "printed")
        first, second = (printed.format for printed in rig.printer.printed)
        assert second.barcode == f"{bundle}-2"
        assert second.qr == first.qr.replace(";C1;", ";C2;")  # same notes, same person responsible
        assert any("REPRINT, copy 2" in line for line in second.lines)
        assert (sums_of(rig), len(rig.printer.printed)) == (books, labels + 1)
        assert await door.does("emptied") == Ok()
        assert code(await door.does("end")) == "label_hangs"  # no bundle of the next deposit would get its label
        assert code(await rig.desk.handle("terminal", ReprintLabel(bundle))) == "label_hangs"
        rig.world.take_label()
        assert await door.does("end") == Ok()
        await door.leaves()
        assert await door.comes("anna") == Ok()
        assert await door.does("approve") == Ok()
        assert [each["flags"] for each in door.records("exchange")[-1]["collected"]] == [["relabelled"]]
        await door.leaves()
        await door.use(await door.show(door.paper(serial=2)))
        await door.deposit()
        assert door.records("deposit")[-1]["bundle"]["id"] == "B00000002"
        assert door.records("deposit")[-1]["bundle"]["labelled"] is True

    def sums_of(rig: Rig) -> tuple[Any, ...]:
        storage = rig.controller.storage.ledger
        held = tuple((unit.name, unit.rows, tuple(item.id for item in unit.items)) for unit in storage.units)
        return held, len(door.records("deposit")), rig.world.totals()

    door.rig.run(again())


def test_only_who_is_on_duty_prints_labels_and_a_printer_without_paper_is_told(door: Door) -> None:
    async def fails() -> None:
        rig = door.rig
        await hand_over_begins(door)
        assert await door.does("duty_off") == Ok()
        assert (await door.sees()).labels == ()
        assert code(await rig.desk.handle("terminal", ReprintLabel("B00000001"))) == "not_now"
        assert await door.does("duty_on") == Ok()
        rig.world.fault("label", "paper_out")
        assert await rig.desk.handle("terminal", ReprintLabel("B00000001")) == Ok()
        await one_leaf_more(door)
        assert (await door.sees()).label == LabelView("B00000001", 2, "failed")
        rig.world.fault("label", "paper_loaded", labels=10)
        assert await rig.desk.handle("terminal", ReprintLabel("B00000001")) == Ok()
        await one_leaf_more(door)
        assert [each[2:] for each in label_events(door)] == [(2, "ben"), (2, False), (3, "ben"), (3, True)]
        await door.leaves()
        assert code(await rig.desk.handle("terminal", ReprintLabel("B00000001"))) == "not_now"

    door.rig.run(fails())


def test_a_label_that_was_ordered_before_a_power_cut_is_in_doubt_and_so_it_is_void(door: Door) -> None:
    async def ordered() -> None:
        await hand_over_begins(door)
        assert await door.rig.desk.handle("terminal", ReprintLabel("B00000001")) == Ok()

    async def after() -> None:
        await door.rig.ready()
        assert label_events(door) == [("ordered", "B00000001", 2, "ben"), ("reported", "B00000001", 2, False)]
        door.rig.world.take_label()
        assert await door.comes("ben") == Ok()
        assert await door.rig.desk.handle("terminal", ReprintLabel("B00000001")) == Ok()
        await one_leaf_more(door)
        assert label_events(door)[-1] == ("reported", "B00000001", 3, True)

    door.rig.run(ordered())
    door.rig.die()
    door.rig.bury()
    door.start()
    door.rig.run(after())


def test_during_a_deposit_no_label_is_printed_again(door: Door) -> None:
    async def depositing() -> None:
        await found(door.rig)
        assert await door.comes("ben") == Ok()
        assert await door.does("duty_on") == Ok()
        await door.use(await door.show(door.paper()))
        await door.deposit()
        await door.rig.touch("finish")
        assert (await door.sees()).labels == ()  # nobody holds a bundle
        await door.use(await door.show(door.paper(serial=2)))
        await door.rig.state(State.CASH_IN)
        assert code(await door.rig.desk.handle("terminal", ReprintLabel("B00000001"))) == "not_now"
        assert label_events(door) == []

    door.rig.run(depositing())


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
