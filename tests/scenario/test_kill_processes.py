"""Each process is killed (-9) once in the middle of a deposit: the world's count equals the bank's books.

Real processes, ptys, pigpio protocol, camera, broker with mutual TLS. `kiosk up` starts again what was killed.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scripts.depositor import ScriptedDepositor, Step
from scripts.stage import Stage

FED_MINOR = {"controller": 15000, "watcher": 3000, "uplink": 15000}  # a third before, the rest after


async def _restarted(stage: Stage, name: str, old_pid: int | None) -> None:
    async def new() -> bool:
        pid = stage.kiosk_pid(name)
        return pid is not None and pid != old_pid

    await stage.wait(new, "kiosk")


async def kill(stage: Stage, name: str) -> None:
    pid = stage.kiosk_pid(name)
    stage.kill(name)
    await _restarted(stage, name, pid)


async def _deposit_with_akill(stage: Stage, depositor: ScriptedDepositor, name: str) -> None:
    """Identify and feed; kill; then go on, with the deposit code if the controller had to come back."""
    half = FED_MINOR[name] // 3
    await depositor.perform((Step(do="identify"), Step(do="feed", notes=(half,))))
    await kill(stage, name)
    if name == "controller":
        await depositor.perform((Step(do="resume"), Step(do="confirm")))
    else:
        await depositor.perform((Step(do="feed", notes=(half * 2,)), Step(do="done"), Step(do="confirm")))
    await depositor.perform((Step(do="until", state="done"), Step(do="finish")))


async def _observed(stage: Stage) -> bool:
    """The observer found each new controller again, and says that it takes deposits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.observer_port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200 ") and b'"absent":[]' in answer


async def _play(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    stage = Stage(folder)
    try:
        await stage.up()
        depositor = ScriptedDepositor(stage)
        for name in FED_MINOR:
            await _deposit_with_akill(stage, depositor, name)
        await depositor.perform((Step(do="identify"), Step(do="feed", notes=(10000,)), Step(do="done")))
        await depositor.perform((Step(do="confirm"), Step(do="until", state="collecting")))
        await kill(stage, "controller")  # after the point of no return: only forward
        await depositor.until("done", "idle")
        await stage.wait(stage.settled, "kiosk")
        await stage.wait(lambda: _observed(stage), "kiosk")
        world = (await stage.world("/state"))["totals"]
    finally:
        await stage.down()
    return world, await stage.verify()


@pytest.mark.mosquitto
@pytest.mark.timeout(240)
def test_killing_each_process_in_the_middle_of_a_deposit_loses_no_money(tmp_path: Path) -> None:
    world, report = asyncio.run(_play(tmp_path))
    assert report["ok"], report["failures"]
    assert report["deposits"] == 4
    credited = report["credited_minor"].get("CNY", 0)
    assert world["inserted_minor"] == credited > 0
    assert sum(report["disputed_minor"].values()) == 0
    assert world["by_place"]["slot"]["notes"] == world["notes_inserted"]
