"""What the depositor of a simulated schedule does, before and after a crash."""

import asyncio
import contextlib
from pathlib import Path

from kiosk.core.state import State
from tests.simulation.judge import Verdict, judge
from tests.simulation.rig import Interrupted, PowerCut, Rig
from tests.simulation.validators import ValidatorKind

DARK_S = 3.0  # how long the power stays away
ENDED = (State.IDLE, State.DONE)
LOOKS_MAX = 20_000


async def confirmed(rig: Rig) -> None:
    """Three genuine notes and a suspect one, confirmed."""
    await rig.identify()
    for value_minor in (10000, 5000, 10000):
        await rig.feed(value_minor)
    await rig.feed(2000, "suspect")
    await rig.want("done")
    await rig.state(State.REVIEW, *ENDED)
    await rig.want("confirm")
    await rig.state(*ENDED)


async def cancelled(rig: Rig) -> None:
    """Three notes, given back."""
    await rig.identify()
    for value_minor in (10000, 5000, 10000):
        await rig.feed(value_minor)
    await rig.want("cancel")
    while rig.deposit.state not in ENDED:
        rig.world.take()
        await asyncio.sleep(0.2)


async def kept(rig: Rig) -> None:
    """One note, with a string on it: the validator keeps it without a credit, and the board finds it."""
    await rig.identify()
    rig.world.fault("validator", "fraud", note="kept")
    with contextlib.suppress(Interrupted):
        await rig.feed(5000)
    await rig.state(*ENDED)


async def final(rig: Rig) -> None:
    """Three notes into the cassette of a validator without bunch escrow, one that it does not know, and one more."""
    await rig.identify()
    for value_minor in (10000, 5000):
        await rig.feed(value_minor)
    await rig.feed(2000, "suspect")
    await rig.feed(10000)
    await rig.want("done")
    await rig.state(*ENDED)


async def final_cancelled(rig: Rig) -> None:
    """One note is credited; the depositor turns away while the second one is being read."""
    await rig.identify()
    await rig.feed(10000)
    rig.world.insert("CNY", 5000)
    await asyncio.sleep(0.5)
    await rig.want("cancel")
    while rig.deposit.state not in ENDED:
        rig.world.take()
        await asyncio.sleep(0.2)


SCRIPTS = {"confirmed": confirmed, "cancelled": cancelled}
FINAL_SCRIPTS = {"final": final, "final_cancelled": final_cancelled}  # for validators without bunch escrow
ALL_SCRIPTS = SCRIPTS | FINAL_SCRIPTS | {"kept": kept}


async def afterwards(rig: Rig, *, comes_back: bool) -> None:
    """After the restart: come back with the code and confirm, or stay away; until the kiosk is at rest."""
    for _ in range(LOOKS_MAX):
        await asyncio.sleep(0.1)
        state = rig.deposit.state
        if not rig.controller.machine.connected:
            if state is State.RETURNING:
                rig.world.take()
            continue
        if state in ENDED:
            return
        if state is State.SUSPENDED and comes_back:
            await rig.resume()
        elif state is State.REVIEW and comes_back:
            rig.world.take()
            await asyncio.sleep(1)
            if rig.deposit.state is State.REVIEW:
                await rig.touch("confirm")
        elif state is State.RETURNING:
            rig.world.take()
        elif state in (State.CASH_IN, State.CONSENTING):
            await rig.touch("done" if state is State.CASH_IN else "cancel")
    message = f"stuck in {rig.deposit.state}: {rig.states[-10:]}"
    raise AssertionError(message)


def glitch_once(
    folder: Path, script: str, at: tuple[str, int], *, comes_back: bool, validator: ValidatorKind | None = None
) -> Verdict | None:
    """One schedule in which one device loses its power for two seconds and everything else goes on."""
    rig = Rig(folder, validator=validator)
    rig.glitch_at = at
    try:
        rig.start()

        async def play() -> None:
            with contextlib.suppress(Interrupted):
                await ALL_SCRIPTS[script](rig)
            await afterwards(rig, comes_back=comes_back)

        rig.run(play())
        reached = at[1] <= rig.counts.get(at[0], 0)
        return judge(rig) if reached else None
    finally:
        rig.close()


def crash_once(
    folder: Path,
    script: str,
    at: tuple[str, int],
    *,
    comes_back: bool,
    power: bool,
    validator: ValidatorKind | None = None,
) -> Verdict | None:
    """One schedule with one crash; None when the script ended before the crash point was reached."""
    rig = Rig(folder, validator=validator)
    rig.crash_at, rig.crash_takes_power = at, power
    try:
        rig.start()
        try:
            rig.run(ALL_SCRIPTS[script](rig))
        except PowerCut:
            rig.bury()
            rig.loop.run_until_complete(asyncio.sleep(DARK_S))
            rig.start()
            rig.run(afterwards(rig, comes_back=comes_back))
            return judge(rig)
        return None
    finally:
        rig.close()
