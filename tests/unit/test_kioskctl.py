"""`kioskctl` as a technician and a script use it: over a real bus, and on captured frames."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from kiosk.bus import BusServer
from kiosk.core.state import State
from kiosk.maintenance.render import push_line, status_line, status_text
from kiosk.maintenance.session import Exit
from kiosk.maintenance.words import STATES, amount_in_words, duration_in_words
from kiosk.messages import (
    Amount,
    AssessRequest,
    DenominationCount,
    DepositView,
    DeviceView,
    OutboxGrew,
    Push,
    Refused,
    Reply,
    Request,
    Role,
    SensorReading,
    Settings,
    SettingView,
    StageChanged,
    Status,
)
from kiosk.processes.kioskctl import main

IDLE = Status(
    kiosk="demo-0001",
    state="idle",
    in_service=True,
    out_of_service_reasons=(),
    deposit=None,
    devices=(DeviceView("validator", "ok", "PV8"), DeviceView("board", "ok")),
    scene_grade="low",
    log_size=12,
    log_root="ab" * 32,
    outbox_rows=1,
    acknowledged=11,
    deposits_today=3,
    single_user=True,
    clock_synchronised=False,
    config_hash="cd" * 32,
    version="0.1.0",
    uptime_s=3725.0,
)
JAMMED = msgspec.structs.replace(
    IDLE,
    state="jammed",
    in_service=False,
    out_of_service_reasons=("transport jam",),
    devices=(DeviceView("board", "down", "jam at the gate", "Open the door and clear the belt."),),
    deposit=DepositView(
        code="K7-42",
        state="jammed",
        account_masked="****1234",
        counted=(DenominationCount(10_000, "CNY", 2),),
        total=(Amount(20_000, "CNY"),),
        retained=(Amount(5000, "CNY"),),
        disputed_unvalued=1,
        last_refusal="note_too_long",
        grade="medium",
        reasons=("a second face",),
        deadline_s=30.0,
        receipt="failed",
        receipt_copy=2,
    ),
)


@dataclass
class Kiosk:
    """A controller's end of the bus that answers as told."""

    server: BusServer
    bus_dir: Path
    present: asyncio.Event

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, main, [arguments[0], "--bus-dir", str(self.bus_dir), *arguments[1:]]
        )


@asynccontextmanager
async def kiosk(bus_dir: Path, reply: Callable[[], Reply]) -> AsyncIterator[Kiosk]:
    async def handler(_role: Role, _request: Request) -> Reply:
        return reply()

    present = asyncio.Event()
    server = BusServer(bus_dir, handler, {}, single_user=True, on_presence=lambda _role, _clients: present.set())
    await server.start()
    yield Kiosk(server, bus_dir, present)
    await server.close()


async def test_status_in_service(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: IDLE) as box:
        result = await box.run("status")
    assert result.exit_code == Exit.OK
    assert "in service" in result.output
    assert "waits for a depositor" in result.output
    assert "clock is not synchronised" in result.output
    assert "\x1b" not in result.output  # no colours where there is no terminal


SET = (
    SettingView("timing.confirm_s", "90.0", "120.0", "tentative", ("carl",), "2026-11-22T20:00:00Z", two_people=False),
    SettingView("risk.medium", '"stop"', '"accept"', "set", ("ben", "anna"), "2026-11-21T09:00:00Z", two_people=True),
    SettingView("timing.idle_s", "60.0", "60.0", "configured", (), "", two_people=False),
)


async def test_show_config_says_what_is_in_force_and_who_set_it(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "systemd"
    for name in ("kiosk.toml.example", "cash-cny.toml"):
        (tmp_path / name.removesuffix(".example")).write_text((shipped / name).read_text())
    words = ("show", "config", "--config", str(tmp_path / "kiosk.toml"), "--bus-dir", str(tmp_path))
    async with kiosk(tmp_path, lambda: Settings(SET, 540)):
        shown = await asyncio.to_thread(CliRunner().invoke, main, words)
        told = await asyncio.to_thread(CliRunner().invoke, main, [*words, "--json"])
    line = next(line for line in shown.output.splitlines() if line.startswith("timing.confirm_s "))
    assert re.search(r"= 90\.0 +TENTATIVE, set by carl, 2026-11-22T20:00:00Z; \S+ = 120\.0 ", line)
    assert 'set by ben and anna, 2026-11-21T09:00:00Z; default = "accept"' in shown.output
    assert "is undone in 9 min" in shown.output
    rows = {row["key"]: row for row in json.loads(told.output)}
    found = rows["timing.confirm_s"]
    assert (found["value"], found["configured"], found["origin"], found["by"]) == (90.0, 120.0, "tentative", ["carl"])
    assert rows["timing.idle_s"]["origin"] in ("file", "default")
    alone = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert alone.exit_code == 0
    assert "what was set over it is not known" in alone.output


async def test_status_out_of_service_says_why_and_what_to_do(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: JAMMED) as box:
        result = await box.run("status")
    assert result.exit_code == Exit.OUT_OF_SERVICE
    for words in (
        "OUT OF SERVICE",
        "because: transport jam",
        "-> Open the door and clear the belt.",
        "200.00 CNY",
        "2 x 100.00 CNY",
        "1 notes of unknown value",
        "a second face",
        "not printed, its codes are on the screen, copy 2",
    ):
        assert words in result.output


async def test_status_warns_of_what_somebody_should_come_for(tmp_path: Path) -> None:
    full = "the cabinet is nearly full: 33 of 40 slots"
    async with kiosk(tmp_path, lambda: msgspec.structs.replace(IDLE, warnings=(full,))) as box:
        result = await box.run("status")
    assert result.exit_code == Exit.OK
    assert f"soon: {full}" in result.output


async def test_status_json_is_the_status(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: JAMMED) as box:
        result = await box.run("status", "--json")
    assert result.exit_code == 3
    assert msgspec.json.decode(result.output, type=Status) == JAMMED


async def test_a_refusal_is_told_with_its_remedy(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: Refused("busy", "starting up", "Wait a minute.")) as box:
        result = await box.run("status")
        as_json = await box.run("status", "--json")
    assert result.exit_code == Exit.FAILED
    assert "starting up" in result.output
    assert "Wait a minute." in result.output
    assert json.loads(as_json.output) == {"error": "starting up", "remedy": "Wait a minute.", "exit_code": 1}


@pytest.mark.parametrize("command", ["status", "watch"])
def test_no_controller_has_its_own_exit_code(tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(main, [command, "--bus-dir", str(tmp_path)])
    assert result.exit_code == Exit.UNREACHABLE
    assert "Start the controller" in result.output


def test_a_missing_configuration_has_its_own_exit_code(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["status", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == Exit.CONFIG


async def test_watch_shows_each_change_once(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: IDLE) as box:
        watching = asyncio.create_task(box.run("watch", "--json", "--count", "2"))
        await box.present.wait()
        while not watching.done():  # the same status with another uptime is no news
            box.server.push("status", msgspec.structs.replace(IDLE, uptime_s=4000.0))
            await asyncio.sleep(0)
            box.server.push("status", JAMMED)
            await asyncio.sleep(0)
        result = await watching
    assert result.exit_code == 0
    states = [json.loads(line)["state"] for line in result.output.splitlines()]
    assert states in (["idle", "jammed"], ["jammed", "idle"])


async def test_watch_ends_with_the_controller(tmp_path: Path) -> None:
    async with kiosk(tmp_path, lambda: IDLE) as box:
        watching = asyncio.create_task(box.run("watch"))
        await box.present.wait()
        await box.server.close()
        result = await watching
    assert result.exit_code == Exit.UNREACHABLE


def test_exit_codes_are_what_scripts_rely_on() -> None:
    assert [(code.name, code.value) for code in Exit] == [
        ("OK", 0),
        ("FAILED", 1),
        ("USAGE", 2),
        ("OUT_OF_SERVICE", 3),
        ("UNREACHABLE", 4),
        ("CONFIG", 5),
        ("NOT_ALLOWED", 6),
    ]


def test_every_state_of_the_deposit_has_its_words() -> None:
    assert set(STATES) == set(State)


def test_amounts_and_durations() -> None:
    assert amount_in_words(Amount(123_456, "CNY")) == "1,234.56 CNY"
    assert amount_in_words(Amount(5000, "JPY")) == "5,000 JPY"
    assert duration_in_words(0) == "0 s"
    assert duration_in_words(90_061) == "1 days 1 h"
    assert duration_in_words(3725) == "1 h 2 min"


@pytest.mark.parametrize(
    ("push", "words"),
    [
        (IDLE, "in service, idle"),
        (JAMMED, "deposit K7-42: 200.00 CNY"),
        (StageChanged("K7-42", "escrow"), "enters escrow"),
        (OutboxGrew(5), "up to 4"),
        (AssessRequest(1, "K7-42", "storing"), "asked about storing"),
        (SensorReading(1.0, 0, 231, 24_000, 1, 2, 0, 100, 0, 3, transport_occupied=False), "23.1 C"),
    ],
)
def test_every_push_has_a_line(push: Push, words: str) -> None:
    line = push_line(push)
    assert words in line.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "\n" not in line
    assert "\n" in status_text(IDLE)
    assert status_line(IDLE) != status_line(JAMMED)


POLL = "7f 80 01 07 12 02"


def test_decode_then_encode_gives_the_frame_back() -> None:
    decoded = CliRunner().invoke(main, ["decode", "ssp", "--sender", "host"], input=f"{POLL}\n\nnoise\n")
    assert decoded.exit_code == 0
    frame, noise = (json.loads(line) for line in decoded.output.splitlines())
    assert frame["ok"] is True
    assert frame["code"] == 7
    assert frame["message"]["name"]
    assert noise["ok"] is False
    frame["encoded"] = "00"  # is ignored
    encoded = CliRunner().invoke(main, ["encode", "ssp"], input=json.dumps(frame) + "\n")
    assert encoded.exit_code == 0
    assert bytes.fromhex(encoded.output.strip()) == bytes.fromhex(POLL)


def test_replies_need_their_command() -> None:
    reply = "7f 80 01 f0 23 80"
    bare = CliRunner().invoke(main, ["decode", "ssp", "--sender", "device"], input=reply)
    assert json.loads(bare.output)["message"] is None
    assert json.loads(bare.output)["why"]
    paired = CliRunner().invoke(main, ["decode", "ssp", "--sender", "device", "--command", "0x11"], input=reply)
    assert json.loads(paired.output)["message"]["name"]
    wrong = CliRunner().invoke(main, ["decode", "ssp", "--sender", "device", "--command", "zz"], input=reply)
    assert wrong.exit_code == Exit.USAGE


@pytest.mark.parametrize("line", ["{", "[1]", '{"code": 7}', '{"address": 0, "sequence": 1, "code": 700, "data": ""}'])
def test_encode_names_the_line_it_refuses(line: str) -> None:
    result = CliRunner().invoke(main, ["encode", "ssp"], input=line)
    assert result.exit_code == 1
    assert "line 1" in result.output
