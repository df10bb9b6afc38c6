"""Noise on each serial line during a deposit, both ways, in virtual time: the deposit ends right all the same."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from kiosk.core.state import State
from tests.simulation.judge import judge
from tests.simulation.rig import Interrupted, Rig
from tests.simulation.scripts import afterwards, confirmed
from tests.simulation.virtual import MemoryLink

LINES: Final = ("validator", "board", "label", "receipt")
GARBAGE_BYTES_MAX: Final = 48
GARBAGE_EVERY_S: Final = 0.4  # on average
GARBAGE_DAMAGE: Final = {"validator": 0.1, "board": 0.1, "label": 0.4, "receipt": 0.4}  # of chunks; printers have few
FLOODED_FIRST_IN: Final = {
    "validator": State.STACKING,
    "board": State.COLLECTING,
    "label": State.STRAPPING,
    "receipt": State.CLOSING,
}
FLOOD_S: Final = 4.0
FLOOD_EVERY_S: Final = 12.0  # on average
FLOOD_CHUNK_BYTES: Final = 256
FLOOD_CHUNK_S: Final = 0.02  # 12,800 bytes a second: what a line at 115200 carries


class NoisyRig(Rig):
    """A rig whose lines carry noise, towards the kiosk and towards the device, also in the middle of frames."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed=seed)
        self.noise = random.Random(seed)
        self.damage = dict.fromkeys(LINES, 0.0)  # how likely a chunk is torn by noise
        self.torn = 0
        self._shout: dict[str, Callable[[bytes], None]] = {}

    def _link(self, name: str, device: Any) -> MemoryLink:
        link = MemoryLink(self.loop, lambda data: device.feed(self._tear(name, data)), self._chunk, name)
        device.output = lambda data: link.from_device(self._tear(name, data))

        def shout(data: bytes) -> None:
            link.from_device(data)
            device.feed(data)

        self._shout[name] = shout
        return link

    def _tear(self, name: str, data: bytes) -> bytes:
        if self.noise.random() >= self.damage[name]:
            return data
        self.torn += 1
        at = self.noise.randrange(len(data) + 1)
        return data[:at] + self.noise.randbytes(self.noise.randint(1, GARBAGE_BYTES_MAX)) + data[at:]

    async def garbage(self, name: str) -> None:
        """A few random bytes now and then, some chunks torn, for good."""
        self.damage[name] = GARBAGE_DAMAGE[name]
        while True:
            await asyncio.sleep(self.noise.expovariate(1 / GARBAGE_EVERY_S))
            self._shout[name](self.noise.randbytes(self.noise.randint(1, GARBAGE_BYTES_MAX)))

    async def flood(self, name: str) -> None:
        """Nothing but noise for some seconds, first when the line is needed most, then again and again."""
        await self.until(lambda: self.deposit.state is FLOODED_FIRST_IN[name])
        while True:
            self.damage[name] = 1.0
            for _ in range(int(FLOOD_S / FLOOD_CHUNK_S)):
                self._shout[name](self.noise.randbytes(FLOOD_CHUNK_BYTES))
                await asyncio.sleep(FLOOD_CHUNK_S)
            self.damage[name] = 0.0
            await asyncio.sleep(self.noise.expovariate(1 / FLOOD_EVERY_S))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["garbage", "flood"])
@pytest.mark.parametrize("line", LINES)
def test_a_deposit_survives_noise_on_a_line(tmp_path: Path, line: str, kind: str, seed: int) -> None:
    rig = NoisyRig(tmp_path, seed)

    async def play() -> None:
        noise = asyncio.create_task(getattr(rig, kind)(line))
        try:
            with contextlib.suppress(Interrupted):
                await confirmed(rig)
            await afterwards(rig, comes_back=True)
        finally:
            noise.cancel()

    try:
        rig.start()
        rig.run(play())
        verdict = judge(rig)
        assert rig.torn
        assert verdict.complaints == []
        assert verdict.disputes == []  # noise moves no note and hides none
        assert rig.deposit.state in (State.IDLE, State.DONE)
    finally:
        rig.close()
