"""How long the models take: the last judgements of each stream, and what 95 of 100 of them stayed below."""

import math
from collections import deque
from typing import Final

from kiosk.appraisal.manifest import Stream
from kiosk.messages import Pace

KEPT: Final = 200  # of each stream: some 20 s of a camera
_SHARE: Final = 0.95


class Paces:
    """Filled by the thread that judges a stream, read by the one that reports; a deque's append is atomic."""

    def __init__(self) -> None:
        self._took_s: dict[Stream, deque[float]] = {
            stream: deque(maxlen=KEPT) for stream in ("scene", "machine", "transaction")
        }

    def took(self, stream: Stream, seconds: float) -> None:
        """One judgement."""
        self._took_s[stream].append(seconds)

    def told(self) -> tuple[Pace, ...]:
        """Of every stream that was judged since the start: the nearest-rank percentile, in milliseconds."""
        found = ((stream, sorted(took.copy())) for stream, took in self._took_s.items())
        return tuple(
            Pace(stream, round(1000 * values[math.ceil(_SHARE * len(values)) - 1], 2))
            for stream, values in found
            if values
        )
