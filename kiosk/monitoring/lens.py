"""Is the lens clear? Facts for core's hard rules, decided over time from unsmoothed measures: pure."""

from typing import Final, Literal

from kiosk.monitoring.features import SceneRow
from kiosk.monitoring.replay import ReplayWatch

Lens = Literal["clear", "covered", "frozen", "looped", "absent"]
ORDER: Final[dict[Lens, int]] = {"clear": 0, "frozen": 1, "looped": 2, "covered": 3, "absent": 4}

LOST_EDGES_COVERED: Final = 0.42  # two people in front hide at most a third of the shop's edges
LOST_EDGES_CLEAR: Final = 0.36
EDGE_SHARE_COVERED: Final = 0.08  # a shop has at least twice as many; holds even before a free picture was seen
COVERED_AFTER_S: Final = 0.5  # a sleeve that brushes the lens is none of our business
FROZEN_AFTER_S: Final = 0.7  # sensor noise changes every real frame
LOOPED_FOR_S: Final = 1.0  # said for this long after the last repeated frames: a seam has none


class LensWatch:
    """Follows rows in time; `state` is the latest verdict."""

    def __init__(self) -> None:
        self.state: Lens = "absent"  # until frames come
        self._still_since_s: float | None = None
        self._blocked_since_s: float | None = None
        self._replay = ReplayWatch()
        self._looped_until_s = float("-inf")

    def update(self, row: SceneRow) -> Lens:
        """Take one row; returns the state."""
        if self._replay.update(row.trace, row.at_s):
            self._looped_until_s = row.at_s + LOOPED_FOR_S
        if row.changed:
            self._still_since_s = None
        elif self._still_since_s is None:
            self._still_since_s = row.at_s
        limit = LOST_EDGES_CLEAR if self.state == "covered" else LOST_EDGES_COVERED
        if row.lost_edges < limit and row.edge_share > EDGE_SHARE_COVERED:
            self._blocked_since_s = None
        elif self._blocked_since_s is None:
            self._blocked_since_s = row.at_s
        if _for(self._blocked_since_s, row.at_s, COVERED_AFTER_S):
            self.state = "covered"
        elif _for(self._still_since_s, row.at_s, FROZEN_AFTER_S):
            self.state = "frozen"
        elif row.at_s < self._looped_until_s:
            self.state = "looped"
        else:
            self.state = "clear"
        return self.state

    def absent(self) -> Lens:
        """No frame came in time."""
        self.state = "absent"
        self._still_since_s = self._blocked_since_s = None
        return self.state


def _for(since_s: float | None, now_s: float, limit_s: float) -> bool:
    return since_s is not None and now_s - since_s >= limit_s
