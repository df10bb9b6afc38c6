"""How every process begins and ends: logging, signals, exit codes.

A process module has `async def run(config_path)`. SIGTERM and SIGINT cancel it, so that it closes what it
opened; that is exit code 0. Any other end is said, in words when it is one of our errors.
"""

import asyncio
import contextlib
import ctypes
import importlib
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from kiosk.config import load_config
from kiosk.errors import ConfigError, KioskError
from kiosk.processes.gates import egress_gate
from kiosk.processes.table import Process
from kiosk.protection import logs

_log = logging.getLogger(__name__)

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78  # sysexits.h EX_CONFIG: starting it again would not help
PARENT_VARIABLE: Final = "KIOSK_PARENT_PID"  # set by `kiosk up`: end when that process does
_PR_SET_PDEATHSIG: Final = 1


def run_process(process: Process, config_path: Path) -> int:
    """Run one process of the table to its end; returns its exit code."""
    logs.set_up()
    end_with_parent()
    try:
        by_policy(config_path)
        module = importlib.import_module(process.module)
        asyncio.run(_until_stopped(module.run(config_path)))
    except Exception as error:  # noqa: BLE001 - the last line of defence: told in full, not hidden by exit code 0
        return _failed(process, error)
    _log.info("%s stopped", process.name)
    return 0


def by_policy(config_path: Path) -> None:
    """From here on log lines follow the bank's catalogue. Raises ConfigError: one that cannot be taken.

    Of a configuration that cannot be read the process itself tells.
    """
    try:
        config = load_config(config_path)
    except ConfigError:
        return
    if config.protection.catalogue is not None:
        logs.use(egress_gate(config))


def _failed(process: Process, error: Exception) -> int:
    """Say why a process ends: our own errors in words, anything else with its traceback."""
    errors = _flat(error)
    if any(not isinstance(one, KioskError) for one in errors):
        _log.critical("%s ends by a fault of its own", process.name, exc_info=error)
        return EXIT_FAILED
    for one in errors:
        _log.critical("%s %s: %s", process.name, "cannot start" if isinstance(one, ConfigError) else "ends", one)
    return EXIT_CONFIG if isinstance(errors[0], ConfigError) else EXIT_FAILED


def _flat(error: Exception) -> list[Exception]:
    """What task groups wrapped, unwrapped."""
    if isinstance(error, ExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _flat(one)]
    return [error]


def end_with_parent() -> None:
    """Under `kiosk up`: get SIGTERM when it dies, however it dies, so that nothing is left holding devices."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0 or os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGTERM)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
        return
    if not stopping:
        message = "the process was cancelled, and not by a signal"
        raise RuntimeError(message)
