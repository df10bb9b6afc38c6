"""What a serial line may do to chunks of bytes: delay, lose, repeat, corrupt, split or merge them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.simulation.schedule import Noise

DELAY_S_MAX = 1.2
MERGE_S = 0.08  # how long a chunk is held back for the next one
Piece = tuple[float, bytes]


@dataclass
class LineNoise:
    """The troubles that are on the lines now; each ends after its number of chunks. `told` hears of every one."""

    rng: random.Random
    told: Callable[[str, str], None]
    _active: list[tuple[Noise, list[int]]] = field(default_factory=list)
    _held: dict[str, bytes] = field(default_factory=dict)

    def begin(self, noise: Noise) -> None:
        """From now on, for its number of chunks."""
        self._active.append((noise, [noise.chunks]))

    def end(self) -> None:
        """The lines are good again."""
        self._active.clear()

    def __call__(self, line: str, data: bytes) -> Sequence[Piece]:
        """The pieces that arrive, each with its extra delay in seconds."""
        pieces: Sequence[Piece] = ((0.0, self._held.pop(line, b"") + data),)
        for entry in tuple(self._active):
            noise, left = entry
            if noise.line != line:
                continue
            left[0] -= 1
            if left[0] <= 0:
                self._active.remove(entry)
            self.told(f"line.{noise.kind}", line)
            pieces = [piece for whole in pieces for piece in self._troubled(noise, line, *whole)]
        return pieces

    def _troubled(self, noise: Noise, line: str, delay_s: float, data: bytes) -> Sequence[Piece]:
        match noise.kind:
            case "delay":
                return ((delay_s + noise.amount * DELAY_S_MAX, data),)
            case "loss":
                return ()
            case "duplicate":
                return ((delay_s, data), (delay_s, data))
            case "corrupt":
                place = self.rng.randrange(len(data)) if data else 0
                flipped = data[place] ^ 1 << self.rng.randrange(8) if data else 0
                return ((delay_s, data[:place] + bytes([flipped]) + data[place + 1 :]),)
            case "split":
                at = max(1, int(len(data) * noise.amount))
                return ((delay_s, data[:at]), (delay_s + 0.03 * noise.amount, data[at:]))
            case _:  # merge: it comes together with the next chunk
                self._held[line] = data
                return ()
