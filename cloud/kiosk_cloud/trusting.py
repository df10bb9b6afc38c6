"""What the policy file says of the kiosks' keys, from what the bank believes of them; everything else in it stays.

The newest log of a kiosk has `log` lines; those that an epoch has closed stay as `closed-log`, so that one file checks
the receipts of all of them and a monitor follows them all.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from kiosk.core import topics
from kiosk.errors import ConfigError
from kiosk.guarantee import checkpoint, policy
from kiosk.guarantee.policy import Policy
from kiosk_cloud.keyring import Keyring

log = logging.getLogger(__name__)


class PolicyFile:
    """A policy file that may be replaced while it is in use: after a rotation nobody has to be started again.

    One that is damaged, or gone, changes nothing; that is logged once. Any thread may ask.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError."""
        self._path = path
        self._known = self._read()

    def policy(self) -> Policy:
        """As the file is now."""
        return self._present()[1]

    def data(self) -> bytes:
        """The file itself, for whoever wants to check receipts."""
        return self._present()[2]

    def _present(self) -> tuple[tuple[int, int], Policy, bytes]:
        if (seen := self._seen()) != self._known[0]:
            try:
                self._known = self._read()
            except ConfigError as error:
                log.error("%s: the policy of before stays in use: %s", self._path, error)  # noqa: TRY400 - said in full
                self._known = (seen, *self._known[1:])
        return self._known

    def _read(self) -> tuple[tuple[int, int], Policy, bytes]:
        seen, data = self._seen(), policy.load_bytes(self._path)
        return seen, policy.parse(data), data

    def _seen(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino


def renewed(text: str, keyring: Keyring, pinned: Path) -> str:
    """`text` with the lines about the logs in the folder `pinned` as they are now. VerificationError; ConfigError.

    Lines that still hold keep their place: the file's hash changes only when something has.
    """
    logs = sorted(path.name for path in pinned.iterdir() if topics.is_kiosk_id(path.name))
    wanted = [line for log in logs for line in _lines(keyring, log, closed=topics.later_log(log, logs))]
    known = text.splitlines()
    kept = [line for line in known if _as_written(line) in wanted or not _is_about(line, logs)]
    there = {_as_written(line) for line in kept}
    return "\n".join([*kept, *(line for line in wanted if line not in there), ""])


def _lines(keyring: Keyring, log: str, *, closed: bool) -> Iterator[str]:
    found = keyring.kiosk(log)
    yield from policy.lines_of(log, found.records, found.checkpoints, closed=closed)


def _as_written(line: str) -> str:
    """Without the mirror's address that people may have added to a log."""
    words = line.split()
    return " ".join(words[:2]) if words[:1] == ["log"] else line


def _is_about(line: str, logs: list[str]) -> bool:
    origins = {checkpoint.origin(log) for log in logs}
    match line.lstrip("#").split():
        case ["log" | "closed-log", vkey, *_]:
            return vkey.partition("+")[0] in origins
        case ["record-key", log, *_] | ["key-range", _, _, _, log]:
            return log in logs
    return False
