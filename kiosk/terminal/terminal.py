"""One screen, one depositor: status in from the controller, touches in from the browser, fragments out."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final, Literal

from kiosk.bus import BusClient
from kiosk.clock import Clock
from kiosk.core.state import State
from kiosk.errors import BusError
from kiosk.messages import (
    STAFF_ACTS,
    BadgeShown,
    Depositor,
    Identify,
    LookedUp,
    LookUp,
    Ok,
    Push,
    Refused,
    Reply,
    ReprintLabel,
    Request,
    Resume,
    SeekTicket,
    StaffAct,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    Status,
    Subscribe,
    TicketShown,
    UseTicket,
)
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import URGENT_S, WAITS_FOR_DEPOSITOR, Deadline, Screen, bundle_at, digits_max, screen
from kiosk.terminal.session import OPTIONS, Session
from kiosk.terminal.speech import Voice

_log = logging.getLogger(__name__)

WATCHERS_MAX: Final = 4  # browsers that look at the one screen: its own, and a technician's
REQUEST_TIMEOUT_S: Final = 5.0
_TOGETHER: Final = (
    frozenset({"identify", "account", "before"}),
    frozenset({"badge", "pin", "staff"}),
)  # screens between which nothing typed is forgotten
FOREVER_S: Final = 3600.0
BEFORE_DEPOSIT: Final = (
    "identify",
    "account",
    "before",
    "badge",
    "pin",
    "staff",
    "label",
)  # the terminal's own wait: no controller is asked for more
_PROBLEMS: Final = frozenset(
    {
        *("bad_account", "busy", "out_of_service", "wrong_code", "too_many_tries", "nothing_to_resume", "not_now"),
        *("ticket_used", "no_ticket", "wrong_pin", "locked_out", "no_badge", "unknown_person", "not_yet"),
        *("second_factor_needed", "label_hangs"),
    }
)
SEEK_AGAIN_S: Final = 4.0  # well within the time for which one asking lets the camera look


_STAFF_ACTS: Final[dict[str, StaffAct]] = {act: act for act in STAFF_ACTS}


class Terminal:
    """Holds the newest status and the session; everybody who watches sees the same screen."""

    def __init__(self, house: House, clock: Clock, *, idle_s: float, voice: Voice | None = None) -> None:
        """`voice` reads screens aloud to whoever asks for it; without one nobody is offered it."""
        self._house = house
        self._clock = clock
        self._idle_s = idle_s
        self._renderer = Renderer(house)
        self._voice = voice or Voice("")
        self._session = Session()
        self._status: Status | None = None
        self._heard_s = 0.0
        self._client: BusClient | None = None
        self._asking = False
        self._drawn_s: float | None = None
        self._watchers: set[asyncio.Event] = set()
        self._moved = asyncio.Event()
        self._other_screen = asyncio.Event()

    # --- the controller's side --------------------------------------------------------------------------

    async def session(self, client: BusClient) -> None:
        """One connection to the controller. Never returns: `run_with_reconnect` cancels it when it is lost."""
        self._client = client
        try:
            await client.request(Subscribe(("status", "ticket")))
            await asyncio.Event().wait()
        finally:
            self._client, self._status = None, None
            self._session.forget()
            self.changed()

    def pushed(self, push: Push) -> None:
        """News of the controller."""
        if isinstance(push, TicketShown):
            self._shown(push)
        if isinstance(push, BadgeShown):
            self._badge_shown(push)
        if not isinstance(push, Status):
            return
        before, after = self._status, push
        shown = self.screen().name
        self._status, self._heard_s = push, self._clock.monotonic_s()
        if before is not None and before.deposit is not None and after.deposit is None:
            self._leave()  # the next person is a stranger
        self._listen(before is not None and before.headphones, now=after.headphones)
        if after.deposit is not None and self._session.language is None:
            self._speak_as(after.deposit.language)
        if after.staff is not None and self._session.staff != "in":  # a terminal that began anew
            self._session.staff, self._session.touched_s = "in", self._heard_s
        elif after.staff is None and self._session.staff == "in":
            self._leave()
        if self.screen().name != shown and not any({self.screen().name, shown} <= together for together in _TOGETHER):
            self._session.forget()
        self.changed()

    def _listen(self, before: bool, *, now: bool) -> None:  # noqa: FBT001 - two sides of one change
        """Headphones went in: read aloud. They came out: silence, or the shop would hear the rest."""
        session = self._session
        if now and not before and self._house.speech:
            session.options |= {"speech"}
            session.touched_s = self._heard_s
        elif before and not now:
            session.options -= {"speech"}

    def _speak_as(self, language: str) -> None:
        """A deposit that was begun before this terminal was: in the language in which it began."""
        if language in self._house.languages:
            self._session.language, self._session.touched_s = language, self._heard_s

    def _shown(self, ticket: TicketShown) -> None:
        """A ticket was held up: it stands for what would have been typed. Too late on any other screen."""
        if self._asking or self.screen().name != "identify":
            return
        session = self._session
        session.touched_s = self._clock.monotonic_s()
        session.problem = f"ticket_{ticket.problem}" if ticket.problem else ""
        if not ticket.problem:
            session.digits, session.ticket = "", ticket.number
            session.looked_up = LookedUp(ticket.account_masked, ticket.name_masked, known=True, directory_version=None)
        self.changed()

    def _badge_shown(self, badge: BadgeShown) -> None:
        if self._asking or self.screen().name != "badge":
            return
        session = self._session
        session.touched_s = self._clock.monotonic_s()
        session.problem = f"badge_{badge.problem}" if badge.problem else ""
        session.badge = None if badge.problem else badge
        self.changed()

    def _sought(self) -> Literal["", "ticket", "badge"]:
        """What the camera should look for now."""
        if self._status is None or not self._status.tickets:
            return ""
        sought: dict[str, Literal["ticket", "badge"]] = {"identify": "ticket", "badge": "badge"}
        return sought.get(self.screen().name, "")

    async def seek_tickets(self) -> None:
        """Have the camera look for a ticket while the screen asks for an account, and no longer. Until cancelled."""
        sought_s: float | None = None
        last: Literal["", "ticket", "badge"] = ""
        while True:
            self._other_screen.clear()
            now_s = self._clock.monotonic_s()
            wanted = self._sought()
            if wanted:
                if sought_s is None or wanted != last or now_s - sought_s >= SEEK_AGAIN_S:
                    await self._ask(SeekTicket(on=True, kind=wanted))
                    sought_s, last = now_s, wanted
            elif sought_s is not None and not self._session.ticket and self._session.badge is None:
                await self._ask(SeekTicket(on=False))
                sought_s = None
            await self._set_within(self._other_screen, SEEK_AGAIN_S if sought_s is not None else FOREVER_S)

    def _leave(self) -> None:
        self._session.reset()
        self._voice.forget()

    async def _ask(self, request: Request) -> Reply:
        if self._client is None:
            return Refused("no_answer", "there is no controller")
        try:
            return await self._client.request(request, timeout_s=REQUEST_TIMEOUT_S)
        except BusError as error:
            _log.warning("%s was not answered: %s", type(request).__name__, error)
            return Refused("no_answer", str(error))

    def _receipt_qrs(self) -> tuple[str, ...]:
        deposit = self._status.deposit if self._status is not None else None
        return deposit.receipt_qrs if deposit is not None else ()

    # --- the browser's side -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change; raises `RuntimeError` when too many watch already."""
        if len(self._watchers) >= WATCHERS_MAX:
            raise RuntimeError("too many browsers look at this screen")
        event = asyncio.Event()
        event.set()  # the first look is a change
        self._watchers.add(event)
        try:
            yield event
        finally:
            self._watchers.discard(event)

    def shown_before(self, language: str, options: frozenset[str]) -> None:
        """How a browser shows its screen; a terminal that began anew, and knows nobody, goes on so."""
        session = self._session
        if session.begun:
            return
        session.options = options & frozenset(OPTIONS)
        if language in self._house.languages:
            session.language = language
        session.touched_s = self._clock.monotonic_s()
        self.changed()

    def drawn(self) -> None:
        """The machine's own browser has drawn a frame."""
        self._drawn_s = self._clock.monotonic_s()

    def drawn_s(self) -> float | None:
        """How long ago that was; None: never."""
        return None if self._drawn_s is None else self._clock.monotonic_s() - self._drawn_s

    def screen(self) -> Screen:
        """The screen of this moment."""
        return screen(self._status, self._session, self._deadline(), self._house.languages)

    def fragment(self) -> str:
        """The screen of this moment as HTML."""
        return self._renderer.fragment(self.screen(), self._status, self._session)

    def page(self) -> str:
        """The whole page of this moment."""
        return self._renderer.page(self.fragment(), self._session.language)

    async def speech(self) -> bytes:
        """The screen of this moment read aloud, as WAV; empty for whoever has not asked for it."""
        if "speech" not in self._session.options:
            return b""
        return await self._voice.recording(*self._renderer.said(self.fragment(), self._session))

    def changed(self) -> None:
        """Show the screen anew, and think about the time again."""
        self._moved.set()
        self._other_screen.set()
        for event in self._watchers:
            event.set()

    async def touch(self, seen: str, act: str) -> None:
        """A touch of `act` on the screen `seen`. One that the present screen does not take changes nothing."""
        present = self.screen()
        if self._asking or seen != present.name or act not in present.actions:
            return
        session = self._session
        session.problem, session.touched_s = "", self._clock.monotonic_s()
        self._asking = True
        try:
            await self._act(present.name, *act.split(":"))
        finally:
            self._asking = False
            self.changed()

    async def _act(self, name: str, verb: str, value: str = "") -> None:  # noqa: C901, PLR0912 - one case for each touch
        session = self._session
        match verb:
            case "language":
                session.language = value
            case "option":
                session.toggle(value)
            case "digit":
                session.type(value, digits_max(name))
            case "reveal":
                session.revealed = True
            case "more_time" if name in BEFORE_DEPOSIT:
                pass  # the touch itself was it
            case "staff" if value:
                await self._staff(StaffDo(_STAFF_ACTS[value]))
            case "staff":
                session.staff = "badge"
            case "sign_in":
                await self._sign_in()
            case "labels" | "back":
                session.forget()
                session.labelling = verb == "labels"
            case "label":
                await self._label()
            case "leave" if name in ("pin", "staff"):
                await self._ask(StaffLeave())
                self._leave()
            case "erase":
                session.erase()
            case "leave":
                self._leave()
            case "codes":
                session.codes_page = session.codes_page % len(self._receipt_qrs()) + 1
            case "result":
                session.codes_page = 0
            case "no":
                session.unknown()
            case "next":
                await self._look_up()
            case "yes":
                session.informed = True
            case "begin":
                language = session.language or ""
                typed = Identify(session.digits, language)
                await self._request(UseTicket(session.ticket, language) if session.ticket else typed)
            case "resume":
                await self._request(Resume(session.digits))
            case "consent" | "done" | "confirm" | "cancel" | "more_time" | "finish" | "reprint":
                await self._request(Depositor(verb))

    async def _sign_in(self) -> None:
        session = self._session
        assert session.badge is not None, "the screen is there with one"
        typed, session.digits = session.digits, ""
        if session.badge.second and not session.secret:
            session.secret = typed
            return
        pin, code = (session.secret, typed) if session.badge.second else (typed, "")
        session.secret = ""
        await self._staff(StaffSignIn(session.badge.number, pin, code=code))

    async def _label(self) -> None:
        status = self._status
        assert status is not None
        assert status.staff is not None, "the screen is there for somebody"
        found = bundle_at(status.staff, self._session.digits)
        assert found is not None, "it was offered"
        await self._staff(ReprintLabel(found.bundle))
        self._session.digits = ""

    async def _staff(self, request: Request) -> None:
        reply = await self._ask(request)
        if isinstance(reply, Ok):
            return
        self._refused(reply)
        if isinstance(reply, Refused) and reply.code in ("no_badge", "unknown_person"):
            self._session.badge = None

    async def _look_up(self) -> None:
        session = self._session
        session.problem = session.account_problem()
        if session.problem:
            return
        reply = await self._ask(LookUp(session.digits))
        if isinstance(reply, LookedUp):
            session.looked_up = reply
        else:
            self._refused(reply)

    async def _request(self, request: Request) -> None:
        reply = await self._ask(request)
        if isinstance(reply, Ok):
            self._session.digits = ""
            return
        self._session.unknown()
        self._session.informed = False
        self._refused(reply)

    def _refused(self, reply: Reply) -> None:
        code = reply.code if isinstance(reply, Refused) else ""
        self._session.problem = code if code in _PROBLEMS or code == "no_answer" else "other"
        if code == "wrong_code":
            self._session.digits = ""

    # --- time -------------------------------------------------------------------------------------------

    def _deadline(self) -> Deadline | None:
        """The depositor's wait that is running, if one is."""
        now_s, session, status = self._clock.monotonic_s(), self._session, self._status
        deposit = status.deposit if status is not None else None
        if deposit is None:
            if status is None or not session.begun:
                return None
            return Deadline(max(session.touched_s + self._idle_s - now_s, 0.0), self._idle_s)
        if deposit.deadline_s is None or deposit.state not in WAITS_FOR_DEPOSITOR:
            return None
        left_s = max(self._heard_s + deposit.deadline_s - now_s, 0.0)
        return Deadline(left_s, max(deposit.deadline_total_s or 0.0, left_s, 1.0))

    async def keep_time(self) -> None:
        """Show urgency when it begins, and forget whoever walked away before a deposit began. Until cancelled."""
        while True:
            self._moved.clear()
            deadline = self._deadline()
            if deadline is None:
                wait_s = FOREVER_S
            elif deadline.left_s > URGENT_S:
                wait_s = deadline.left_s - URGENT_S
            else:
                wait_s = max(deadline.left_s, 0.1)
            if await self._set_within(self._moved, wait_s):
                continue
            if self._status is not None and self._status.state == State.IDLE and self._passed():
                if self._session.staff:
                    await self._ask(StaffLeave())
                self._leave()
            self.changed()

    def _passed(self) -> bool:
        return self._session.begun and (deadline := self._deadline()) is not None and not deadline.left_s

    async def _set_within(self, event: asyncio.Event, wait_s: float) -> bool:
        tasks = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._clock.sleep(wait_s))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return event.is_set()
