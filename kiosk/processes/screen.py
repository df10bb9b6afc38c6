"""kiosk-screen: the browser that shows the touch screen, kept alive. Wires configuration and keeper."""

import asyncio
from pathlib import Path

from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.errors import ConfigError
from kiosk.processes import notify, watchdog
from kiosk.terminal.browser import CHROMIUM_UNDER_CAGE, OWN, Keeper, asking


async def run(config_path: Path) -> None:
    """Run until cancelled. ConfigError for a browser that cannot be started."""
    settings = load_config(config_path).terminal
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    command = (*(settings.browser or CHROMIUM_UNDER_CAGE), f"http://{host}:{settings.port}/{OWN}")
    drawn = asking(settings.host, settings.port)
    notify.ready(f"keeping {command[0]}")
    clock = SystemClock()
    keeper = Keeper(command, drawn, clock, frozen_s=settings.browser_frozen_s)
    feeding = asyncio.create_task(watchdog.feed(keeper.self_check, clock))
    try:
        await keeper.run()
    except OSError as error:
        message = f"terminal.browser: {command[0]} cannot be started: {error.strerror}"
        raise ConfigError(message, remedy="Install cage and chromium, or name another browser.") from error
    finally:
        feeding.cancel()
