"""Log lines through the gate: a formatter, because only the finished line has the arguments and the traceback in it.

A process begins with the package's catalogue (`set_up`) and follows the bank's when it has read its configuration
(`use`): destination `log`.
"""

import logging
import sys
import threading
from types import TracebackType
from typing import Final, TextIO

from kiosk.protection.bundles import usual_gate
from kiosk.protection.catalogue import CatalogueError
from kiosk.protection.egress import STOPPED, Gate
from kiosk.protection.gate import WITHHELD, mask

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class MaskingFormatter(logging.Formatter):
    """Formats, then gates. Of a line that cannot be formatted, or that the policy stops, time and level remain."""

    def __init__(self, form: str, gate: Gate | None = None) -> None:
        """Without a gate everything that a pattern tells is masked."""
        super().__init__(form)
        self._gate = gate

    def format(self, record: logging.LogRecord) -> str:
        try:
            line = super().format(record)
            if self._gate is None:
                return mask(line)
            at = f"{self.formatTime(record)} "
            at = (
                at if line.startswith(at) else ""
            )  # the clock's own words are nobody's, and most of a short line's work
            passed = self._gate.text(line[len(at) :], "log").text
        except Exception:  # noqa: BLE001 - arguments that do not fit, a broken __str__
            return f"{self.formatTime(record)} {record.levelname} {WITHHELD}"
        if passed == WITHHELD:
            return WITHHELD
        return f"{self.formatTime(record)} {record.levelname} {STOPPED}" if passed == STOPPED else at + passed


def _packaged() -> Gate | None:
    try:
        return usual_gate()
    except (CatalogueError, OSError):  # of an installation that is broken: its lines are masked all the same
        return None


class _Current:
    """The gate of this process's lines."""

    gate: Gate | None = None


def set_up(level: int = logging.INFO, stream: TextIO | None = None, gate: Gate | None = None) -> None:
    """Every line of this process's logging goes gated to `stream` (standard error). Replaces what was set up before.

    `gate`: by the package's catalogue where none is given, by patterns alone where even that cannot be read. Warnings
    and exceptions that nobody caught go the same way.
    """
    _Current.gate = gate = gate or _packaged()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(MaskingFormatter(FORMAT, gate))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda thrown: _uncaught(thrown.exc_type, thrown.exc_value or thrown.exc_type(), None)


def in_use() -> Gate | None:
    """The gate of this process's lines; None: patterns alone."""
    return _Current.gate


def use(gate: Gate | None) -> None:
    """From here on lines pass this gate, wherever they go; None: patterns alone."""
    _Current.gate = gate
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, MaskingFormatter):
            handler.setFormatter(MaskingFormatter(FORMAT, gate))


def gated(line: str) -> str:
    """A line that does not come by logging (printed by a library, or by `canonical`) through the same gate."""
    if _Current.gate is None:
        _Current.gate = _packaged()
    return mask(line) if _Current.gate is None else _Current.gate.text(line, "log").text


def all_masked() -> bool:
    """Whether every line that this process logs goes through the gate now."""
    handlers = logging.getLogger().handlers
    return bool(handlers) and all(isinstance(handler.formatter, MaskingFormatter) for handler in handlers)


def _uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("kiosk").critical("a fault that nobody caught", exc_info=error)
