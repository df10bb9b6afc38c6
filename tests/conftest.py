"""Hypothesis draws the same examples in every `make test`; `HYPOTHESIS_PROFILE=random` (in `make fuzz`) draws others.

A machine may be busy, so no example has a deadline: `pytest-timeout` names a hang.
"""

import os

from hypothesis import settings

settings.register_profile("kiosk", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, derandomize=False, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kiosk"))
