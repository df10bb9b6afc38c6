"""All tables of an SQLite file, which is opened so that nothing in it can run or be written."""

import codecs
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.tables import (
    CELL_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    PART_CHARACTERS,
    Batch,
    Batcher,
    Cell,
    InputRefused,
    column_names,
    long_text,
)

TABLES_MAX: Final = 10_000
_READS: Final = frozenset(
    (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )
)


class SqliteSource:
    """An SQLite file. Use it on one thread."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        """Raises InputRefused, OSError."""
        self.path: Path = path
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise InputRefused(
                f"{path} has changes in {log.name} that are not in the file yet",
                remedy="Close the program that uses it, or take a copy with `sqlite3 FILE .backup`, and scan that.",
            )
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None)
            self._db.text_factory = bytes  # text that is no UTF-8 must not raise
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON", "mmap_size = 0"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_CHARACTERS_MAX)
            self._db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
            self._schema = self._read_schema()
        except sqlite3.Error as error:
            raise InputRefused(f"{path} cannot be read as SQLite: {error}") from error

    def _read_schema(self) -> list[tuple[str, bytes]]:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        rows = self._db.execute(f"{query} LIMIT {TABLES_MAX + 1}").fetchall()
        if len(rows) > TABLES_MAX:
            raise InputRefused(f"{self.path} has more than {TABLES_MAX:,} tables")
        return [(name.decode(errors="surrogateescape"), sql or b"") for name, sql in rows]

    def tables(self) -> Sequence["SqliteTable"]:
        return [SqliteTable(self._db, name, self.path) for name, sql in self._schema if not _virtual(sql)]

    def notes(self) -> Sequence[str]:
        virtual = [name for name, sql in self._schema if _virtual(sql)]
        return [f"virtual table {name} was not read; its contents are in tables of their own" for name in virtual]

    def close(self) -> None:
        self._db.close()


def _virtual(sql: bytes) -> bool:
    return sql.split(None, 2)[:2] == [b"CREATE", b"VIRTUAL"]


class SqliteTable:
    """One table, in the order of its rows' ids (or of its key when it has none)."""

    def __init__(self, db: sqlite3.Connection, name: str, path: Path) -> None:
        self.name = name
        self._db, self._path = db, path
        self._read = self._rows = 0

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        batcher = Batcher(after_row)
        try:
            quoted = quote(self.name)
            self._rows = int(self._db.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0])  # noqa: S608 - quoted
            columns = [
                row[1].decode(errors="surrogateescape") for row in self._db.execute(f"PRAGMA table_xinfo({quoted})")
            ]
            names = column_names([name[:NAME_CHARACTERS_MAX] for name in columns])
            wanted = ", ".join(map(quote, columns))
            for values in self._db.execute(f"SELECT {wanted} FROM {quoted} NOT INDEXED"):  # noqa: S608 - quoted
                self._read += 1
                texts = [_text(value) for value in values] if self._read > after_row else []
                row = [(name, text) for name, text in zip(names, texts, strict=False) if text is not None]
                if batch := batcher.add(row, unread=sum(text is None for text in texts)):
                    yield batch
        except sqlite3.Error as error:
            raise InputRefused(f"{self._path}, table {self.name}, after row {self._read:,}: {error}") from error
        if batch := batcher.take():
            yield batch

    def progress(self) -> float:
        return self._read / self._rows if self._rows else 0.0


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> Cell | None:
    """A cell's text; None for bytes that are none.

    Text comes as bytes, too: what is one cannot be told from a blob here, and need not be.
    """
    if value is None:
        return ""
    if not isinstance(value, bytes):
        return str(value)
    if b"\0" in value:
        return None
    if len(value) <= PART_CHARACTERS:
        return value.decode(errors="surrogateescape").strip()
    starts = range(0, len(value), PART_CHARACTERS)
    return long_text(_decoded(memoryview(value)[start : start + PART_CHARACTERS] for start in starts))


def _decoded(pieces: Iterator[memoryview]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
