"""The journal, awaited: all its calls run one after another on one thread, never on the event loop.

`InlineRunner` runs them in place, for virtual time, where no thread may take real time.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from kiosk.guarantee.disk_trouble import journal_error

P = ParamSpec("P")
T = TypeVar("T")


class Runner(Protocol):
    """Where journal calls run. One runner belongs to one journal."""

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result, or its exception."""

    def close(self) -> None:
        """Wait for the last call; idempotent."""


class ThreadRunner:
    """One thread of its own. A call that has begun is never abandoned: cancellation waits for its end."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._executor.submit(_called, call, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown(wait=True)


class InlineRunner:
    """In place, on the loop."""

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return _called(call, *args, **kwargs)

    def close(self) -> None:
        pass


def _called(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The call; a disk that fails while the journal is read ends like one that fails while it is written."""
    try:
        return call(*args, **kwargs)
    except sqlite3.Error as error:
        raise journal_error("the journal cannot be read", error) from error
