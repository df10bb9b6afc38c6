"""kiosk-terminal: serves the touch screen on loopback. Wires configuration, bus, terminal and web server."""

import asyncio
from pathlib import Path

from kiosk.bus import run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.errors import ConfigError
from kiosk.processes import notify, watchdog
from kiosk.processes.loopback import listening, server
from kiosk.terminal.browser import asking
from kiosk.terminal.render import House
from kiosk.terminal.speech import Voice
from kiosk.terminal.terminal import Terminal
from kiosk.terminal.web import MESSAGE_BYTES_MAX, Web
from kiosk.terminal.words import languages


async def run(config_path: Path) -> None:
    """Run until cancelled; a controller that goes away is waited for. ConfigError for a file that cannot be used."""
    config = load_config(config_path)
    settings, clock = config.terminal, SystemClock()
    if unknown := {*settings.languages, settings.default_language} - languages():
        message = f"terminal.languages: there is no file for {', '.join(sorted(unknown))}"
        raise ConfigError(message, remedy=f"Choose among {', '.join(sorted(languages()))}.")
    voice = Voice()
    house = House(settings.languages, settings.default_language, settings.help_phone, speech=voice.can_speak)
    terminal = Terminal(house, clock, idle_s=config.timing.idle_s, voice=voice)
    web = server(Web(terminal, clock).app(), message_bytes_max=MESSAGE_BYTES_MAX)
    with listening("terminal.port", settings.host, settings.port) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(web.serve(sockets=[listener]), name="web")
            group.create_task(terminal.keep_time(), name="time")
            group.create_task(watchdog.feed(page_answers(settings.host, settings.port), clock), name="watchdog")
            group.create_task(terminal.seek_tickets(), name="tickets")
            notify.ready(f"the screen is at http://{settings.host}:{settings.port}/")
            await run_with_reconnect(config.paths.bus_dir, "terminal", terminal.session, clock, on_push=terminal.pushed)


def page_answers(host: str, port: int) -> watchdog.SelfCheck:
    """That our own page can be had, the way that the browser has it."""
    drawn = asking(host, port)

    async def check() -> None:
        await drawn()

    return check
