"""No touch, whatever a browser sends on whatever screen, asks the controller for what its table does not allow now."""

from typing import cast

import pytest

from kiosk.bus import BusClient
from kiosk.core import facts as f
from kiosk.core.deposit import allowed
from kiosk.core.facts import Fact
from kiosk.core.state import State
from kiosk.messages import (
    Depositor,
    Identify,
    LookedUp,
    LookUp,
    Ok,
    Reply,
    ReprintLabel,
    Request,
    Resume,
    SeekTicket,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    Status,
    UseTicket,
)
from kiosk.messages.staff_view import STAFF_ACTS
from kiosk.terminal.render import House
from kiosk.terminal.screens import ACTIONS, SCREEN_OF
from kiosk.terminal.terminal import Terminal
from scripts.gallery import ACCOUNT, Picture, pictures
from tests.uplink_kit import HandClock

FACTS: dict[str, type[Fact]] = {
    "done": f.Done,
    "confirm": f.Confirm,
    "cancel": f.Cancel,
    "more_time": f.MoreTime,
    "finish": f.Finish,
    "reprint": f.Reprint,
    "consent": f.Consent,
}
BEFORE: dict[type[Request], type[Fact]] = {
    Identify: f.Begin,
    LookUp: f.Begin,
    UseTicket: f.Begin,
    SeekTicket: f.Begin,
    StaffSignIn: f.Begin,
    Resume: f.Resume,
}
SCREENS = (*ACTIONS, *set(SCREEN_OF.values()), "starting", "out_of_service", "attract", "trouble", "", "nonsense")
LISTED = {act for acts in ACTIONS.values() for act in acts}
ACTS = (
    *sorted(LISTED),
    *FACTS,
    *(f"staff:{act}" for act in STAFF_ACTS),
    "staff:",
    "staff:x",
    "language:en",
    "language:xx",
    "digit:",
    "digit:12",
    "confirm:",
    ":",
    "",
    "__init__",
)
PICTURES = tuple(picture for picture in pictures() if picture.status is not None)


class Asked:
    """A connection to a controller that agrees to everything."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def request(self, request: Request, *, timeout_s: float) -> Reply:
        assert timeout_s > 0
        self.requests.append(request)
        return LookedUp("****3337", None, known=False, directory_version=1) if isinstance(request, LookUp) else Ok()


def permitted(request: Request, status: Status) -> bool:
    """Whether the controller takes it in this state: by its table, or, of staff, by what it offers them."""
    if isinstance(request, StaffDo):
        return status.staff is not None and request.act in status.staff.offers
    if isinstance(request, ReprintLabel):
        return status.staff is not None and request.bundle in {each.bundle for each in status.staff.labels}
    if isinstance(request, StaffLeave) or (isinstance(request, SeekTicket) and not request.on):
        return True  # whoever leaves is never kept
    fact = FACTS[request.action] if isinstance(request, Depositor) else BEFORE.get(type(request))
    return fact is not None and allowed(State(status.state), fact)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_only_what_the_table_allows_is_ever_asked(picture: Picture) -> None:
    assert picture.status is not None
    terminal, asked = Terminal(House(("en", "zh"), "en"), HandClock(), idle_s=60), Asked()
    terminal._client = cast("BusClient", asked)  # noqa: SLF001 - a connection without a socket
    for screen in SCREENS:
        for act in ACTS:
            terminal._session = picture.session("en")  # noqa: SLF001 - as if typed
            if not picture.labelling:  # there it is a slot
                terminal._session.digits = terminal._session.digits and ACCOUNT  # noqa: SLF001
            terminal._status = picture.status  # noqa: SLF001 - as if pushed, and nothing forgotten
            await terminal.touch(screen, act)
            assert all(permitted(request, picture.status) for request in asked.requests), (screen, act, asked.requests)
            asked.requests.clear()
    assert terminal.fragment()
