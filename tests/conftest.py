"""Hypothesis draws the same examples in every `make test`; `HYPOTHESIS_PROFILE=random` (in `make fuzz`) draws others.

A machine may be busy, so no example has a deadline: `pytest-timeout` names a hang.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

from kiosk.protection import logs

settings.register_profile("kiosk", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, derandomize=False, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kiosk"))


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """What `kiosk.protection.logs.set_up` changes of this process, put back."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    gate = logs.in_use()
    yield
    logs.use(gate)
    logging.captureWarnings(capture=False)
    root.handlers[:], (sys.excepthook, threading.excepthook) = handlers, hooks
    root.setLevel(level)
