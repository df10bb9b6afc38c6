"""Makes the tagged copy of any source, whole or not at all."""

import os
from pathlib import Path

from kiosk_cloud.protect.reading.delimited import CsvSource
from kiosk_cloud.protect.reading.jsonlines import JsonSource
from kiosk_cloud.protect.reading.parquet import ParquetSource
from kiosk_cloud.protect.reading.sheets import SheetSource
from kiosk_cloud.protect.reading.sqlite import SqliteSource
from kiosk_cloud.protect.sidecar import Tags
from kiosk_cloud.protect.tables import Source
from kiosk_cloud.protect.writing import databases, texts, workbook


def copy(source: Source, cells: Path, stem: Path, row_characters_max: int) -> Path:
    """Write `stem` with the format's suffix (an xls becomes an xlsx); its path. Raises InputRefused, OSError."""
    kind = "xlsx" if source.kind == "xls" else source.kind
    path = stem.with_name(f"{stem.name}.{kind}")
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    tags = Tags(cells)
    try:
        match source:
            case CsvSource():
                texts.write(temporary, texts.csv_bytes(source, tags))
            case JsonSource():
                texts.write(temporary, texts.json_bytes(source, tags))
            case SqliteSource():
                databases.sqlite(source, tags, temporary)
            case ParquetSource():
                databases.parquet(source, tags, temporary, row_characters_max)
            case SheetSource():
                workbook.write(source, tags, temporary)
            case _:
                raise AssertionError(source.kind)  # noqa: TRY301 - a reader without a writer
        assert tags.all_taken, "rows of the copy are not those that were judged"
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
