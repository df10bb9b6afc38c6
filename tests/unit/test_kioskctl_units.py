"""`kioskctl units | exchange | count | report` over a real bus: what is asked, and how the answer reads."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kiosk.bus import BusServer
from kiosk.maintenance.session import Exit
from kiosk.messages import (
    Amount,
    Asked,
    BundleView,
    CashCount,
    CollectedView,
    ExchangeStep,
    ExchangeView,
    GetReport,
    GetUnits,
    ListReports,
    Ok,
    PrintSlip,
    Refused,
    Reply,
    Report,
    ReportRow,
    Reports,
    Request,
    RequestAction,
    Role,
    Units,
    UnitView,
)
from kiosk.processes.kioskctl import main

CABINET = UnitView(
    name="cabinet",
    serial="",
    status="ok",
    accuracy="inaccurate",
    doubts=("B00000007: 1 notes short, 0 over",),
    replenishment="high",
    used=33,
    full=40,
    count=3,
    amounts=(Amount(20_000, "CNY"),),
    cash=(CashCount("CNY", 10_000, "fit", 2), CashCount("", None, "unrecognized", 1)),
    initial=0,
    came={"deposited": 3},
    left={},
    bundles=(BundleView("B00000007", 6, 3, (Amount(20_000, "CNY"),), ("short",)),),
)
EXCHANGE = ExchangeView(
    number=4,
    started_at="2026-11-22T08:00:00.000Z",
    by=("c-03", "s-01"),
    units=("cabinet",),
    taken=("B00000007@SEAL-1",),
    missing=(),
    foreign=(),
    removed=(),
    inserted=(),
    digest=bytes(range(32)),
)
UNITS = Units(
    units=(CABINET,),
    exchange=EXCHANGE,
    collected=(CollectedView("R000003", "retract", 3, 2, (Amount(10_000, "CNY"),), "SEAL-9", (), missing=False),),
    collected_total=1,
    warnings=("the cabinet is nearly full: 33 of 40 slots",),
    date="2026-11-22",
    z_number=17,
)
REPORT: dict[str, Any] = {
    "number": 17, "date": "2026-11-21", "closed_by": "cut_over", "by": [], "opened_at": "a", "made_at": "b",
    "deposits": 2, "outcomes": {"credited": 2}, "grades": {"low": 2}, "notes": 5,
    "sums": {"CNY": {"inserted": 50_000, "credited": 50_000, "returned": 0, "retained": 0, "disputed": 0}},
    "disputed_unvalued": 1, "bundles": ["B00000007"], "exchanges": [3], "counts": [], "collected_uncounted": 1,
    "units": [{"unit": "cabinet", "count": 5, "amounts": {"CNY": 50_000}, "accuracy": "accurateSet"}],
    "open_disputes": {"deposits": 1, "notes": 1, "sums": {}},
    "first_record": 3, "log_size": 9, "log_root": bytes(32), "seq": 9,
}  # fmt: skip
ASKED = Asked(5, bytes(32), ("c-03",), ("staff", "supervisor"), done=False)
ROW = ReportRow(17, "2026-11-21", "b", "cut_over", 2, (Amount(50_000, "CNY"),), 9)


def answer(request: Request) -> Reply:
    match request:
        case GetUnits() | ExchangeStep():
            return UNITS
        case GetReport():
            return Report(REPORT if request.kind == "z" else {k: v for k, v in REPORT.items() if k != "number"})
        case ListReports():
            return Reports((ROW,))
        case PrintSlip():
            return Ok()
        case RequestAction():
            return ASKED
    return Refused("unknown_request", "")


async def run(
    bus_dir: Path, *arguments: str, pin: str = "", replies: Callable[[Request], Reply] = answer
) -> tuple[Result, list[Request]]:
    heard: list[Request] = []

    async def handler(_role: Role, request: Request) -> Reply:
        heard.append(request)
        return replies(request)

    server = BusServer(bus_dir, handler, {}, single_user=True, on_presence=lambda _role, _clients: None)
    await server.start()
    try:
        given = [*arguments, "--bus-dir", str(bus_dir)]
        return await asyncio.to_thread(CliRunner().invoke, main, given, input=f"{pin}\n"), heard
    finally:
        await server.close()


async def test_units_say_what_lies_where_and_how_sure_that_is(tmp_path: Path) -> None:
    result, _ = await run(tmp_path, "units")
    assert result.exit_code == Exit.OK
    for words in (
        "high, 33 of 40 slots, count inaccurate",
        "3 notes, 200.00 CNY  (0 initial, +3 deposited)",
        "1 x unknown value",
        "B00000007  slot   6    3 notes  200.00 CNY  ! short",
        "? B00000007: 1 notes short",
        "exchange 4 of cabinet is open",
        "taken: B00000007@SEAL-1",
        "R000003  exchange 3  2 notes  100.00 CNY  seal SEAL-9",
        "the cabinet is nearly full",
        "business date 2026-11-22, last Z report 17",
    ):
        assert words in result.output
    as_json, _ = await run(tmp_path, "units", "--json")
    assert json.loads(as_json.output)["exchange"]["digest"] == bytes(range(32)).hex()


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (
            ("take", "B00000007-1", "--bag", "S", "--scanned"),
            ExchangeStep("take", "cabinet", "B00000007", "S", scanned=True),
        ),
        (("miss", "B00000008"), ExchangeStep("miss", "cabinet", "B00000008")),
        (("remove", "retract", "--serial", "N", "--seal", "S"), ExchangeStep("remove", "retract", "N", "S")),
        (("insert", "retract", "--serial", "N2"), ExchangeStep("insert", "retract", "N2")),
        (("slip", "--exchange", "3"), PrintSlip(3)),
        (("show",), GetUnits()),
    ],
)
async def test_steps_of_an_exchange(tmp_path: Path, arguments: tuple[str, ...], request_: Request) -> None:
    result, heard = await run(tmp_path, "exchange", *arguments)
    assert result.exit_code == Exit.OK, result.output
    assert heard[0] == request_


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (("exchange", "start", "--unit", "cabinet"), {"action": "ExchangeStart", "units": ["cabinet"]}),
        (("exchange", "end"), {"action": "ExchangeEnd", "exchange": 4, "steps_sha256": bytes(range(32))}),
        (("report", "z"), {"action": "CloseDate", "date": "2026-11-22"}),
        (
            ("count", "post", "R000003", "--cash", "12x10000:cny", "--suspect", "1x5000:CNY", "--found", "credited"),
            {
                "action": "PostCount",
                "item": "R000003",
                "rows": [
                    {"currency": "CNY", "value_minor": 10_000, "count": 12, "level": "fit"},
                    {"currency": "CNY", "value_minor": 5000, "count": 1, "level": "suspect"},
                ],
                "found": "credited",
                "reference": "",
            },
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)  # fmt: skip
async def test_what_takes_a_signature_is_asked_for_with_a_pin(
    tmp_path: Path, arguments: tuple[str, ...], action: dict[str, Any]
) -> None:
    result, heard = await run(tmp_path, *arguments, "--as", "c-03", "--pin-stdin", pin="739155")
    assert result.exit_code == Exit.OK, result.output
    request = heard[-1]
    assert isinstance(request, RequestAction)
    assert (request.staff, request.secret, request.action) == ("c-03", "739155", action)
    assert "kioskctl approve 5 --as STAFF" in result.output


async def test_what_is_no_count_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    result, heard = await run(tmp_path, "count", "post", "R1", "--cash", "twelve", "--as", "c-03", "--pin-stdin")
    assert result.exit_code == Exit.FAILED
    assert "Write 12x10000:CNY" in result.output
    assert heard == []


async def test_an_exchange_that_is_not_open_cannot_be_ended(tmp_path: Path) -> None:
    def none(_: Request) -> Reply:
        return Units((CABINET,), None, (), 0, (), "", 0)

    result, _ = await run(tmp_path, "exchange", "end", "--as", "c-03", "--pin-stdin", replies=none)
    assert result.exit_code == Exit.FAILED
    assert "Start one with `kioskctl exchange start`" in result.output


async def test_reports_read_like_reports(tmp_path: Path) -> None:
    z, heard = await run(tmp_path, "report", "show", "17")
    assert heard == [GetReport("z", 17)]
    for words in (
        "Z report 17: business date 2026-11-21",
        "closed by cut-over; records 3 to 9",
        "2 deposits, 5 notes (2 credited)",
        "credited 500.00 CNY",
        "open disputes: 1 notes of 1 deposits",
    ):
        assert words in z.output
    x, _ = await run(tmp_path, "report", "x")
    assert "X report (nothing is closed)" in x.output
    as_json, _ = await run(tmp_path, "report", "x", "--json")
    assert json.loads(as_json.output)["log_root"] == "00" * 32
    listed, _ = await run(tmp_path, "report", "list")
    assert "   17  2026-11-21     2 deposits  500.00 CNY credited  record 9" in listed.output
    as_json, _ = await run(tmp_path, "report", "list", "--json")
    assert json.loads(as_json.output)["reports"][0]["record"] == 9


async def test_a_refusal_names_its_remedy(tmp_path: Path) -> None:
    result, _ = await run(
        tmp_path,
        "exchange",
        "miss",
        "B1",
        replies=lambda _: Refused("noExchangeActive", "No exchange is open.", "Start one."),
    )
    assert result.exit_code == Exit.FAILED
    assert "No exchange is open." in result.output
    assert "Start one." in result.output
