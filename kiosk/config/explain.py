"""From msgspec's complaint to a sentence for the person who wrote the file: key, allowed range, remedy."""

import difflib
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from kiosk.errors import ConfigError

_WHERE: Final = re.compile(r" - at (`key` in )?`\$(.*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d*\.*)\]")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]+)`")
SHOWN_CHARS_MAX: Final = 60
_MISSING: Final = re.compile(r"missing required field `([^`]+)`")


def explained(error: msgspec.ValidationError, raw: dict[str, Any], target: type[Struct], path: Path) -> ConfigError:
    """The `ConfigError` that says what `error` means for the file at `path`."""
    text = str(error)
    where = _WHERE.search(text)
    in_key, steps = (where.group(1), where.group(2)) if where else (None, "")
    key, kind, value = _locate(steps + ("[...]" if in_key else ""), raw, target)
    if unknown := _UNKNOWN.search(text):
        return _unknown_key(path, key, unknown.group(1), kind)
    if missing := _MISSING.search(text):
        name = _join(key, missing.group(1))
        allowed = allowed_values(get_type_hints(kind, include_extras=True)[missing.group(1)])
        return ConfigError(f"{path}: {name} is missing", remedy=f"Add it; allowed: {allowed}.")
    shown = _shown(key, value)
    return ConfigError(f"{path}: {key or 'the file'} cannot be {shown}", remedy=f"Allowed: {allowed_values(kind)}.")


def allowed_values(kind: Any) -> str:  # noqa: ANN401 - a type or a special form of typing
    """What a setting of type `kind` may be, in words."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *notes = get_args(kind)
        words = [allowed_values(inner), *(_range(note) for note in notes if isinstance(note, Meta))]
        return ", ".join(word for word in words if word)
    if origin is Literal:
        return ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(allowed_values(one) for one in get_args(kind) if one is not types.NoneType)
    if origin is tuple:
        return f"a list, each: {allowed_values(get_args(kind)[0])}"
    return _plain(kind)


def _plain(kind: Any) -> str:  # noqa: ANN401 - a type or a special form of typing
    if get_origin(kind) is dict:
        names, values = get_args(kind)
        return f"a table; its keys: {allowed_values(names)}; each: {allowed_values(values)}"
    if issubclass(kind, Struct):
        return f"a table with {', '.join(kind.__struct_fields__)}"
    return {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}[kind]


def _range(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f"from {meta.ge} to {meta.le}"
    if meta.pattern is not None:
        return f"of the form {meta.pattern}"
    if meta.min_length is not None:
        return f"at least {meta.min_length} long"
    return ""


def _unknown_key(path: Path, key: str, name: str, kind: type[Struct]) -> ConfigError:
    known = kind.__struct_fields__
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {_join(key, near[0])}? " if near else ""
    remedy = f"Remove it, or correct its name: {guess}Known here: {', '.join(known)}."
    return ConfigError(f"{path}: {_join(key, name)} is no setting of the kiosk", remedy=remedy)


def _shown(key: str, value: object) -> str:
    if key.endswith("key_hex"):
        return "what it is"  # a secret does not go into an error message
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}..."


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _locate(where: str, raw: Any, target: Any) -> tuple[str, Any, Any]:  # noqa: ANN401 - TOML values and types
    """Walk msgspec's path (`.board.unit`, `.lines[...].pin`, `.notes[0]`) through data and types.

    Returns the key as the file has it, the type there and the value there. `[...]` stands for any key of a
    table: the first one that does not fit is meant.
    """
    key, kind, value = "", target, raw
    for name, index in _STEP.findall(where):
        kind = _container(kind, value)
        if name:
            hints = get_type_hints(kind, include_extras=True)
            key, kind, value = _join(key, name), hints[name], value[name]
        elif index.isdigit():
            key, kind, value = f"{key}[{index}]", get_args(kind)[0], value[int(index)]
        else:
            name_kind, value_kind = get_args(kind)
            wrong = next(_misfits(value, name_kind, value_kind), None)
            if wrong is None:
                break
            culprit, fits = wrong
            if not fits:  # the key itself is wrong
                return key, name_kind, culprit
            key, kind, value = _join(key, culprit), value_kind, value[culprit]
    return key, _container(kind, value), value


def _misfits(table: dict[str, Any], name_kind: Any, value_kind: Any) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
    """Keys of `table` that break it, each with whether at least the key itself is all right."""
    for name, value in table.items():
        if not _fits(name, name_kind):
            yield name, False
        elif not _fits(value, value_kind):
            yield name, True


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - a type or a special form of typing
    try:
        msgspec.convert(value, kind, dec_hook=lambda _kind, text: Path(str(text)))
    except msgspec.ValidationError:
        return False
    return True


def _container(kind: Any, value: object) -> Any:  # noqa: ANN401 - a type or a special form of typing
    """Strip `Annotated` and `| None` from a type that is about to be entered."""
    if isinstance(value, dict | list):
        while get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if get_origin(kind) in (Union, types.UnionType):
            kind = next(one for one in get_args(kind) if one is not types.NoneType)
    return kind
