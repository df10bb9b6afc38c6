"""`kiosk/core/asyncapi.yaml` before AsyncAPI's own JSON schema (npm: @asyncapi/specs), and pages that it refuses."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from kiosk import core
from tests.interop import peers

GONE: Final = object()
SPOILED: Final[tuple[tuple[tuple[str, ...], object], ...]] = (  # where, and what is put there
    (("asyncapi",), "3.9.0"),
    (("info",), GONE),
    (("info", "title"), GONE),
    (("info", "version"), 1),
    (("channel",), {}),
    (("channels", "record", "address"), 7),
    (("channels", "record", "adress"), "kiosk/v1/{kiosk}/record"),
    (("channels", "record", "messages", "record"), "record"),
    (("channels", "record", "parameters", "kiosk"), {"location": "somewhere"}),
    (("servers", "bank", "host"), GONE),
    (("servers", "bank", "protocol"), GONE),
    (("servers", "bank", "security"), {}),
    (("operations", "*", "action"), "publish"),
    (("operations", "*", "action"), GONE),
    (("operations", "*", "channel"), GONE),
    (("operations", "*", "channel"), "record"),
    (("operations", "*", "bindings", "mqtt", "qos"), 3),
    (("operations", "*", "bindings", "mqtt", "retain"), "yes"),
    (("components", "securitySchemes", "certificate", "type"), "paper"),
    (("components", "messages", "record", "contentTyp"), "application/cbor"),
    (("components", "messages", "record", "payload", "schemaFormat"), 1),
    (("components", "parameters", "kiosk", "examples"), "demo-0001"),
)


def wrong() -> list[str]:
    """What the schema says otherwise than it should. Raises peers.PeerFailed."""
    page = yaml.safe_load((Path(core.__file__).parent / "asyncapi.yaml").read_text(encoding="utf-8"))
    every = [("the page", page, True), *((what, spoiled, False) for what, spoiled in _spoiled(page))]
    answers = peers.ask("asyncapi", [{"page": each} for _, each, _ in every])
    return [
        f"asyncapi: {what}: {'accepted' if answer['accepted'] else 'refused'} ({answer['says']})"
        for (what, _, good), answer in zip(every, answers, strict=True)
        if answer["accepted"] is not good
    ]


def _spoiled(page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, value in SPOILED:
        spoiled = copy.deepcopy(page)
        inside: Any = spoiled
        for name in where[:-1]:
            inside = inside[next(iter(inside)) if name == "*" else name]
        if value is GONE:
            del inside[where[-1]]
        else:
            inside[where[-1]] = value
        yield f"{'.'.join(where)} {'gone' if value is GONE else value!r}", spoiled
