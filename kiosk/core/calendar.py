"""The business date of a moment: the branch's calendar, cut at a time of day.

A cut-over before noon belongs to the evening before (at 02:00 the night's deposits still count for yesterday); one from
noon on begins the next date early (after 17:00 it is tomorrow).
"""

from datetime import datetime, timedelta, tzinfo
from typing import Final

import msgspec

_NOON_MIN: Final = 12 * 60
_DAY_MIN: Final = 24 * 60


class Calendar(msgspec.Struct, frozen=True):
    """Time zone of the branch and cut-over in minutes after midnight, 0 to 1439."""

    zone: tzinfo
    cut_over_min: int = 0

    def date(self, moment: datetime) -> str:
        """The business date (ISO 8601) of a timezone-aware moment. Never falls while the wall clock runs on."""
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        shift_min = -self.cut_over_min
        if self.cut_over_min >= _NOON_MIN:
            shift_min += _DAY_MIN
        return (local + timedelta(minutes=shift_min)).date().isoformat()
