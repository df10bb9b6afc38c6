"""Are these pictures live, or have they been shown before? Pure, bounded memory.

What changes from one frame to the next is motion and the sensor's noise, and noise never repeats itself. So each change
is compared with those of the last minute: a recording that is played again gives the same changes at the same distance
in time, again and again.
"""

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

Trace = npt.NDArray[np.float32]

TRACE_STEP: Final = 4  # every fourth pixel of every fourth row: averaging would take the noise away
KEPT: Final = 720  # traces: a minute at twelve frames a second
LAG_S_MIN: Final = 0.9
LIKENESS: Final = 0.55  # correlation; live pictures stay below 0.4, recorded ones are above 0.75, recoded or not
RUN: Final = 6  # of the last so many frames
RUN_ALIKE: Final = 4  # so many must match, all about equally long ago
LAG_SPREAD_S: Final = 0.12
ENERGY_MIN: Final = 0.2  # mean square grey levels: below it there is nothing to compare


def trace_of(grey: npt.NDArray[np.uint8], previous: npt.NDArray[np.uint8]) -> Trace | None:
    """What changed, thinned out, with mean 0 and length 1; None when next to nothing did. Both uint8 [h, w]."""
    now, before = grey[::TRACE_STEP, ::TRACE_STEP], previous[::TRACE_STEP, ::TRACE_STEP]
    change = now.astype(np.float32) - before.astype(np.float32)
    # Noise is what is compared: a few pixels with great changes, edges of whatever moves, must not drown it.
    np.clip(change, -4.0, 4.0, out=change)
    change -= change.mean()
    energy = float(np.square(change).mean())
    if energy < ENERGY_MIN:
        return None
    flat: Trace = (change / np.sqrt(energy * change.size)).astype(np.float32).ravel()
    return flat


class ReplayWatch:
    """Feed it every trace in order."""

    def __init__(self) -> None:
        self._traces: Trace | None = None  # [KEPT, d], a ring
        self._times: npt.NDArray[np.float64] = np.full(KEPT, np.inf)
        self._next = 0
        self._matches: deque[float | None] = deque(maxlen=RUN)  # the lag of each of the last frames

    def update(self, trace: Trace | None, at_s: float) -> bool:
        """Whether the last frames are old ones."""
        if trace is None:
            self._matches.append(None)
            return self._looped()
        if self._traces is None:
            self._traces = np.zeros((KEPT, trace.size), np.float32)
        self._matches.append(self._lag(self._traces, trace, at_s))
        self._traces[self._next], self._times[self._next] = trace, at_s
        self._next = (self._next + 1) % KEPT
        return self._looped()

    def _lag(self, traces: Trace, trace: Trace, at_s: float) -> float | None:
        likeness = np.einsum("nd,d->n", traces, trace)  # BLAS would wake threads for so little
        likeness[self._times > at_s - LAG_S_MIN] = 0.0
        best = int(likeness.argmax())
        return float(at_s - self._times[best]) if likeness[best] >= LIKENESS else None

    def _looped(self) -> bool:
        lags = sorted(lag for lag in self._matches if lag is not None)
        groups = zip(lags, lags[RUN_ALIKE - 1 :], strict=False)
        return any(last - first <= LAG_SPREAD_S for first, last in groups)
