"""What can be typed next: words for completion, and the help that `?` prints, both from click's registry."""

from typing import Final

import click
from click.shell_completion import ShellComplete

from kiosk.maintenance.line import FILTERS, PIPE, BadLineError, words_of

ROWS_MAX: Final = 200
HELP_CHARACTERS: Final = 110
SHELL_ANSWERS: Final = frozenset({"--bus-dir", "--config", "--pin-stdin", "--help"})  # nobody types these there


def split(text: str) -> tuple[list[str], str]:
    """The whole words before the cursor, and the beginning of one at it. A quote that is still open has no words."""
    typed = "" if not text or text[-1].isspace() else text.rsplit(maxsplit=1)[-1]
    try:
        return words_of(text[: len(text) - len(typed)]), typed
    except BadLineError:
        return [], typed


def candidates(root: click.Group, before: list[str], typed: str) -> list[tuple[str, str]]:
    """(word, what it is) for every word that may follow."""
    if PIPE in before:
        behind = before[len(before) - before[::-1].index(PIPE) :]
        return [] if behind else [item for item in FILTERS.items() if item[0].startswith(typed)]
    command, path = command_at(root, before)
    if isinstance(command, click.Group) and len(path) < len(before):
        return []  # a word before is no command
    try:
        found = ShellComplete(root, {}, "", "").get_completions(list(before), typed)
        if not typed and not isinstance(command, click.Group):
            found = [*found, *ShellComplete(root, {}, "", "").get_completions(list(before), "-")]
    except (click.ClickException, SystemExit):
        return []
    rows = {
        str(item.value): (item.help or "").split("\n")[0]
        for item in found
        if item.type == "plain" and item.value not in SHELL_ANSWERS
    }
    return list(rows.items())[:ROWS_MAX]


def command_at(root: click.Group, words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words lead to, and its path."""
    command: click.Command = root
    path: list[str] = []
    for word in words:
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        command = command.commands[word]
        path.append(word)
    return command, path


def help_at(root: click.Group, text: str) -> str:
    """What `?` says at the end of this text: what can be typed next, and what it does."""
    before, typed = split(text)
    if PIPE in before:
        return _rows(candidates(root, before, typed)) or "a regular expression (Python's)"
    command, path = command_at(root, before)
    if isinstance(command, click.Group):
        rows = [(name, one.get_short_help_str(90)) for name, one in sorted(command.commands.items())]
        rows = [row for row in rows if row[0].startswith(typed)]
        return _rows(rows) or f"no command begins with {typed!r}"
    if typed:
        found = candidates(root, before, typed)
        if found:
            return _rows(found)
    return _command_help(command, " ".join(path))


def _command_help(command: click.Command, path: str) -> str:
    """What click would say, without the options that the shell answers itself."""
    context = click.Context(command, info_name=path, help_option_names=[])
    rows = [record for one in command.params if _offered(one) and (record := one.get_help_record(context))]
    formatter = context.make_formatter()
    formatter.width = HELP_CHARACTERS
    formatter.write_usage(path, " ".join(command.collect_usage_pieces(context)))
    command.format_help_text(context, formatter)
    if rows:
        formatter.write_paragraph()
        formatter.write_dl(rows)
    return formatter.getvalue().rstrip()


def _offered(parameter: click.Parameter) -> bool:
    return not SHELL_ANSWERS.intersection(parameter.opts)


def _rows(rows: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {about}".rstrip() for name, about in rows)
