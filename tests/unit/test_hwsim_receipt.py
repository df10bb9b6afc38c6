"""The simulated receipt printer: what a stream of bytes leaves on paper, and what it answers meanwhile."""

import cv2
import numpy as np
import pytest

from hwsim.config import ReceiptPrinterConfig, WorldConfig
from hwsim.devices.escpos_parser import Line, Qr, Style
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.devices.receipt_render import PAPER_DOTS
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

CUT = b"\x1dVB\x00"
QR = (
    b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001A\x00"  # 165 in both forms
    b"\x1d(k\x03\x001C\x06\x1d(k\x03\x001E1\x1d(k\x13\x001P000042;EUR;200000\x1d(k\x03\x001Q0"
)


class PrinterHost:
    def __init__(self, config: ReceiptPrinterConfig | None = None, receipt_mm: int = 60_000) -> None:
        self.scheduler = VirtualScheduler()
        self.world = World(WorldConfig(receipt_mm=receipt_mm), self.scheduler, 1)
        self.printer = ReceiptPrinter(self.world, config or ReceiptPrinterConfig())
        self.heard: list[int] = []
        self.printer.output = self.heard.extend

    def send(self, data: bytes, wait_s: float = 5.0) -> None:
        self.printer.feed(data)
        self.scheduler.advance(wait_s)

    def status(self) -> list[int]:
        """The four answers of DLE EOT."""
        self.heard.clear()
        for n in (1, 2, 3, 4):
            self.send(bytes((0x10, 0x04, n)), 0.01)
        return list(self.heard)


def test_text_sizes_and_places_split_anywhere() -> None:
    host = PrinterHost()
    for byte in b"\x1b@\x1ba\x01\x1d!\x11BIG\n\x1d!\x00\x1ba\x02right \x1bE\x01bold\n\n\x1bd\x02" + CUT:
        host.printer.feed(bytes((byte,)))
    host.scheduler.advance(5.0)
    big, right = [item for item in host.printer.printed[0].items if isinstance(item, Line)]
    assert big.runs == (("BIG", Style(2, 2, bold=False, align="centre")),)
    assert right.runs == (("right ", Style(align="right")), ("bold", Style(bold=True, align="right")))
    assert host.printer.state()["unknown_commands"] == []


def test_a_code_is_drawn_as_the_printer_would() -> None:
    host = PrinterHost()
    host.send(b"\x1ba\x01" + QR + b"\n\n" + CUT)
    printed = host.printer.printed[0]
    assert [item for item in printed.items if isinstance(item, Qr)] == [Qr(b"00042;EUR;200000", 6, "M", "centre")]
    picture = cv2.imdecode(np.frombuffer(printed.png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape[1] == PAPER_DOTS
    assert cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0] == "00042;EUR;200000"
    host.send(b"\x1b@\x1d(k\x03\x001Q0" + b"x\n" + CUT)
    assert host.printer.printed[1].qrs == []  # ESC @ has emptied the storage


def test_a_raster_picture_is_printed_dot_by_dot() -> None:
    host = PrinterHost()
    host.send(b"\x1dv0\x00\x02\x00\x03\x00" + b"\xff\x00\x0f\xf0\x00\xff" + CUT)
    picture = cv2.imdecode(np.frombuffer(host.printer.printed[0].png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    dots = picture[-3:, 32:48] < 128
    assert dots.sum(axis=1).tolist() == [8, 8, 8]
    assert dots[1].tolist() == [False] * 4 + [True] * 8 + [False] * 4


def test_status_is_answered_in_the_middle_of_a_job_and_of_a_command() -> None:
    host = PrinterHost()
    host.printer.feed(b"half a line \x1d(k\x20\x001P0data \x10\x04\x01")
    host.scheduler.advance(0.1)
    assert host.heard == [0x12]
    assert host.status() == [0x12] * 4


@pytest.mark.parametrize(
    ("fault", "parameters", "expected"),
    [
        ("cover_open", {"on": True}, [0x1A, 0x16, 0x12, 0x12]),
        ("unrecoverable", {"on": True}, [0x1A, 0x52, 0x32, 0x12]),
        ("hot", {"on": True}, [0x1A, 0x52, 0x52, 0x12]),
        ("paper_near_end", {}, [0x12, 0x12, 0x12, 0x1E]),
        ("paper_out", {}, [0x1A, 0x32, 0x12, 0x7E]),
    ],
)
def test_faults_show_in_the_bits_of_the_sheet(fault: str, parameters: dict[str, bool], expected: list[int]) -> None:
    host = PrinterHost()
    host.world.fault("receipt", fault, **parameters)
    assert host.status() == expected


def test_models_without_a_near_end_sensor_and_silent_ones() -> None:
    assert PrinterHost(ReceiptPrinterConfig(near_end_sensor=False), receipt_mm=10).status() == [0x12] * 4
    assert PrinterHost(ReceiptPrinterConfig(status="silent")).status() == []


def test_a_stuck_knife_is_an_error_until_it_is_free_and_told_to_recover() -> None:
    host = PrinterHost()
    host.world.fault("receipt", "cutter_stuck", on=True)
    assert host.status() == [0x12] * 4  # nobody knows before it is used
    host.send(b"text\n" + CUT)
    assert host.status() == [0x1A, 0x52, 0x1A, 0x12]
    host.send(b"\x10\x05\x01")
    assert host.status()[2] == 0x1A
    host.world.fault("receipt", "cutter_stuck", on=False)
    assert host.status() == [0x12] * 4
    host.send(CUT)
    assert host.printer.printed[0].lines == ["text"]


def test_a_query_waits_for_its_turn_and_for_paper() -> None:
    host = PrinterHost(receipt_mm=8)
    host.printer.feed(b"a\n" * 5 + b"\x1dr\x01" + CUT)
    host.scheduler.advance(0.02)
    assert host.heard == []
    host.scheduler.advance(10.0)
    assert host.heard == []  # the paper has ended
    assert host.printer.state()["hangs_out"] == 3
    host.world.restock(receipt_mm=1000)
    host.scheduler.advance(10.0)
    assert host.heard == [0x03]
    assert [(one.lines, one.cut) for one in host.printer.printed] == [(["a"] * 3, False), (["a"] * 2, True)]


def test_power_and_clear_lose_what_is_in_the_buffer_and_overrun_bytes_are_lost() -> None:
    host = PrinterHost(ReceiptPrinterConfig(buffer_bytes=64))
    host.world.fault("receipt", "cover_open", on=True)
    host.send(b"x" * 40 + b"\n" + b"y" * 100 + b"\n")
    assert host.printer.buffered_bytes <= 64
    assert any(happening.what == "buffer_full" for happening in host.world.happenings)
    host.send(b"\x10\x05\x02")
    assert host.printer.buffered_bytes == 0
    host.world.fault("receipt", "cover_open", on=False)
    host.printer.feed(b"lost\n" * 3)
    host.printer.power_off()
    host.send(b"mute\n")
    host.printer.power_on()
    host.send(b"kept\n" + CUT)
    assert host.printer.printed[0].lines[-1] == "kept"
    assert "mute" not in host.printer.printed[0].lines


def test_unknown_commands_are_noted() -> None:
    host = PrinterHost()
    host.send(b"\x1bZ\x1dZ\x1d(Z\x01\x00z\x1dk\x04123\x00text\n" + CUT)
    assert host.printer.printed[0].lines == ["text"]
    assert host.printer.state()["unknown_commands"] == ["ESC 'Z'", "GS 'Z'", "GS ( 'Z'", "GS k"]
