"""The shell's history: lines that were commands, masked like everything that is kept, in a file of its user alone.

A PIN or code is never part of a line. Somebody who types one where a command was asked for has it refused, and what is
no command is not kept.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from kiosk.maintenance.line import BadLineError, words_of
from kiosk.protection import gate

LINES_MAX: Final = 500


class CommandHistory(History):
    """Keeps the newest lines. A file that cannot be read or written is no reason not to work."""

    def __init__(self, path: Path, is_command: Callable[[str], bool]) -> None:
        super().__init__()
        self._path = path
        self._is_command = is_command

    def load_history_strings(self) -> Iterable[str]:
        """Newest first."""
        return reversed(self._lines())

    def append_string(self, string: str) -> None:
        """One more line, if it is to be kept, also for the arrow keys."""
        if self._kept(string):
            super().append_string(gate.mask(string.strip()))

    def store_string(self, string: str) -> None:
        """Write it down."""
        lines = [*self._lines(), string][-LINES_MAX:]
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.writelines(f"{line}\n" for line in lines)

    def _kept(self, string: str) -> bool:
        try:
            words = words_of(string)
        except BadLineError:
            return False
        return bool(words) and "\n" not in string.strip() and self._is_command(words[0])

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES_MAX:]
        except OSError:
            return []
