"""MQTT topics of fixed depth, `kiosk/v1/{kiosk}/{lane}` (DESIGN.md section 5), and the kiosk ids that fit into one.

Kiosk and bank both name topics, so the names live here once. An id is also the common name of the kiosk's
certificate and part of the broker's access list: it may hold nothing that MQTT or a path gives a meaning.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

Lane = Literal[
    "birth",
    "record",
    "checkpoint",
    "evidence",
    "result",
    "telemetry",
    "ack",
    "directory",
    "terms",
    "counts",
    "command",
    "complaint",
    "evidence_ack",
]

PREFIX: Final = "kiosk/v1"
FROM_KIOSK: Final[tuple[Lane, ...]] = ("birth", "record", "checkpoint", "evidence", "result", "telemetry")
TO_KIOSK: Final[tuple[Lane, ...]] = ("ack", "directory", "terms", "counts", "command", "complaint", "evidence_ack")
RETAINED: Final[frozenset[Lane]] = frozenset(
    {"birth", "checkpoint", "telemetry", "ack", "directory", "terms", "counts"}
)
RECEIVER_GROUP: Final = "bank"

_LATER_EPOCH: Final = re.compile(r"(.+)\.epoch(?:[2-9]|[1-9][0-9]{1,3})")
_KIOSK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # the same as in a leaf entry (kiosk.guarantee.leaf)


def is_kiosk_id(text: str) -> bool:
    """Whether `text` may name a kiosk: 1 to 64 letters, digits, dots, dashes, underscores, no leading mark."""
    return _KIOSK_ID.fullmatch(text) is not None


def log_name(kiosk: str, epoch: int) -> str:
    """What the log of this epoch is called: the kiosk's id for the first, `ID.epoch2` and so on for those after it."""
    return kiosk if epoch == 1 else f"{kiosk}.epoch{epoch}"


def kiosk_of(log: str) -> str:
    """Whose log this is."""
    match = _LATER_EPOCH.fullmatch(log)
    return log if match is None else match[1]


def epoch_of(log: str) -> int:
    """The number of a log's epoch, from 1."""
    return 1 if _LATER_EPOCH.fullmatch(log) is None else int(log.rpartition(".epoch")[2])


def logs_of(kiosk: str, logs: Iterable[str]) -> list[str]:
    """Those of `logs` that are this kiosk's, in the order of their epochs."""
    return sorted((log for log in logs if kiosk_of(log) == kiosk), key=epoch_of)


def later_log(log: str, logs: Iterable[str]) -> bool:
    """Whether `logs` has a later one of the same kiosk."""
    return any(epoch_of(each) > epoch_of(log) for each in logs_of(kiosk_of(log), logs))


def topic(kiosk: str, lane: Lane) -> str:
    """The topic of one lane of one kiosk; ValueError for an id that is none."""
    if not is_kiosk_id(kiosk):
        message = f"{kiosk!r} is no kiosk id: 1 to 64 letters, digits, dots, dashes, underscores"
        raise ValueError(message)
    return f"{PREFIX}/{kiosk}/{lane}"


def every(lane: Lane) -> str:
    """The filter for one lane of every kiosk."""
    return f"{PREFIX}/+/{lane}"


@lru_cache(maxsize=4096)  # a receiver meets the same few topics with every record
def parse(name: str) -> tuple[str, Lane] | None:
    """Kiosk and lane of a topic name; None when it is not one of ours."""
    head, _, lane = name.rpartition("/")
    prefix, _, kiosk = head.rpartition("/")
    if prefix != PREFIX or not is_kiosk_id(kiosk):
        return None
    for known in (*FROM_KIOSK, *TO_KIOSK):
        if lane == known:
            return kiosk, known
    return None
