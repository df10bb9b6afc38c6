"""The simulated label printer: stream parsing, status, peel bar, and a label that machines can read."""

import cv2
import numpy as np
import pytest
import zxingcpp

from hwsim.config import LabelPrinterConfig, WorldConfig
from hwsim.devices.label_printer import LabelPrinter
from hwsim.devices.zpl_parser import Format, ZplParser
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

LABEL = b"""^XA
^CI28
^FO40,40^A0N,48,48^FDBundle 00042^FS
^FO40,110^A0N,32,32^FDEUR 2000.00 / 100 notes^FS
^FO40,170^BCN,100,Y,N,N,A^FD00042-20261121^FS
^FO520,40^BQN,2,6^FDQA,00042;EUR;200000^FS
^PQ%d
^XZ"""


class PrinterHost:
    def __init__(self, config: LabelPrinterConfig | None = None, labels: int = 50) -> None:
        self.scheduler = VirtualScheduler()
        self.world = World(WorldConfig(labels=labels), self.scheduler, 1)
        self.printer = LabelPrinter(self.world, config or LabelPrinterConfig())
        self.heard = b""
        self.printer.output = self._hear

    def _hear(self, data: bytes) -> None:
        self.heard += data

    def send(self, data: bytes, wait_s: float = 1.0) -> None:
        self.printer.feed(data)
        self.scheduler.advance(wait_s)

    def status(self) -> list[list[str]] | None:
        """The fields of the three strings, or None for silence."""
        self.heard = b""
        self.send(b"~HS", 0.1)
        if not self.heard:
            return None
        strings = self.heard.decode().split("\r\n")[:-1]
        assert all(text[0] == "\x02" and text[-1] == "\x03" for text in strings)
        return [text[1:-1].split(",") for text in strings]


def test_a_label_is_printed_waits_and_can_be_read() -> None:
    host = PrinterHost()
    for byte in LABEL % 1:  # split anywhere
        host.printer.feed(bytes((byte,)))
    host.scheduler.advance(1.0)
    label = host.printer.printed[0]
    assert label.fields()["lines"] == ["Bundle 00042", "EUR 2000.00 / 100 notes"]
    picture = cv2.imdecode(np.frombuffer(label.png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (600, 832, 3)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == "00042;EUR;200000"
    assert {code.text for code in zxingcpp.read_barcodes(picture)} == {"00042;EUR;200000", "00042-20261121"}
    assert host.world.labels == 49
    status = host.status()
    assert status is not None
    assert [len(fields) for fields in status] == [12, 11, 2]
    assert status[1][7:9] == ["1", "00000000"]
    peeled = host.world.take_label()
    assert peeled is not None
    assert peeled.qr == "00042;EUR;200000"


def test_a_batch_waits_for_each_label_to_be_taken() -> None:
    host = PrinterHost()
    host.send(LABEL % 3)
    remaining = []
    for _ in range(3):
        status = host.status()
        assert status is not None
        remaining.append(int(status[1][8]))
        host.world.take_label()
        host.scheduler.advance(1.0)
    assert remaining == [2, 1, 0]
    assert len(host.printer.printed) == 3


def test_status_inside_a_format_answers_at_once() -> None:
    host = PrinterHost()
    host.send(b"^XA^FO1,1^FDpart")
    status = host.status()
    assert status is not None
    assert status[0][7] == "1"
    host.send(b"^FS^XZ")
    assert host.printer.printed[0].format.lines == ("part",)


@pytest.mark.parametrize(("mode", "silent"), [("silent", True), ("flags", False)])
def test_paper_out_keeps_the_rest_and_resumes(*, mode: str, silent: bool) -> None:
    host = PrinterHost(LabelPrinterConfig(status_in_error=mode), labels=1)  # type: ignore[arg-type]
    host.send(LABEL % 2)
    host.world.take_label()
    host.scheduler.advance(2.0)
    status = host.status()
    if silent:
        assert status is None
    else:
        assert status is not None
        assert status[0][1:3] == ["1", "1"]
        assert int(status[1][8]) == 1
    host.world.fault("label", "paper_loaded")
    host.scheduler.advance(1.0)
    assert len(host.printer.printed) == 2


@pytest.mark.parametrize(
    ("fault", "string", "field"), [("head_open", 1, 2), ("ribbon_out", 1, 3), ("hot", 0, 11), ("paused", 0, 2)]
)
def test_conditions_stop_it_and_show(fault: str, string: int, field: int) -> None:
    host = PrinterHost(LabelPrinterConfig(status_in_error="flags"))
    host.world.fault("label", fault)
    host.send(LABEL % 1)
    status = host.status()
    assert status is not None
    assert status[string][field] == "1"
    assert status[0][4] == "001"  # the format waits
    assert not host.printer.printed
    host.world.fault("label", fault, on=False)
    host.scheduler.advance(1.0)
    assert len(host.printer.printed) == 1


@pytest.mark.parametrize(("after_s", "printed"), [(0.3, 0), (0.47, 1)])
def test_a_power_cut_spoils_a_label_or_leaves_it_hanging(after_s: float, printed: int) -> None:
    host = PrinterHost()
    host.send(LABEL % 2, after_s)
    host.world.power("label", on=False)
    host.scheduler.advance(2.0)
    host.world.power("label", on=True)
    host.scheduler.advance(2.0)
    assert len(host.printer.printed) == printed
    assert (host.world.peel_bar is not None) is bool(printed)


def test_identification_torn_labels_and_lost_replies() -> None:
    host = PrinterHost()
    host.send(b"~HI")
    assert host.heard == b"\x02SIM203,V1.0.0,8,8192KB\x03\r\n"
    host.send(LABEL % 1)
    host.world.fault("label", "label_torn_off")
    assert host.world.peel_bar is None
    host.world.fault("label", "lost_reply")
    assert host.status() is None
    assert host.status() is not None


def _formats(data: bytes) -> list[Format]:
    formats: list[Format] = []
    ZplParser(formats.append, lambda _name, _parameters: None).feed(data)
    return formats


def test_field_data_of_every_kind() -> None:
    (label,) = _formats(
        b"^XA^CI28^FO1,2^FH^FDa_5Eb_7Ec_C3_A9^FS^BY3,2,80^BCN,,N^FD>:X-1^FS"
        b"^BQN,2,4^FDHM,B0005caf\xc3\xa9^FS^ZZ9,9^FO5^FDlast^FS^PQ2^XZ"
    )
    assert label.lines == ("a^b~c\u00e9", "last")
    assert label.barcode == "X-1"
    assert label.qr == "caf\u00e9"
    assert label.quantity == 2


def test_oversized_and_nested_formats_do_no_harm() -> None:
    assert _formats(b"^XA^FD" + b"x" * 70_000 + b"^FS^XZ") == []
    assert len(_formats(b"^XA^FDa^FS^XA^FDb^FS^XZ^XZ")) == 1
