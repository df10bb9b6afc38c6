"""Staff at the screen: the badge, the PIN that no page holds, what is offered, and that nobody stays signed in."""

from msgspec.structs import replace

from kiosk.messages import (
    BadgeShown,
    BundleAt,
    LabelView,
    Ok,
    Refused,
    ReprintLabel,
    SeekTicket,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    StaffView,
)
from scripts.gallery import IDLE
from tests.unit.test_terminal_service import IDLE_S, Browser, Place, place
from tests.unit.test_tickets import asked

READING = replace(IDLE, tickets=True)
PIN = "739155"


def tell(at: Place, staff: StaffView | None) -> None:
    at.controller.status = replace(READING, staff=staff)
    at.controller.bus.push("status", at.controller.status)


async def badge_shown(at: Place, browser: Browser) -> None:
    tell(at, None)
    await browser.sees("Deposit cash")
    await browser.touches("attract", "staff")
    await browser.sees("Hold your badge up")
    await asked(at, SeekTicket(on=True, kind="badge"))
    at.controller.bus.push("ticket", BadgeShown(problem="foreign"))
    await browser.sees("not for this machine")
    at.controller.bus.push("ticket", BadgeShown(3, "S-03"))
    await browser.sees("Type your PIN")


async def test_a_pin_goes_to_the_controller_and_into_no_page() -> None:
    async with place() as at, at.browser() as browser:
        await badge_shown(at, browser)
        at.controller.answers[StaffSignIn] = Refused("wrong_pin", "")
        for typed in range(1, len(PIN) + 1):
            await browser.touches("pin", f"digit:{PIN[typed - 1]}")
            await browser.sees("\u2022" * typed)
        assert PIN not in browser.html
        await browser.touches("pin", "sign_in")
        await browser.sees("This is not the PIN")
        assert "\u2022" not in browser.html  # to be typed anew
        assert [each for each in at.controller.asked if isinstance(each, StaffSignIn)] == [StaffSignIn(3, PIN)]
        assert PIN not in repr(StaffSignIn(3, PIN))
        assert at.terminal._session.digits == ""  # noqa: SLF001 - nor does the terminal keep it


async def test_the_staff_does_what_is_offered_and_nothing_else_and_is_signed_out_when_nobody_moves() -> None:
    async with place() as at, at.browser() as browser:
        await badge_shown(at, browser)
        at.controller.answers[StaffSignIn] = Ok()
        await browser.touches("pin", *(f"digit:{digit}" for digit in PIN), "sign_in")
        await asked(at, StaffSignIn(3, PIN))
        tell(at, StaffView("S-03", ("duty_on",), bundles=2))
        await browser.sees("Signed in: S-03")
        await browser.touches("staff", "staff:collect", "staff:approve", "staff:duty_on")
        await asked(at, StaffDo("duty_on"))
        assert [each for each in at.controller.asked if isinstance(each, StaffDo)] == [StaffDo("duty_on")]
        await at.passes(IDLE_S + 1)
        await asked(at, StaffLeave())
        tell(at, None)
        await browser.sees("Start in English")


async def test_a_terminal_that_began_anew_lets_whoever_is_signed_in_sign_out() -> None:
    async with place() as at, at.browser() as browser:
        tell(at, StaffView("S-03", ()))
        await browser.sees("Signed in: S-03")
        await browser.touches("staff", "leave")
        await asked(at, StaffLeave())


async def test_a_machine_out_of_service_still_lets_its_staff_in() -> None:
    async with place() as at, at.browser() as browser:
        at.controller.status = replace(READING, in_service=False, out_of_service_reasons=("the cabinet is full",))
        at.controller.bus.push("status", at.controller.status)
        await browser.sees("The safe is full")
        await browser.touches("out_of_service", "staff")
        await browser.sees("Hold your badge up")


async def test_who_has_a_telephone_types_its_code_after_the_pin() -> None:
    async with place() as at, at.browser() as browser:
        await badge_shown(at, browser)
        await browser.touches("pin", "leave")
        await browser.sees("Start in English")
        await browser.touches("attract", "staff")
        await browser.sees("Hold your badge up")
        at.controller.bus.push("ticket", BadgeShown(4, "S-03", second=True))
        await browser.sees("Type your PIN")
        await browser.touches("pin", *(f"digit:{digit}" for digit in PIN), "sign_in")
        await browser.sees("Type the code of your telephone")
        assert not [each for each in at.controller.asked if isinstance(each, StaffSignIn)]
        await browser.touches("pin", *(f"digit:{digit}" for digit in "314159"), "sign_in")
        await asked(at, StaffSignIn(4, PIN, code="314159"))
        assert PIN not in browser.html


async def test_a_label_is_printed_again_for_the_bundle_of_the_slot_that_is_typed() -> None:
    bundles = (BundleAt(3, "B00000033", 7, labelled=True), BundleAt(12, "B00000042", 28, labelled=False))
    staff = StaffView("S-03", ("duty_off", "end"), exchange=4, labels=bundles)
    async with place() as at, at.browser() as browser:
        tell(at, staff)
        await browser.sees("Print a label again")
        await browser.touches("staff", "labels")
        await browser.sees("No label, slot: 12")
        await browser.touches("label", "digit:1", "label")
        await browser.sees("No bundle was in slot 1.")
        await browser.touches("label", "digit:2")
        await browser.sees("Slot 12: B00000042")
        await browser.touches("label", "label")
        await asked(at, ReprintLabel("B00000042"))
        tell(at, replace(staff, label=LabelView("B00000042", 2, "printing")))
        await browser.sees("is being printed")
        await browser.touches("label", "digit:3", "label")  # one after the other
        tell(at, replace(staff, label=LabelView("B00000042", 2, "printed")))
        await browser.sees("Slot 3: B00000033")
        await browser.touches("label", "erase")
        await browser.sees("copy 2 is printed")
        await browser.touches("label", "back")
        await browser.sees("End the hand-over")
        tell(at, StaffView("S-03", ("duty_off",)))
        await browser.touches("staff", "labels")
        assert [each for each in at.controller.asked if isinstance(each, ReprintLabel)] == [ReprintLabel("B00000042")]
