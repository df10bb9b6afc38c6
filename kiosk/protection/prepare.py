"""Labelled columns -> the arrays that networks are trained on: `python -m kiosk.protection.prepare IN OUT`.

A line is {"header", "values", "kinds"}. OUT is an npz: the arrays of `encoding` at their full width, `opinions`, `kind`
(index in KINDS), `column` (which column a cell is of) and `header` (parts, by column).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kiosk.protection import encoding
from kiosk.protection.folding import fold
from kiosk.protection.opinions import INDEX, opinions


def prepare(lines: Sequence[str], out: Path) -> int:
    """Write the arrays; return how many cells. Raises KeyError, ValueError: a line that is no labelled column."""
    columns = [json.loads(line) for line in lines]
    texts = [fold(value) for column in columns for value in column["values"]]
    encoded = encoding.encode([*texts, "x" * encoding.CHARACTERS_MAX])  # the last one makes the arrays full width
    np.savez_compressed(
        out,
        codes=encoded.codes[:-1].astype(np.int16),
        parts=encoded.parts[:-1].astype(np.uint16),
        words=_wide(encoded.words[:-1]).astype(np.int16),
        shapes=_wide(encoded.shapes[:-1]).astype(np.uint8),
        stats=encoded.stats[:-1],
        opinions=opinions(texts)[0].astype(np.uint8),
        kind=np.array([INDEX[kind] for column in columns for kind in column["kinds"]], dtype=np.uint8),
        column=np.repeat(np.arange(len(columns)), [len(column["values"]) for column in columns]).astype(np.int32),
        header=encoding.encode_headers([fold(column["header"]) for column in columns]).astype(np.int16),
    )
    return len(texts)


def _wide(array: encoding.Ints) -> encoding.Ints:
    return np.pad(array, ((0, 0), (0, encoding.WORDS_MAX - array.shape[1])))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.protection.prepare", description=__doc__)
    parser.add_argument("data", type=Path, help="labelled columns, JSON lines")
    parser.add_argument("out", type=Path, help="npz to write")
    asked = parser.parse_args()
    with asked.data.open(encoding="utf-8") as lines:
        count = prepare(list(lines), asked.out)
    print(f"{count} cells: {asked.out}")  # noqa: T201 - says what it did


if __name__ == "__main__":
    main()
