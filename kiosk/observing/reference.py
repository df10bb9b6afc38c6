"""`python -m kiosk.observing.reference docs/observing.md`: writes the table of metrics into the page, from the code."""

import re
import sys
from pathlib import Path
from typing import Final

from kiosk.core.metrics import METRICS, Values

BEGIN: Final = "<!-- metrics: made by `make docs` from kiosk/core/metrics.py; do not edit -->"
END: Final = "<!-- end of metrics -->"


def table() -> str:
    """Every metric, one row each."""
    rows = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    for metric in METRICS.values():
        labels = "; ".join(f"`{label}`: {_values(values)}" for label, values in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(rows)


def _values(values: Values) -> str:
    if isinstance(values, re.Pattern):
        return "SHA-256 in hex" if values.fullmatch("0" * 64) else "a version"
    return ", ".join(values)


def written(page: str) -> str:
    """The page with its table renewed. ValueError when it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"the page has no {BEGIN} and {END}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Rewrite the file named on the command line."""
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
