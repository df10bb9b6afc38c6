"""kiosk-watcher: the process with the camera. Wires configuration, frame source, models, stills and bus.

A missing camera or model does not stop it: it says why in the log and reports what it cannot see.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from kiosk.appraisal.golden import tried
from kiosk.appraisal.manifest import ModelError, Stream
from kiosk.appraisal.model import StreamModel
from kiosk.bus import BusClient, run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.core import transaction
from kiosk.monitoring import features, machine
from kiosk.monitoring.frames import CaptureSource
from kiosk.monitoring.model_keeper import ModelKeeper
from kiosk.monitoring.ring import FrameRing
from kiosk.monitoring.shop import ShopFile
from kiosk.monitoring.still import StillRing
from kiosk.monitoring.watcher import Watcher
from kiosk.processes import notify, watchdog
from kiosk.processes.gates import egress_gate
from kiosk.processes.installed import artifacts_dir, levels_of
from kiosk.protection import logs
from kiosk.protection.classify import Classifier
from kiosk.protection.egress import Judge
from kiosk.protection.judge import FieldJudge
from kiosk.protection.networks import ArtifactError
from kiosk.protection.suspects import Suspects

_log = logging.getLogger(__name__)

_RELEASE: Final = 0.85  # of a caption or a log line: below, what is written like a name is hidden
NAMES: Final[dict[Stream, tuple[str, ...]]] = {
    "scene": features.NAMES,
    "machine": machine.NAMES,
    "transaction": transaction.NAMES,
}


def load_models(folder: Path, faults: dict[Stream, str] | None = None) -> dict[Stream, StreamModel]:
    """The packaged models that can be used and give what their golden examples say.

    Why another cannot is logged, and put into `faults`.
    """
    models: dict[Stream, StreamModel] = {}
    for stream, names in NAMES.items():
        try:
            models[stream] = tried(StreamModel.load(folder / stream, stream, names))
        except ModelError as error:
            _log.error("watcher: the %s stream goes unjudged: %s", stream, error)
            if faults is not None:
                faults[stream] = str(error.args[0])
    return models


def name_judge() -> Judge:
    """Names and addresses by the networks; where those cannot be loaded, whatever looks like one is taken for one."""
    try:
        return FieldJudge(Classifier.load(), Suspects(), release=_RELEASE)
    except ArtifactError as error:
        _log.error("watcher: names are told by how they are written alone: %s", error)
        return Suspects()


async def run(config_path: Path) -> None:
    """Run until cancelled; a controller or camera that goes away is waited for. ConfigError for a bad file."""
    config = load_config(config_path)
    clock = SystemClock()
    camera = config.camera
    source = CaptureSource(
        camera.source,
        clock,
        width=camera.width,
        height=camera.height,
        frames_per_second=camera.frames_per_second,
    )
    stills = StillRing(config.stills_dir)
    faults: dict[Stream, str] = {}
    models = load_models(artifacts_dir(config), faults)
    ring = FrameRing() if config.evidence.clips else None
    keeper = ModelKeeper(models, NAMES, faults)
    gate = egress_gate(config, name_judge())
    logs.use(gate)
    shop = ShopFile(config.stills_dir)
    watcher = Watcher(source, models, clock, stills, levels_of(config), shop, keeper, ring, gate)

    async def session(client: BusClient) -> None:
        await watcher.run_session(client)

    source.start()
    notify.ready("watching")
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watcher.run_frames())
            tasks.create_task(watchdog.feed(watcher.self_check, clock))
            tasks.create_task(
                run_with_reconnect(config.paths.bus_dir, "watcher", session, clock, on_push=watcher.on_push)
            )
    finally:
        await watcher.close()
        await source.close()
