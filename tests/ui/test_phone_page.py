"""The page for phones in Chromium, from a file, without a network: it says of every receipt what kiosk-verify says."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import segno
from click.testing import CliRunner
from playwright.async_api import Page, async_playwright, expect

from kiosk.guarantee import policy
from kiosk.verifier import cli, page
from kiosk.verifier.report import WORDS
from scripts.screenshots import CHROMIUM, FLAGS
from tests import phone_cases as cases
from tests.phone_cases import Case, Paper
from tests.simulation import test_receipt_codes

Picture = npt.NDArray[np.uint8]
LOOK_MS: Final = 20_000
CHECK_ALL: Final = """async cases => {
    const found = [];
    for (const { text, policy } of cases) {
        const bytes = Uint8Array.from(atob(policy), character => character.charCodeAt(0));
        const { verdict, steps } = await kioskVerify.check(text, bytes);
        const [said, reasons] = [steps.map(({ step, holds }) => [step, holds]), steps.map(({ reason }) => reason)];
        found.push({ verdict, steps: said, reasons });
    }
    return found;
}"""
REFUSES: Final = """async policy => {
    try {
        await kioskVerify.check("deposit-kiosk-receipt@v1\\nx\\nc2sp.org/tlog-proof@v1\\n\\n",
            Uint8Array.from(atob(policy), character => character.charCodeAt(0)));
        return "";
    } catch (error) { return error.constructor.name + " " + error.message; }
}"""


@asynccontextmanager
async def phone(folder: Path, trusted: bytes | None, *flags: str) -> AsyncIterator[Page]:
    """The page on a phone's screen. It must not complain, nor ask anybody for anything."""
    path = folder / "verify.html"
    path.write_text(page.build(trusted), encoding="utf-8")
    asked: list[str] = []
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en", has_touch=True)
        shown = await context.new_page()
        shown.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        await shown.goto(path.as_uri())
        await expect(shown.locator("body")).to_have_attribute("data-ready", "yes")
        yield shown
        await browser.close()
    assert [url for url in asked if not url.startswith("blob:")] == [path.as_uri()]
    assert complaints == []


def wire(trusted: bytes) -> str:
    return base64.b64encode(trusted).decode()


@pytest.mark.timeout(120)  # of a busy machine
async def test_it_agrees_with_kiosk_verify_on_every_receipt_good_or_spoiled(tmp_path: Path) -> None:
    every = cases.everything()
    async with phone(tmp_path, None) as shown:
        found = await shown.evaluate(CHECK_ALL, [{"text": case.text, "policy": wire(case.policy)} for case in every])
        refused = {name: await shown.evaluate(REFUSES, wire(file)) for name, file in cases.bad_policies()}
    said = [{"verdict": each["verdict"], "steps": each["steps"]} for each in found]
    told = [cases.expected(case) for case in every]
    assert [case.name for case, one, other in zip(every, said, told, strict=True) if one != other] == []
    assert sum(each["verdict"] == "refused" for each in said) >= 100
    assert all(each["reasons"][-1] for each in found if each["verdict"] == "refused")
    assert all(refused.values()), refused


def paper() -> tuple[Paper, Case]:
    made = Paper(40)
    return made, made.case("photo", cases.VILLAGE)


def codes(case: Case) -> list[Picture]:
    """Both codes as the printer draws them: 3 dots a module."""
    at = case.text.index("c2sp.org/")
    texts = (case.text[: at - 1], case.text[at:])
    return [
        np.array(list(segno.make(text, error="m", micro=False).matrix_iter(scale=3, border=4)), np.uint8)
        for text in texts
    ]


def printed(case: Case) -> Picture:
    """The end of the paper, both codes below each other."""
    both = codes(case)
    wide = max(code.shape[1] for code in both)
    rows = [np.pad(1 - code, ((20, 30), (20, wide - code.shape[1] + 20)), constant_values=1) for code in both]
    return np.asarray(np.vstack(rows) * 255, np.uint8)


def photographed(picture: Picture, scale: float = 2.5) -> Picture:
    """In a hand: larger, turned by five degrees, seen from the side, out of focus, noisy and not white."""
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    framed = cv2.copyMakeBorder(large, 150, 150, 150, 150, cv2.BORDER_CONSTANT, value=(120,))
    height, width = framed.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[60, 30], [width - 20, 0], [width - 70, height - 20], [20, height - 60]], np.float32)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.0)
    turned = cv2.warpAffine(framed, turn, (width, height), borderValue=(120,))
    tilted = cv2.warpPerspective(turned, cv2.getPerspectiveTransform(corners, seen), (width, height), borderValue=(90,))
    noise = np.random.default_rng(3).normal(0, 10, tilted.shape)
    return np.asarray(np.clip(cv2.GaussianBlur(tilted, (0, 0), 1.8) * 0.8 + 20 + noise, 0, 255), np.uint8)


async def test_a_photo_of_the_paper_is_enough_and_a_newer_one_replaces_it(tmp_path: Path) -> None:
    _, case = paper()
    cv2.imwrite(str(tmp_path / "photo.jpg"), photographed(printed(case)))
    for number, code in enumerate(codes(case)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), (1 - code) * 255)
    async with phone(tmp_path, case.policy) as shown:
        await shown.locator("#photo").set_input_files(tmp_path / "photo.jpg")
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "witnessed", timeout=LOOK_MS)
        await shown.locator("#photo").set_input_files(tmp_path / "1.png")
        await expect(shown.locator("#said")).to_have_text(WORDS["en"]["page_need_first"], timeout=LOOK_MS)
        await expect(shown.locator("#result")).to_be_hidden()
        await shown.locator("#photo").set_input_files([tmp_path / "1.png", tmp_path / "0.png"])
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "witnessed", timeout=LOOK_MS)


@pytest.mark.timeout(120)  # of a busy machine
async def test_a_photo_of_the_whole_paper_as_the_printer_printed_it(tmp_path: Path) -> None:
    paper_of = await asyncio.to_thread(test_receipt_codes.paper, 1000, 1)  # it brings a loop of its own
    picture = test_receipt_codes.dots(paper_of.png)
    cv2.imwrite(str(tmp_path / "paper.jpg"), photographed(picture, 2.0))
    async with phone(tmp_path, paper_of.policy_file) as shown:
        await shown.locator("#photo").set_input_files(tmp_path / "paper.jpg")
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "witnessed", timeout=2 * LOOK_MS)


@pytest.mark.timeout(120)  # of a busy machine
@pytest.mark.parametrize("share", [0.05, 0.1])
async def test_the_codes_are_found_behind_wrong_dots(tmp_path: Path, share: float) -> None:
    _, case = paper()
    picture = printed(case)
    wrong = np.random.default_rng(7).random(picture.shape) < share
    cv2.imwrite(str(tmp_path / "noise.png"), np.where(wrong, 255 - picture, picture))
    async with phone(tmp_path, case.policy) as shown:
        await shown.locator("#photo").set_input_files(tmp_path / "noise.png")
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "witnessed", timeout=LOOK_MS)


@pytest.mark.timeout(120)  # of a busy machine
async def test_the_camera_sees_one_code_after_the_other(tmp_path: Path) -> None:
    _, case = paper()
    film(tmp_path / "camera.mjpeg", case)
    file = f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}"
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", file)
    async with phone(tmp_path, case.policy, *fake) as shown:
        await shown.get_by_role("button", name=WORDS["en"]["page_scan"]).tap()
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "witnessed", timeout=4 * LOOK_MS)
        await expect(shown.locator("#camera")).to_be_hidden()
        assert await shown.evaluate("document.getElementById('video').srcObject") is None


def film(path: Path, case: Case) -> None:
    """A hand that shows the first code, then the second, over and over."""
    frames = []
    for code in codes(case):
        frame = np.full((720, 1280), 170, np.uint8)
        large = cv2.resize((1 - code) * 255, None, fx=1.8, fy=1.8, interpolation=cv2.INTER_LINEAR)
        frame[30 : 30 + large.shape[0], 300 : 300 + large.shape[1]] = large
        done, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        assert done
        frames += [data.tobytes()] * 30
    path.write_bytes(b"".join(frames))


async def test_it_explains_each_step_in_the_words_of_kiosk_verify(tmp_path: Path) -> None:
    _, case = paper()
    (tmp_path / "policy.txt").write_bytes(case.policy)
    (tmp_path / "texts.txt").write_text(case.text)
    async with phone(tmp_path, case.policy) as shown:
        await shown.locator("summary").tap()
        await shown.locator("#pasted").fill(case.text)
        await shown.locator("#check").tap()
        for language in WORDS:
            arguments = [str(tmp_path / "texts.txt"), "--policy", str(tmp_path / "policy.txt"), "--language", language]
            told = CliRunner().invoke(cli.main, ["receipt", *arguments]).output
            await shown.locator(f"[data-language={language}]").tap()
            assert "CNY 250.00" in await shown.locator("#result").inner_text()
            lines = await shown.locator("#result li").all_inner_texts()
            lines += await shown.locator("#result > p").all_inner_texts()
            assert len(lines) == 5
            assert [line for line in lines if line not in told] == []
            assert await shown.locator("#policy-is").inner_text() in told
            assert await shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_spoiled_receipt_is_said_to_be_one_and_markup_in_it_is_only_text(tmp_path: Path) -> None:
    made = Paper(account_masked="<img src=x onerror=alert(1)>")
    good, bad = made.case("x"), made.case("y", opening=made.made.opening.replace("A", "B", 1))
    async with phone(tmp_path, good.policy) as shown:
        await shown.locator("summary").tap()
        await shown.locator("#pasted").fill(good.text)
        await shown.locator("#check").tap()
        await expect(shown.locator("#result")).to_contain_text("<img src=x onerror=alert(1)>")
        await shown.locator("#pasted").fill(bad.text)
        await shown.locator("#check").tap()
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "refused")
        await expect(shown.locator("#result")).to_contain_text(WORDS["en"]["verdict_refused"])
        await expect(shown.locator("#result")).not_to_contain_text("<img")


async def test_another_policy_file_counts_from_then_on_and_a_bad_one_never(tmp_path: Path) -> None:
    made, case = paper()
    (tmp_path / "mine.txt").write_bytes(made.policy("quorum none"))
    (tmp_path / "bad.txt").write_bytes(b"trust me\n")
    async with phone(tmp_path, None) as shown:
        await shown.locator("summary").tap()
        await shown.locator("#pasted").fill(case.text)
        await shown.locator("#check").tap()
        await expect(shown.locator("#said")).to_have_text(WORDS["en"]["page_no_policy"])
        await shown.locator("#policy-file").set_input_files(tmp_path / "mine.txt")
        await expect(shown.locator("#policy-is")).to_contain_text(policy.parse(made.policy("quorum none")).sha256.hex())
        await shown.locator("#policy-file").set_input_files(tmp_path / "bad.txt")
        await expect(shown.locator("#said")).to_contain_text("trust")
        await shown.locator("#check").tap()
        await expect(shown.locator("body")).to_have_attribute("data-verdict", "provisional")


def test_the_command_writes_one_file_that_asks_for_nothing_else(tmp_path: Path) -> None:
    case = Paper().case("x")
    (tmp_path / "policy.txt").write_bytes(case.policy)
    out = tmp_path / "verify.html"
    arguments = ["page", "--out", str(out), "--policy", str(tmp_path / "policy.txt")]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert "src=" not in text.replace("srcObject", "").split("<script", 1)[0]
    assert "default-src 'none'" in text
    assert text.count("<script>") == 1
    (tmp_path / "policy.txt").write_bytes(b"trust me\n")
    assert (
        CliRunner().invoke(cli.main, ["page", "--out", str(out), "--policy", str(tmp_path / "policy.txt")]).exit_code
        == 2
    )
