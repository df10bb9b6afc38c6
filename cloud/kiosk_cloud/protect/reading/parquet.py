"""A parquet file, in record batches. Strings stay dictionary-encoded, so that one that is repeated is held once."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from kiosk_cloud.protect.tables import Batch, Batcher, Cell, InputRefused, cell, column_names

ROWS: Final = 1000
GROUP_BYTES_MAX: Final = 4 << 30
RATIO_MAX: Final = 1000  # of a whole column chunk; run lengths of a constant column go beyond, so only large ones count
SMALL_BYTES: Final = 64 << 20


class ParquetSource:
    """A parquet file."""

    kind = "parquet"

    def __init__(self, path: Path) -> None:
        """Raises InputRefused, OSError."""
        self.path: Path = path
        try:
            with pq.ParquetFile(path) as first:
                strings = [field.name for field in first.schema_arrow if _is_string(field.type)]
                self._check(first.metadata)
            self._file = pq.ParquetFile(path, read_dictionary=strings)
        except (pa.ArrowException, ValueError) as error:
            if isinstance(error, InputRefused):
                raise
            raise InputRefused(f"{path} cannot be read as parquet: {_first_line(error)}") from error

    def _check(self, metadata: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            sizes = [group.column(each) for each in range(group.num_columns)]
            stored = sum(max(0, size.total_compressed_size) for size in sizes)
            expanded = sum(max(0, size.total_uncompressed_size) for size in sizes)
            if expanded > GROUP_BYTES_MAX or (expanded > SMALL_BYTES and expanded > RATIO_MAX * max(1, stored)):
                raise InputRefused(
                    f"{self.path}: row group {number} would expand from {stored:,} to {expanded:,} bytes",
                    remedy="Write it again with smaller row groups, if it can be trusted.",
                )

    def tables(self) -> Sequence["ParquetTable"]:
        return [ParquetTable(self._file, self.path)]

    def notes(self) -> Sequence[str]:
        return []

    def close(self) -> None:
        self._file.close()


def _is_string(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class ParquetTable:
    """Its rows."""

    name = "table"

    def __init__(self, file: pq.ParquetFile, path: Path) -> None:
        self._file, self._path = file, path
        self._read, self._rows = 0, max(1, file.metadata.num_rows)

    def batches(self, after_row: int = 0) -> Iterator[Batch]:
        batcher = Batcher(after_row)
        try:
            names = column_names(self._file.schema_arrow.names)
            for batch in self._file.iter_batches(batch_size=ROWS):
                skipped = self._read + batch.num_rows <= after_row
                self._read += batch.num_rows
                columns = [] if skipped else [_texts(column) for column in batch.columns]
                for row in range(batch.num_rows):
                    texts = [column[row] for column in columns]
                    cells = [(name, text) for name, text in zip(names, texts, strict=False) if text is not None]
                    if done := batcher.add(cells, unread=len(texts) - len(cells)):
                        yield done
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, InputRefused):
                raise
            raise InputRefused(f"{self._path}, after row {self._read:,}: {_first_line(error)}") from error
        if done := batcher.take():
            yield done

    def progress(self) -> float:
        return min(1.0, float(self._read / self._rows))


def _texts(column: Any) -> list[Cell | None]:  # noqa: ANN401 - pyarrow has no types
    """A column's cells; None for bytes that are no text."""
    if pa.types.is_dictionary(column.type):
        values = [_text(value) for value in column.dictionary.to_pylist()]
        return ["" if index is None else values[index] for index in column.indices.to_pylist()]
    return [_text(value) for value in column.to_pylist()]


def _text(value: object) -> Cell | None:
    match value:
        case None:
            return ""
        case str():
            return cell(value.strip())
        case bytes():
            return None if b"\0" in value else cell(value.decode(errors="surrogateescape").strip())
        case dict() | list() | tuple():
            return cell(json.dumps(value, ensure_ascii=False, default=str))
        case _:
            return str(value)
