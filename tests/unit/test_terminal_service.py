"""The terminal between a controller's bus and a browser's WebSocket: what is shown, taken, refused and forgotten."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from kiosk.bus import BusClient, BusServer, run_with_reconnect
from kiosk.clock import Clock, SystemClock
from kiosk.errors import ConfigError
from kiosk.messages import Depositor, GetStatus, Identify, LookedUp, LookUp, Ok, Refused, Reply, Request, Resume, Role
from kiosk.processes.loopback import listening, server
from kiosk.terminal.render import House
from kiosk.terminal.screens import URGENT_S
from kiosk.terminal.terminal import WATCHERS_MAX, Terminal
from kiosk.terminal.web import HEADERS, TOUCHES_PER_SECOND_MAX, Web
from scripts.gallery import ACCOUNT, EMPTY, FULL, IDLE, pictures
from tests.uplink_kit import HandClock

WAIT_S = 10.0  # a bound on waiting for events, not a pace
IDLE_S = 60.0
LOOP_TURNS = 20  # more than any of our tasks takes to come to rest
STATUSES = {picture.name: picture.status for picture in pictures() if picture.status is not None}
KNOWN = LookedUp(account_masked="****3337", name_masked="王**", known=True, directory_version=3)


@dataclass
class Controller:
    """The other end of the bus: answers as it is told, remembers what it was asked."""

    bus: BusServer = field(init=False)
    status: Any = IDLE
    answers: dict[type, Reply] = field(default_factory=lambda: {LookUp: KNOWN})
    asked: list[Request] = field(default_factory=list)

    async def handle(self, role: Role, request: Request) -> Reply:
        assert role == "terminal"
        if isinstance(request, GetStatus):
            return self.status  # type: ignore[no-any-return]
        self.asked.append(request)
        return self.answers.get(type(request), Ok())

    def tell(self, name: str, **changes: Any) -> None:
        self.status = replace(STATUSES[name], **changes)
        self.bus.push("status", self.status)


@dataclass
class Browser:
    """One WebSocket; `html` is what it shows."""

    socket: ClientConnection
    html: str = ""

    async def sees(self, words: str) -> None:
        async with asyncio.timeout(WAIT_S):
            while words not in self.html:
                self.html = str(await self.socket.recv())

    async def touches(self, screen: str, *acts: str) -> None:
        for act in acts:
            await self.socket.send(msgspec.json.encode({"screen": screen, "act": act}).decode())

    async def types(self, screen: str, digits: str) -> None:
        await self.touches(screen, *(f"digit:{digit}" for digit in digits))


class Unhurried(HandClock):
    """A second passes between two looks at it."""

    def monotonic_s(self) -> float:
        self.advance(1.0)
        return super().monotonic_s()


@dataclass
class Place:
    """All of it, up."""

    controller: Controller
    terminal: Terminal
    clock: HandClock
    address: str
    work: list[asyncio.Task[None]]

    async def passes(self, seconds: float) -> None:
        """Time, once everybody who waits for it has begun to."""
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        self.clock.advance(seconds)

    @asynccontextmanager
    async def browser(self, origin: str | None = None) -> AsyncIterator[Browser]:
        where = f"ws://{self.address}/screen"
        async with connect(where, origin=Origin(origin or f"http://{self.address}")) as socket:
            yield Browser(socket)


@asynccontextmanager
async def place(pace: Clock | None = None) -> AsyncIterator[Place]:
    """`pace` times the touches; without it each comes a second after the other."""
    clock = HandClock()
    controller = Controller()
    terminal = Terminal(House(("en", "zh"), "en"), clock, idle_s=IDLE_S)
    with tempfile.TemporaryDirectory(prefix="kiosk-t-") as folder:
        controller.bus = BusServer(Path(folder), controller.handle, {}, single_user=True)
        await controller.bus.start()
        client = await BusClient.connect(Path(folder), "terminal", terminal.pushed)
        async with serving(terminal, pace or Unhurried()) as address:
            work = [asyncio.ensure_future(terminal.session(client)), asyncio.ensure_future(terminal.keep_time())]
            work.append(asyncio.ensure_future(terminal.seek_tickets()))
            yield Place(controller, terminal, clock, address, work)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        await client.close()
        await controller.bus.close()


@asynccontextmanager
async def serving(terminal: Terminal, clock: Clock) -> AsyncIterator[str]:
    web = server(Web(terminal, clock).app())
    web.config.port = 0
    task = asyncio.ensure_future(web.serve())
    async with asyncio.timeout(WAIT_S):
        while not web.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
    port = web.servers[0].sockets[0].getsockname()[1]
    yield f"127.0.0.1:{port}"
    web.should_exit = True
    await task


async def get(address: str, path: str = "/", host: str = "") -> tuple[int, dict[str, str], str]:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host or address}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    lines = head.split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


async def test_identify_looks_the_account_up_and_begins_only_after_yes() -> None:
    async with place() as at, at.browser() as person:
        await person.sees("Start in English")
        await person.touches("attract", "language:en")
        await person.types("identify", ACCOUNT)
        await person.touches("identify", "next")
        await person.sees("王**")
        assert at.controller.asked == [LookUp(ACCOUNT)]
        await person.touches("account", "yes")
        await person.sees("Only the bank reads your account number")
        assert at.controller.asked == [LookUp(ACCOUNT)]
        await person.touches("before", "begin")
        at.controller.tell("prepare")
        await person.sees('data-screen="prepare"')
        assert at.controller.asked == [LookUp(ACCOUNT), Identify(ACCOUNT, "en")]
        assert ACCOUNT not in at.terminal.page()


async def test_a_wrong_check_digit_is_said_before_anybody_is_asked() -> None:
    async with place() as at, at.browser() as person:
        await person.touches("attract", "language:zh")
        await person.types("identify", ACCOUNT[:-1] + "4")
        await person.touches("identify", "next")
        await person.sees("账号输入有误")
        await person.touches("identify", "erase", "digit:7", "next")
        await person.sees("王**")
        await person.touches("account", "no")
        await person.sees("0000 1111 2222 3337")
        assert at.controller.asked == [LookUp(ACCOUNT)]


async def test_a_refusal_of_the_controller_is_told_in_words() -> None:
    async with place() as at, at.browser() as person:
        at.controller.answers[LookUp] = Refused("too_many_tries", "five a minute")
        await person.touches("attract", "language:en")
        await person.types("identify", ACCOUNT)
        await person.touches("identify", "next")
        await person.sees("Too many tries")


async def test_each_touch_of_a_deposit_reaches_the_controller_once() -> None:
    async with place() as at, at.browser() as person:
        for name, screen, act in (
            ("insert", "insert", "more_time"),
            ("insert", "insert", "done"),
            ("review", "review", "confirm"),
            ("result", "result", "reprint"),
            ("result", "result", "finish"),
        ):
            at.controller.tell(name)
            await person.sees(f'data-screen="{screen}"')
            before = len(at.controller.asked)
            await person.touches(screen, act)
            async with asyncio.timeout(WAIT_S):
                while len(at.controller.asked) == before:
                    person.html = str(await person.socket.recv())
            assert at.controller.asked[before:] == [Depositor(act)]  # type: ignore[arg-type]  # one of its literals


async def test_touches_that_the_screen_does_not_take_change_nothing() -> None:
    async with place() as at, at.browser() as person:
        at.controller.tell("insert")
        await person.sees('data-screen="insert"')
        await person.touches("review", "confirm")  # a second tap, meant for a screen that is gone
        await person.touches("insert", "confirm", "finish", "digit:1", "language:en", "reprint", "", "done:now", "::::")
        at.controller.tell("review")
        await person.sees('data-screen="review"')
        assert at.controller.asked == []


async def test_a_reload_and_a_second_browser_show_the_same_screen() -> None:
    async with place() as at:
        async with at.browser() as person:
            await person.touches("attract", "language:zh")
            await person.types("identify", "123")
            await person.sees("123")
            async with at.browser() as other:
                await other.sees("123")
                assert other.html == person.html
        assert ">123<" in (await get(at.address))[2]


async def test_the_resume_code_goes_to_the_controller_and_a_wrong_one_is_cleared() -> None:
    async with place() as at, at.browser() as person:
        at.controller.tell("resume")
        at.controller.answers[Resume] = Refused("wrong_code", "no")
        await person.sees('data-screen="resume"')
        await person.types("resume", "123456789012")
        await person.touches("resume", "resume")
        await person.sees("not the code of this deposit")
        assert at.controller.asked == [Resume("123456789012")]
        assert "1234" not in person.html


async def test_whoever_walks_away_while_typing_is_forgotten() -> None:
    async with place() as at, at.browser() as person:
        await person.touches("attract", "language:en")
        await person.types("identify", "1234")
        await person.sees("1234")
        await at.passes(IDLE_S - URGENT_S)
        await at.passes(URGENT_S)
        await person.sees('data-screen="attract"')
        assert "1234" not in at.terminal.page()


async def test_the_next_person_begins_at_the_first_screen() -> None:
    async with place() as at, at.browser() as person:
        await person.touches("attract", "language:zh")
        await person.sees('data-screen="identify"')
        at.controller.tell("result")
        await person.sees('data-screen="result"')
        at.controller.status = IDLE
        at.controller.bus.push("status", IDLE)
        await person.sees('data-screen="attract"')


async def test_the_codes_of_the_receipt_are_shown_one_after_the_other() -> None:
    async with place() as at, at.browser() as person:
        at.controller.tell("result")
        await person.sees('data-screen="result"')
        await person.touches("result", "codes")
        await person.sees("Code 1 of 2")
        await person.touches("codes", "codes")
        await person.sees("Code 2 of 2")
        await person.touches("codes", "result")
        await person.sees('data-screen="result"')


async def test_the_screen_asks_for_more_time_when_twenty_seconds_are_left() -> None:
    async with place() as at, at.browser() as person:
        deposit = replace(FULL, state="review", deadline_s=50.0, deadline_total_s=120.0)
        at.controller.tell("review", deposit=deposit)
        await person.sees('data-left-s="50.0"')
        await at.passes(50.0 - URGENT_S)
        await person.sees("More time?")


async def test_ten_extensions_by_one_touch_each_keep_who_is_typing() -> None:
    async with place() as at, at.browser() as person:
        await person.touches("attract", "language:en")
        await person.types("identify", "1234")
        await person.sees("1234")
        for _ in range(10):
            await at.passes(IDLE_S - URGENT_S + 1)
            await person.sees("More time?")
            await person.touches("identify", "more_time")
            await person.sees('class="bar"')
            person.html = ""
        assert "1234" in at.terminal.page()
        assert at.controller.asked == []


async def test_a_deadline_of_the_machine_is_not_the_depositors() -> None:
    async with place() as at, at.browser() as person:
        deposit = replace(EMPTY, state="stacking", deadline_s=5.0, deadline_total_s=40.0)
        at.controller.tell("insert", deposit=deposit)
        await person.sees('data-screen="insert"')
        assert "data-left-s" not in person.html


async def test_a_controller_that_is_gone_leaves_a_screen_that_says_so() -> None:
    async with place() as at, at.browser() as person:
        await person.sees('data-screen="attract"')
        for task in at.work:  # as `run_with_reconnect` does with the session when the connection is lost
            task.cancel()
        await person.sees('data-screen="starting"')


async def test_the_screen_comes_back_with_each_life_of_the_controller(tmp_path: Path) -> None:
    """A session that returned would be the last one: `run_with_reconnect` takes that for the end."""
    terminal = Terminal(House(("en",), "en"), HandClock(), idle_s=IDLE_S)
    looking = asyncio.ensure_future(
        run_with_reconnect(tmp_path, "terminal", terminal.session, SystemClock(), on_push=terminal.pushed)
    )
    for _ in range(2):
        bus = BusServer(tmp_path, Controller().handle, {}, single_user=True)
        await bus.start()
        await comes_up(terminal, "attract")
        await bus.close()
        await comes_up(terminal, "starting")
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


async def comes_up(terminal: Terminal, name: str) -> None:
    async with asyncio.timeout(WAIT_S):
        with terminal.watching() as changed:
            while terminal.screen().name != name:
                changed.clear()
                await changed.wait()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"screen": 1, "act": 2}', '{"screen": "a", "act": "b", "c": 1}', "\0"]
)
async def test_a_browser_that_talks_nonsense_is_cut_off(text: str) -> None:
    async with place() as at, at.browser() as person:
        await person.socket.send(text)
        await closed(person)
        async with at.browser() as another:
            await another.sees("attract")


async def test_a_flood_or_a_long_message_is_cut_off_and_changes_nothing() -> None:
    async with place(SystemClock()) as at:
        async with at.browser() as person:
            await person.touches("attract", *["finish"] * (3 * TOUCHES_PER_SECOND_MAX))
            await closed(person)
        async with at.browser() as person:
            await person.socket.send("x" * 1000)
            await closed(person)
        assert at.controller.asked == []


async def closed(person: Browser) -> None:
    async with asyncio.timeout(WAIT_S):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await person.socket.recv()


async def test_a_page_from_elsewhere_may_not_touch_the_screen() -> None:
    async with place() as at:
        for origin in ("http://evil.example", "null", f"https://{at.address}"):
            with pytest.raises(InvalidStatus):
                async with at.browser(origin):
                    pass


async def test_more_browsers_than_a_kiosk_has_are_turned_away() -> None:
    async with place() as at:
        with at.terminal.watching(), at.terminal.watching(), at.terminal.watching(), at.terminal.watching():
            assert WATCHERS_MAX == 4
            async with at.browser() as one_more:
                await closed(one_more)
        async with at.browser() as person:
            await person.sees("attract")


def test_a_port_that_is_taken_is_a_mistake_in_the_configuration() -> None:
    with (
        listening("terminal.port", "127.0.0.1", 0) as first,
        pytest.raises(ConfigError, match=r"terminal\.port") as refused,
    ):
        listening("terminal.port", "127.0.0.1", first.getsockname()[1])
    assert "Choose another" in refused.value.remedy


async def test_http_serves_the_page_and_two_files_with_strict_headers() -> None:
    async with place() as at:
        for path, code, kind in (
            ("/", 200, "text/html"),
            ("/static/terminal.css", 200, "text/css"),
            ("/static/terminal.js", 200, "text/javascript"),
            ("/static/../words.py", 404, "text/plain"),
            ("/static/words.py", 404, "text/plain"),
            ("/kiosk.toml", 404, "text/plain"),
        ):
            answer, headers, _ = await get(at.address, path)
            assert (answer, headers["content-type"].split(";")[0]) == (code, kind), path
            assert HEADERS.items() <= headers.items()
        assert "unsafe" not in HEADERS["content-security-policy"]
        assert (await get(at.address, "/", "evil.example"))[0] == 400
        _, _, page = await get(at.address)
        assert len(page.encode()) < 10_000


async def test_after_a_power_cut_the_screen_speaks_the_language_in_which_the_deposit_was_begun() -> None:
    async with place() as at, at.browser() as browser:  # a terminal and a browser that know nobody
        at.controller.tell("resume", deposit=replace(FULL, state="suspended", language="zh"))
        await browser.sees('data-language="zh"')
        assert "安全" in browser.html
        at.controller.tell("resume", deposit=replace(FULL, state="suspended", language="fr"))  # not of this house
        await at.passes(0.0)
        at.controller.status = IDLE
        at.controller.bus.push("status", IDLE)
        await browser.sees("Deposit cash")
        assert 'data-language=""' in browser.html  # and the next person is asked anew


async def test_the_screen_is_read_aloud_when_headphones_go_in_and_not_to_the_shop_when_they_come_out() -> None:
    async with place() as at, at.browser() as browser:
        at.terminal._house = House(("en", "zh"), "en", speech=True)  # noqa: SLF001 - a house that can speak
        await browser.sees("Deposit cash")
        for plugged in (True, False, True):
            at.controller.status = replace(IDLE, headphones=plugged)
            at.controller.bus.push("status", at.controller.status)
            await browser.sees('class="screen attract speech"' if plugged else 'class="screen attract"')
        at.controller.tell("insert", headphones=True)
        await browser.sees('class="screen insert speech"')
        at.controller.tell("insert", headphones=False)
        await browser.sees('class="screen insert"')


async def test_headphones_change_nothing_where_nothing_can_be_spoken() -> None:
    async with place() as at, at.browser() as browser:
        await browser.sees("Deposit cash")
        at.controller.status = replace(IDLE, headphones=True, in_service=False)
        at.controller.bus.push("status", at.controller.status)
        await browser.sees('class="screen out_of_service"')
