"""The page of `kiosk-protect` as the command serves it, in Chromium: upload, look, correct, remove; axe looks on."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from kiosk_cloud.protect.scanning import Places, scan
from kiosk_cloud.protect.web.settings import Place
from scripts.screenshots import CHROMIUM, FLAGS
from scripts.vendor import path as vendored
from tests import protect_kit as kit
from tests.ui.test_access import AXE

WAIT_S = 20.0
AXE_SCRIPT = vendored("axe.min.js").read_text()
JOB_MS = 30_000
PASSWORD = "correct horse battery"  # of nobody


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The page, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "kiosk_cloud.protect.cli", "serve", "--dir", str(folder), "--port", str(port)]
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


async def look(page: Page, name: str) -> list[str]:
    """What axe has against this page; a picture of it when somebody asked for one."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=Path(folder) / f"protect-{name}.png", full_page=True)
    await page.evaluate(AXE_SCRIPT)  # not as a script tag: the page allows none
    return [f"{name}: {fault}" for fault in await page.evaluate(AXE)]


async def look_at_report(page: Page, table: Path) -> list[str]:
    """The file that a scan leaves for people to pass on, opened from a disk."""
    scan(table, Places.of(table, None), kit.options())
    await page.goto(Places.of(table, None).html.as_uri())
    await expect(page.locator("svg")).to_be_visible()
    return await look(page, "report")


async def sign_in(page: Page, url: str, name: str) -> None:
    await page.goto(f"{url}/sign-in")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_table_is_uploaded_looked_at_corrected_and_removed(tmp_path: Path) -> None:
    place = Place.at(tmp_path / "state")
    with place.book() as book:
        for name, role in (("li.hua", "uploader"), ("anna", "reviewer"), ("root", "admin")):
            book.put_user(name, role, PASSWORD)  # type: ignore[arg-type]
    table = kit.write_csv(tmp_path / "clients.csv", kit.people(40))
    faults: list[str] = []
    complaints: list[str] = []
    with served(place.folder) as url:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            page = await browser.new_page(viewport={"width": 1100, "height": 800})
            page.on("console", lambda message: complaints.append(message.text))
            await page.goto(url)
            faults += await look(page, "sign-in")
            await sign_in(page, url, "li.hua")
            await page.get_by_label("A csv").set_input_files(table)
            await page.get_by_role("button", name="Upload and judge").click()
            await expect(page.get_by_role("link", name="Table in colours")).to_be_visible(timeout=JOB_MS)
            await expect(page.locator(".grade")).to_have_text("C3")
            faults += await look(page, "job")
            await page.get_by_role("link", name="Tables", exact=True).click()
            await expect(page.get_by_role("link", name="clients.csv")).to_be_visible()
            faults += await look(page, "jobs")
            await page.get_by_role("button", name="Sign out").click()

            await sign_in(page, url, "anna")  # a reviewer sees everybody's
            await page.get_by_role("link", name="clients.csv").click()
            await page.get_by_role("link", name="Table in colours").click()
            faults += await look(page, "table")
            await page.get_by_role("link", name="A1-3", exact=False).first.click()
            await page.get_by_label("What it really is").select_option("device_token")
            faults += await look(page, "cell")
            await page.get_by_role("button", name="This cell is wrong").click()
            await expect(page.get_by_text("corrected")).to_have_count(1)
            await page.get_by_role("link", name="Back to the report").click()
            await page.get_by_role("button", name="Remove now").click()
            await expect(page.get_by_text("None yet.")).to_be_visible()
            await page.get_by_role("button", name="Sign out").click()

            await sign_in(page, url, "root")
            await page.get_by_role("button", name="New token for anna").click()
            await expect(page.get_by_role("status")).to_contain_text("shown only now")
            faults += await look(page, "users")
            faults += await look_at_report(page, table)
            await browser.close()
    assert faults == []
    assert complaints == []
    assert place.vault().names() == []
    with place.book() as book:
        assert len(book.feedback()) == 1
