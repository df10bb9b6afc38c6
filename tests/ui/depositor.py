"""A depositor at the real screen in one of its languages, who looks for the words of that language's catalogue."""

from dataclasses import dataclass
from typing import Final

from playwright.async_api import expect

from kiosk.terminal.words import words_of
from tests.ui.person import SEE_MS, Person

CODE_DIGITS: Final = 12


@dataclass(frozen=True)
class Ends:
    """Where the money is after a path, minor units: four by the bank's store, the others by the world's own count."""

    credited: int = 0
    returned: int = 0
    retained: int = 0
    disputed: int = 0
    safe: int = 0  # in the cabinet's slots
    box: int = 0  # in the retract container
    out: int | None = None  # taken at the port after they were inside; None: what is recorded as returned


class Depositor:
    """Reads `keys` of the catalogue's `text` off the screen, and touches what they name."""

    def __init__(self, person: Person, language: str, account: str) -> None:
        self.person, self.stage, self.page = person, person.stage, person.page
        self.words, self.account = words_of(language), account

    def says(self, key: str, **values: object) -> str:
        """The catalogue's words."""
        return self.words.text(key, **values)

    def yuan(self, minor: int) -> str:
        """An amount as this language writes it."""
        return self.words.amount(minor, "CNY")

    async def sees(self, *keys: str) -> None:
        """All of these words, one after the other."""
        for key in keys:
            await self.person.sees(self.says(key))

    async def touches(self, key: str) -> None:
        """The button of these words."""
        await self.person.touches(self.says(key))

    async def picture(self, of: str) -> None:
        """Where it is stuck: the picture of the port, or of the machine cut open with a part framed."""
        stuck = self.page.locator("svg.port-stuck" if of == "port" else "svg.machine .here")
        await expect(stuck.first).to_be_visible(timeout=SEE_MS)

    async def amount(self, minor: int) -> None:
        """This amount; shown by a touch where somebody may look on."""
        shown = self.page.locator("main").get_by_text(self.yuan(minor))
        veil = self.page.locator("button.reveal")
        await expect(shown.or_(veil).first).to_be_visible(timeout=SEE_MS)
        if await veil.is_visible():
            await veil.tap()
        await self.person.sees(self.yuan(minor))

    async def is_asked(self) -> None:
        """The last 20 s of a wait: does anybody want more time?"""
        await expect(self.page.locator("button.more.urgent")).to_be_visible(timeout=SEE_MS)
        await self.sees("common.closes_soon")

    async def wants_time(self) -> None:
        """The one touch for more, and the hurry is over."""
        await self.page.locator("button.more.urgent").tap()
        await expect(self.page.locator("button.more:not(.urgent)")).to_be_visible(timeout=SEE_MS)

    async def identifies(self) -> None:
        """From the first screen to the last question before the port opens."""
        await self.touches("attract.start")
        await self.sees("identify.title")
        await self.person.types(self.account)
        await self.touches("identify.next")
        await self.sees("account.title")
        await self.person.sees(f"****{self.account[-4:]}")
        await self.touches("account.yes")
        await self.sees("before.title")

    async def begins(self) -> None:
        """The port is open."""
        await self.identifies()
        await self.touches("before.begin")
        await self.sees("insert.title")

    async def feeds(self, *faces_minor: int) -> None:
        """One note after the other, each until it is counted."""
        total = 0
        for face in faces_minor:
            await self.person.inserts(face)
            total += face
            await self.amount(total)

    async def takes_notes(self) -> bool:
        """Whether no note is under way."""
        return (await self.stage.status()).state == "cash_in"

    async def code(self) -> str:
        """The deposit code, as the screen shows it."""
        shown = (await self.page.locator(".code b").inner_text()).replace(" ", "")
        assert len(shown) == CODE_DIGITS, shown
        return shown

    async def comes_back(self, code: str) -> None:
        """With the code, to the notes that wait."""
        await self.sees("resume.body")
        await self.person.types(code)
        await self.touches("resume.next")

    async def confirms(self) -> None:
        """Yes to the count, and the credit."""
        await self.sees("review.title")
        await self.touches("review.yes")
        await self.sees("result.credited")

    async def finishes(self) -> None:
        """Back to the first screen, with a receipt number seen."""
        await self.sees("result.receipt")
        await self.touches("result.finish")
        await self.sees("attract.title")
