"""Files that the controller makes for people to carry away: a copy of the journal, a support bundle. Part by part.

Each is a leaf (who, which kind, of a bundle its SHA-256) before it is handed over. They lie in a directory of their
own, at most one of each kind, and are gone with the next one or the next start.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from kiosk.clock import rfc3339
from kiosk.core.records import service
from kiosk.errors import JournalError
from kiosk.guarantee import backups, bundles
from kiosk.guarantee.sealed_values import SealedValues
from kiosk.management import looking
from kiosk.management.authority import AuthorityDesk
from kiosk.management.camera_capture import CameraCaptures
from kiosk.management.capturing import Listener
from kiosk.management.controller import Controller
from kiosk.management.device_tests import DeviceTests
from kiosk.management.store import Runner
from kiosk.messages import (
    FILE_PART_BYTES,
    CameraCaptured,
    Capture,
    FetchFile,
    FileMade,
    FilePart,
    LinkReport,
    MakeFile,
    Refused,
    Reply,
    Status,
    TestedDevice,
)
from kiosk.protection.bundles import bundle_gate
from kiosk.protection.catalogue import CatalogueError
from kiosk.protection.egress import Gate

FilesRequest = MakeFile | FetchFile | Capture | CameraCaptured
ROWS: Final = 500  # of journal and log in a bundle
_AGAIN: Final = "Make it again."


class FilesDesk:
    """Makes and hands over."""

    def __init__(  # noqa: PLR0913 - what only the process may join
        self,
        controller: Controller,
        authority: AuthorityDesk,
        worker: Runner,
        folder: Path,
        *,
        status: Callable[[], Any],
        link: Callable[[], LinkReport],
        configuration: Mapping[str, Any],
        catalogue: Path | None = None,
        camera: CameraCaptures | None = None,
    ) -> None:
        """`folder` is this desk's alone. `configuration`: as it was understood, without secrets.

        `catalogue`: what of a bundle may leave, destination `bundle`; that of the package where none is named.
        `camera`: asks the watcher for what the camera gives.
        """
        self._catalogue, self._camera = catalogue, camera
        self._c, self._authority, self._worker, self._folder = controller, authority, worker, folder
        self._status, self._link, self._configuration = status, link, configuration
        self._tests = DeviceTests(controller, link)
        self._made: dict[str, Path] = {}  # by SHA-256
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """What an earlier process left is gone."""
        await self._worker.run(shutil.rmtree, self._folder, ignore_errors=True)

    async def handle(self, request: FilesRequest) -> Reply:
        """Answer one."""
        if isinstance(request, CameraCaptured):
            nobody = Refused("not_asked", "Nobody asked for this.", "Nothing is to be done.")
            return nobody if self._camera is None else self._camera.take(request)
        refused = await self._authority.admit(request, request.staff, request.secret)
        if refused is not None:
            return refused
        if isinstance(request, FetchFile):
            return await self._worker.run(self._part, request)
        async with self._lock:
            try:
                made, about = await self._make(request)
            except JournalError as error:
                return Refused("not_made", str(error.args[0]), error.remedy)
            digest = await self._worker.run(backups.sha256_of, made)
            size = made.stat().st_size
            self._made = {name: path for name, path in self._made.items() if path != made} | {digest: made}
        return FileMade(digest, size, -(-size // FILE_PART_BYTES), about)

    def _part(self, request: FetchFile) -> Reply:
        path = self._made.get(request.sha256)
        if path is None:
            return Refused("no_file", "There is no such file any more.", _AGAIN)
        with path.open("rb") as opened:
            opened.seek(request.part * FILE_PART_BYTES)
            return FilePart(opened.read(FILE_PART_BYTES))

    async def _captured(self, request: Capture, target: Path) -> tuple[Path, str]:
        if request.device == "camera":
            return await self._seen(request, target)
        port = self._c.devices.ports.get(request.device)
        if port is None:
            raise JournalError(f"nobody can listen to the {request.device} here", remedy="It has no line of its own.")
        await self._begun(request)
        listener = Listener(port, self._c.clock)
        await listener.listen(request.seconds)
        text = listener.text(request.device)
        await self._worker.run(target.write_text, text)
        return target, f"{text.count(chr(10)) - 1} rows; read it with `kioskctl replay`"

    async def _seen(self, request: Capture, target: Path) -> tuple[Path, str]:
        """What the camera gave; the watcher has blurred all of it."""
        if self._camera is None:
            raise JournalError("nobody looks through a camera here", remedy="This kiosk's version has none.")
        self._camera.ready()
        await self._begun(request)
        content = await self._camera.captured(request.seconds)
        await self._worker.run(target.write_bytes, content)
        return target, "everybody in it is blurred; read it with `kioskctl replay`"

    async def _begun(self, request: Capture) -> None:
        """On record before anything is heard or seen."""
        details: dict[str, object] = {"by": request.staff, "device": request.device, "seconds": request.seconds}
        await self._c.record(service("capture_begun", details))

    async def _make(self, request: MakeFile | Capture) -> tuple[Path, str]:
        await self._worker.run(self._prepare)
        if isinstance(request, Capture):
            return await self._captured(request, self._folder / "capture")
        target = self._folder / request.kind
        if request.kind == "backup":
            # Before the copy, which has it then: taken back at once, it rolls nothing back.
            await self._c.record(service("file_made", {"by": request.staff, "file": "backup"}))
            await self._worker.run(lambda: target.unlink(missing_ok=True))
            await self._worker.run(backups.copy, self._c.journal.path, target)
            await self._worker.run(backups.sound, target)
            return target, "the journal, all of it; personal data in it stays sealed under this kiosk's keys"
        content = await self._bundle()
        digest = hashlib.sha256(content).digest()
        await self._c.record(service("file_made", {"by": request.staff, "file": "bundle", "sha256": digest}))
        await self._worker.run(target.write_bytes, content)
        return target, "status, books, tests and configuration; personal data and secrets are taken out"

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def _bundle(self) -> bytes:
        c = self._c
        status: Status = await self._status()
        files: dict[str, Any] = {
            "status": msgspec.to_builtins(status),
            "notes": msgspec.to_builtins(looking.notes_report(c.storage.ledger, c.deposit)),
            "journal": msgspec.to_builtins(await c.runner.run(looking.journal_rows, c.journal, ROWS)),
            "log": msgspec.to_builtins(await c.runner.run(looking.log_rows, c.journal, ROWS)),
            "outbox": msgspec.to_builtins(await c.runner.run(looking.outbox_view, c.journal, self._link())),
            "tests": {name: await self._test(name) for name in get_args(TestedDevice)},
            "configuration": dict(self._configuration),
            "machine": _machine(c.journal.path.parent),
        }
        people = {person.staff for person in (await self._authority.people()).people}
        masked = await self._worker.run(self._gated, status.kiosk, files, people)
        about = {"kiosk": status.kiosk, "made_at": rfc3339(c.clock.now_utc()), "version": status.version}

        def sign() -> bytes:
            log = c.journal.log
            return bundles.make(about, masked, log.record_key.pem, lambda data: log.vouch(data, bundles.TYPE))

        return await c.runner.run(sign)

    def _gated(self, kiosk: str, files: Mapping[str, Any], people: set[str]) -> dict[str, Any]:
        """What may leave of each file, and the sealed values in a file of their own. Raises JournalError: none may."""
        sealed = SealedValues(kiosk, self._c.journal.log.bank_seal)
        try:
            gate = bundle_gate(self._catalogue, sealed)
        except (CatalogueError, OSError) as error:
            raise JournalError(
                f"no catalogue to make a bundle by: {error}", remedy="Mend protection.catalogue."
            ) from error
        left = {name: _cleaned(value, people, gate) for name, value in files.items()}
        values = sealed.file()
        return left if values is None else {**left, "sealed": values}

    async def _test(self, name: TestedDevice) -> list[dict[str, Any]]:
        return [msgspec.structs.asdict(step) for step in (await self._tests.run(name)).steps]


def _cleaned(value: Any, people: set[str], gate: Gate, name: str = "") -> Any:  # noqa: ANN401 - plain values, as JSON has them
    """Without personal data: texts go through the gate, and staff ids are the same short pseudonym everywhere."""
    if isinstance(value, str):
        return _pseudonym(value) if value in people else gate.text(_known(value, people), "bundle", name).text
    if isinstance(value, Mapping):
        return {
            gate.text(_known(str(key), people), "bundle").text: _cleaned(each, people, gate, str(key))
            for key, each in value.items()
            if key not in _LEFT_OUT
        }
    if isinstance(value, list | tuple):
        return [_cleaned(each, people, gate, name) for each in value]
    return value


_LEFT_OUT: Final = frozenset({"account_masked", "receipt_qrs", "code", "staff", "bank_texts", "fixed_key_hex"})


def _known(text: str, people: set[str]) -> str:
    for staff in people:
        if staff in text:
            text = text.replace(staff, _pseudonym(staff))
    return text


def _pseudonym(staff: str) -> str:
    return f"person-{hashlib.sha256(staff.encode()).hexdigest()[:6]}"


def _machine(folder: Path) -> dict[str, object]:
    disk = shutil.disk_usage(folder)
    load = [round(each, 2) for each in os.getloadavg()]
    return {"disk_total": disk.total, "disk_free": disk.free, "load": load, "kernel": os.uname().release}
