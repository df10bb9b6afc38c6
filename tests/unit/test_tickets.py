"""Deposit tickets: Base45, the bank's paper, the camera that reads it, and the screen that takes it."""

import json
import stat
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hwsim.scene import SceneRenderer, SceneState
from kiosk.errors import VerificationError
from kiosk.guarantee import base45, ticket
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.ticket import Ticket, TicketRefused
from kiosk.messages import (
    Identify,
    LookForTicket,
    Ok,
    Reply,
    Request,
    SeekTicket,
    StageChanged,
    TicketSeen,
    TicketShown,
    UseTicket,
)
from kiosk.monitoring.tickets import AGAIN_S, TicketEye
from kiosk_cloud.cli import main
from kiosk_cloud.explained import EXIT_CONFIG
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from scripts.gallery import ACCOUNT, IDLE
from tests.unit.test_terminal_service import Place, place
from tests.unit.test_watcher import ALONE, EMPTY, Kiosk, ScriptedController, running
from tests.uplink_kit import KIOSK, plan

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = PublicKeys([SIGNER.public])
KEY = bytes(range(32))
GOOD = Ticket(KIOSK, bytes(range(12)), 1, "2026-11-01T00:00Z", "2026-12-01T00:00Z", "王*明", "79927398713")
TEXT = ticket.make(GOOD, KEY, SIGNER)
NOW = "2026-11-21T08:30:00.125Z"

# --- format -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581")])
def test_base45_is_that_of_rfc_9285(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@given(st.binary(max_size=64))
def test_base45_gives_every_bytes_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.text(alphabet=base45.ALPHABET, max_size=12))
def test_base45_has_one_text_for_one_content(text: str) -> None:
    try:
        data = base45.decode(text)
    except VerificationError:
        return
    assert base45.encode(data) == text


@given(st.text(max_size=40))
def test_what_a_camera_reads_elsewhere_is_no_ticket(text: str) -> None:
    for shown in (text, f"{ticket.PREFIX}{text}"):
        with pytest.raises(TicketRefused):
            ticket.verify(shown, KEYS, KIOSK, KEY, NOW)


def test_a_ticket_tells_its_account_to_its_kiosk_and_to_nobody_else() -> None:
    assert ticket.verify(TEXT, KEYS, KIOSK, KEY, NOW) == GOOD
    assert GOOD.account.encode() not in base45.decode(TEXT.removeprefix(ticket.PREFIX))
    same_bank = changed(GOOD, account="0000111122223337")
    assert len(ticket.make(same_bank, KEY, SIGNER)) == len(TEXT)  # not even how long the number is


@pytest.mark.parametrize(
    ("text", "now", "why"),
    [
        ("WIFI:S:shop;;", NOW, "unreadable"),
        (TEXT[:-6], NOW, "unreadable"),
        (TEXT + "0" * 300, NOW, "unreadable"),
        (ticket.make(changed(GOOD, kiosk="demo-0002"), KEY, SIGNER), NOW, "foreign"),
        (ticket.make(GOOD, KEY, Ed25519Signer.from_seed(bytes(32))), NOW, "foreign"),
        (TEXT, "2026-10-31T23:59:59.999Z", "early"),
        (TEXT, "2026-12-01T00:00:00.000Z", "expired"),
    ],
)
def test_a_refusal_says_why(text: str, now: str, why: str) -> None:
    with pytest.raises(TicketRefused) as caught:
        ticket.verify(text, KEYS, KIOSK, KEY, now)
    assert caught.value.why == why


# --- the bank -----------------------------------------------------------------------------------------


def test_the_bank_issues_tickets_that_the_kiosk_takes(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    rows = tmp_path / "accounts.csv"
    rows.write_text(f"account,name\n{ACCOUNT},王小明\n{GOOD.account},Jane Doe\n")
    said = ("ticket", "issue", "--config", str(done.bank_config), "--file", str(rows), "--to", str(tmp_path / "paper"))
    answer = CliRunner().invoke(main, [*said, "--kiosk", KIOSK, "--uses", "3", "--json"])
    assert answer.exit_code == 0, answer.output
    keys = DirectoryKeys.load(done.kiosk_keys)
    assert keys is not None
    issued = json.loads(answer.output)["tickets"]
    found = [ticket.verify(each["text"], keys.bank_commands, KIOSK, keys.key, utc_now().isoformat()) for each in issued]
    assert [(each.account, each.name, each.uses) for each in found] == [
        (ACCOUNT, "王*明", 3),
        (GOOD.account, "J*** D**", 3),
    ]
    assert ACCOUNT not in answer.output
    for each in issued:
        drawn = Path(each["file"])
        assert stat.S_IMODE(drawn.stat().st_mode) == 0o600
        assert drawn.read_text().startswith("<svg")
    other = CliRunner().invoke(main, [*said, "--kiosk", "demo-0099"])
    assert (other.exit_code, "no kiosk demo-0099" in other.output) == (EXIT_CONFIG, True)


# --- the camera ---------------------------------------------------------------------------------------

HELD = SceneState(depositor=True, ticket=TEXT, passers_by=0.0)


def held(seed: int, light: float = 0.7, text: str = TEXT) -> Any:
    renderer, image = SceneRenderer(seed), None
    for step in range(24):
        image = renderer.render(changed(HELD, light=light, ticket=text), step / 12)
    return image


@pytest.mark.parametrize(("seed", "light"), [(1, 0.7), (2, 0.3), (3, 1.0)])
def test_a_ticket_is_read_from_a_frame_while_it_is_asked_for_and_told_once(seed: int, light: float) -> None:
    eye, image = TicketEye(), held(seed, light)
    assert eye.look(image, 1.0) == (False, None)  # nobody asked
    eye.seek(1.0, 10.0)
    assert eye.look(image, 1.0) == (True, TEXT)
    assert eye.look(image, 1.1) == (True, None)  # not looked at: five times a second are enough
    assert eye.look(image, 1.5) == (True, None)
    assert eye.look(image, 1.5 + AGAIN_S) == (True, TEXT)
    eye.seek(4.0, 0.0)
    assert eye.look(image, 5.0) == (False, None)


def test_of_another_code_nothing_is_told_but_that_there_was_one() -> None:
    eye, image = TicketEye(), held(1, text="https://pay.example/to/somebody")
    eye.seek(0.0, 60.0)
    told = [eye.look(image, step / 2) for step in range(8)]
    assert {code for code, _ in told} == {True}
    assert [text for _, text in told if text is not None] == [""]
    shop = SceneRenderer(1).render(SceneState(), 0.0)
    assert eye.look(shop, 10.0) == (False, None)


class Told(ScriptedController):
    """Also keeps what was said of tickets."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[str] = []

    async def request(self, message: Request) -> Reply:
        if isinstance(message, TicketSeen):
            self.tickets.append(message.text)
            self.news.set()
        return await super().request(message)


async def test_a_ticket_before_the_lens_is_no_covered_lens_and_its_picture_is_kept_nowhere(tmp_path: Path) -> None:
    kiosk = Kiosk(tmp_path)
    kiosk.controller = told = Told()
    async for here in running(kiosk):
        await here.camera.show(EMPTY, 4)
        ring = here.watcher._ring  # noqa: SLF001 - what a clip would be made of
        assert ring is not None
        here.watcher.on_push(LookForTicket(30.0))
        await here.camera.show(ALONE, 1)
        told.reports.clear()
        await here.camera.show(changed(ALONE, ticket=TEXT), 2.5)
        await here.camera.show(ALONE, 1)
        assert set(told.tickets) == {TEXT}
        assert {report.lens for report in told.reports} == {"clear"}
        kept = [ring._aead.decrypt(each.number.to_bytes(12), each.sealed, None) for each in ring._frames]  # noqa: SLF001
        eye = TicketEye()
        eye.seek(0.0, 60.0)
        for place_, jpeg in enumerate(kept):
            image = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            assert eye.look(image, float(place_)) == (False, None)
        told.tickets.clear()
        here.watcher.on_push(StageChanged("482913775610", "access"))  # a deposit ends the search
        await here.camera.show(changed(ALONE, ticket=TEXT), 2)
        assert told.tickets == []


# --- the screen ---------------------------------------------------------------------------------------

READING = replace(IDLE, tickets=True)
SHOWN = TicketShown(7, "****3337", "王**")


async def asked(at: Place, request: Request) -> None:
    for _ in range(200):
        if request in at.controller.asked:
            return
        await at.passes(0.0)
    raise AssertionError(at.controller.asked)


async def test_the_screen_takes_a_ticket_in_place_of_a_number_and_says_what_is_wrong_with_another() -> None:
    async with place() as at, at.browser() as browser:
        at.controller.status = READING
        at.controller.bus.push("status", READING)
        await browser.sees("Deposit cash")
        await browser.touches("attract", "language:en")
        await browser.sees("hold your ticket up to the camera")
        await asked(at, SeekTicket(on=True))
        at.controller.bus.push("ticket", TicketShown(problem="expired"))
        await browser.sees("This ticket has expired")
        at.controller.bus.push("ticket", SHOWN)
        await browser.sees("王**")
        await browser.touches("account", "no")
        await browser.sees("Type your account number")
        at.controller.bus.push("ticket", SHOWN)
        await browser.sees("王**")
        await browser.touches("account", "yes")
        await browser.sees("Before you begin")
        at.controller.answers[UseTicket] = Ok()
        await browser.touches("before", "begin")
        await asked(at, UseTicket(7, "en"))
        assert not [each for each in at.controller.asked if isinstance(each, Identify)]


async def test_whoever_leaves_is_not_looked_at_any_more_and_a_late_ticket_is_nobodys() -> None:
    async with place() as at, at.browser() as browser:
        at.controller.status = READING
        at.controller.bus.push("status", READING)
        await browser.sees("Deposit cash")
        await browser.touches("attract", "language:en")
        await asked(at, SeekTicket(on=True))
        await browser.sees("Type your account number")
        await browser.touches("identify", "leave")
        await asked(at, SeekTicket(on=False))
        at.controller.bus.push("ticket", SHOWN)
        await at.passes(0.0)
        assert at.terminal.screen().name == "attract"
