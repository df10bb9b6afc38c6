"""What SQLite and the file system say when the journal's disk fails, as `JournalError` with what to do about it."""

import errno
import sqlite3
from typing import Final

from kiosk.errors import JournalError

_FULL: Final = (
    "the disk is full",
    (
        "Free space on the journal's disk - old logs and stills, never the journal - and start the kiosk again: "
        "what it acknowledged is all there."
    ),
)
_READ_ONLY: Final = (
    "the disk is read-only",
    (
        "Look into the system log: a disk that turned read-only is usually failing. Copy the journal, put it on a good "
        "disk and start the kiosk again."
    ),
)
_DAMAGED: Final = (
    "the file is damaged",
    (
        "Leave the journal as it is, it is evidence; keep the kiosk out of service and call the bank, which has "
        "every record that it acknowledged."
    ),
)
_FAILING: Final = (
    "the disk fails",
    "Look into the system log, copy the journal to a good disk and start the kiosk from there.",
)
_BUSY: Final = (
    "another program holds it",
    "Close whatever has the journal open - look with copies of it, never at the journal itself - and start again.",
)
_BY_SQLITE: Final = {  # primary result codes
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _FAILING,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
}
_BY_ERRNO: Final = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EROFS: _READ_ONLY, errno.EIO: _FAILING}
_PRIMARY: Final = 0xFF  # of an extended result code


def journal_error(what: str, error: sqlite3.Error | OSError) -> JournalError:
    """`what` cannot be done because of `error`; the default remedy when the cause is none that we know."""
    if isinstance(error, sqlite3.Error):
        known = _BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & _PRIMARY)
    else:
        known = _BY_ERRNO.get(error.errno or 0)
    if known is None:
        return JournalError(f"{what}: {error}")
    words, remedy = known
    return JournalError(f"{what}: {words} ({error})", remedy=remedy)
