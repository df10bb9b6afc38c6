"""The interactive shell: the same commands as one-shot, signed in once, with completion, `?`, history and two filters.

It is all that whoever uses it gets: no other program is started, no editor, no pager, no suspension, no redirection;
what devices say of themselves cannot move the cursor.
"""

import asyncio
import contextlib
import io
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from kiosk import __version__
from kiosk.errors import KioskError
from kiosk.maintenance.completing import candidates, help_at, split
from kiosk.maintenance.history import CommandHistory
from kiosk.maintenance.line import PIPE, BadLineError, Line, parse
from kiosk.maintenance.seat import Seat
from kiosk.maintenance.session import Exit, ask
from kiosk.maintenance.words import duration_in_words
from kiosk.messages import GetStatus, Ok, SignOut, Status

LEAVE: Final = ("exit", "quit")
HELP: Final = "help"
CAPTURED_CHARACTERS_MAX: Final = 8 << 20
_NOT_SHOWN: Final = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f]")


class ShellCompleter(Completer):
    """Commands, options and values at the cursor, each with its one-line help."""

    def __init__(self, root: click.Group) -> None:
        self._root = root

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Every word that may stand here."""
        del complete_event
        before, typed = split(document.text_before_cursor)
        for value, about in candidates(self._root, before, typed):
            yield Completion(value, start_position=-len(typed), display_meta=about)


class IdleError(Exception):
    """Nobody has typed anything for too long."""


class Shell:
    """One person's seat at the kiosk."""

    def __init__(self, root: click.Group, where: tuple[Path | None, Path], history: Path) -> None:
        self._root = root
        self._seat = Seat(where)
        self._prompt: PromptSession[str] = PromptSession(
            history=CommandHistory(history, self._is_command),
            completer=ShellCompleter(root),
            complete_while_typing=False,
            key_bindings=self._keys(),
            enable_open_in_editor=False,
            enable_suspend=False,
            enable_system_prompt=False,
        )

    def run(self) -> int:
        """Until `exit` or Ctrl-D."""
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        click.echo(f"kioskctl {__version__}. ? says what can be typed, Tab completes, exit leaves.")
        while True:
            try:
                text = asyncio.run(self._typed())
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            except IdleError:
                idle = duration_in_words(self._seat.idle_s)
                self._sign_off()
                click.echo(f"signed out: nothing was typed for {idle}")
                continue
            if text.strip() in LEAVE:
                break
            self.execute(text)
        self._sign_off()
        return Exit.OK

    def execute(self, text: str) -> int:
        """One line; its exit code."""
        try:
            line = parse(text)
        except BadLineError as error:
            click.echo(f"kioskctl: {error}", err=True)
            return Exit.USAGE
        if not line.words:
            return Exit.OK
        if line.words[0] == HELP:
            click.echo(help_at(self._root, " ".join(line.words[1:]) + " "))
            return Exit.OK
        return self._filtered(line) if line.filters else self._shown(line)

    def _shown(self, line: Line) -> int:
        with contextlib.redirect_stdout(_Clean(sys.stdout)):
            return self._invoke(line.words)

    def _filtered(self, line: Line) -> int:
        kept = _Bounded()
        with contextlib.redirect_stdout(kept):
            code = self._invoke(line.words)
        lines: Any = (_NOT_SHOWN.sub("", each) for each in kept.getvalue().splitlines())
        for stage in line.filters:
            lines = stage.run(lines)
        for each in lines:
            click.echo(each)
        return code

    def _invoke(self, words: tuple[str, ...]) -> int:
        try:
            done = self._root.main(list(words), prog_name="kioskctl", standalone_mode=False, obj=self._seat)
        except click.ClickException as error:
            click.echo(f"kioskctl: {error.format_message()}", err=True)
            click.echo("-> ? at the end of a line shows what can be typed there", err=True)
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("broken off", err=True)
            return Exit.FAILED
        except SystemExit as ended:
            return int(ended.code or 0)
        return done if isinstance(done, int) else Exit.OK

    # --- the prompt ---------------------------------------------------------------------------------------

    async def _typed(self) -> str:
        """The next line. Raises `IdleError` when somebody is signed in and types nothing for too long."""
        words = await self._words()
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None

        def again(*_: object) -> None:
            nonlocal timer
            if timer is not None:
                timer.cancel()
            if self._seat.session:
                timer = loop.call_later(self._seat.idle_s, idle)

        def idle() -> None:
            self._prompt.app.exit(exception=IdleError())

        buffer = self._prompt.default_buffer
        buffer.on_text_changed += again
        again()
        try:
            return await self._prompt.prompt_async(ANSI(words))
        finally:
            buffer.on_text_changed -= again
            if timer is not None:
                timer.cancel()

    async def _words(self) -> str:
        try:
            status = await ask(*self._seat.where, GetStatus(), Status)
        except KioskError:  # which says why as soon as anything is typed
            kiosk = click.style("kiosk not reachable", fg="red")
        else:
            state = "in service" if status.in_service else "OUT OF SERVICE"
            colour = "green" if status.in_service else "red"
            at = "" if status.state == "idle" else f", {status.state.replace('_', ' ')}"
            kiosk = f"{status.kiosk} {click.style(state, fg=colour)}{at}"
        who = f" {self._seat.staff} ({', '.join(self._seat.roles)})" if self._seat.staff else ""
        return f"{_NOT_SHOWN.sub('', kiosk)}{who}> "

    def _sign_off(self) -> None:
        seat = self._seat
        staff, session = seat.staff, seat.session
        seat.sign_out()
        if session:
            with contextlib.suppress(KioskError):
                asyncio.run(ask(*seat.where, SignOut(staff, session), Ok))

    def _is_command(self, word: str) -> bool:
        return word in self._root.commands or word == HELP

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @Condition
        def not_within_text() -> bool:
            before = get_app().current_buffer.document.text_before_cursor
            return before.count('"') % 2 == 0 and before.count("'") % 2 == 0 and PIPE not in before

        @keys.add("?", filter=not_within_text)
        def _(event: KeyPressEvent) -> None:
            text = event.current_buffer.document.text_before_cursor
            run_in_terminal(lambda: click.echo(help_at(self._root, text)))

        return keys


class _Clean(io.TextIOBase):
    """Passes on what may be shown: text and colours, no other control of the terminal."""

    def __init__(self, to: TextIO) -> None:
        self._to = to

    def write(self, text: str) -> int:
        self._to.write(_NOT_SHOWN.sub("", text))
        return len(text)

    def flush(self) -> None:
        self._to.flush()

    def isatty(self) -> bool:
        return self._to.isatty()

    def writable(self) -> bool:
        return True


class _Bounded(io.StringIO):
    """Keeps what is written for a filter, up to a bound."""

    def write(self, text: str) -> int:
        return super().write(text) if self.tell() + len(text) <= CAPTURED_CHARACTERS_MAX else len(text)
