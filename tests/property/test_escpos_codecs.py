"""ESC/POS both ways: status bytes as the sheet has them, any bytes at all, and jobs that the other side understands."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.interfaces import Receipt, ReceiptPrinterStatus, ReceiptQr, ReceiptText
from firmware_bridge.protocols.escpos.errors import EscposError
from firmware_bridge.protocols.escpos.job import (
    COLUMNS,
    PAPER_DOTS,
    PART_BYTES_MAX,
    build_job,
    qr_module_dots,
    width,
    wrap,
)
from firmware_bridge.protocols.escpos.status import heard, question, told
from hwsim.config import ReceiptPrinterConfig, WorldConfig
from hwsim.devices.escpos_parser import Cut, EscposParser, Line, Op, Qr
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.devices.receipt_render import height_dots
from hwsim.scheduler import VirtualScheduler
from hwsim.world import World

GOOD = dict.fromkeys((1, 2, 3, 4), 0x12)
FINE = ReceiptPrinterStatus(answered=True)
texts = st.builds(
    ReceiptText,
    st.text(max_size=200),
    large=st.booleans(),
    bold=st.booleans(),
    centred=st.booleans(),
)
codes = st.builds(ReceiptQr, st.text(string.ascii_letters + string.digits + "+/=\n \u2014", min_size=1, max_size=400))


@pytest.mark.parametrize(
    ("number", "byte", "field"),
    [
        (1, 0x1A, "offline"),
        (2, 0x16, "cover_open"),
        (2, 0x32, "paper_end"),
        (2, 0x52, "other_error"),
        (3, 0x1A, "cutter_error"),
        (3, 0x32, "other_error"),
        (3, 0x52, "other_error"),
        (4, 0x1E, "paper_near_end"),
        (4, 0x72, "paper_end"),
    ],
)
def test_the_sheets_status_bytes(number: int, byte: int, field: str) -> None:
    status = told(GOOD | {number: byte})
    assert [name for name in ReceiptPrinterStatus.__slots__ if getattr(status, name) is not getattr(FINE, name)] == [
        field
    ]
    assert status.ready == (field == "paper_near_end")
    assert bool(status.trouble) != status.ready
    assert told(GOOD) == FINE
    assert question(number) == bytes((0x10, 0x04, number))


def test_a_missing_answer_is_silence() -> None:
    for number in GOOD:
        assert not told({other: byte for other, byte in GOOD.items() if other != number}).answered


@given(st.binary())
def test_only_bytes_with_the_fixed_bits_are_answers(chunk: bytes) -> None:
    kinds = [item.kind for item in heard(chunk)]
    assert kinds.count("answer") == sum(1 for byte in chunk if byte & 0x93 == 0x12)
    assert not any(item.byte in (0x11, 0x13) for item in heard(chunk))  # XON, XOFF


@given(st.fixed_dictionaries(dict.fromkeys((1, 2, 3, 4), st.integers(0, 255))))
def test_any_answers_make_a_status(answers: dict[int, int]) -> None:
    status = told(answers)
    assert status.ready == (not status.trouble)


@settings(max_examples=30)
@given(st.integers(1, 1400))
def test_every_code_fits_the_paper(count: int) -> None:
    dots = qr_module_dots(count)
    assert dots >= 4  # 0.5 mm: what phones read
    ops = parsed(b"".join(build_job(Receipt((ReceiptQr("x" * count),)))))
    (code,) = [op for op in ops if isinstance(op, Qr)]
    assert code.module_dots == dots
    side = height_dots(code)  # drawn by another library
    assert side <= PAPER_DOTS
    assert side + 8 * dots <= 640  # with its quiet zone, for which 32 dots of blank paper on either side count, too


@pytest.mark.parametrize("data", ["", "x" * 1401, "a\x10\x04\x01"])
def test_a_code_that_cannot_be_printed_is_refused(data: str) -> None:
    with pytest.raises(EscposError):
        build_job(Receipt((ReceiptQr(data),)))


def parsed(data: bytes) -> list[Op]:
    ops: list[Op] = []
    parser = EscposParser(lambda op, _: ops.append(op))
    parser.feed(data)
    assert parser.unknown == []
    return ops


clauses = st.text("\u94b1\u5b58\u94f6\u884cab 1", min_size=1, max_size=20)
chinese = st.lists(st.tuples(clauses, st.text("\uff0c\u3002", max_size=3)), max_size=8).map(
    lambda parts: "".join(clause.strip() + stops for clause, stops in parts)
)


@given(chinese, st.sampled_from((24, 48)))
def test_chinese_is_wrapped_by_its_width_and_read_on_the_other_side(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line[:1] in "\uff0c\u3002" for line in lines[1:] if line and line.strip("\uff0c\u3002"))
    large = columns < COLUMNS
    ops = parsed(b"".join(build_job(Receipt((ReceiptText(text, large=large),)), letters="gb2312")))
    assert [op.text for op in ops if isinstance(op, Line)] == [line for line in lines if line]


@given(st.lists(texts | codes, max_size=12))
def test_the_other_side_reads_what_is_sent(parts: list[ReceiptText | ReceiptQr]) -> None:
    job = build_job(Receipt(tuple(parts)))
    assert all(len(part) <= PART_BYTES_MAX + 20 for part in job if b"\x1d(k" not in part)
    ops = parsed(b"".join(job))
    assert isinstance(ops[-1], Cut)
    assert [op.data.decode() for op in ops if isinstance(op, Qr)] == [
        part.data for part in parts if isinstance(part, ReceiptQr)
    ]
    lines = [op for op in ops if isinstance(op, Line)]
    assert all(len(text) * style.width <= COLUMNS for line in lines for text, style in line.runs)
    sent = "".join(part.text for part in parts if isinstance(part, ReceiptText))
    shown = "".join(line.text for line in lines)
    assert all(character in shown for character in sent if character in string.ascii_letters)


@given(st.binary(max_size=400), st.integers(1, 7))
def test_any_bytes_leave_the_simulated_printer_sane(data: bytes, step: int) -> None:
    scheduler = VirtualScheduler()
    printer = ReceiptPrinter(World(WorldConfig(), scheduler, 1), ReceiptPrinterConfig())
    replies: list[bytes] = []
    printer.output = replies.append
    for start in range(0, len(data), step):
        printer.feed(data[start : start + step])
    scheduler.advance(60.0)
    replies.clear()
    printer.feed(bytes(2) + question(1))
    scheduler.advance(0.1)
    assert replies  # real-time status is answered whatever came before
    assert printer.buffered_bytes <= 4096 + 400
    assert printer.state()["powered"]
