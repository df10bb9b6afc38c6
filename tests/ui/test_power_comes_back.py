"""The controller dies with notes inside; the depositor comes back with the code and takes the notes. In Chinese."""

import tempfile
from pathlib import Path

import pytest

from scripts.depositor import ACCOUNTS
from scripts.stage import Stage
from tests.ui.person import Person, person_at

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(120)]  # of a busy machine; 25 s on an idle one


async def begin(person: Person) -> str:
    """Identified, with 120 yuan inside; the deposit code, as the screen shows it."""
    await person.touches("中文 开始")
    await person.types(ACCOUNTS["second"])
    await person.touches("下一步")
    await person.sees("这是您的账号吗")
    await person.touches("是")
    await person.sees("只有银行能看到您的账号")
    await person.touches("继续")
    await person.sees("请放入钞票")
    code = await person.page.locator(".code b").inner_text()
    await person.inserts(10_000)
    await person.sees("100 元")
    await person.inserts(2000)
    await person.sees("120 元")
    return code.replace(" ", "")


async def test_a_depositor_comes_back_with_the_code_and_has_the_notes_returned() -> None:
    with tempfile.TemporaryDirectory(prefix="kiosk-ui-") as folder:  # short: socket paths have a limit
        stage = Stage(Path(folder))
        try:
            await stage.up()
            await stage.scene({"depositor": True, "onlooker": False})
            async with person_at(stage) as person:
                code = await begin(person)
                stage.kill("controller")
                await person.sees("里面的 2 张钞票是安全的")
                await person.sees("在上锁的暂存箱里")
                assert "120" not in await person.text()
                await person.types(f"{'9' if code[0] != '9' else '8'}{code[1:]}")
                await person.touches("继续")
                await person.sees("这不是这笔存款的编号")
                await person.types(code)
                await person.touches("继续")
                await person.sees("金额对吗")
                await person.sees("120 元")
                await person.touches("不对")
                await person.sees("请取走您的钞票")
                await person.takes()
                await person.takes()
                await person.sees("钞票已经退给您")
                await person.sees("120 元")
            world = (await stage.world("/state"))["totals"]
            assert (world["inserted_minor"], world["returned_minor"]) == (12_000, 12_000)
        finally:
            await stage.down()
