"""Power cuts of the device and deaths of the controller at any moment: what is told afterwards is true.

The bench knows how many notes are really inside. Told credits and evidence may leave a question open; they may never
answer it wrongly, and no credit may come twice.
"""

import asyncio
import contextlib

import pytest

from firmware_bridge.errors import CommandRefused, DeviceFault
from firmware_bridge.interfaces import Resettable
from tests.contract.validators.bench import AT_RESET, CREDITS, Bench, K, on_bench
from tests.contract.validators.makes import MAKES, Make

pytestmark = pytest.mark.parametrize("make", MAKES, ids=lambda make: make.name)
INSTANTS_S = (0.1, 0.5, 0.9, 1.1, 1.25, 1.4, 1.55, 1.7, 1.9, 2.2, 2.6)  # after the note was fed
ACCEPT_AT_S = 1.0
BACK_S = 16.0  # after a reset


async def _life(bench: Bench) -> None:
    """Ready, a note in; accepted a second later, if it is held by then. Faults end it."""
    with contextlib.suppress(DeviceFault):
        await bench.until(K.READ, limit_s=5.0)
        await asyncio.sleep(max(0.0, ACCEPT_AT_S - 0.6))
        await bench.driver.accept()
        await bench.quiet(3.0)


async def _afterwards(bench: Bench) -> None:
    """A new start on the durable bookmark; then what was told, and the evidence, against the world."""
    baseline = bench.baseline
    assert baseline is not None
    await bench.started()
    found = await bench.driver.evidence()
    credited, at_reset, inside = bench.count(CREDITS), bench.count(AT_RESET), bench.inside()
    assert credited <= inside, "credited and not inside"
    decided = bench.decides(baseline, found)
    assert decided is None or decided == inside, f"decided {decided}, {inside} inside: {bench.told()}, {found}"
    assert credited + at_reset <= inside + (1 if decided is not None else 0)
    if inside and not credited and not at_reset:
        assert not found.heard_all, "it claims to have heard all and did not tell of a note"


@pytest.mark.parametrize("at_s", INSTANTS_S)
def test_the_device_loses_its_power(make: Make, at_s: float) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        bench.baseline = await bench.driver.evidence()
        await bench.feed()
        bench.loop.call_later(at_s, bench.world.power, "validator", False)
        bench.loop.call_later(at_s + 2.0, bench.world.power, "validator", True)
        await _life(bench)
        await _afterwards(bench)

    on_bench(make, script)


@pytest.mark.parametrize("at_s", INSTANTS_S)
def test_the_controller_dies_and_comes_back(make: Make, at_s: float) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        bench.baseline = await bench.driver.evidence()
        await bench.feed()
        life = asyncio.ensure_future(_life(bench))
        await asyncio.wait({life}, timeout=at_s)
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
        bench.new_driver()
        await _afterwards(bench)
        if bench.inside():
            assert bench.count(CREDITS) == 1, "nothing was reset: the credit is told in the end"

    on_bench(make, script)


def test_a_credit_that_was_not_made_durable_comes_again_to_the_next_controller(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.accept()
        for _ in range(20):
            if K.CREDITED in {event.kind for event in await bench.poll(acknowledge=False)}:
                break
            await asyncio.sleep(0.2)
        bench.new_driver()
        await bench.started()
        assert bench.count(CREDITS) == 1
        bench.new_driver()
        await bench.started()
        assert bench.count(CREDITS) == 1, "and never after it was acknowledged"

    on_bench(make, script)


@pytest.mark.parametrize("at_rest", [False, True], ids=["enabled", "disabled"])
def test_a_device_that_restarts_by_itself_is_noticed(make: Make, at_rest: bool) -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.reject()
        await bench.quiet(2.0)
        bench.world.take()
        if at_rest:
            await bench.driver.disable()
            await bench.quiet(2.0)
        bench.world.fault("validator", "restart")
        await bench.until_fault()
        await bench.ready()
        await bench.feed()
        await bench.until(K.READ)
        await bench.driver.accept()
        await bench.until(K.CREDITED)

    on_bench(make, script)


@pytest.mark.parametrize("at_s", INSTANTS_S)
def test_it_is_reset_by_order(make: Make, at_s: float) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        assert isinstance(bench.driver, Resettable)
        bench.baseline = await bench.driver.evidence()
        await bench.feed()
        life = asyncio.ensure_future(_life(bench))
        await asyncio.sleep(at_s)
        life.cancel()
        await asyncio.wait({life})
        with contextlib.suppress(CommandRefused):  # it has something to tell first
            await bench.driver.reset()
        await asyncio.sleep(BACK_S)
        await _afterwards(bench)

    on_bench(make, script)
