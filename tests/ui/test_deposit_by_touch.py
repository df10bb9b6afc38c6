"""Deposits and a hand-over by touches in Chromium on the real stage: simulated cabinet, controller, bank, the rest."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kiosk.terminal.screens import grouped
from scripts.depositor import ACCOUNTS
from scripts.stage import KIOSK_ID, Stage
from tests.ui.person import Person, person_at
from tests.ui.staff import colleagues, hand_over

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(480)]  # of a busy machine; 60 s on an idle one

ACCOUNT = ACCOUNTS["first"]


async def identify(person: Person) -> None:
    await person.touches("Start in English")
    await person.sees("Type your account number")
    await person.types(f"{ACCOUNT[:-1]}4")
    await person.touches("Next")
    await person.sees("There is a typing mistake")
    await person.touches("Erase")
    await person.types(ACCOUNT[-1])
    await person.sees(grouped(ACCOUNT))
    await person.reloads()
    await person.touches("Next")
    await person.sees("Is this your account?")
    await person.sees(f"****{ACCOUNT[-4:]}")
    await person.touches("Yes, this is it")
    await person.sees("Only the bank reads your account number")
    await person.reloads()
    await person.touches("Go on")
    await person.sees("Put in your notes")


async def feed(person: Person) -> None:
    await person.inserts(10_000)
    await person.sees("1 note 100 yuan")
    await person.inserts(5000, "unreadable")
    await person.sees("could not read this note")
    await person.takes()
    await person.inserts(5000)
    await person.sees("2 notes 150 yuan")


async def ticket(stage: Stage) -> str:
    """What is on the paper that the bank gives out for the first account, good for one deposit."""
    told = ("--kiosk", KIOSK_ID, "--file", "bank/accounts.csv", "--to", "bank/tickets", "--json")
    issued = json.loads(await stage.run("kiosk-cloud", "ticket", "issue", "--config", "bank/bank.toml", *told))
    return str(issued["tickets"][0]["text"])


async def by_ticket(person: Person, text: str) -> None:
    """Nothing is typed; and the same ticket is refused when it comes a second time."""
    stage = person.stage
    await person.touches("中文 开始")
    await person.sees("或将存款凭条对着摄像头")
    await stage.scene({"ticket": text})
    await person.sees(f"****{ACCOUNT[-4:]}")
    await person.sees("王*明")
    await stage.scene({"ticket": ""})
    await person.touches("是")
    await person.touches("继续")
    await person.sees("请放入钞票")
    await person.inserts(10_000)
    await person.sees("1 张 100 元")
    await person.touches("放完了")
    await person.touches("对")
    await person.sees("您的钱已经存好")
    await person.touches("完成")
    await person.touches("Start in English")
    await stage.scene({"ticket": text})
    await person.sees("This ticket has been used already")
    await stage.scene({"ticket": ""})
    await person.touches("Leave")
    await person.sees("现金存款")


async def test_deposits_by_touch_survive_reloads_and_a_dead_terminal_and_two_people_take_the_cash_out() -> None:
    with tempfile.TemporaryDirectory(prefix="kiosk-ui-") as folder:  # short: socket paths have a limit
        stage = Stage(Path(folder))
        try:
            await stage.up()
            await stage.scene({"depositor": True, "onlooker": False})
            staff, courier = await colleagues(stage)
            async with person_at(stage) as person:
                await staff.comes(person)
                await person.touches("I am on duty")
                await person.sees("On duty: S-03")
                await staff.leaves(person)
                await identify(person)
                await feed(person)
                await person.touches("That is all")
                await person.sees("Is this right?")
                await person.reloads()
                status = await stage.status()
                assert status.deposit is not None
                code = status.deposit.code
                await person.outlives(lambda: stage.kill("terminal"))
                await person.touches("Yes, deposit it")
                await person.sees("Money deposited")
                await person.sees("150 yuan")
                await person.sees(grouped(code))
                await person.reloads()
                await person.touches("Finish")
                await by_ticket(person, await ticket(stage))
                await hand_over(person, staff, courier)
                assert [text for text in person.complaints if "WebSocket" not in text] == []
            world = (await stage.world("/state"))["totals"]
            assert (world["inserted_minor"], world["returned_minor"]) == (25_000, 0)
            labels: Any = await stage.world("/labels")
            assert [each["barcode"] for each in labels] == ["B00000001-1", "B00000002-1", "B00000002-2"]
            assert all("Staff S-03" in each["lines"] for each in labels)
        finally:
            await stage.down()
