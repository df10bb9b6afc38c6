"""The depositor's page as the command serves it, in Chromium without JavaScript, by somebody with a receipt."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.async_api import async_playwright, expect

from kiosk_cloud.depositor.words import WORDS
from scripts.screenshots import CHROMIUM, FLAGS
from tests.unit.test_cloud_depositor import ONE, Branch
from tests.uplink_kit import KIOSK, deposit_content

WAIT_S = 20.0
ZH = WORDS["zh"]


@contextmanager
def served(config: Path) -> Iterator[str]:
    """The page, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "kiosk_cloud.cli", "depositor", "serve", "--config", str(config), "--port", str(port)]
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WAIT_S)
        assert process.stdout is not None
        process.stdout.close()


async def test_a_depositor_upgrades_a_receipt_and_leaves_a_contact(tmp_path: Path) -> None:
    complaints: list[str] = []
    with closing(Branch(tmp_path / "run")) as branch:
        paper = branch.deposit(deposit_content(1))
        branch.witness()
        branch.post()
        (tmp_path / "run" / "policy.txt").write_text(branch.world.policy_file)
        with served(branch.folder / "bank.toml") as url:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
                context = await browser.new_context(
                    viewport={"width": 360, "height": 740}, locale="zh-CN", java_script_enabled=False
                )
                page = await context.new_page()
                page.on("console", lambda message: complaints.append(message.text))
                await page.goto(url)
                await page.get_by_label(ZH["opening"]).fill(paper.opening)
                await page.get_by_role("button", name=ZH["look"]).click()
                await expect(page.locator("li").first).to_have_text(ZH["received"])
                await expect(page.locator("li").nth(1)).to_contain_text("village.example/w")
                await expect(page.locator("img")).to_be_visible()
                box = await page.locator("main").bounding_box()
                assert box is not None
                assert box["width"] <= 360
                if folder := os.environ.get("PICTURES"):
                    await page.screenshot(path=Path(folder) / "depositor.png", full_page=True)
                await page.get_by_label(ZH["contact_field"]).fill("li.hua@mail.example")
                await page.get_by_role("button", name=ZH["leave"], exact=True).click()
                await expect(page.get_by_role("status")).to_have_text(ZH["left"])
                await page.goto(f"{url}/?lang=ru")
                await page.get_by_label(WORDS["ru"]["kiosk"], exact=True).fill(KIOSK)
                await page.get_by_label(WORDS["ru"]["sequence"]).fill("1")
                await page.get_by_label(WORDS["ru"]["deposit_id"]).fill(ONE.hex())
                await page.get_by_role("button", name=WORDS["ru"]["look"]).click()
                await expect(page.locator("li").first).to_have_text(WORDS["ru"]["received"])
                assert ONE.hex() not in page.url
                await browser.close()
        assert branch.contacts.count(KIOSK, ONE) == 1
    assert complaints == []
