"""Labelled columns as JSON lines, for `python -m kiosk.protection.prepare`."""

import json
from pathlib import Path

from cellkinds.columns import columns


def generate(seed: int, cells: int, out: Path) -> int:
    """Write about so many cells; the same seed, the same file. Returns how many columns."""
    made = columns(seed, cells)
    with out.open("w", encoding="utf-8") as lines:
        for column in made:
            line = {"header": column.header, "values": column.values, "kinds": column.kinds}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(made)
