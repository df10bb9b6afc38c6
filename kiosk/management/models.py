"""The models at the controller: it keeps them, decides which edition judges, and puts each change on record.

It runs none of them (no onnxruntime here). The watcher fetches what is wanted, runs the golden examples and says what
came out; `kiosk.core.model_shelf` says what follows from that.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from kiosk.core import model_shelf
from kiosk.core.actions import Action, InstallModel, RollBackModel
from kiosk.core.authority_facts import NotAuthorised
from kiosk.core.model_shelf import STREAMS, CannotInstall, Edition, Shelf, Stream
from kiosk.core.state import RecordDraft
from kiosk.errors import KioskError
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.models import BUNDLE_BYTES_MAX, Bundle
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import Controller
from kiosk.management.model_files import ModelFiles
from kiosk.messages import (
    MODEL_PART_BYTES,
    CalibrationView,
    EditionView,
    EvidencePart,
    FetchModel,
    GetModels,
    ModelPart,
    Models,
    ModelTried,
    Ok,
    Refused,
    Reply,
    ShelfView,
    StagedModel,
    StageModel,
)

_log = logging.getLogger(__name__)
A = TypeVar("A", bound=Action)
CALIBRATED: Final = "model_calibrations"
CALIBRATIONS_MAX: Final = 9
KEPT: Final = "models"  # in the journal's memory
ModelRequest = StageModel | GetModels | FetchModel | ModelTried
Packaged = Mapping[Stream, tuple[str, str]]  # version and SHA-256 of what the software's package holds
_IN_ORDER: Final = "Give the file from its first part, in order; `kioskctl model install` does."
_GIVEN: Final = "Give the bundle with `kioskctl model install FILE`."


@dataclass(frozen=True)
class Staged:
    """A bundle that was handed over and verified, not installed."""

    bundle: Bundle
    data: bytes


class ModelDesk:
    """Answers `ModelRequest`s; `hashes` is what judges, by stream, kept up to date for whoever holds it."""

    def __init__(
        self,
        controller: Controller,
        files: ModelFiles,
        packaged: Packaged,
        hashes: dict[str, str],
        changed: Callable[[], None],
    ) -> None:
        """`hashes`: of the packaged models at first; changed in place. `changed`: the watcher should ask again."""
        self._c = controller
        self.files = files
        self._packaged = packaged
        self._hashes = hashes
        self._changed = changed
        self._shelves: dict[Stream, Shelf] | None = None
        self._parts = bytearray()
        self.staged: Staged | None = None  # handed over last

    async def handle(self, request: ModelRequest) -> Reply:
        """Answer one. KioskError for a bundle that is not what it claims to be."""
        match request:
            case StageModel(part):
                return await self._stage(part)
            case GetModels():
                return Models(tuple([await self._view(stream) for stream in STREAMS]))
            case FetchModel():
                return await self._fetch(request)
            case ModelTried():
                await self._tried(request)
                return Ok()

    async def shelves(self) -> dict[Stream, Shelf]:
        """Every stream's editions."""
        if self._shelves is None:
            found = await self._c.runner.run(self.read, self._c.journal)
            await self._c.runner.run(self.files.tidy, tuple(found.values()))
            self._shelves = found
        return self._shelves

    def read(self, journal: Journal) -> dict[Stream, Shelf]:
        """What the journal holds, with the packaged editions; on the journal's thread."""
        kept = {} if (text := journal.memory(KEPT)) is None else msgspec.json.decode(text, type=dict[Stream, Shelf])
        return {
            stream: model_shelf.packaged(kept.get(stream, Shelf(stream)), *self._packaged.get(stream, ("", "")))
            for stream in STREAMS
        }

    def write(self, journal: Journal, shelf: Shelf, drafts: Iterable[RecordDraft], now: datetime) -> None:
        """A changed shelf with its records, inside the journal's transaction."""
        text = msgspec.json.encode(self.read(journal) | {shelf.stream: shelf}).decode()
        journal.remember(KEPT, text)
        for draft in drafts:
            journal.append(draft, now)

    async def _view(self, stream: Stream) -> ShelfView:
        shelf = (await self.shelves())[stream]
        current = shelf.edition(shelf.current)
        kept = await self._c.runner.run(calibrations, self._c.journal)
        made = next((each for each in kept if current is not None and each.model_sha256 == current.sha256), None)
        editions = tuple(
            EditionView(each.number, each.version, each.sha256, each.standing, each.why) for each in shelf.editions
        )
        return ShelfView(stream, editions, shelf.current, shelf.trial, made)

    # --- a bundle on its way in -------------------------------------------------------------------------

    async def _stage(self, part: EvidencePart) -> Reply:
        if part.index == 0:
            self._parts, self.staged = bytearray(), None
        if part.size > BUNDLE_BYTES_MAX:
            return Refused("too_large", f"A model bundle has at most {BUNDLE_BYTES_MAX} bytes.", _GIVEN)
        if len(self._parts) + len(part.data) > part.size or (part.index and not self._parts):
            self._parts = bytearray()
            return Refused("out_of_turn", "A part of this bundle is missing.", _IN_ORDER)
        self._parts += part.data
        if part.index + 1 < part.chunks:
            return Ok()
        data, self._parts = bytes(self._parts), bytearray()
        if hashlib.sha256(data).hexdigest() != part.sha256:
            return Refused("out_of_turn", "The parts do not make the file that was announced.", _IN_ORDER)
        bundle = await self._c.runner.run(self.files.opened, data)
        self.staged = Staged(bundle, data)
        current = (await self.shelves())[bundle.stream].current
        return StagedModel(bundle.stream, bundle.number, bundle.version, bundle.graph_sha256, bundle.sha256, current)

    # --- the watcher ------------------------------------------------------------------------------------

    async def _fetch(self, request: FetchModel) -> Reply:
        try:
            bundle = await self._c.runner.run(self.files.bundle, request.stream, request.number)
        except KioskError as error:  # the watcher will say that it failed, and the edition before takes over
            _log.error("models: %s", error)
            return Refused("no_model", str(error.args[0]), error.remedy)
        content = bundle.files[request.name]
        parts = -(-len(content) // MODEL_PART_BYTES)
        begin = request.index * MODEL_PART_BYTES
        return ModelPart(parts, content[begin : begin + MODEL_PART_BYTES])

    async def _tried(self, said: ModelTried) -> None:
        if not said.passed:
            _log.error("models: edition %d of the %s model failed: %s", said.number, said.stream, said.why)

        def write(journal: Journal, now: datetime) -> tuple[Shelf, Shelf]:
            before = self.read(journal)[said.stream]
            after, drafts = model_shelf.tried(before, said.number, said.sha256, passed=said.passed, why=said.why)
            if after != before:
                self.write(journal, after, drafts, now)
            return before, after

        before, after = await self._c.runner.run(self._c.journal.commit_bank, write, self._c.clock.now_utc())
        if said.passed and said.number == after.current:
            self._hashes[said.stream] = said.sha256
        if after != before:
            self.took()
            self._c.recorded()
        if after.wanted != before.wanted:
            self._changed()

    def took(self) -> None:
        """The shelves have changed: what is known of them is read again."""
        self._shelves = None

    def announce(self) -> None:
        """The watcher should ask again."""
        self._changed()
        self._c.announce()


class _OnShelf(Performer[A], ABC):
    """Foresees the change, stores it with the use of the request, then has the watcher told."""

    def __init__(self, desk: ModelDesk) -> None:
        self._desk = desk

    @abstractmethod
    def change(self, shelf: Shelf, allowed: Allowed[A]) -> tuple[Shelf, RecordDraft]:
        """What follows for the shelf, and its record. Raises CannotInstall."""

    async def ready(self, action: A) -> Refused | None:
        shelf = (await self._desk.shelves())[_stream(action)]
        try:
            self.change(shelf, Allowed(0, action, ()))
        except CannotInstall as refused:
            return Refused("cannot_change_model", f"{refused}.", refused.remedy)
        return None

    def settle(self, journal: Journal, allowed: Allowed[A], now: datetime) -> None:
        try:
            shelf, draft = self.change(self._desk.read(journal)[_stream(allowed.action)], allowed)
        except CannotInstall as refused:
            raise NotAuthorised("cannot_change_model", f"{refused}.", refused.remedy) from refused
        self._desk.write(journal, shelf, (draft,), now)

    def settled(self) -> None:
        self._desk.took()

    async def carry_out(self, allowed: Allowed[A]) -> None:  # noqa: ARG002 - the shelf says all
        self._desk.announce()


class InstallModels(_OnShelf[InstallModel]):
    """A technician puts a bundle, signed by the bank, on trial: file first, then the leaf and the shelf."""

    def change(self, shelf: Shelf, allowed: Allowed[InstallModel]) -> tuple[Shelf, RecordDraft]:
        bundle = self._staged(allowed.action).bundle
        edition = Edition(bundle.number, bundle.version, bundle.graph_sha256)
        told = {"bundle_sha256": bundle.sha256, "by": list(allowed.signers)}
        return model_shelf.installed(shelf, edition), model_shelf.said("model_installed", shelf, edition, told)

    def settle(self, journal: Journal, allowed: Allowed[InstallModel], now: datetime) -> None:
        super().settle(journal, allowed, now)
        staged = self._staged(allowed.action)
        try:
            self._desk.files.keep(staged.bundle, staged.data)  # before the transaction ends: no leaf without its file
        except OSError as error:
            raise NotAuthorised(
                "no_room", f"The bundle cannot be kept: {error.strerror}.", "Look at the disk."
            ) from error

    def _staged(self, action: InstallModel) -> Staged:
        found = self._desk.staged
        said = (action.stream, action.number, action.bundle_sha256)
        if found is None or (found.bundle.stream, found.bundle.number, found.bundle.sha256) != said:
            raise CannotInstall("this bundle was not handed over, or another one after it", _GIVEN)
        return found


class RollBackModels(_OnShelf[RollBackModel]):
    """A technician goes back to an edition that was good. Between deposits: one is judged by one model."""

    at_rest = True

    def change(self, shelf: Shelf, allowed: Allowed[RollBackModel]) -> tuple[Shelf, RecordDraft]:
        after = model_shelf.gone_back(shelf, allowed.action.number)
        target = after.edition(after.current)
        assert target is not None, "it was found good"
        told = {"before": shelf.current, "by": list(allowed.signers)}
        return after, model_shelf.said("model_rolled_back", shelf, target, told)


def _stream(action: Action) -> Stream:
    assert isinstance(action, InstallModel | RollBackModel)
    return action.stream


def calibrations(journal: Journal) -> tuple[CalibrationView, ...]:
    """Grades that were made anew on this kiosk, one for each model, newest first; on the journal's thread."""
    text = journal.memory(CALIBRATED)
    return () if text is None else msgspec.json.decode(text, type=tuple[CalibrationView, ...])


def keep_calibration(journal: Journal, made: CalibrationView, draft: RecordDraft, now: datetime) -> None:
    """With its record, inside the transaction of who allowed it."""
    others = [each for each in calibrations(journal) if each.model_sha256 != made.model_sha256]
    kept = (made, *others)[:CALIBRATIONS_MAX]
    journal.remember(CALIBRATED, msgspec.json.encode(kept).decode(), draft, now)
