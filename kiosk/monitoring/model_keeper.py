"""The models that judge: the package's at first, then those that the controller wants, each tried before it counts.

The controller keeps the signed bundles and has verified them; what comes from there is manifest and graph, which must
still fit each other. A model that does not start, was trained on other features or fails its golden examples is
reported and not used; the controller then says which one is wanted instead. Models change between deposits only.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from kiosk.appraisal.golden import tried
from kiosk.appraisal.manifest import Calibration, ModelError, Stream, check_graph, parsed
from kiosk.appraisal.model import StreamModel
from kiosk.core.model_shelf import PACKAGED
from kiosk.messages import (
    MODEL_FILE_BYTES_MAX,
    MODEL_WHY_CHARACTERS_MAX,
    CalibrationView,
    FetchModel,
    GetModels,
    ModelFile,
    ModelPart,
    Models,
    ModelTried,
    Refused,
    Reply,
    Request,
    ShelfView,
)

_log = logging.getLogger(__name__)
_UNKNOWN: Final = "nothing is known of it"


class Controller(Protocol):
    """The bus, as far as this needs it."""

    async def request(self, message: Request) -> Reply:
        """Send one request and wait for its reply; raises BusError."""


class ModelKeeper:
    """`models` is what judges, changed in place. Ask `follow` when nothing is under way."""

    def __init__(
        self,
        packaged: Mapping[Stream, StreamModel],
        names: Mapping[Stream, tuple[str, ...]],
        faults: Mapping[Stream, str] | None = None,
    ) -> None:
        """`packaged`: tried already; `faults`: why another one of the package cannot be used.

        `names`: the features that this program makes.
        """
        self.models = dict(packaged)
        self._packaged = dict(packaged)
        self._faults = dict(faults or {})
        self._names = names
        self._passed: dict[tuple[Stream, int], StreamModel] = {}  # of the edition that was tried last, by stream
        self.due = True

    def changed(self) -> None:
        """The controller wants other models, or is another controller."""
        self.due = True

    async def follow(self, controller: Controller, idle: Callable[[], bool]) -> None:
        """Ask what is wanted, fetch and try it, say what came out. Raises BusError; goes on later when not `idle`."""
        self.due = False
        wanted = await controller.request(GetModels())
        if not isinstance(wanted, Models):
            return
        for shelf in wanted.streams:
            if not idle():
                self.due = True
                return
            await self._follow(controller, shelf, idle)

    async def _follow(self, controller: Controller, shelf: ShelfView, idle: Callable[[], bool]) -> None:
        for number in (*([] if shelf.trial is None else [shelf.trial]), shelf.current):
            edition = next((each for each in shelf.editions if each.number == number), None)
            sha256 = "" if edition is None else edition.sha256
            model, why = await self._got(controller, shelf.stream, number, sha256)
            if not idle():
                self.due = True  # a deposit has begun meanwhile: nothing is said and nothing changes under it
                return
            if edition is not None:
                said = ModelTried(shelf.stream, number, sha256, model is not None, why[:MODEL_WHY_CHARACTERS_MAX])
                await controller.request(said)
            if model is not None:
                self._adopt(shelf, model)
                return
        self.models.pop(shelf.stream, None)  # nothing of it can judge: the stream is said to be unjudged

    def _adopt(self, shelf: ShelfView, model: StreamModel) -> None:
        made = shelf.calibration
        if made is not None and made.model_sha256 == model.manifest.sha256:
            model = model.calibrated(_calibration(model.manifest.calibration, made))
        before = self.models.get(shelf.stream)
        if before is None or before.manifest != model.manifest:
            _log.info("watcher: the %s stream is judged by %s", shelf.stream, model.manifest.version)
            self.models[shelf.stream] = model

    async def _got(
        self, controller: Controller, stream: Stream, number: int, sha256: str
    ) -> tuple[StreamModel | None, str]:
        """The edition, tried; or None and why not."""
        if number == PACKAGED:
            found = self._packaged.get(stream)
            if found is not None and found.manifest.sha256 == sha256:
                return found, ""
            return None, self._faults.get(stream, _UNKNOWN) if found is None else "the watcher's package has another"
        known = self._passed.get((stream, number))
        if known is not None and known.manifest.sha256 == sha256:
            return known, ""
        try:
            content = await self._fetched(controller, stream, number, "manifest.json")
            graph = await self._fetched(controller, stream, number, "model.onnx")
            loop = asyncio.get_running_loop()  # starting a session takes a moment: not here, where reports go out
            model = await loop.run_in_executor(None, self._started, stream, content, graph)
        except ModelError as error:
            _log.error("watcher: edition %d of the %s model is not used: %s", number, stream, error)
            return None, str(error.args[0])
        self._passed = {key: each for key, each in self._passed.items() if key[0] != stream} | {(stream, number): model}
        return model, ""

    def _started(self, stream: Stream, content: bytes, graph: bytes) -> StreamModel:
        manifest = parsed(content, stream, "the installed manifest")
        check_graph(manifest, graph, "the installed graph")
        return tried(StreamModel.started(manifest, graph, self._names[stream], "the controller"))

    async def _fetched(self, controller: Controller, stream: Stream, number: int, name: ModelFile) -> bytes:
        content, index, parts = bytearray(), 0, 1
        while index < parts:
            reply = await controller.request(FetchModel(stream, number, name, index))
            if not isinstance(reply, ModelPart) or len(content) + len(reply.data) > MODEL_FILE_BYTES_MAX:
                why = reply.message if isinstance(reply, Refused) else "the controller's answer is none"
                message = f"{name} of edition {number} of the {stream} model did not come: {why}"
                raise ModelError(message)
            parts = reply.parts
            content += reply.data
            index += 1
        return bytes(content)


def _calibration(trained: Calibration, made: CalibrationView) -> Calibration:
    """The grades that were made anew here; smoothing stays the trainer's."""
    return Calibration(
        deposit_max_scores=made.maxima,
        alpha_medium=trained.alpha_medium,
        alpha_high=trained.alpha_high,
        smoothing_rows=trained.smoothing_rows,
        calibrated_s=made.calibrated_s,
    )
