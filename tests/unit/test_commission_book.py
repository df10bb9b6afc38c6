"""The book of commissioning: what is written of each step, that lines hold each other, and the steps that look."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.bus import BusServer
from kiosk.core import commissioning
from kiosk.core.commissioning import FILE, Entries, StepTaken
from kiosk.core.metrics import LINES, Sample, sample, states
from kiosk.errors import ConfigError, KioskError
from kiosk.maintenance import commission_book
from kiosk.maintenance.commissioning import live_done
from kiosk.messages import (
    EditionView,
    GetHealth,
    GetModels,
    GetRiskMap,
    GetStatus,
    Health,
    Models,
    Ok,
    Refused,
    Reply,
    Request,
    RiskMap,
    Role,
    ShelfView,
    Status,
    TakeCommissioning,
)
from kiosk.messages.field import DriftView
from kiosk.processes.kioskctl import main
from tests.unit.test_kioskctl import IDLE

REST = {"door_closed": True, "power_good": True, "shutter_closed": True}
Answer = Callable[[Request], Reply]


def book(folder: Path, *results: str) -> Path:
    config = folder / "kiosk.toml"
    for result in results:
        with commission_book.step(config, "pin", "T-0007", {"line": result}) as outcome:
            outcome.result = result
    return config


def test_a_step_says_who_took_it_and_what_came_of_it(tmp_path: Path) -> None:
    config = book(tmp_path, "first")
    with pytest.raises(KioskError), commission_book.step(config, "enrolment", "T-0007", {"bank": "ab"}):
        raise KioskError("another bank signed it", remedy="Call the bank.")
    first, second = (entry.step for entry in commission_book.done(config).steps)
    assert (first.by, first.step, first.ok, first.result) == ("T-0007", "pin", True, "first")
    assert (second.ok, second.result, second.arguments) == (False, "another bank signed it", {"bank": "ab"})
    assert second.before == commission_book.done(config).steps[0].sha256
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o644


def test_a_line_that_was_broken_off_is_dropped_and_a_changed_one_stops_everything(tmp_path: Path) -> None:
    config = book(tmp_path, "first", "second")
    path = tmp_path / FILE
    with path.open("ab") as file:
        file.write(b'{"before":"')
    assert len(commission_book.done(book(tmp_path, "third")).steps) == 3
    path.write_bytes(path.read_bytes().replace(b"first", b"other"))
    found = commission_book.done(config)
    assert len(found.steps) == 1
    assert "line 2 does not follow" in found.trouble
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="does not follow"):
        book(tmp_path, "fourth")
    assert path.read_bytes() == before


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_every_change_before_the_last_line_is_noticed(place: int, octet: int) -> None:
    lines, before = [], ""
    for text in ("first", "second", "third"):
        step = StepTaken(before, "2026-11-22T20:00:00Z", "T-1", 0, "pin", ok=True, result=text, arguments={})
        lines.append(commissioning.line(step))
        before = commissioning.read(b"".join(lines)).last
    data = b"".join(lines)
    place %= len(data) - len(lines[-1])
    changed = data[:place] + bytes((octet,)) + data[place + 1 :]
    assert changed == data or commissioning.read(changed).trouble


@pytest.mark.parametrize("by", ["", "Anna Ivanova", "x" * 33, "a\nb"])
def test_who_it_was_is_a_staff_id(tmp_path: Path, by: str) -> None:
    config = str(tmp_path / "kiosk.toml")
    words = ("commission", "devices", "--assign", "board=A1", "--rules", str(tmp_path / "rules"), "--config", config)
    done = CliRunner().invoke(main, [*words, "--by", by])
    assert done.exit_code == 5
    assert not (tmp_path / "rules").exists()
    assert not (tmp_path / FILE).exists()


def test_done_once_is_done_after_any_restart_and_on_another_day(tmp_path: Path) -> None:
    config = book(tmp_path, *LINES)
    for name in ("camera", "calibration", "golden deposit"):
        with commission_book.step(config, name, "T-0007") as outcome:
            outcome.result = "as it should be"
    status = msgspec.structs.replace(IDLE, deposits_today=0, acknowledged=IDLE.log_size)
    assert all(step.done for step in live_done(status, 3, commission_book.done(config)))
    with commission_book.step(config, "pin", "T-0007", {"line": "e_stop"}) as outcome:
        outcome.fail("never moved")
    steps = {step.name: step for step in live_done(status, 3, commission_book.done(config))}
    assert not steps["pins"].done, "the newest look counts"
    assert "not e_stop" in steps["pins"].seen
    assert not any(step.done for step in live_done(status, 3, Entries(())) if step.name in ("camera", "golden deposit"))


# --- at the running kiosk -----------------------------------------------------------------------------


@asynccontextmanager
async def kiosk(folder: Path, answer: Answer) -> Any:
    """A controller that answers as told; commands are typed beside it."""
    told: list[Request] = []

    async def handler(_: Role, request: Request) -> Reply:
        told.append(request)
        return Ok() if isinstance(request, TakeCommissioning) else answer(request)

    server = BusServer(folder / "bus", handler, {}, single_user=True)
    await server.start()

    async def typed(*words: str, said: str = "") -> Result:
        given = ["--bus-dir", str(folder / "bus"), "--config", str(folder / "kiosk.toml"), "--by", "T-0007", "--json"]
        return await asyncio.to_thread(CliRunner().invoke, main, ["commission", *words, *given], said)

    try:
        yield typed, told
    finally:
        await server.close()


def healthy(*samples: Sample) -> Health:
    return Health("2026-11-22T20:00:00Z", in_service=True, reasons=(), samples=samples)


def lines(moved: str = "") -> tuple[Sample, ...]:
    return tuple(sample("kiosk_line_active", REST.get(line, False) is not (line == moved), line) for line in LINES)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes a quarter of a second a look, without waiting."""
    monkeypatch.setattr("kiosk.maintenance.commission_live.LOOK_S", 0.0)
    monkeypatch.setattr("kiosk.maintenance.commission_live.CAMERA_LOOK_S", 0.0)
    clock = SimpleNamespace(monotonic=count(0, 0.25).__next__)
    monkeypatch.setattr("kiosk.maintenance.commission_live.time", clock)


@pytest.mark.usefixtures("quick")
async def test_each_pin_is_moved_by_hand_and_what_was_seen_is_written_down(tmp_path: Path) -> None:
    moved: Iterator[str] = iter(["", "e_stop", "e_stop", ""])
    async with kiosk(tmp_path, lambda _: healthy(*lines(next(moved, "")))) as (typed, told):
        done = await typed("pins", "--only", "e_stop")
    assert done.exit_code == 0, done.output
    (step,) = (entry.step for entry in commission_book.done(tmp_path / "kiosk.toml").steps)
    assert (step.step, step.ok, step.arguments["line"]) == ("pin", True, "e_stop")
    assert step.arguments["expected"] == "inactive, active when moved, inactive again"
    assert step.arguments["seen"] == "inactive after 0 s, active after 0 s, inactive after 0 s"
    assert isinstance(told[-1], TakeCommissioning), "the controller is told of it"


@pytest.mark.usefixtures("quick")
async def test_a_pin_that_does_not_move_or_is_wired_the_other_way_round_is_said(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda _: healthy(*lines("tamper"))) as (typed, _):
        still = await typed("pins", "--only", "e_stop", "--seconds", "1")
        turned = await typed("pins", "--only", "tamper", "--seconds", "1")
    assert (still.exit_code, turned.exit_code) == (1, 1)
    steps = [entry.step for entry in commission_book.done(tmp_path / "kiosk.toml").steps]
    assert [step.ok for step in steps] == [False, False]
    assert steps[0].arguments["seen"] == "inactive after 0 s, inactive for 1 s"
    assert steps[1].arguments["seen"] == "active for 1 s"


async def answered(tmp_path: Path, answer: Answer, *words: str, said: str = "") -> tuple[Result, StepTaken]:
    async with kiosk(tmp_path, answer) as (typed, _):
        done = await typed(*words, said=said)
    return done, commission_book.done(tmp_path / "kiosk.toml").steps[-1].step


def golden(status: Status) -> Answer:
    return lambda request: status if isinstance(request, GetStatus) else Refused("no", "")


async def test_a_first_deposit_is_compared_in_four_places(tmp_path: Path) -> None:
    signed = msgspec.structs.replace(IDLE, acknowledged=IDLE.log_size)
    done, step = await answered(tmp_path, golden(signed), "golden", "--same", "screen", said="y\ny\nn\n")
    assert (done.exit_code, step.ok) == (1, False)
    assert "not the same: bank" in step.result
    done, step = await answered(tmp_path, golden(signed), "golden", said="y\ny\ny\ny\n")
    assert (done.exit_code, step.ok, step.arguments["log"]) == (0, True, f"12 leaves, root {'ab' * 32}")
    done, step = await answered(tmp_path, golden(IDLE), "golden")
    assert (done.exit_code, step.ok) == (1, False)
    assert "the bank has signed for 11 of 12 records" in step.result
    nobody = msgspec.structs.replace(signed, deposits_today=0)
    _, step = await answered(tmp_path, golden(nobody), "golden")
    assert "nobody has deposited anything today" in step.result


def shelves(standing: Any) -> Answer:
    edition = EditionView(0, "1.0", "ab" * 32, standing)
    drift = DriftView(0, 1.0, 0.5, None, None)
    map_ = RiskMap("scene", "1.0", "ab" * 32, 0, 0, (), (), (), (), (), (), (), 300, drift, None, None)

    def answer(request: Request) -> Reply:
        if isinstance(request, GetModels):
            return Models((ShelfView("scene", (edition,), 0, None),))
        return map_ if isinstance(request, GetRiskMap) else Refused("no", "")

    return answer


async def test_calibration_says_on_whose_deposits_the_grades_rest(tmp_path: Path) -> None:
    done, step = await answered(tmp_path, shelves("good"), "calibration")
    assert (done.exit_code, step.ok, step.result) == (0, True, "scene: packaged grades, 0 of 300 own deposits")
    done, step = await answered(tmp_path, shelves("failed"), "calibration")
    assert (done.exit_code, step.ok, step.result) == (1, False, "scene: no model judges")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("lens", "rate", "grade", "wrong"),
    [("clear", 9.5, "low", ""), ("covered", 9.5, "low", "covered"), ("clear", 1.0, "medium", "graded medium")],
)
async def test_the_camera_is_looked_through(tmp_path: Path, lens: str, rate: float, grade: str, wrong: str) -> None:
    shipped = Path(__file__).parents[2] / "systemd"
    for name in ("kiosk.toml.example", "cash-cny.toml"):
        (tmp_path / name.removesuffix(".example")).write_text((shipped / name).read_text())
    view = (
        *states("kiosk_lens_state", lens),
        sample("kiosk_camera_frames_per_second", rate),
        *states("kiosk_scene_grade", grade),
    )
    answer: Answer = lambda request: healthy(*view) if isinstance(request, GetHealth) else Refused("no", "")  # noqa: E731
    done, step = await answered(tmp_path, answer, "camera", "--seconds", "3")
    assert step.ok is not bool(wrong), done.output
    assert wrong in step.result
    assert json.loads(done.stdout)["ok"] is step.ok
