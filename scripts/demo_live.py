"""`make demo-live`: the whole kiosk keeps running, for a person to make a deposit by hand in the browser.

Two pages: the touch screen, and the simulated cabinet with the hand that inserts and takes notes. Ctrl-C ends it.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from scripts.depositor import ACCOUNTS
from scripts.stage import Stage, StageFailed

TIMING: Final = "idle_s = 180\nconfirm_s = 180\nresult_s = 60\ntake_s = 60"  # whoever tries it reads two pages
INVITATION: Final = """
  The touch screen:        {screen}
  The simulated cabinet:   {world}

  1. On the screen choose a language, type the account number {account} and go on.
  2. In the cabinet insert notes, one at a time; take back what is refused.
  3. On the screen say "That is all", look at the amount, and deposit it or have it back.

  Try the power switch, a jam or an onlooker in the cabinet at any moment.
  Everything is below {folder}; Ctrl-C ends it all.
"""


def say(began_s: float, words: str) -> None:
    """One step, with the seconds since the start."""
    print(f"[{time.monotonic() - began_s:5.1f} s] {words}", flush=True)


async def live(folder: Path, terminal_port: int) -> None:
    """Set the stage and keep it until a signal, or until a process of it ends by itself."""
    began_s = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stage = Stage(folder, lambda words: say(began_s, words), timing=TIMING, terminal_port=terminal_port)
    try:
        await stage.up()
        print(
            INVITATION.format(screen=stage.screen_url, world=stage.world_url, account=ACCOUNTS["first"], folder=folder)
        )
        ends = [asyncio.ensure_future(process.wait()) for process in stage.processes.values()]
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({stopped, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for name, process in stage.processes.items():
            if not stop.is_set() and process.returncode is not None:
                raise StageFailed(f"{name} ended with {process.returncode}; see {folder / 'logs'}")
    finally:
        say(began_s, "stopping")
        await stage.down()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="keep everything there; otherwise it is removed at the end")
    parser.add_argument("--port", type=int, default=0, help="of the touch screen; otherwise a free one")
    asked = parser.parse_args()
    folder = (asked.dir or Path(tempfile.mkdtemp(prefix="kiosk-live-"))).absolute()
    os.umask(0o077)
    try:
        asyncio.run(live(folder, asked.port))
    finally:
        if asked.dir is None:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
