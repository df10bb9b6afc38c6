"""kiosk-observer: metrics and health on loopback, for a collector or a person on this machine."""

import asyncio
from pathlib import Path

from kiosk.bus import run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.observing.observer import Observer
from kiosk.processes import notify, watchdog
from kiosk.processes.loopback import listening, server


async def run(config_path: Path) -> None:
    """Run until cancelled; a controller that goes away is waited for. ConfigError for a file that cannot be used."""
    config = load_config(config_path)
    settings, clock = config.observer, SystemClock()
    observer = Observer(clock)
    web = server(observer.app())
    with listening("observer.port", settings.host, settings.port) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(web.serve(sockets=[listener]), name="web")
            group.create_task(watchdog.feed(page_answers(settings.host, settings.port), clock), name="watchdog")
            notify.ready(f"metrics are at http://{settings.host}:{settings.port}/metrics")
            await run_with_reconnect(config.paths.bus_dir, "observer", observer.session, clock)


def page_answers(host: str, port: int) -> watchdog.SelfCheck:
    """That our own page can be had, as a collector has it; what it says of the controller does not matter here."""

    async def check() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if not (await reader.readline()).startswith(b"HTTP/1.1 200 "):
                message = "our own page of metrics cannot be had"
                raise ConnectionError(message)
        finally:
            writer.close()

    return check
