"""kiosk-terminal: serves the touch screen on loopback. Wires configuration, bus, terminal and web server."""

import asyncio
import socket
from pathlib import Path

from kiosk.bus import run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.errors import ConfigError
from kiosk.processes import notify
from kiosk.terminal.render import House
from kiosk.terminal.terminal import Terminal
from kiosk.terminal.web import Web, server


async def run(config_path: Path) -> None:
    """Run until cancelled; a controller that goes away is waited for. ConfigError for a file that cannot be used."""
    config = load_config(config_path)
    settings, clock = config.terminal, SystemClock()
    house = House(settings.languages, settings.default_language, settings.help_phone)
    terminal = Terminal(house, clock, idle_s=config.timing.idle_s)
    web = server(Web(terminal, clock).app())
    with listening(settings.host, settings.port) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(web.serve(sockets=[listener]), name="web")
            group.create_task(terminal.keep_time(), name="time")
            notify.ready(f"the screen is at http://{settings.host}:{settings.port}/")
            await run_with_reconnect(config.paths.bus_dir, "terminal", terminal.session, clock, on_push=terminal.pushed)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises `ConfigError` when somebody else does."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        message = f"terminal.port: cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigError(message, remedy="Choose another terminal.port, or end what uses this one.") from error
