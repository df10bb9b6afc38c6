"""The canonical line: one structured line for each deposit and each fault, for whoever collects a kiosk's logs.

Which events there are and which fields each has is the table `EVENTS`; docs/observing.md describes it and a test
compares. Under systemd (`JOURNAL_STREAM` names our standard error) a line goes to the journal in its native protocol,
each field a field `KIOSK_...` of its own; otherwise it is one line of JSON on standard error. Either way every text
goes through the gate of this process's log lines (`logs`). Like any log it is a courtesy: what counts is in the
records.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TextIO

from kiosk.protection import logs
from kiosk.protection.gate import in_depth

Event = Literal["deposit", "alert", "fault"]
Scalar = str | int | float | bool
JOURNAL_SOCKET: Final = Path("/run/systemd/journal/socket")
# Event -> field -> type. No account, no code, no person, no amount: those are in the sealed records.
EVENTS: Final[dict[Event, dict[str, type]]] = {
    "deposit": {
        "at": str,  # RFC 3339, when the record was made
        "deposit": str,  # the first eight hex digits of its id, enough to find the record
        "outcome": str,
        "grade": str,
        "duration_s": float,  # from the first touch to the record
        "notes_credited": int,
        "notes_returned": int,
        "notes_retained": int,
        "notes_disputed": int,
        "guarantee_failed": int,  # checks of the guarantee that did not pass
        "remarks": int,  # what went wrong on the way, counted
    },
    "alert": {"at": str, "alert": str, "grade": str, "deposit": str},
    "fault": {"at": str, "alert": str, "device": str, "why": str, "deposit": str},
}
PRIORITIES: Final[dict[Event, int]] = {"deposit": 6, "alert": 4, "fault": 3}  # of syslog: info, warning, error


def say(
    event: Event,
    fields: Mapping[str, Scalar],
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal: Path = JOURNAL_SOCKET,
) -> None:
    """One line. ValueError for an event or field that the table does not have, or a value of another type."""
    line = _line(event, fields)
    out = stream or sys.stderr
    if not (_in_journal(out, environ) and _sent(line, PRIORITIES[event], journal)):
        print(json.dumps(line, ensure_ascii=False), file=out, flush=True)


def _line(event: Event, fields: Mapping[str, Scalar]) -> dict[str, object]:
    table = EVENTS.get(event)
    if table is None:
        message = "no such event"
        raise ValueError(message)
    for name, value in fields.items():
        if type(value) is not table.get(name):
            message = f"{event}: {name if name in table else 'a field that the table does not have'}"
            raise ValueError(message)
    said = {name: fields[name] for name in table if name in fields}
    return {"event": event, **in_depth(said, lambda text, name: logs.gated(text) if name else text)}


def _in_journal(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `out` is the pipe that systemd made to its journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(out.fileno())
    except (OSError, ValueError):  # no file at all, as in a test
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _sent(line: Mapping[str, object], priority: int, journal: Path) -> bool:
    """In the journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram of NAME=value lines."""
    texts = {name: str(value).replace("\n", " ") for name, value in line.items()}
    words = ", ".join(f"{name} {value}" for name, value in texts.items() if name not in {"event", "at"})
    rows = [f"MESSAGE={line['event']}: {words}", f"PRIORITY={priority}", "SYSLOG_IDENTIFIER=kiosk"]
    rows += [f"KIOSK_{name.upper()}={value}" for name, value in texts.items()]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)  # noqa: FBT003 - the standard library's
            sender.sendto("\n".join(rows).encode() + b"\n", str(journal))
    except OSError:
        return False
    return True
