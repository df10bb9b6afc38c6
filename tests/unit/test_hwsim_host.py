"""The simulated machine on real interfaces: ptys, HTTP, ready file, orderly end."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from hwsim.cli import main
from hwsim.devices.modbus_rtu import crc16, seal
from hwsim.devices.ssp_frame import Frame
from hwsim.host import Host, HostSettings
from hwsim.pty_edge import PtyEdge
from hwsim.scenario import parse_scenario

SYNC = Frame(0, 1, b"\x11").encode()
OK = Frame(0, 1, b"\xf0").encode()


class Remote:
    """The control API from outside, on a thread."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> Any:
        _, body = await asyncio.to_thread(self._call, path, None)
        return json.loads(body)

    async def raw(self, path: str) -> bytes:
        return (await asyncio.to_thread(self._call, path, None))[1]

    async def post(self, path: str, body: object = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        status, answer = await asyncio.to_thread(self._call, path, data)
        return status, json.loads(answer)

    def _call(self, path: str, data: bytes | None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self._base + path, data, timeout=10) as reply:  # noqa: S310 - loopback  # noqa: S310 - loopback
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[tuple[Remote, dict[str, Any], Host]]:
    scenario = parse_scenario("[world]\nshutter_move_s = 0.0\n[validator]\ninitialise_s = 0.0")
    made = Host(HostSettings(tmp_path), scenario)
    ready = await made.start()
    try:
        yield Remote(ready["http"]), ready, made
    finally:
        await made.stop()
    assert not (tmp_path / "ready.json").exists()
    assert not list((tmp_path / "dev").iterdir())


@contextlib.contextmanager
def _port(path: str, baudrate: int = 9600) -> Iterator[serial.Serial]:
    with serial.Serial(path, baudrate, stopbits=serial.STOPBITS_TWO, timeout=5) as port:
        yield port


async def test_devices_answer_on_real_serial_ports(host: tuple[Remote, dict[str, Any], Host]) -> None:
    _, ready, _ = host

    def talk() -> tuple[bytes, bytes, bytes]:
        with _port(ready["devices"]["validator"]) as port:
            port.write(SYNC)
            validator = port.read(len(OK))
        with _port(ready["devices"]["validator"]) as port:  # closed and opened again, as after a kill
            port.write(SYNC)
            validator += port.read(len(OK))
        with _port(ready["devices"]["board"], baudrate=115200) as port:
            port.write(seal(1, bytes((4, 0, 0, 0, 64))))
            board = port.read(133)
        with _port(ready["devices"]["label"]) as port:
            port.write(b"~HI")
            label = port.read_until(b"\r\n")
        return validator, board, label

    validator, board, label = await asyncio.to_thread(talk)
    assert validator == OK + OK
    assert crc16(board) == 0
    assert label.startswith(b"\x02SIM203")


async def test_a_device_without_power_is_mute_and_its_port_stays(host: tuple[Remote, dict[str, Any], Host]) -> None:
    remote, ready, _ = host

    def talk() -> bytes:
        with serial.Serial(ready["devices"]["validator"], timeout=0.1) as port:
            port.write(SYNC)
            return port.read(len(OK))

    assert await remote.post("/power", {"device": "validator", "on": False}) == (
        200,
        {"validator": False, "board": True, "label": True, "receipt": True},
    )
    assert await asyncio.to_thread(talk) == b""
    await remote.post("/power", {"device": "all", "on": True})
    assert await asyncio.to_thread(talk) == OK


async def test_receipts_over_http(host: tuple[Remote, dict[str, Any], Host]) -> None:
    remote, _, made = host
    printed = asyncio.Event()
    made.machine.world.observe(lambda happening: printed.set() if happening.source == "receipt" else None)
    made.machine.receipts.feed(b"hello\n\x1dV\x42\x00")
    await printed.wait()
    listed: Any = await remote.get("/receipts")
    assert listed[0]["lines"] == ["hello"]
    assert (await remote.raw("/receipts/1.png")).startswith(b"\x89PNG")
    assert (await remote.get("/state"))["receipt_printer"]["printed"] == 1


async def test_hands_scene_lines_stock_and_faults_over_http(host: tuple[Remote, dict[str, Any], Host]) -> None:
    remote, _, made = host
    status, refusal = await remote.post("/insert", {"currency": "CNY", "value_minor": 10000})
    assert status == 409
    assert set(refusal) == {"error", "remedy"}
    made.machine.world.lines.drive("shutter_open_cmd", level=True)
    await asyncio.sleep(0.01)  # the shutter of this world moves in no time, but by a timer
    status, note = await remote.post("/insert", {"currency": "CNY", "value_minor": 10000, "kind": "suspect"})
    assert (status, note) == (200, {"id": 1})
    assert (await remote.get("/state"))["throat"] == 1
    assert await remote.post("/take") == (200, {"taken": [1]})
    assert (await remote.post("/scene", {"onlooker": True}))[1]["onlooker"]
    assert (await remote.post("/line", {"line": "e_stop", "value": True}))[1]["e_stop"]
    assert await remote.post("/stock", {"straps": 7}) == (200, {"straps": 7, "labels": 50, "receipt_mm": 60000})
    assert await remote.post("/fault", {"device": "label", "fault": "paper_out"}) == (200, {"done": "label.paper_out"})
    state = await remote.get("/state")
    assert state["stock"] == {"straps": 7, "labels": 0, "receipt_mm": 60000}
    assert state["totals"]["inserted_minor"] == 0
    assert state["notes"][0]["place"] == "out"
    assert state["shutter"] == "open"
    assert {"device": "label", "fault": "paper_out"}.items() <= next(
        fault.items() for fault in await remote.get("/faults") if fault["fault"] == "paper_out"
    )
    happened = [f"{item['source']}.{item['what']}" for item in await remote.get("/happenings")]
    assert happened.index("hand.fed") < happened.index("hand.took")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/insert", {"currency": "CNY", "value_minor": -5}),
        ("/insert", {"currency": "CNY", "value_minor": 100, "kind": "torn"}),
        ("/insert", {"currency": "CNY", "value_minor": 100, "face": 1}),
        ("/scene", {"rain": True}),
        ("/fault", {"device": "board", "fault": "meteor"}),
        ("/power", {"device": "board", "on": "yes"}),
        ("/line", {"line": "shutter_closed", "value": True}),
        ("/stock", {"straps": -1}),
        ("/take", b"[1]"),
        ("/take", b"{"),
    ],
)
async def test_mistakes_are_answered_with_a_remedy(
    host: tuple[Remote, dict[str, Any], Host], path: str, body: object
) -> None:
    status, answer = await host[0].post(path, body)
    assert status == 422
    assert answer["error"]
    assert answer["remedy"]


async def test_labels_camera_and_page(host: tuple[Remote, dict[str, Any], Host]) -> None:
    remote, _, made = host
    printed = asyncio.Event()
    made.machine.world.observe(lambda h: printed.set() if h.what == "printed" else None)
    made.machine.printer.feed(b"^XA^FO9,9^A0N,40,40^FDhello^FS^XZ")
    await asyncio.wait_for(printed.wait(), 5)
    labels = await remote.get("/labels")
    assert labels[0]["lines"] == ["hello"]
    assert (await remote.raw("/labels/1.png")).startswith(b"\x89PNG")
    assert b"no label 2" in await remote.raw("/labels/2.png")
    assert (await remote.raw("/camera.jpg")).startswith(b"\xff\xd8")
    page = (await remote.raw("/")).decode()
    assert "<title>hwsim" in page
    assert "http://" not in page  # nothing is fetched from elsewhere
    assert "https://" not in page


async def test_nobody_reading_does_not_stop_the_device(tmp_path: Path) -> None:
    class Loud:
        output: Callable[[bytes], None] | None = None

        def feed(self, data: bytes) -> None: ...

    device = Loud()
    edge = PtyEdge(device, tmp_path / "loud")
    edge.open()
    try:
        for _ in range(200):
            assert device.output is not None
            device.output(bytes(1000))
        assert edge.bytes_dropped > 0
    finally:
        edge.close()


def test_the_process_says_when_it_is_ready_and_ends_on_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hwsim.cli", "run", "--dir", str(tmp_path), "--seed", "5", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"seed 5" in process.stdout.readline()  # printed after ready.json was written
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert ready["pid"] == process.pid
        assert set(ready["devices"]) == {"validator", "board", "label", "receipt"}
        assert str(Path(ready["devices"]["board"]).readlink()).startswith("/dev/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not (tmp_path / "ready.json").exists()
    finally:
        process.kill()
        process.wait()


def test_a_bad_scenario_and_the_fault_list_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[world]\nbelts = 3\n")
    assert main(["run", "--dir", str(tmp_path), "--scenario", str(bad)]) == 2
    assert "belts" in capsys.readouterr().err
    assert main(["faults", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"validator", "board", "label", "receipt", "cabinet"} == {row["device"] for row in rows}
    assert main(["faults"]) == 0
    assert "escrow_forgotten" in capsys.readouterr().out
