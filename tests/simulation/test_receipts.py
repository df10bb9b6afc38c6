"""Receipts in virtual time: driver and simulated printer, then the whole kiosk, down to codes read from the paper."""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import zxingcpp

from firmware_bridge.drivers.escpos_printer import EscposPrinter
from firmware_bridge.errors import LinkDown, ReceiptNotPrinted
from firmware_bridge.interfaces import Receipt, ReceiptQr, ReceiptText
from firmware_bridge.protocols.escpos.job import LETTERS_OF
from hwsim.config import ReceiptPrinterConfig, WorldConfig
from hwsim.devices.receipt_printer import ReceiptPrinter
from hwsim.world import World
from kiosk.core.state import State
from kiosk.guarantee import checkpoint, receipt
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.management.receipt_page import WORDS
from kiosk.management.slip import WORDS as SLIP_WORDS
from kiosk.messages import Depositor, GetStatus, Refused, Status
from tests.bridge_kit import run_virtual
from tests.simulation.rig import PowerCut, Rig
from tests.simulation.scripts import DARK_S, afterwards, cancelled, confirmed
from tests.simulation.test_bridge_on_hwsim import Wire

PAGE = Receipt(
    (
        ReceiptText("DEPOSIT RECEIPT", large=True, centred=True),
        *(ReceiptText(f"line {number}") for number in range(40)),
        ReceiptQr("opening" * 100),
        ReceiptQr("proof" * 200),
    )
)


class Bench:
    """One printer on a wire, in virtual time."""

    def __init__(self, config: ReceiptPrinterConfig | None = None) -> None:
        self.world = World(WorldConfig(), asyncio.get_running_loop(), 1)
        self.printer = ReceiptPrinter(self.world, config or ReceiptPrinterConfig())
        self.driver = EscposPrinter(Wire(self.printer))

    def after(self, seconds: float, fault: str, **parameters: float | bool) -> None:
        asyncio.get_running_loop().call_later(seconds, lambda: self.world.fault("receipt", fault, **parameters))

    async def refused(self) -> str:
        with pytest.raises(ReceiptNotPrinted) as caught:
            await self.driver.print_receipt(PAGE)
        return str(caught.value)


def test_a_receipt_is_printed_and_confirmed_behind_the_cut() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.driver.print_receipt(PAGE)
        only = bench.printer.printed[0]
        assert only.cut
        assert only.lines[0] == "DEPOSIT RECEIPT"
        assert only.qrs == ["opening" * 100, "proof" * 200]
        assert bench.printer.state()["unknown_commands"] == []
        assert (await bench.driver.status()).ready

    run_virtual(main)


def test_a_small_buffer_is_never_overrun() -> None:
    async def main() -> None:
        bench = Bench(ReceiptPrinterConfig(buffer_bytes=2048, mm_per_s=60))
        for _ in range(3):
            await bench.driver.print_receipt(PAGE)
        assert [one.qrs for one in bench.printer.printed] == [["opening" * 100, "proof" * 200]] * 3

    run_virtual(main)


@pytest.mark.parametrize(
    ("fault", "parameters", "words"),
    [
        ("paper_out", {}, "paper is used up"),
        ("cover_open", {"on": True}, "cover is open"),
        ("hot", {"on": True}, "reports an error"),
        ("unrecoverable", {"on": True}, "reports an error"),
    ],
)
@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5])
def test_trouble_before_or_during_a_receipt_is_told(
    fault: str, parameters: dict[str, bool], words: str, after_s: float
) -> None:
    async def main() -> None:
        bench = Bench()
        bench.after(after_s, fault, **parameters)
        assert words in await bench.refused()
        assert not any(one.cut for one in bench.printer.printed)

    run_virtual(main)


def test_a_stuck_knife_is_noticed_and_nothing_counts_as_printed() -> None:
    async def main() -> None:
        bench = Bench()
        bench.world.fault("receipt", "cutter_stuck", on=True)
        assert "cutter is stuck" in await bench.refused()

    run_virtual(main)


def test_near_end_is_enough_for_one_more() -> None:
    async def main() -> None:
        bench = Bench()
        bench.world.fault("receipt", "paper_near_end", mm=1000.0)
        assert (await bench.driver.status()).paper_near_end
        await bench.driver.print_receipt(PAGE)
        bench.world.fault("receipt", "paper_near_end", mm=50.0)
        assert "paper is used up" in await bench.refused()
        bench.world.fault("receipt", "paper_loaded")
        await asyncio.sleep(10)
        assert [one.cut for one in bench.printer.printed] == [
            True,
            False,
        ]  # what hung out was torn off, the rest dropped
        await bench.driver.print_receipt(PAGE)
        assert bench.printer.printed[-1].qrs == ["opening" * 100, "proof" * 200]

    run_virtual(main)


def test_a_printer_that_restarts_loses_the_mark_and_with_it_the_receipt() -> None:
    async def main() -> None:
        bench = Bench()
        bench.after(1.0, "restart")
        assert "not confirmed in time" in await bench.refused()
        await bench.driver.print_receipt(PAGE)

    run_virtual(main)


def test_a_silent_printer_and_lost_answers() -> None:
    async def main() -> None:
        silent = Bench(ReceiptPrinterConfig(status="silent"))
        assert not (await silent.driver.status()).answered
        assert "does not answer" in await silent.refused()
        bench = Bench()
        bench.world.fault("receipt", "lost_reply", count=1)
        assert (await bench.driver.status()).ready
        bench.world.fault("receipt", "mute", seconds=4.0)
        assert not (await bench.driver.status()).answered
        await asyncio.sleep(5)
        assert (await bench.driver.status()).ready

    run_virtual(main)


class _Dead(Wire):
    def write(self, data: bytes) -> None:
        raise LinkDown("receipt printer", "unplugged")


def test_a_port_that_is_gone() -> None:
    async def main() -> None:
        world = World(WorldConfig(), asyncio.get_running_loop(), 1)
        driver = EscposPrinter(_Dead(ReceiptPrinter(world, ReceiptPrinterConfig())))
        with pytest.raises(LinkDown):
            await driver.status()
        with pytest.raises(ReceiptNotPrinted, match="unplugged"):
            await driver.print_receipt(PAGE)

    run_virtual(main)


# --- the whole kiosk --------------------------------------------------------------------------------------


def verify(opening: str, proof: str) -> receipt.VerifiedReceipt:
    """With the public halves of the rig's keys and nothing else."""
    log = checkpoint.verifier_of("test-0001", Ed25519Signer.from_seed(bytes([1] * 32)))
    return receipt.check(opening, proof, log, PublicKeys([Ed25519Signer.from_seed(bytes(32)).public]))


def read_codes(png: bytes) -> list[str]:
    """What OpenCV reads from the picture of a receipt, the opening first."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    found, texts, _, _ = cv2.QRCodeDetectorAruco().detectAndDecodeMulti(picture)
    assert found
    return sorted(texts, key=lambda text: not text.startswith(receipt.HEADER))


def worn(png: bytes) -> Any:
    """As a phone sees it: blurred, turned by 5 degrees, with a tenth of noise."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    height, width = picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 0.85)
    turned = cv2.GaussianBlur(cv2.warpAffine(picture, turn, (width, height), borderValue=(255,)), (5, 5), 1.0)
    noise = np.random.default_rng(1).normal(0, 25, turned.shape)
    return np.clip(turned + noise, 0, 255).astype(np.uint8)


def status(rig: Rig) -> Status:
    reply = rig.loop.run_until_complete(rig.desk.handle("terminal", GetStatus()))
    assert isinstance(reply, Status)
    return reply


def with_rig(tmp_path: Path, work: Callable[[Rig], None]) -> None:
    rig = Rig(tmp_path)
    try:
        rig.start()
        work(rig)
    finally:
        rig.close()


def test_the_codes_read_from_the_paper_verify(tmp_path: Path) -> None:
    def work(rig: Rig) -> None:
        rig.run(confirmed(rig))
        paper = rig.receipts.printed[0]
        opening, proof = read_codes(paper.png)
        assert {code.text for code in zxingcpp.read_barcodes(worn(paper.png))} == {opening, proof}
        found = verify(opening, proof)
        sums = {"inserted": 27000, "credited": 25000, "returned": 0, "retained": 2000, "disputed": 0}
        assert found.content["sums"] == {"CNY": sums}
        assert found.content["account_masked"] == "****8713"
        full = rig.journal.log.record(found.content["record_seq"])
        assert full.kind == "deposit"
        assert full.leaf_hash == found.content["record_leaf"]
        assert full.content["sums"] == found.content["sums"]
        words = " ".join(paper.lines)
        assert "CREDITED      CNY 250.00" in words
        assert "PROVISIONAL" in words
        assert "COPY" not in words
        view = status(rig).deposit
        assert view is not None
        assert (view.receipt, view.receipt_copy, view.receipt_qrs) == ("printed", 0, (opening, proof))

    with_rig(tmp_path, work)


def test_what_was_given_back_has_a_receipt_too(tmp_path: Path) -> None:
    def work(rig: Rig) -> None:
        rig.run(cancelled(rig))
        assert any(line.startswith("given back") and "CNY 250.00" in line for line in rig.receipts.printed[0].lines)
        assert verify(*read_codes(rig.receipts.printed[0].png)).content["outcome"] == "returned"

    with_rig(tmp_path, work)


@pytest.mark.parametrize("language", ["zh", "ru"])
def test_a_receipt_in_another_language_has_the_same_codes(tmp_path: Path, language: Literal["zh", "ru"]) -> None:
    def work(rig: Rig) -> None:
        rig.receipt_language = language
        rig.bury()
        rig.start()
        rig.run(confirmed(rig))
        paper = rig.receipts.printed[0]
        if folder := os.environ.get("PICTURES"):
            (Path(folder) / f"receipt-{language}.png").write_bytes(paper.png)
        assert paper.lines[0] == WORDS[language]["title"]
        assert not any("?" in line for line in paper.lines)
        assert verify(*read_codes(paper.png)).content["sums"]["CNY"]["credited"] == 25000

    with_rig(tmp_path, work)


@pytest.mark.parametrize("words", [WORDS, SLIP_WORDS], ids=["receipt", "slip"])
def test_every_word_is_there_in_every_language_and_can_be_printed(words: dict[str, dict[str, str]]) -> None:
    assert set(words) == set(LETTERS_OF)
    for language, letters in LETTERS_OF.items():
        assert words[language].keys() == words["en"].keys()
        for key, text in words[language].items():
            assert sorted(re.findall(r"{.*?}", text)) == sorted(re.findall(r"{.*?}", words["en"][key]))
            assert text.encode(letters)


def test_copies_say_so_and_are_bounded(tmp_path: Path) -> None:
    async def ask(rig: Rig) -> None:
        for _ in range(3):
            await rig.touch("reprint")
            await rig.state(State.DONE)
        assert isinstance(await rig.desk.handle("terminal", Depositor("reprint")), Refused)

    def work(rig: Rig) -> None:
        rig.run(confirmed(rig))
        rig.run(ask(rig))
        papers = rig.receipts.printed
        assert [one.lines[1] for one in papers[1:]] == ["COPY 1", "COPY 2", "COPY 3"]
        assert {tuple(one.qrs) for one in papers} == {tuple(papers[0].qrs)}

    with_rig(tmp_path, work)


def test_without_paper_no_deposit_begins_and_a_new_roll_is_noticed(tmp_path: Path) -> None:
    async def identify(rig: Rig) -> None:
        assert isinstance(await rig.identify(), Refused)
        rig.world.fault("receipt", "paper_loaded")
        await rig.until(lambda: status_ready(rig), 10)

    def status_ready(rig: Rig) -> bool:
        found = rig.controller.machine.receipt_printer
        return found is not None and found.ready

    def work(rig: Rig) -> None:
        rig.world.fault("receipt", "paper_out")
        rig.run(identify(rig))
        rig.run(confirmed(rig))
        assert len(rig.receipts.printed) == 1

    with_rig(tmp_path, work)


def test_paper_that_ends_in_a_receipt_costs_no_credit(tmp_path: Path) -> None:
    def work(rig: Rig) -> None:
        rig.world.fault("receipt", "paper_near_end", mm=60.0)
        rig.run(confirmed(rig))
        view = status(rig).deposit
        assert view is not None
        assert view.receipt == "failed"
        assert len(view.receipt_qrs) == 2
        assert verify(*view.receipt_qrs).content["sums"]["CNY"]["credited"] == 25000
        assert view.receipt_reprints_left == 3

    with_rig(tmp_path, work)


@pytest.mark.parametrize("power", [True, False])
def test_a_receipt_in_doubt_after_a_crash_is_a_copy(tmp_path: Path, power: bool) -> None:
    rig = Rig(tmp_path)
    rig.crash_takes_power = power

    def crash_while_it_prints() -> None:
        if rig.receipts.state()["hangs_out"]:
            rig.crash_at = ("receipt>", rig.counts["receipt>"] + 1)
        else:
            rig.loop.call_later(0.05, crash_while_it_prints)

    try:
        rig.start()
        rig.loop.call_later(0.0, crash_while_it_prints)
        with pytest.raises(PowerCut):
            rig.run(confirmed(rig))
        rig.bury()
        rig.loop.run_until_complete(asyncio.sleep(DARK_S))
        rig.start()
        rig.run(afterwards(rig, comes_back=False))
        last = rig.receipts.printed[-1]
        assert "COPY 1" in last.lines
        assert verify(*last.qrs[-2:]).content["sums"]["CNY"]["credited"] == 25000
    finally:
        rig.close()
