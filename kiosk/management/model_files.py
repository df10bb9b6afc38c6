"""Installed model bundles on disk, as they were signed: one file an edition, read and verified again at each use."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from kiosk.appraisal.manifest import EXAMPLES_MIN, ModelError, check_graph, parsed
from kiosk.core.model_shelf import PACKAGED, Shelf, Stream
from kiosk.errors import KioskError, VerificationError
from kiosk.guarantee import models
from kiosk.guarantee.files import make_directory
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.models import Bundle

_log = logging.getLogger(__name__)
_SUFFIX = ".bundle"
_WHOLE = "Have the bank sign the folder that `make train` wrote, whole and unchanged."


class ModelFiles:
    """Folder STREAM/NUMBER.bundle below the controller's state directory; bounded by the shelf's own bounds."""

    def __init__(self, folder: Path, keys: PublicKeys | None, packaged: Path | None = None) -> None:
        """`keys`: the bank's command keys; without them nothing can be installed. `packaged`: the package's models."""
        self._folder = folder
        self._packaged = packaged
        self._keys = keys

    def opened(self, data: bytes) -> Bundle:
        """A bundle that may be installed: signed by a key that counts now, and whole. Raises KioskError."""
        if self._keys is None:
            message = "this kiosk was provisioned without the bank's command key, so no bundle can be believed"
            raise KioskError(message, remedy="Have the bank provision it (bank_command.pub); then install again.")
        try:
            bundle = models.verify(data, self._keys)
        except VerificationError as error:
            message = f"this bundle is not installed: {error.args[0]}"
            remedy = "Get the bundle from the bank again (`kiosk-cloud model sign`); compare its SHA-256 with theirs."
            raise VerificationError(message, remedy=remedy) from error
        check_bundle(bundle)
        return bundle

    def keep(self, bundle: Bundle, data: bytes) -> None:
        """Durable before anything says that it is installed. Raises OSError."""
        path = self._path(bundle.stream, bundle.number)
        make_directory(path.parent)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def bundle(self, stream: Stream, number: int) -> Bundle:
        """An installed bundle, verified again. Raises VerificationError; ModelError when it is not there."""
        path = self._path(stream, number)
        try:
            data = path.read_bytes() if path.stat().st_size <= models.BUNDLE_BYTES_MAX else b""
        except OSError as error:
            message = f"{path.name} of the {stream} model cannot be read: {error.strerror}"
            raise ModelError(message) from error
        if self._keys is None:
            raise VerificationError("there is no key of the bank to hold the bundle against")
        return models.verify(data, self._keys.ever)  # what was signed while the key counted stays signed

    def contents(self, stream: Stream, number: int) -> Mapping[str, bytes]:
        """An edition's files, the packaged one's too; what cannot be read is not there. Raises KioskError."""
        if number != PACKAGED:
            return self.bundle(stream, number).files
        found: dict[str, bytes] = {}
        for name in models.FILES:
            path = None if self._packaged is None else self._packaged / stream / name
            if path is not None and path.is_file() and path.stat().st_size <= models.BUNDLE_BYTES_MAX:
                found[name] = path.read_bytes()
        return found

    def tidy(self, shelves: Iterable[Shelf]) -> None:
        """Take away what no shelf holds: left by a crash, or not needed any more."""
        kept = {self._path(shelf.stream, each.number) for shelf in shelves for each in shelf.editions}
        for path in self._folder.glob(f"*/*{_SUFFIX}"):
            if path not in kept:
                path.unlink(missing_ok=True)
                _log.info("models: %s/%s is not needed any more", path.parent.name, path.name)

    def _path(self, stream: Stream, number: int) -> Path:
        if number == PACKAGED:
            return self._folder / stream / "packaged"  # never a file: the package has it
        return self._folder / stream / f"{number}{_SUFFIX}"


def check_bundle(bundle: Bundle) -> None:
    """Raise ModelError unless manifest and graph belong together and bring examples enough to be tried."""
    problem = ""
    try:
        manifest = parsed(bundle.files[models.MANIFEST], bundle.stream, "the bundle's manifest")
        check_graph(manifest, bundle.files[models.GRAPH], "the bundle's graph")
    except ModelError as error:
        raise ModelError(str(error.args[0]), remedy=_WHOLE) from error
    if (manifest.onnx, manifest.version) != (models.GRAPH, bundle.version):
        problem = f"the bundle says {bundle.version}, its manifest {manifest.onnx} {manifest.version}"
    elif len(manifest.golden) < EXAMPLES_MIN:
        problem = f"the bundle brings {len(manifest.golden)} golden examples, {EXAMPLES_MIN} are needed"
    if problem:
        raise ModelError(problem, remedy=_WHOLE)
