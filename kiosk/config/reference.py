"""The reference of all settings, from the types themselves: `python -m kiosk.config.reference docs/settings.md`.

What a setting means is the comment at its line in `schema.py` (or on the lines just above it); range and default are
its type's and its struct's. So the page cannot say anything else than the code, and a test fails when it is stale.
"""

import ast
import inspect
import io
import json
import sys
import tokenize
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from kiosk.config import schema
from kiosk.config.explain import allowed_values

SECRET: Final = frozenset({"validator.fixed_key_hex"})
_UNITS: Final = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_minor": "minor units of the currency, e.g. fen or cents",
    "_minor_max": "minor units of the currency, e.g. fen or cents",
    "_notes_max": "notes",
    "_high_notes": "notes",
    "_slots": "slots",
    "frames_per_second": "frames a second",
    "width": "pixels",
    "height": "pixels",
    "baud": "bits a second",
    "inflight_max": "records",
    "pin": "BCM number",
}
_HEAD: Final = """# Settings

<!-- Made by `make docs` from kiosk/config/schema.py; do not edit. -->

Everything that can be set in `kiosk.toml`. What is not listed here is refused, what is out of range is refused, and the
message says what is allowed. Paths may be relative to the directory of the file. `kioskctl config check FILE` says
whether a file can be used, `kioskctl config show FILE` what it comes to: each value with the line it stands in, or that
it is the default. A commented example: [systemd/kiosk.toml.example](../systemd/kiosk.toml.example).
"""


@dataclass(frozen=True)
class Setting:
    """One setting as the reference has it. `kind` is its type; `default` is NODEFAULT when it must be given."""

    name: str
    kind: Any
    text: str
    default: Any

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return allowed_values(self.kind)

    @property
    def unit(self) -> str:
        """Its unit, from its name; empty when it has none."""
        return unit_of(self.name)


@dataclass(frozen=True)
class Table:
    """One table of the file: `[name]`, `[[name]]` when it may be repeated, `[name.<what>]` when it is named."""

    header: str
    struct: type[Struct]
    required: bool
    text: str

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Its own settings, without those of tables inside it."""
        return tuple(each for each in settings_of(self.struct) if table_inside(each.kind) is None)


def unit_of(name: str) -> str:
    """The unit that a setting's name promises."""
    ending = max((end for end in _UNITS if name.endswith(end)), key=len, default=None)
    return _UNITS[ending] if ending else ""


@cache
def settings_of(struct: type[Struct]) -> tuple[Setting, ...]:
    """Everything that may stand in a table of this type."""
    hints = get_type_hints(struct, include_extras=True)
    texts = _texts(struct)
    return tuple(
        Setting(field.name, hints[field.name], texts.get(field.name, ""), _default(field))
        for field in msgspec.structs.fields(struct)
    )


def tables(struct: type[Struct] = schema.Config, name: str = "") -> Iterator[Table]:
    """Every table below `struct`, in the order of the file."""
    for each in settings_of(struct):
        found = table_inside(each.kind)
        if found is None:
            continue
        inner, origin = found
        path = f"{name}.{each.name}" if name else each.name
        yield Table(_header(path, each.kind, origin), inner, each.default is NODEFAULT, each.text)
        yield from tables(inner, path)


def table_inside(kind: Any) -> tuple[type[Struct], str] | None:  # noqa: ANN401 - a type or a special form of typing
    """The struct that a setting of this type holds, and how: as `struct`, `list` or `named`; None for a plain value."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return next((found for one in get_args(kind) if (found := table_inside(one))), None)
    for origin, position, how in ((dict, 1, "named"), (tuple, 0, "list")):
        if get_origin(kind) is origin:
            found = table_inside(get_args(kind)[position])
            return (found[0], how) if found else None
    return (kind, "struct") if isinstance(kind, type) and issubclass(kind, Struct) else None


def page() -> str:
    """The whole reference as Markdown."""
    parts = [_HEAD]
    for table in tables():
        needed = "Must be there." if table.required else "May be left out."
        said = f" {_sentence(table.text)}" if table.text else ""
        parts.append(f"## `{table.header}`\n\n{_docstring(table.struct)}{said} {needed}\n")
        if table.settings:
            rows = [_row(setting) for setting in table.settings]
            parts.append("\n".join(["| setting | what | allowed | default |", "|---|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def value_text(value: object) -> str:
    """A value as TOML has it; a path as text, nothing as a dash."""
    if value is None:
        return "-"
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(value_text, value)) + "]"
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {value_text(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(value, ensure_ascii=False)


def _row(setting: Setting) -> str:
    words = setting.allowed + (f"; {setting.unit}" if setting.unit else "")
    if setting.default is NODEFAULT:
        default = "must be given"
    else:
        default = "none" if setting.default is None else f"`{value_text(setting.default)}`"
    cells = (f"`{setting.name}`", _sentence(setting.text), words, default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 - whatever the setting's type is
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default


def _docstring(struct: type[Struct]) -> str:
    return inspect.cleandoc(struct.__doc__ or "").replace("\n", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) or not text else ".")


def _header(path: str, kind: Any, origin: str) -> str:  # noqa: ANN401 - a type or a special form of typing
    if origin == "named":
        names = {schema.LineRole: "line", schema.Currency: "currency"}
        return f"[{path}.<{names.get(get_args(kind)[0], 'name')}>]"
    return f"[[{path}]]" if origin == "list" else f"[{path}]"


def _texts(struct: type[Struct]) -> dict[str, str]:
    """Field name -> the comment at its line, or else the comment lines just above it; inherited ones included."""
    texts: dict[str, str] = {}
    for one in reversed(struct.__mro__):
        if issubclass(one, Struct) and one.__module__ == schema.__name__:
            texts |= _comments(one)
    return texts


def _comments(struct: type[Struct]) -> dict[str, str]:
    source = inspect.cleandoc("\n" + inspect.getsource(struct))
    at_end: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            where = alone if token.line.strip().startswith("#") else at_end
            where[token.start[0]] = token.string.lstrip("# ").strip()
    found: dict[str, str] = {}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above: list[str] = []
            line = node.lineno - 1
            while line in alone:
                above.insert(0, alone[line])
                line -= 1
            found[node.target.id] = at_end.get(node.end_lineno or node.lineno) or " ".join(above)
    return found


def main() -> None:
    """Write the page to the file that is named."""
    (target,) = sys.argv[1:]
    Path(target).write_text(page())


if __name__ == "__main__":
    main()
