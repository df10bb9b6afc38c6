"""Tagged copies of sqlite and parquet."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from kiosk_cloud.protect.reading.parquet import ParquetSource
from kiosk_cloud.protect.reading.sqlite import SqliteSource, quote
from kiosk_cloud.protect.sidecar import Tags, label
from kiosk_cloud.protect.writing.texts import COLUMN, write

CELLS_TABLE: Final = "protected_cells"
BATCH_BYTES: Final = 64 << 20
BATCH_ROWS_MAX: Final = 2000
_PIECE: Final = 1 << 20


def sqlite(source: SqliteSource, tags: Tags, path: Path) -> None:
    """The same file with one more table: table_name, row_id, column_name, kind, score. No row of the others is touched.

    `row_id` is the table's rowid; of a table without, the row's number in the order of its key.
    """
    write(path, _bytes(source.path))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("trusted_schema = OFF", "synchronous = OFF", "cell_size_check = ON"):
            db.execute(f"PRAGMA {pragma}")
        name = CELLS_TABLE
        while db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone():
            name += "_"
        db.execute("BEGIN")
        db.execute(
            f"CREATE TABLE {name} (table_name TEXT NOT NULL, row_id INTEGER NOT NULL, column_name TEXT NOT NULL,"
            " kind TEXT NOT NULL, score REAL NOT NULL)"
        )
        insert = f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - the name is ours
        for table in source.tables():
            for row, row_id in enumerate(_row_ids(db, table.name), 1):
                found = tags.of(table.name, row)
                values = [(table.name, row_id, tag.column, tag.kind, tag.score) for tag in found]
                if values:
                    db.executemany(insert, values)
        db.execute("COMMIT")


def _row_ids(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """In the order in which the reader has seen the rows."""
    name = quote(table)
    columns = {row[1].lower() for row in db.execute(f"PRAGMA table_xinfo({name})")}
    free = [each for each in ("rowid", "_rowid_", "oid") if each not in columns]
    try:
        rows = db.execute(f"SELECT {free[0]} FROM {name} NOT INDEXED") if free else None  # noqa: S608 - quoted
    except sqlite3.OperationalError:  # WITHOUT ROWID
        rows = None
    if rows is None:
        yield from range(1, db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] + 1)  # noqa: S608 - quoted
        return
    for (row_id,) in rows:
        yield row_id


def _bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def parquet(source: ParquetSource, tags: Tags, path: Path, row_characters_max: int) -> None:
    """The same columns and one more, `protected`, last: a text, null where nothing is.

    `row_characters_max` is the widest row that was met, so that a batch stays within BATCH_BYTES.
    """
    rows = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // max(1, 4 * row_characters_max)))
    with pq.ParquetFile(source.path) as file:
        name = COLUMN
        while name in file.schema_arrow.names:
            name += "_"
        schema = file.schema_arrow.append(pa.field(name, pa.string()))
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with pq.ParquetWriter(path, schema) as writer:
            row = 0
            for batch in file.iter_batches(batch_size=rows):
                texts = [label(tags.of("table", row + number)) or None for number in range(1, batch.num_rows + 1)]
                row += batch.num_rows
                columns = [*batch.columns, pa.array(texts, pa.string())]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
