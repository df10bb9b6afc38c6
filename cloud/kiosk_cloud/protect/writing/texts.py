"""Tagged copies of csv and jsonl: every byte of the input, and a tag before each row or behind each value."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.reading import jsonlines
from kiosk_cloud.protect.reading import text as texts
from kiosk_cloud.protect.reading.delimited import CsvSource, Records
from kiosk_cloud.protect.reading.jsonlines import JsonSource
from kiosk_cloud.protect.sidecar import Tags, label

COLUMN: Final = "protected"


def csv_bytes(source: CsvSource, tags: Tags) -> Iterator[bytes]:
    """The first column says what of the row is protected; the others stand as they stood, byte by byte."""
    found = source.dialect
    encoder = texts.encoder(found.encoding)
    yield texts.mark(source.path, found.encoding)
    header, row = found.header, 0
    for record in Records(texts.Pieces(source.path, found.encoding), found.delimiter, cells=False):
        blank = all(not piece.strip("\r\n") for piece in record.raw)
        if header and not blank:
            header, tag = False, COLUMN
        elif header:
            tag = None
        else:
            row += 1
            tag = None if blank else label(tags.of("table", row))
        if tag is not None:
            yield encoder.encode(_csv_cell(tag, found.delimiter) + found.delimiter)
        for piece in record.raw:
            yield encoder.encode(piece)
    yield encoder.encode("", final=True)


def _csv_cell(text: str, delimiter: str) -> str:
    if any(character in text for character in (delimiter, '"', "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def json_bytes(source: JsonSource, tags: Tags) -> Iterator[bytes]:
    """A member `protected` behind an object's own; a line that is no object becomes `{"value": ..., "protected": ...}`.

    A line that is no JSON becomes the text `value`. Lines without anything protected are as they were.
    """
    encoder = texts.encoder(source.encoding)
    yield texts.mark(source.path, source.encoding)
    pieces = texts.Pieces(source.path, source.encoding)
    for row, line in enumerate(jsonlines.lines(pieces), 1):
        found = tags.of("table", row)
        yield encoder.encode(f"{_tagged(line, label(found)) if found else line}\n")
    yield encoder.encode("", final=True)


def _tagged(line: str, tag: str) -> str:
    bare = line.strip()
    try:
        value = jsonlines.decode(bare)
    except ValueError:
        return json.dumps({"value": bare, COLUMN: tag}, ensure_ascii=False)
    words = json.dumps(tag, ensure_ascii=False)
    if not isinstance(value, jsonlines.Pairs):
        return f'{{"value": {bare}, "{COLUMN}": {words}}}'
    name, taken = COLUMN, {key for key, _ in value}
    while name in taken:
        name += "_"
    return f'{bare[:-1].rstrip()}, "{name}": {words}}}'


def write(path: Path, pieces: Iterator[bytes]) -> None:
    """Into a new file that its owner alone may read."""
    with path.open("wb") as file:
        path.chmod(0o600)
        file.writelines(pieces)
