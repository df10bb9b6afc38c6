"""The branch's people before a real screen: badge to the camera, PIN and the telephone's code on its keypad."""

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from playwright.async_api import expect

from kiosk.bus import BusClient
from kiosk.guarantee import badge
from kiosk.guarantee.badge import Badge
from kiosk.guarantee.one_time import STEP_S, code_at
from kiosk.guarantee.ticket import minute
from kiosk.messages import ConfirmSecondFactor, FoundPeople, NewPerson, OfferSecondFactor, Ok, SecondFactorOffer
from kiosk_cloud.keyring import Keyring
from scripts.stage import KIOSK_ID, Stage
from tests.ui.person import SEE_MS, Person

PEOPLE: Final = {"S-03": ("staff", "402867"), "V-01": ("supervisor", "739155"), "C-17": ("courier", "665093")}
FOUND_S: Final = 60.0  # three verifiers, slow on purpose, on a busy machine


class Colleague:
    """One of them, with a badge of the bank's and a telephone."""

    def __init__(self, stage: Stage, staff: str) -> None:
        self.staff, self.pin, self._stage = staff, PEOPLE[staff][1], stage
        ends = minute(datetime.now(UTC) + timedelta(days=30))
        self._badge = badge.make(Badge(KIOSK_ID, staff, ends), Keyring(stage.folder / "bank" / "keys").command)
        self._secret = b""
        self._used = 0  # time step of the last code

    async def enrols(self, kiosk: BusClient) -> None:
        """A telephone, at the maintenance socket."""
        offer = await kiosk.request(OfferSecondFactor(self.staff, self.pin), timeout_s=FOUND_S)
        assert isinstance(offer, SecondFactorOffer), offer
        self._secret = base64.b32decode(offer.text)
        code = await self._code()
        assert await kiosk.request(ConfirmSecondFactor(self.staff, self.pin, code), timeout_s=FOUND_S) == Ok()

    async def _code(self) -> str:
        """The telephone's next one: each is good once, and the kiosk takes one that is a step ahead."""
        self._used = max(self._used + 1, int(time.time()) // STEP_S)
        while self._used > int(time.time()) // STEP_S + 1:
            await self._stage.pause(0.1)
        return code_at(self._secret, self._used * STEP_S)

    async def comes(self, person: Person) -> None:
        """From the first screen to being signed in."""
        await person.touches("Staff")
        await person.sees("Hold your badge up to the camera")
        await self._stage.scene({"ticket": self._badge})
        await person.sees("Type your PIN")
        await self._stage.scene({"ticket": ""})
        await person.types(self.pin)
        assert self.pin not in await person.page.content()
        await person.touches("Sign in")
        await person.sees("Type the code of your telephone")
        await person.types(await self._code())
        await person.touches("Sign in")
        await person.sees(f"Signed in: {self.staff}")

    async def leaves(self, person: Person) -> None:
        """Signed out: the first screen, or, while a hand-over is open, out of service."""
        await person.touches("Sign out")
        await expect(person.page.get_by_role("button", name="Staff")).to_be_visible(timeout=SEE_MS)


async def colleagues(stage: Stage) -> tuple[Colleague, Colleague]:
    """Somebody of the staff and a courier, as at commissioning."""
    kiosk = await BusClient.connect(stage.folder / "kiosk" / "bus", "maintenance")
    try:
        founders = tuple(NewPerson(staff, (role,), pin) for staff, (role, pin) in PEOPLE.items())
        assert await kiosk.request(FoundPeople(founders), timeout_s=FOUND_S) == Ok()
        both = Colleague(stage, "S-03"), Colleague(stage, "C-17")
        for each in both:
            await each.enrols(kiosk)
        return both
    finally:
        await kiosk.close()


async def hand_over(person: Person, staff: Colleague, courier: Colleague) -> None:
    """The courier asks, the staff agrees, prints a damaged label again and empties the cabinet; the courier agrees."""
    stage = person.stage
    await courier.comes(person)
    await person.touches("Take out the cash")
    await person.sees("C-17 asks to take out the cash. Bundles: 2. A second person must agree.")
    await courier.leaves(person)
    await staff.comes(person)
    await person.touches("I agree: take it out")
    await person.sees("Hand-over 1 is open")
    await person.touches("Print a label again")
    await person.types("1")
    await person.sees("Slot 1: B00000002")
    await person.reloads()
    await person.touches("Print")
    await person.sees("B00000002, copy 2 is printed")
    await stage.world("/fault", {"device": "label", "fault": "label_torn_off"})
    await person.touches("Back")
    await stage.world("/fault", {"device": "cabinet", "fault": "emptied"})
    await person.touches("All bundles are out")
    await person.sees("Hand-over 1: all bundles are out")
    await person.touches("End the hand-over")
    await person.sees("A second person must agree")
    await staff.leaves(person)
    await courier.comes(person)
    await person.touches("I agree: it is complete")
    await person.sees("Bundles in the safe: 0")
    await courier.leaves(person)
    await person.sees("Deposit cash")
