"""Real processes on validators without bunch escrow: over ptys, with the controller killed (-9) in between."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scripts.depositor import ScriptedDepositor, Step
from scripts.stage import Stage
from tests.scenario.test_kill_processes import kill


async def _play(folder: Path, protocol: str) -> tuple[dict[str, Any], dict[str, Any]]:
    world_file = folder / "world.toml"
    world_file.write_text(f"[{protocol}]\n")
    stage = Stage(folder, world_file=world_file, protocol=protocol)
    try:
        await stage.up()
        depositor = ScriptedDepositor(stage)
        await depositor.perform((Step(do="identify"), Step(do="feed", notes=(10000, 500)), Step(do="done")))
        await depositor.perform((Step(do="until", state="done"), Step(do="finish")))
        await depositor.perform((Step(do="identify"), Step(do="feed", notes=(5000,))))
        await kill(stage, "controller")
        await depositor.until("done", "idle")
        await stage.wait(stage.settled, "kiosk")
        world = (await stage.world("/state"))["totals"]
    finally:
        await stage.down()
    return world, await stage.verify()


@pytest.mark.mosquitto
@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["ebds", "cctalk"])
def test_each_note_is_credited_over_a_real_line(tmp_path: Path, protocol: str) -> None:
    world, report = asyncio.run(_play(tmp_path, protocol))
    assert report["ok"], report["failures"]
    assert report["deposits"] == 2
    assert report["credited_minor"] == {"CNY": 15500}
    assert sum(report["disputed_minor"].values()) == 0
    assert world["by_place"]["cassette"]["notes"] == world["notes_inserted"] == 3
