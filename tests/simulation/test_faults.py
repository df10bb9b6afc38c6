"""Every fault that the simulated devices have, in the middle of a deposit; a technician comes a minute later.

The time of the fault is drawn from the seed in the test's name, so a failure is repeated by running that test alone.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.judge import judge
from tests.simulation.rig import Interrupted, Rig
from tests.simulation.scripts import SCRIPTS, afterwards

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    *(("validator", "jam", {"where": where}) for where in ("unsafe", "safe", "payout", "empty")),
    ("validator", "fraud", {}),
    ("validator", "misread", {"count": 2}),
    ("validator", "stacker_full", {}),
    ("validator", "stacker_removed", {}),
    ("validator", "lost_reply", {"count": 3}),
    ("validator", "corrupt_reply", {"count": 3}),
    ("validator", "mute", {"seconds": 4.0}),
    ("validator", "restart", {}),
    ("validator", "escrow_forgotten", {}),
    *(("board", "jam", {"place": place}) for place in ("transport", "tray", "gate")),
    *(("board", name, {"count": count}) for name in ("strap_fails", "label_fails") for count in (1, 3)),
    ("board", "counter_misses", {"count": 1}),
    ("board", "tray_removed", {}),
    ("board", "note_taken", {}),
    ("board", "lost_reply", {"count": 3}),
    ("board", "corrupt_reply", {"count": 3}),
    ("board", "mute", {"seconds": 4.0}),
    ("board", "restart", {}),
    *(("label", name, {}) for name in ("head_open", "ribbon_out", "paused", "paper_out", "label_torn_off", "restart")),
    ("label", "lost_reply", {"count": 2}),
    ("label", "mute", {"seconds": 3.0}),
    ("cabinet", "shutter_jam", {}),
    ("cabinet", "slots_full", {}),
]
REPAIRS: list[tuple[str, str, dict[str, Any]]] = [
    ("validator", "clear_jam", {}),
    ("validator", "stacker_emptied", {}),
    ("validator", "stacker_replaced", {}),
    ("board", "clear_jam", {}),
    ("board", "tray_returned", {}),
    ("cabinet", "shutter_freed", {}),
    ("label", "head_open", {"on": False}),
    ("label", "ribbon_out", {"on": False}),
]
TECHNICIAN_S = 60.0
DEPOSIT_S = 16.0  # what a deposit lasts when nothing is wrong


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


async def _fault_and_repair(rig: Rig, device: str, name: str, parameters: dict[str, Any], at_s: float) -> None:
    await asyncio.sleep(at_s)
    rig.world.fault(device, name, **parameters)
    await asyncio.sleep(TECHNICIAN_S)
    for repaired, how, details in REPAIRS:
        rig.world.fault(repaired, how, **details)
    if name in ("jam", "restart"):  # a jam is reported until the validator's power was off
        rig.world.power("validator", on=False)
        await asyncio.sleep(1)
        rig.world.power("validator", on=True)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("script", sorted(SCRIPTS))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, (*fault[:2], *fault[2].values()))))
def test_no_fault_costs_anybody_a_note(
    rig: Rig, fault: tuple[str, str, dict[str, Any]], script: str, seed: int
) -> None:
    device, name, parameters = fault
    at_s = random.Random(f"{seed}/{script}/{device}/{name}/{parameters}").uniform(0, DEPOSIT_S)
    comes_back = seed % 2 == 0

    async def play() -> None:
        technician = asyncio.ensure_future(_fault_and_repair(rig, device, name, parameters, at_s))
        try:
            with contextlib.suppress(Interrupted):
                await SCRIPTS[script](rig)
            await afterwards(rig, comes_back=comes_back)
        finally:
            technician.cancel()

    rig.run(play())
    assert judge(rig).complaints == [], f"fault at {at_s:.2f} s"
