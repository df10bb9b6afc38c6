"""Storage units at a whole kiosk: two people exchange them, the bank counts, dates are closed, and power is cut."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kiosk.core import actions as a
from kiosk.core.state import State
from kiosk.core.storage import Threshold
from kiosk.core.unit_facts import CountedRow
from kiosk.guarantee import counts
from kiosk.guarantee.counts import BankCount
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.management.storage import LOOK_S
from kiosk.messages import (
    Asked,
    DeliverCounts,
    ExchangeStep,
    GetDisputes,
    GetReport,
    GetStatus,
    GetUnits,
    ListReports,
    Ok,
    PrintSlip,
    Refused,
    Report,
    Reports,
    Status,
    Units,
)
from kiosk_cloud.days import Days
from tests.guarantee_kit import NOW
from tests.simulation.judge import judge
from tests.simulation.people import approve, ask, asked, found, say
from tests.simulation.rig import PowerCut, Rig
from tests.simulation.scripts import confirmed

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.directory_keys = KEYS
    made.start()
    yield made
    made.close()


def contents(rig: Rig, kind: str) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == kind]


def verified(rig: Rig) -> Days:
    """What the bank checks of dates, exchanges and counts, over the whole log."""
    log, days = rig.journal.log, Days()
    for sequence in range(log.size()):
        record = log.record(sequence)
        if record.kind == "deposit":
            days.deposit(record.content)
        days.check(record.kind, record.content, sequence, log.root_at(sequence))
    return days


async def units(rig: Rig) -> Units:
    reply = await say(rig, GetUnits())
    assert isinstance(reply, Units)
    return reply


async def both(rig: Rig, action: a.AnyAction) -> Asked:
    """Ben asks, Anna approves, it is done."""
    done = await approve(rig, "anna", await asked(rig, "ben", action))
    assert isinstance(done, Asked), done
    assert done.done, done
    return done


async def refused_to(rig: Rig, staff: str, action: a.AnyAction) -> Refused:
    reply = await ask(rig, staff, action)
    assert isinstance(reply, Refused), reply
    return reply


async def step(rig: Rig, *words: Any) -> Units:
    reply = await say(rig, ExchangeStep(*words))
    assert isinstance(reply, Units), reply
    return reply


async def deposited(rig: Rig) -> None:
    await confirmed(rig)
    await rig.state(State.IDLE, State.DONE)
    if rig.deposit.state is State.DONE:
        await rig.touch("finish")


async def emptied(rig: Rig) -> None:
    """The whole cabinet in one exchange."""
    await both(rig, a.ExchangeStart(("cabinet",)))
    rig.world.empty_cabinet()
    view = await step(rig, "remove", "cabinet", "", "SEAL-1")
    assert view.exchange is not None
    await both(rig, a.ExchangeEnd(view.exchange.number, view.exchange.digest))


def test_an_exchange_by_two_from_start_to_slip(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await deposited(rig)
        request = await asked(rig, "ben", a.ExchangeStart(("cabinet", "retract")))
        assert not request.done
        assert (await units(rig)).exchange is None
        assert await approve(rig, "anna", request) is not None
        refused = await rig.identify()
        assert isinstance(refused, Refused)
        assert "an exchange is open [1: cabinet, retract]" in refused.message
        await step(rig, "take", "cabinet", "B00000001", "SEAL-1", True)
        await step(rig, "remove", "retract", "BIN-1", "SEAL-2")
        view = await step(rig, "insert", "retract", "BIN-2")
        rig.world.empty_cabinet()
        assert view.exchange is not None
        await both(rig, a.ExchangeEnd(1, view.exchange.digest))
        assert isinstance(await rig.identify(), Ok)

    rig.run(play())
    [record] = contents(rig, "exchange")
    assert {item["id"]: (item["notes"], item["seal"]) for item in record["collected"]} == {
        "B00000001": (3, "SEAL-1"),
        "R000001": (1, "SEAL-2"),
    }
    assert record["amounts"] == {"CNY": 27_000}
    assert (record["started_by"], record["ended_by"]) == (["ben", "anna"], ["ben", "anna"])
    slip = rig.receipts.printed[-1]
    leaf = next(each["leaf_hash"] for each in rig.journal.latest("exchange", 1))
    assert slip.qrs == [leaf.hex()]
    assert "B00000001" in " ".join(slip.lines)
    assert verified(rig).exchanges == 1


def test_whoever_ends_an_exchange_signs_for_exactly_the_steps_that_were_seen(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await deposited(rig)
        await both(rig, a.ExchangeStart(("cabinet",)))
        view = await units(rig)
        assert view.exchange is not None
        request = await asked(rig, "ben", a.ExchangeEnd(1, view.exchange.digest))
        await step(rig, "take", "cabinet", "B00000001")
        late = await approve(rig, "anna", request)
        assert isinstance(late, Asked)
        assert "gone on" in late.not_yet
        assert (await units(rig)).exchange is not None

    rig.run(play())
    assert contents(rig, "exchange") == []


def test_no_exchange_begins_while_a_deposit_is_under_way(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        request = await asked(rig, "ben", a.ExchangeStart(("cabinet",)))
        reply = await approve(rig, "anna", request)
        assert isinstance(reply, Asked)
        assert not reply.done
        assert "deposit is under way" in reply.not_yet
        wrong = await say(rig, ExchangeStep("take", "cabinet", "B00000001"))
        assert isinstance(wrong, Refused)
        assert wrong.code == "noExchangeActive"

    rig.run(play())


def test_after_an_exchange_slots_are_free_and_counts_begin_anew(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await deposited(rig)
        await emptied(rig)
        await deposited(rig)
        view = await units(rig)
        cabinet = next(unit for unit in view.units if unit.name == "cabinet")
        assert [bundle.slot for bundle in cabinet.bundles] == [0]
        assert (cabinet.count, cabinet.initial, cabinet.accuracy) == (3, 0, "accurateSet")
        assert [item.id for item in view.collected] == ["B00000001"]

    rig.run(play())
    assert {record["bundle"]["slot"] for record in contents(rig, "deposit")} == {0}
    assert verified(rig).exchanges == 1


@pytest.fixture(scope="module")
def one_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a kiosk with people and one bundle."""
    made = Rig(tmp_path_factory.mktemp("one_bundle"))
    made.start()

    async def play() -> None:
        await found(made)
        await deposited(made)

    made.run(play())
    made.close()
    return made.folder


@pytest.mark.parametrize("write", ["before-write", "after-write"])
def test_a_power_cut_at_every_write_of_an_exchange_leaves_it_open_or_done(
    one_bundle: Path, tmp_path: Path, write: str
) -> None:
    """Exhaustive: what the journal says after the cut is what was done, and the rest can be done then."""
    for point in range(1, 40):
        folder = tmp_path / str(point)
        shutil.copytree(one_bundle, folder)
        rig = Rig(folder)
        try:
            cut = _cut_in_exchange(rig, (write, point))
            [record] = contents(rig, "exchange")
            assert [item["id"] for item in record["collected"]] == ["B00000001"], point
            assert verified(rig).exchanges == 1
            if not cut:
                break
        finally:
            rig.close()
    assert 6 < point < 39


def _cut_in_exchange(rig: Rig, at: tuple[str, int]) -> bool:
    """Whether the cut came; the exchange is finished after the restart in any case."""

    async def rest() -> None:
        await rig.ready()
        view = await units(rig)
        if view.exchange is None and not contents(rig, "exchange"):
            await both(rig, a.ExchangeStart(("cabinet",)))
        if (await units(rig)).exchange is not None:
            view = await step(rig, "remove", "cabinet", "", "SEAL-1")
            assert view.exchange is not None
            await both(rig, a.ExchangeEnd(view.exchange.number, view.exchange.digest))

    rig.start()
    rig.run(rig.ready())
    rig.crash_at = (at[0], rig.counts.get(at[0], 0) + at[1])
    try:
        rig.run(emptied(rig))
    except PowerCut:
        rig.bury()
        rig.loop.run_until_complete(asyncio.sleep(3))
        rig.start()
        rig.run(rest())
        assert rig.controller.storage.ledger == rig.journal.units()
        return True
    return False


# --- the bank's count -----------------------------------------------------------------------------------


def test_the_banks_signed_count_is_posted_once_and_says_the_difference(rig: Rig) -> None:

    async def play() -> None:
        await found(rig)
        await rig.identify()
        await rig.feed(10000)
        await rig.touch("done")
        await rig.state(State.REVIEW)
        await rig.touch("confirm")
        await rig.state(State.DONE)
        await rig.touch("finish")
        await emptied(rig)
        rows = (CountedRow("CNY", 10_000, 1), CountedRow("CNY", 5000, 1))
        count = BankCount("B00000001", rows, ("vault-1", "vault-2"), "credited", "R-77")
        data = counts.make("test-0001", 1, [count], NOW, SIGNER)
        for _ in range(2):  # the broker's retained statement comes again
            assert await rig.desk.handle("uplink", DeliverCounts(data)) == Ok()
        assert (await units(rig)).collected == ()

    rig.run(play())
    [record] = contents(rig, "bundle_count")
    assert record["source"] == "bank"
    assert record["difference_minor"] == {"CNY": 5000}
    assert verified(rig).counts == 1


def test_two_people_type_a_count_of_the_retract_bin_and_its_disputes_are_cleared(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await rig.identify()
        await rig.feed(10000)
        await rig.feed(5000)
        await rig.touch("done")
        await rig.state(State.IDLE, limit_s=2000)
        await both(rig, a.ExchangeStart(("retract",)))
        await step(rig, "remove", "retract", "BIN-1", "SEAL-2")
        view = await step(rig, "insert", "retract", "BIN-2")
        assert view.exchange is not None
        await both(rig, a.ExchangeEnd(1, view.exchange.digest))
        rows = (CountedRow("CNY", 10_000, 1),)
        await both(rig, a.PostCount("R000001", rows, "credited", "R-78"))
        assert getattr(await say(rig, GetDisputes()), "disputes", None) == ()
        again = await refused_to(rig, "ben", a.PostCount("R000001", rows))
        assert again.code == "invalidUnit"

    rig.run(play())
    [record] = contents(rig, "bundle_count")
    assert record["difference_minor"] == {"CNY": -5000}
    clearings = {clearing["resolution"]: clearing["sums"] for clearing in contents(rig, "clearing")}
    assert clearings == {"credited": {"CNY": 10_000}, "not_found": {"CNY": 5000}}
    assert verified(rig).counts == 1


# --- business dates -------------------------------------------------------------------------------------


def test_the_cut_over_closes_the_date_once_and_only_when_no_deposit_is_under_way(rig: Rig) -> None:
    async def play() -> None:
        await deposited(rig)
        await rig.identify()
        rig.clock.step += timedelta(days=1)
        await asyncio.sleep(2 * LOOK_S)
        assert contents(rig, "z_report") == []  # a deposit is under way
        await rig.state(State.IDLE, limit_s=600)
        await asyncio.sleep(3 * LOOK_S)
        await deposited(rig)
        await asyncio.sleep(3 * LOOK_S)

    rig.run(play())
    [z] = contents(rig, "z_report")
    assert (z["number"], z["date"], z["closed_by"]) == (1, "2026-11-02", "deposit")
    assert z["sums"]["CNY"]["credited"] == 25_000
    assert verified(rig).z_reports == 1


def test_a_supervisor_closes_the_date_alone_and_only_once(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await deposited(rig)
        x = await say(rig, GetReport("x"))
        assert isinstance(x, Report)
        assert x.report["sums"]["CNY"]["credited"] == 25_000
        done = await asked(rig, "anna", a.CloseDate("2026-11-02"))
        assert done.done
        assert (await refused_to(rig, "anna", a.CloseDate("2026-11-03"))).code == "dateClosed"
        await deposited(rig)
        rig.clock.step += timedelta(days=2)
        await asyncio.sleep(2 * LOOK_S)
        reports = await say(rig, ListReports())
        assert isinstance(reports, Reports)
        assert [(row.number, row.date, row.deposits) for row in reports.reports] == [
            (2, "2026-11-03", 1),
            (1, "2026-11-02", 1),
        ]

    rig.run(play())
    assert rig.journal.units() == rig.journal.units(whole=True) == rig.controller.storage.ledger
    assert [z["by"] for z in contents(rig, "z_report")] == [["anna"], []]
    assert verified(rig).z_reports == 2


def test_a_clock_that_steps_a_year_ahead_and_back_loses_no_deposit(rig: Rig) -> None:
    async def play() -> None:
        await deposited(rig)
        rig.clock.step += timedelta(days=365)
        await asyncio.sleep(2 * LOOK_S)
        await deposited(rig)
        rig.clock.step -= timedelta(days=365)
        await asyncio.sleep(2 * LOOK_S)
        await deposited(rig)
        rig.clock.step += timedelta(days=1)
        await asyncio.sleep(2 * LOOK_S)

    rig.run(play())
    reports = contents(rig, "z_report")
    assert [z["date"] for z in reports] == ["2026-11-02", "2026-11-03"]
    assert sum(z["sums"]["CNY"]["credited"] for z in reports) == 3 * 25_000
    assert verified(rig).z_reports == 2
    assert judge(rig).complaints == []


@pytest.mark.parametrize("write", ["before-write", "after-write"])
def test_a_power_cut_while_the_date_is_closed_closes_it_once(rig: Rig, write: str) -> None:
    async def night() -> None:
        await asyncio.sleep(3 * LOOK_S)

    rig.run(deposited(rig))
    rig.clock.step += timedelta(days=1)
    rig.crash_at = (write, rig.counts.get(write, 0) + 1)
    with pytest.raises(PowerCut):
        rig.run(night())
    rig.bury()
    rig.loop.run_until_complete(asyncio.sleep(3))
    rig.start()
    rig.run(night())
    assert [z["date"] for z in contents(rig, "z_report")] == ["2026-11-02"]
    assert verified(rig).z_reports == 1


# --- what fills up --------------------------------------------------------------------------------------


def test_status_warns_before_the_cabinet_is_full_and_then_no_deposit_begins(rig: Rig) -> None:
    async def play() -> None:
        rig.controller.storage.settings.thresholds["cabinet"] = Threshold(1, 2)
        await deposited(rig)
        status = await rig.desk.handle("maintenance", GetStatus())
        assert isinstance(status, Status)
        assert status.warnings == ("the cabinet is nearly full: 1 of 2 slots",)
        await deposited(rig)
        refused = await rig.identify()
        assert isinstance(refused, Refused)
        assert "the cabinet is full" in refused.message

    rig.run(play())


def test_an_open_door_puts_what_is_behind_it_in_doubt(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        rig.world.set_line("door_closed", False)
        await asyncio.sleep(1)
        rig.world.set_line("door_closed", True)
        await asyncio.sleep(1)
        view = await units(rig)
        assert {unit.name: unit.accuracy for unit in view.units} == {
            "escrow": "accurate",
            "tray": "accurate",
            "retract": "inaccurate",
            "cabinet": "inaccurate",
        }

    rig.run(play())


def test_a_slip_can_be_printed_again_and_only_of_an_exchange_that_was(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        assert isinstance(await say(rig, PrintSlip()), Refused)
        await deposited(rig)
        await emptied(rig)
        assert isinstance(await say(rig, PrintSlip(1)), Ok)
        assert isinstance(await say(rig, PrintSlip(7)), Refused)

    rig.run(play())
