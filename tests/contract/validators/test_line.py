"""A bad line costs time, never money: any chunk lost, doubled, spoilt or split, at any place of a note's life."""

import asyncio
import contextlib

import pytest

from firmware_bridge.errors import DeviceFault, LinkDown
from tests.contract.validators.bench import ARRIVALS, AT_RESET, CREDITS, Bench, K, Spoiler, on_bench
from tests.contract.validators.makes import MAKES, Make

STEP = 3  # every third chunk: all of them take a minute
CHUNKS_MAX = 400

pytestmark = pytest.mark.parametrize("make", MAKES, ids=lambda make: make.name)


def _once(way: str, at: int, change: str, seen: list[bytes]) -> Spoiler:
    """Spoil the chunk with this number that goes this way; `seen` collects those that went by."""

    def spoil(going: str, chunk: bytes) -> list[bytes]:
        if going != way:
            return [chunk]
        seen.append(chunk)
        if len(seen) != at:
            return [chunk]
        middle = len(chunk) // 2
        return {
            "lost": [],
            "doubled": [chunk, chunk],
            "spoilt": [chunk[:middle] + bytes((chunk[middle] ^ 0x10,)) + chunk[middle + 1 :]],
            "cut short": [chunk[:middle]],
            "split": [chunk[index : index + 1] for index in range(len(chunk))],
        }[change]

    return spoil


async def _one_note(bench: Bench) -> None:
    """Start, one note in, as the controller does it: a fault leads to a new start."""
    for _ in range(10):
        try:
            await bench.ready()
            if not bench.world.notes.all():
                await bench.feed()
                await bench.until(K.READ)
                await bench.driver.accept()
            await bench.quiet(2.0)
        except DeviceFault as fault:
            bench.faults.append(fault)
            await asyncio.sleep(0.5)
        else:
            return
    raise AssertionError(f"it never comes through: {bench.faults}")


@pytest.mark.parametrize("change", ["lost", "doubled", "spoilt", "cut short", "split"])
@pytest.mark.parametrize("way", ["to", "from"])
def test_one_bad_chunk_changes_nothing(make: Make, way: str, change: str) -> None:
    async def script(bench: Bench) -> None:
        bench.line.spoil = _once(way, number, change, seen)
        await _one_note(bench)
        told = (bench.count(CREDITS), bench.count(ARRIVALS), bench.inside())
        refused = bench.told()[K.REFUSED] and bench.inside() == 0 and bench.count(CREDITS) == 0
        assert told == (1, 1, 1) or refused, f"chunk {number} {way} {change}: {told}, {bench.faults}"

    for number in range(1 + len(change) % STEP, CHUNKS_MAX, STEP * (6 if change in {"doubled", "split"} else 2)):
        seen: list[bytes] = []
        on_bench(make, script)
        if len(seen) < number:
            return
    pytest.fail(f"a note's life takes more than {CHUNKS_MAX} chunks")


def test_a_mute_device_is_a_link_that_is_down_within_bounds(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        bench.world.power("validator", on=False)
        began_s = bench.loop.time()
        with pytest.raises(LinkDown):
            await bench.driver.poll()
        assert bench.loop.time() - began_s < 60.0
        with pytest.raises(LinkDown):
            await bench.driver.start(bench.bookmark)
        assert bench.loop.time() - began_s < 120.0
        bench.world.power("validator", on=True)
        await bench.started()

    on_bench(make, script)


def test_a_caller_that_gives_up_does_not_tear_an_exchange(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        for delay_s in (0.0, 0.001, 0.003, 0.005):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bench.driver.hold(), delay_s)
        await bench.driver.accept()
        await bench.until(K.CREDITED)
        await bench.quiet(2.0)
        assert (bench.count(CREDITS), bench.count(AT_RESET), bench.inside()) == (1, 0, 1)

    on_bench(make, script)


def test_noise_between_exchanges_is_nothing(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        await bench.feed()
        for chunk in (b"\x00", b"\xff" * 40, bytes(range(64)), b"\x7f\x80"):
            bench.line._deliver(chunk)  # noqa: SLF001 - the line's own end
            await asyncio.sleep(0.06)
        await bench.until(K.READ)
        await bench.driver.accept()
        await bench.until(K.CREDITED)

    on_bench(make, script)
