"""Log lines through the gate: a formatter, because only the finished line has the arguments and the traceback in it."""

import logging
import sys
import threading
from types import TracebackType
from typing import Final, TextIO

from kiosk.protection.gate import WITHHELD, mask

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class MaskingFormatter(logging.Formatter):
    """Formats, then masks. Of a line that cannot be judged or formatted, time and level remain."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return mask(super().format(record))
        except Exception:  # noqa: BLE001 - arguments that do not fit, a broken __str__
            return f"{self.formatTime(record)} {record.levelname} {WITHHELD}"


def set_up(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Every line of this process's logging goes masked to `stream` (standard error). Replaces what was set up before.

    Warnings and exceptions that nobody caught go the same way.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(MaskingFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda thrown: _uncaught(thrown.exc_type, thrown.exc_value or thrown.exc_type(), None)


def all_masked() -> bool:
    """Whether every line that this process logs goes through the gate now."""
    handlers = logging.getLogger().handlers
    return bool(handlers) and all(isinstance(handler.formatter, MaskingFormatter) for handler in handlers)


def _uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("kiosk").critical("a fault that nobody caught", exc_info=error)
