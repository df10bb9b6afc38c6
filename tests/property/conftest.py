"""Property tests on a machine that may be busy: no deadline per example; `pytest-timeout` names a hang."""

from hypothesis import settings

settings.register_profile("kiosk", deadline=None)
settings.load_profile("kiosk")
