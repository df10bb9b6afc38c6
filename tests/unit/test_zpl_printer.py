"""Label layout, `~HS` and the printer's driver against a scripted printer, in virtual time."""

from collections.abc import Awaitable, Callable

import pytest

from firmware_bridge.drivers.zpl_printer import ZplPrinter
from firmware_bridge.errors import LabelNotPrinted, LinkDown
from firmware_bridge.interfaces import Label, LabelPrinter
from firmware_bridge.protocols.zpl.errors import ZplError
from firmware_bridge.protocols.zpl.label import build_label
from firmware_bridge.protocols.zpl.status import StatusReader, parse_status
from tests.bridge_kit import Pipe, run_virtual

READY = ("030,0,0,1245,000,0,0,0,000,0,0,0", "001,0,0,0,0,2,6,0,00000000,1,000", "1234,0")
LABEL = Label(
    "demo-0001-000042", 1, ("CNY 200.00", "2 x 100 yuan", "staff staff-1"), "B1;demo;42;CNY;20000", "D42-20261121"
)


def reply(strings: tuple[str, ...]) -> bytes:
    return b"".join(b"\x02" + string.encode() + b"\x03\r\n" for string in strings)


def changed(string: int, field: int, value: str) -> tuple[str, ...]:
    rows = [row.split(",") for row in READY]
    rows[string][field] = value
    return tuple(",".join(row) for row in rows)


def test_the_label_has_every_field() -> None:
    text = build_label(LABEL).decode()
    assert text.startswith("^XA")
    assert text.rstrip().endswith("^XZ")
    assert "^CI28" in text
    assert "^PQ1" in text
    assert "^FDdemo-0001-000042^FS" in text
    assert "^BQN,2," in text
    assert "^FDMA,B1;demo;42;CNY;20000^FS" in text
    assert "^BCN," in text
    assert "^FDD42-20261121^FS" in text
    assert text.count("^FD") == text.count("^FS") == 6


def test_a_copy_says_so() -> None:
    assert b"demo-0001-000042  COPY 2" in build_label(Label("demo-0001-000042", 2, (), "x", "x"))


def test_user_text_never_becomes_a_command() -> None:
    text = build_label(Label("a", 1, ("^XZ~JA_1",), "q^_", "x")).decode()
    assert "^FH^FD_5EXZ_7EJA_5F1^FS" in text
    assert "^FH^FDMA,q_5E_5F^FS" in text
    assert text.count("^XZ") == 1


def test_utf8_in_the_qr_code_counts_bytes() -> None:
    assert "^FDMM,B0006存款^FS" in build_label(Label("a", 1, ("存款",), "存款", "x")).decode("utf-8")


@pytest.mark.parametrize(
    "label",
    [
        Label("", 1, (), "x", "x"),
        Label("a", 1, ("b\n",), "x", "x"),
        Label("a", 1, ("b" * 41,), "x", "x"),
        Label("a", 1, ("b",) * 9, "x", "x"),
        Label("a", 1, (), "x" * 700, "x"),
        Label("a", 1, (), "x", "^x"),
        Label("a", 1, (), "x", "x" * 33),
        Label("a", 1, ("\ud800",), "x", "x"),
    ],
)
def test_what_does_not_fit_is_refused(label: Label) -> None:
    with pytest.raises(ZplError):
        build_label(label)


def test_the_sheets_status_examples() -> None:
    assert parse_status(READY).ready
    assert parse_status(READY).idle
    out = parse_status(("030,1,1,1245,001,0,0,1,000,0,0,0", *READY[1:]))
    assert (out.paper_out, out.paused, out.formats_waiting, out.ready, out.idle) == (True, True, 1, False, False)
    opened = parse_status((READY[0], "001,0,1,0,0,2,6,0,00000003,1,000", READY[2]))
    assert (opened.head_open, opened.labels_remaining, opened.ready) == (True, 3, False)


@pytest.mark.parametrize(("string", "field"), [(0, 1), (0, 2), (0, 5), (0, 9), (0, 10), (0, 11), (1, 2)])
def test_each_flag_of_the_ready_rule(string: int, field: int) -> None:
    assert not parse_status(changed(string, field, "1")).ready


def test_ribbon_matters_in_thermal_transfer_only() -> None:
    assert parse_status(changed(1, 3, "1")).ready
    rows = [row.split(",") for row in changed(1, 3, "1")]
    rows[1][4] = "1"
    assert not parse_status(tuple(",".join(row) for row in rows)).ready


def test_the_status_reader_skips_noise_and_takes_any_split() -> None:
    data = b"\x02junk\x03\r\n" + reply(READY)
    reader = StatusReader()
    found = [reader.feed(data[i : i + 1]) for i in range(len(data))]
    assert next(status for status in found if status) == parse_status(READY)
    assert StatusReader().feed(b"\x02" * 5000) is None


class Printer:
    """Answers `~HS` with `answers` in turn (the last one stays); None is silence."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, ...] | None] = [READY]
        self.jobs: list[bytes] = []
        self.cancelled = 0

    def __call__(self, data: bytes) -> bytes | None:
        if data == b"~JA":
            self.cancelled += 1
        elif data != b"~HS":
            self.jobs.append(data)
        else:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return reply(answer) if answer else None
        return None


def play(scene: Callable[[ZplPrinter, Printer, Pipe], Awaitable[None]]) -> Printer:
    printer = Printer()

    async def main() -> None:
        pipe = Pipe(printer)
        driver = ZplPrinter(pipe)
        edge: LabelPrinter = driver
        await scene(driver, printer, pipe)
        edge.close()

    run_virtual(main)
    return printer


def test_a_label_is_printed_when_the_printer_says_so() -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        waiting, printing = changed(0, 4, "001"), changed(1, 8, "00000001")
        printer.answers = [READY, waiting, printing, printing, READY]
        await driver.print_label(LABEL)
        assert pipe.written[0] == b"~HS"
        assert len(pipe.written) == 7

    printer = play(scene)
    assert printer.jobs == [build_label(LABEL)]
    assert printer.cancelled == 0


def test_one_late_answer_from_before_the_job_is_not_enough() -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        printer.answers = [READY, READY, changed(1, 8, "00000001")]
        with pytest.raises(LabelNotPrinted):
            await driver.print_label(LABEL)

    play(scene)


@pytest.mark.parametrize(
    ("before", "words"),
    [(changed(0, 1, "1"), "paper"), (changed(1, 8, "00000001"), "earlier"), (None, "answer")],
)
def test_nothing_is_sent_to_a_printer_that_is_not_ready(before: tuple[str, ...] | None, words: str) -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        printer.answers = [before]
        with pytest.raises(LabelNotPrinted, match=words):
            await driver.print_label(LABEL)

    assert play(scene).jobs == []


@pytest.mark.parametrize("after", [None, ("030,1,0,1245,000,0,0,0,000,0,0,0", changed(1, 8, "00000001")[1], "1234,0")])
def test_a_label_that_is_not_confirmed_is_in_doubt_and_cancelled(after: tuple[str, ...] | None) -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        printer.answers = [READY, after]
        with pytest.raises(LabelNotPrinted):
            await driver.print_label(LABEL)

    printer = play(scene)
    assert len(printer.jobs) == 1
    assert printer.cancelled == 1


def test_status_and_silence() -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        printer.answers = [changed(0, 2, "1"), None]
        status = await driver.status()
        assert (status.answered, status.ready, status.paused) == (True, False, True)
        assert not (await driver.status()).answered
        pipe.down = True
        with pytest.raises(LinkDown):
            await driver.status()
        with pytest.raises(LabelNotPrinted):
            await driver.print_label(LABEL)

    play(scene)


def test_a_label_that_does_not_fit_is_not_printed() -> None:
    async def scene(driver: ZplPrinter, printer: Printer, pipe: Pipe) -> None:
        with pytest.raises(LabelNotPrinted):
            await driver.print_label(Label("a\n", 1, (), "x", "x"))
        assert pipe.written == []

    play(scene)
