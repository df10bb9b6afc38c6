"""Grades made anew from this kiosk's own deposits, and drift: what is told, signed and recorded."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.appraisal.conformal import Levels
from kiosk.core import field_book
from kiosk.core.actions import CalibrateModel
from kiosk.guarantee.keys import PublicKeys
from kiosk.management.field import FieldBook, FieldFile
from kiosk.management.field_desk import FieldDesk
from kiosk.management.model_files import ModelFiles
from kiosk.management.models import ModelDesk
from kiosk.messages import (
    Asked,
    CalibrationPlan,
    DepositSeen,
    GetRiskMap,
    Ok,
    PlanCalibration,
    Refused,
    RiskMap,
    StreamSeen,
)
from kiosk.monitoring.model_keeper import ModelKeeper
from kiosk.processes.watcher import NAMES
from tests.simulation.people import approve, ask, asked, found
from tests.simulation.rig import Rig
from tests.simulation.scripts import confirmed
from tests.simulation.test_models import ARTIFACTS, BANK, PACKAGED, handled

SCENE = PACKAGED["scene"].manifest
LEVELS = Levels(0.2, 0.05)  # few deposits are enough, so that the test plays few
NEEDED = 50  # the least for any rates; these would take 14


class Field:
    """A kiosk with people and a field book."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.file = FieldFile(rig.folder / "field.bin")
        self.start()

    def start(self) -> None:
        packaged = {stream: (model.manifest.version, model.manifest.sha256) for stream, model in PACKAGED.items()}
        hashes: dict[str, str] = {}
        files = ModelFiles(self.rig.folder / "models", PublicKeys([BANK.public]), ARTIFACTS)
        self.keeper = ModelKeeper(PACKAGED, NAMES)
        models = ModelDesk(self.rig.controller, files, packaged, hashes, self.keeper.changed)
        chance = random.Random(3)
        self.book = FieldBook(self.rig.clock, self.file.load(), save=self.file.save, tau=chance.random)
        self.desk = FieldDesk(self.rig.controller, models, self.book, LEVELS)
        self.rig.desk.take_models(models, self.desk)

    async def request(self, message: Any) -> Any:
        """The watcher's end of the bus."""
        return await handled(self.rig, "watcher", message)

    async def deposits(self, scores: list[float], *, sound: bool = True, normal: bool = True, cell: int = 3) -> None:
        """Deposits as the watcher and the controller have seen them."""
        for number, score in enumerate(scores):
            code = f"{number:012d}"
            self.book._ended[code] = normal  # noqa: SLF001 - what `heard` does, without playing a whole deposit
            seen = StreamSeen(
                stream="scene", model_sha256=SCENE.sha256, score=score, p_value=0.5, grade="low", duration_s=50.0,
                bmu=(0, cell), cells=((cell, 100),), reasons=("usual",), row=(0.0,), nearest=(0.0,),
            )  # fmt: skip
            assert await self.request(DepositSeen(code, "low", sound, (seen,))) == Ok()

    async def plan(self, *without: int) -> Any:
        return await handled(self.rig, "maintenance", PlanCalibration("scene", without))

    async def map(self) -> RiskMap:
        reply = await handled(self.rig, "maintenance", GetRiskMap("scene"))
        assert isinstance(reply, RiskMap)
        return reply

    def leaves(self) -> list[dict[str, Any]]:
        log = self.rig.journal.log
        records = (dict(log.record(at).content) for at in range(log.size()))
        return [each for each in records if each.get("event") == "model_calibrated"]


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    rig = Rig(tmp_path)
    rig.start()
    made = Field(rig)
    rig.run(found(rig))
    yield made
    rig.close()


def drawn(count: int, seed: int = 1, mean: float = 5.0) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, 1) for _ in range(count)]


def action(plan: CalibrationPlan) -> CalibrateModel:
    return CalibrateModel(plan.stream, plan.model_sha256, plan.until, plan.without, plan.deposits, plan.maxima_sha256)


def test_two_people_let_the_grades_rest_on_this_kiosks_own_deposits(field: Field) -> None:
    async def play() -> CalibrationPlan:
        await field.deposits([*drawn(NEEDED + 3), 40.0])
        plan = await field.plan(NEEDED + 4)  # the strange one was no normal deposit
        assert isinstance(plan, CalibrationPlan)
        waiting = await asked(field.rig, "carl", action(plan))
        assert not waiting.done
        await field.deposits(drawn(2, seed=9))  # meanwhile: they do not count
        done = await approve(field.rig, "anna", waiting)
        assert isinstance(done, Asked)
        assert done.done, done
        while field.keeper.due:
            await field.keeper.follow(field, lambda: True)
        return plan

    plan = field.rig.run(play())
    (leaf,) = field.leaves()
    assert (leaf["deposits"], leaf["without"], leaf["by"]) == (NEEDED + 3, 1, ["carl", "anna"])
    used = field.keeper.models["scene"].manifest.calibration
    assert len(used.deposit_max_scores) == NEEDED + 3
    assert leaf["maxima_sha256"] == field_book.maxima_sha256("scene", SCENE.sha256, used.deposit_max_scores)
    assert used.calibrated_s == 50.0
    assert used.smoothing_rows == SCENE.calibration.smoothing_rows
    assert max(used.deposit_max_scores) < 40
    assert plan.medium_after != plan.medium_before


def test_too_few_are_refused_with_how_many_and_why(field: Field) -> None:
    async def play() -> Any:
        await field.deposits(drawn(NEEDED - 1))
        await field.deposits(drawn(5), sound=False)  # not seen from the beginning
        await field.deposits(drawn(5), normal=False)  # a forced port
        return await field.plan()

    reply = field.rig.run(play())
    assert isinstance(reply, Refused)
    assert f"{NEEDED - 1} deposits without incident are collected" in reply.message
    assert f"{NEEDED} are needed: with fewer no deposit could be graded" in reply.message
    assert "Wait for 1 more" in reply.remedy
    made_up = CalibrateModel("scene", SCENE.sha256, 999, (), NEEDED - 1, bytes(32))
    assert isinstance(field.rig.run(ask(field.rig, "carl", made_up)), Refused)
    assert field.leaves() == []


def test_nobody_signs_for_other_deposits_than_those_that_count(field: Field) -> None:
    async def play() -> list[Any]:
        await field.deposits(drawn(NEEDED + 2))
        plan = await field.plan()
        changed = CalibrateModel(plan.stream, plan.model_sha256, plan.until, (1,), plan.deposits, plan.maxima_sha256)
        other = CalibrateModel(plan.stream, "ab" * 32, plan.until, (), plan.deposits, plan.maxima_sha256)
        return [await ask(field.rig, "carl", each) for each in (changed, other)]

    for reply in field.rig.run(play()):
        assert isinstance(reply, Refused)
        assert reply.code == "cannot_calibrate"


def test_what_was_collected_and_calibrated_outlives_a_restart(field: Field) -> None:
    async def before() -> None:
        await field.deposits(drawn(NEEDED))
        await approve(field.rig, "anna", await asked(field.rig, "carl", action(await field.plan())))

    field.rig.run(before())
    field.rig.bury()
    field.rig.start()
    field.start()

    async def after() -> RiskMap:
        while field.keeper.due:
            await field.keeper.follow(field, lambda: True)
        return await field.map()

    shown = field.rig.run(after())
    assert len(shown.collected) == NEEDED
    assert shown.drift.deposits == 0  # another run since the calibration
    assert len(field.keeper.models["scene"].manifest.calibration.deposit_max_scores) == NEEDED


def test_drift_is_told_to_the_technician_and_ends_with_a_calibration(field: Field) -> None:
    top = max(SCENE.calibration.deposit_max_scores)

    async def play() -> tuple[str, ...]:
        await field.deposits(drawn(NEEDED, mean=top + 4), cell=575)
        told = field.book.warnings()
        await approve(field.rig, "anna", await asked(field.rig, "carl", action(await field.plan())))
        return told

    drifted, moved = field.rig.run(play())
    assert "deposits here score higher for the scene model" in drifted
    assert "kioskctl model calibrate scene" in drifted
    assert "falls elsewhere on its map than in training" in moved
    assert all("score" not in each for each in field.book.warnings())
    assert field.rig.run(field.map()).drift.elsewhere is not None


def test_a_real_deposit_counts_once_it_has_ended_without_incident(field: Field) -> None:
    codes: list[str] = []
    heard = field.book.heard

    def listen(fact: object, deposit: Any) -> None:
        heard(deposit)
        if deposit.code and deposit.code not in codes:
            codes.append(deposit.code)

    field.rig.controller._heard = listen  # noqa: SLF001 - as the process wires it

    async def play() -> None:
        await confirmed(field.rig)
        seen = StreamSeen("scene", SCENE.sha256, 3.0, 0.5, "low", 20.0, (0, 0), ((0, 9),), ("usual",), (0.0,), (0.0,))
        assert await field.request(DepositSeen(codes[-1], "low", True, (seen,))) == Ok()
        assert await field.request(DepositSeen("000000000000", "low", True, (seen,))) == Ok()  # nobody's

    field.rig.run(play())
    assert [each.score for each in field.rig.run(field.map()).collected] == [3.0]
