"""Is the lens clear? Facts for core's hard rules, decided over time from unsmoothed measures: pure."""

from typing import Final, Literal

from kiosk.monitoring.features import SceneRow

Lens = Literal["clear", "covered", "frozen", "absent"]
ORDER: Final[dict[Lens, int]] = {"clear": 0, "frozen": 1, "covered": 2, "absent": 3}

LOST_EDGES_COVERED: Final = 0.42  # two people in front hide at most a third of the shop's edges
LOST_EDGES_CLEAR: Final = 0.36
EDGE_SHARE_COVERED: Final = 0.08  # a shop has at least twice as many; holds even before a free picture was seen
COVERED_AFTER_S: Final = 0.8  # a sleeve that brushes the lens is none of our business
FROZEN_AFTER_S: Final = 1.5  # sensor noise changes every real frame


class LensWatch:
    """Follows rows in time; `state` is the latest verdict."""

    def __init__(self) -> None:
        self.state: Lens = "absent"  # until frames come
        self._still_since_s: float | None = None
        self._blocked_since_s: float | None = None

    def update(self, row: SceneRow) -> Lens:
        """Take one row; returns the state."""
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
