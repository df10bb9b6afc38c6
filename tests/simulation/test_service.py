"""Working on the machine: service mode, movements with what was seen, a jam freed by hand, tests of devices."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiosk.core.actions import ClearJam, ServiceEnter, ServiceLeave, ServiceMove
from kiosk.core.state import State
from kiosk.messages import (
    Asked,
    DryRun,
    GetJournal,
    GetLog,
    GetNotes,
    GetOutbox,
    GetService,
    GetStatus,
    Identify,
    JournalRows,
    LogRows,
    NotesReport,
    OutboxView,
    Planned,
    Refused,
    Reply,
    ServiceView,
    SetDuress,
    SignIn,
    Status,
    TestDevice,
    TestedDevice,
    TestReport,
)
from tests.simulation.judge import judge
from tests.simulation.people import PINS, ask, found, say
from tests.simulation.rig import ACCOUNT, PowerCut, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def events(rig: Rig, event: str) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(one.content) for one in records if one.kind == "service" and one.content["event"] == event]


def refusal(reply: Reply) -> str:
    assert isinstance(reply, Refused), reply
    assert reply.remedy
    return reply.code


async def done(rig: Rig, action: Any, staff: str = "carl") -> Asked:
    reply = await ask(rig, staff, action)
    assert isinstance(reply, Asked), reply
    assert reply.done, reply
    return reply


async def moved(rig: Rig, move: Any) -> ServiceView:
    """A movement, to its end."""
    await done(rig, ServiceMove(move))
    for _ in range(600):
        view = await say(rig, GetService())
        assert isinstance(view, ServiceView)
        if not view.moving:
            return view
        await asyncio.sleep(0.5)
    raise AssertionError(move)


async def dry(rig: Rig, action: Any, staff: str = "carl") -> Reply:
    return await say(rig, DryRun(staff, PINS[staff], msgspec.to_builtins(action)))


def test_in_service_mode_no_deposit_begins_and_every_movement_is_on_record(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        await found(rig)
        size = rig.journal.log.size()
        assert isinstance(await dry(rig, ServiceEnter()), Planned)
        assert refusal(await dry(rig, ServiceMove("open"))) == "not_entered"
        assert rig.journal.log.size() == size, "a dry run does nothing"
        assert refusal(await ask(rig, "carl", ServiceMove("open"))) == "not_entered"
        assert refusal(await ask(rig, "dora", ServiceEnter())) == "wrong_role"
        await done(rig, ServiceEnter())
        assert refusal(await ask(rig, "ben", ServiceEnter())) == "already"
        status = await say(rig, GetStatus())
        assert isinstance(status, Status)
        assert status.out_of_service_reasons == ("the machine is being serviced [carl, service mode]",)
        assert refusal(await say(rig, Identify(ACCOUNT))) == "out_of_service"
        for move in ("open", "close", "home", "shutter", "lamp", "alarm", "self_test"):
            view = await moved(rig, move)
            assert (view.move, view.ok) == (move, True), view
            assert view.expected
            assert view.seen
        await moved(rig, "open")
        assert refusal(await ask(rig, "carl", ServiceLeave())) == "port_open"
        await moved(rig, "close")
        await done(rig, ServiceLeave())
        await rig.identify()

    rig.run(play())
    assert [one["move"] for one in events(rig, "service_moved")] == [
        *("open", "close", "home", "shutter", "lamp", "alarm", "self_test", "open", "close")
    ]
    assert {one["by"] for one in events(rig, "service_moved")} == {"carl"}
    assert [one["by"] for one in events(rig, "service_entered")] == ["carl"]
    assert judge(rig).complaints == []


def test_nobody_works_on_it_during_a_deposit(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        await rig.feed(10000)
        assert refusal(await ask(rig, "carl", ServiceEnter())) == "not_now"
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)

    rig.run(play())


def test_a_stuck_shutter_is_seen(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        await found(rig)
        await done(rig, ServiceEnter())
        rig.world.fault("cabinet", "stuck_line", line="shutter_opened", level=False)
        view = await moved(rig, "open")
        assert not view.ok
        assert view.seen == "open end not reached"

    rig.run(play())
    assert [one["ok"] for one in events(rig, "service_moved")] == [False]


def test_service_mode_outlives_a_restart_and_an_unfinished_movement_is_said_to_be(rig: Rig) -> None:
    async def begin() -> None:
        await rig.ready()
        await found(rig)
        await done(rig, ServiceEnter())
        rig.crash_at = ("before-write", rig.counts["before-write"] + 3)  # asked, used; what was seen of it is not kept
        await moved(rig, "open")

    with pytest.raises(PowerCut):
        rig.run(begin())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.until(lambda: rig.controller.machine.connected)
        view = await say(rig, GetService())
        assert isinstance(view, ServiceView)
        assert (view.by, view.move, view.ok) == ("carl", "open", False)
        assert "restarted meanwhile" in view.seen
        assert (await moved(rig, "close")).ok
        await done(rig, ServiceLeave(), "ben")

    rig.run(later())
    assert [one["ok"] for one in events(rig, "service_moved")] == [False, True]


def test_a_jam_freed_by_hand_is_counted_by_the_hand_before_the_machine(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        for value in (10000, 5000):
            await rig.feed(value)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await done(rig, ClearJam("transport", 0))
        await rig.state(State.IDLE, limit_s=2000)

    rig.run(play())
    (cleared,) = events(rig, "jam_cleared")
    assert (cleared["by"], cleared["where"], cleared["found"]) == ("carl", "transport", 0)
    assert len(events(rig, "reset")) == 1
    assert judge(rig).complaints == []


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("validator", {"answers", "is the accepted one", "dataset", "takes notes", "note store"}),
        ("board", {"answers", "supply", "belt", "tray", "straps", "cabinet"}),
        ("label_printer", {"answers", "paper", "head"}),
        ("receipt_printer", {"answers", "can print", "paper"}),
        ("lines", {"door", "emergency stop", "shutter"}),
    ],
)
def test_a_device_in_order_passes_every_step(rig: Rig, device: TestedDevice, words: set[str]) -> None:
    async def play() -> None:
        await rig.ready()
        await found(rig)
        report = await say(rig, TestDevice("carl", PINS["carl"], device))
        assert isinstance(report, TestReport)
        assert words <= {step.name for step in report.steps}
        assert [step for step in report.steps if not step.ok] == []

    rig.run(play())


def test_what_is_wrong_is_a_step_with_its_remedy(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        await found(rig)
        rig.world.set_line("door_closed", level=False)
        await asyncio.sleep(1)
        report = await say(rig, TestDevice("carl", PINS["carl"], "lines"))
        assert isinstance(report, TestReport)
        (door,) = [step for step in report.steps if not step.ok]
        assert (door.name, door.expected, door.seen) == ("door", "closed", "open")
        assert door.remedy

    rig.run(play())


def test_what_there_is_to_look_at(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        for value in (10000, 5000):
            await rig.feed(value)
        open_notes = await say(rig, GetNotes())
        assert isinstance(open_notes, NotesReport)
        assert {(row.claim, row.open_deposit) for row in open_notes.rows} == {("open", True)}
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)
        notes = await say(rig, GetNotes())
        assert isinstance(notes, NotesReport)
        assert sorted((row.place, row.claim, row.value_minor, row.count) for row in notes.rows) == [
            ("cabinet", "credited", 5000, 1), ("cabinet", "credited", 10000, 1),
        ]  # fmt: skip
        facts = await say(rig, GetJournal("carl", PINS["carl"], 500))
        assert isinstance(facts, JournalRows)
        assert {"Begin", "Confirm", "BoardFinished"} <= {row.fact for row in facts.rows}
        assert "OpenShutter" in {order for row in facts.rows for order in row.orders}
        assert await say(rig, SetDuress("carl", PINS["carl"], "314159")) is not None
        await say(rig, SignIn("carl", "314159"))
        log = await say(rig, GetLog("carl", PINS["carl"], 500))
        assert isinstance(log, LogRows)
        assert (log.rows[0].kind, log.rows[0].event, log.rows[0].by) == ("service", "looked", ("carl",))
        assert (log.rows[1].kind, log.rows[1].event, log.rows[1].by) == ("people", "signed_in", ("carl",))
        assert "duress" not in str(log)
        outbox = await say(rig, GetOutbox("carl", PINS["carl"]))
        assert isinstance(outbox, OutboxView)
        assert (outbox.records, outbox.first) == (log.size + 1, 0), "that carl looks into it waits, too"
        assert outbox.record_bytes > 0

    rig.run(play())
