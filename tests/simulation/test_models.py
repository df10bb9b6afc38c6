"""Models in the field: a signed bundle is tried by the watcher's own code before it judges; one may go back."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.actions import InstallModel, RollBackModel
from kiosk.core.model_shelf import STREAMS, Stream
from kiosk.errors import KioskError
from kiosk.guarantee import models
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.models import Bundle
from kiosk.management.model_files import ModelFiles
from kiosk.management.models import ModelDesk
from kiosk.messages import (
    Asked,
    EvidencePart,
    GetModels,
    Models,
    Refused,
    Reply,
    Request,
    Role,
    ShelfView,
    StagedModel,
    StageModel,
)
from kiosk.monitoring.hand_over import PART_BYTES
from kiosk.monitoring.model_keeper import ModelKeeper
from kiosk.processes.watcher import NAMES, load_models
from tests.guarantee_kit import NOW
from tests.simulation.people import ask, found
from tests.simulation.rig import PowerCut, Rig

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
BANK, STRANGER = (Ed25519Signer.from_seed(bytes([seed] * 32)) for seed in (41, 42))
PACKAGED = load_models(ARTIFACTS)
MACHINE = {path.name: path.read_bytes() for path in (ARTIFACTS / "machine").iterdir()}


def bundle(number: int, *, signer: Ed25519Signer = BANK, wrong: bool = False, **changes: Any) -> bytes:
    """Edition `number` of the packaged machine model; `wrong`: its golden examples say something else."""
    manifest = json.loads(MACHINE["manifest.json"]) | {"version": f"1.{number}"} | changes
    if wrong:
        manifest["golden"][2]["score"] += 0.5
    files = {"manifest.json": json.dumps(manifest).encode(), "model.onnx": MACHINE["model.onnx"]}
    return models.make(Bundle("machine", number, manifest["version"], "", files), NOW, signer)


async def handled(rig: Rig, role: Role, message: Request) -> Reply:
    """As the bus answers: an error is a refusal."""
    try:
        return await rig.desk.handle(role, message)
    except KioskError as error:
        return Refused("refused", str(error.args[0]), error.remedy)


class Field:
    """A kiosk with people, and a watcher that comes and goes."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.busy = False
        self.told = 0
        self.start()

    def start(self) -> None:
        """The controller, with what it holds on disk; a new watcher."""
        packaged = {stream: (model.manifest.version, model.manifest.sha256) for stream, model in PACKAGED.items()}
        self.hashes: dict[str, str] = {stream: model.manifest.sha256 for stream, model in PACKAGED.items()}
        files = ModelFiles(self.rig.folder / "models", PublicKeys([BANK.public]))
        self.rig.desk.take_models(ModelDesk(self.rig.controller, files, packaged, self.hashes, self.changed))
        self.keeper = ModelKeeper(PACKAGED, NAMES)

    def changed(self) -> None:
        self.told += 1
        self.keeper.changed()

    async def request(self, message: Request) -> Reply:
        """The watcher's end of the bus, every answer through it."""
        return await handled(self.rig, "watcher", message)

    async def hand(self, data: bytes) -> Reply:
        name, chunks = hashlib.sha256(data).hexdigest(), -(-len(data) // PART_BYTES)
        reply: Reply = Refused("nothing", "")
        for index in range(chunks):
            part = data[index * PART_BYTES : (index + 1) * PART_BYTES]
            reply = await handled(
                self.rig, "maintenance", StageModel(EvidencePart(name, index, chunks, len(data), part))
            )
        return reply

    async def install(self, data: bytes) -> Asked:
        staged = await self.hand(data)
        assert isinstance(staged, StagedModel), staged
        done = await ask(self.rig, "carl", InstallModel(staged.stream, staged.number, staged.bundle_sha256))
        assert isinstance(done, Asked), done
        assert done.done
        return done

    async def watch(self) -> None:
        """The watcher's rounds, until nothing is due."""
        while self.keeper.due and not self.busy:
            await self.keeper.follow(self, lambda: not self.busy)

    async def shelf(self, stream: Stream = "machine") -> ShelfView:
        reply = await handled(self.rig, "maintenance", GetModels())
        assert isinstance(reply, Models)
        return next(each for each in reply.streams if each.stream == stream)

    def events(self) -> list[dict[str, Any]]:
        log = self.rig.journal.log
        records = (dict(log.record(at).content) for at in range(log.size()))
        return [each for each in records if str(each.get("event", "")).startswith("model_")]


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    rig = Rig(tmp_path)
    rig.start()
    made = Field(rig)
    rig.run(found(rig))
    yield made
    rig.close()


def test_a_new_edition_judges_once_the_watcher_has_tried_it(field: Field) -> None:
    async def play() -> None:
        await field.watch()
        assert field.events() == []  # the packaged ones are good: no news
        await field.install(bundle(4))
        assert (await field.shelf()).current == 0  # on trial: it judges nobody
        await field.watch()
        shelf = await field.shelf()
        assert (shelf.current, shelf.trial) == (4, None)
        assert field.keeper.models["machine"].manifest.version == "1.4"

    field.rig.run(play())
    assert [each["event"] for each in field.events()] == ["model_installed", "model_current"]
    assert field.events()[0]["by"] == ["carl"]
    assert field.hashes["machine"] == PACKAGED["machine"].manifest.sha256


def test_one_whose_golden_examples_fail_never_judges(field: Field, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        await field.install(bundle(4))
        await field.watch()
        await field.install(bundle(5, wrong=True))
        await field.watch()
        shelf = await field.shelf()
        assert (shelf.current, shelf.trial) == (4, None)
        assert shelf.editions[-1].standing == "failed"

    field.rig.run(play())
    failed = field.events()[-1]
    assert (failed["event"], failed["number"], failed["current"]) == ("model_failed", 5, 4)
    assert "golden example 3 scores" in failed["why"]
    assert "edition 5 of the machine model failed" in caplog.text
    assert field.keeper.models["machine"].manifest.version == "1.4"


def test_a_bundle_damaged_on_disk_is_rolled_back_at_the_next_start(field: Field) -> None:
    async def play() -> None:
        for number in (4, 6):
            await field.install(bundle(number))
            await field.watch()
        path = field.rig.folder / "models" / "machine" / "6.bundle"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        field.start()
        await field.watch()
        assert (await field.shelf()).current == 4
        assert field.keeper.models["machine"].manifest.version == "1.4"

    field.rig.run(play())
    last = field.events()[-1]
    assert (last["event"], last["number"], last["current"]) == ("model_failed", 6, 4)


def test_the_shelf_outlives_the_controller(field: Field) -> None:
    field.rig.run(field.install(bundle(4)))
    field.rig.bury()
    field.rig.start()
    field.start()
    field.rig.run(field.watch())
    assert field.rig.run(field.shelf()).current == 4


@pytest.mark.parametrize(
    ("made", "why", "remedy"),
    [
        (lambda: bundle(4, signer=STRANGER), "unknown key", "from the bank again"),
        (lambda: bundle(4)[:-1] + b"\x00", "bad EdDSA signature", "from the bank again"),
        (lambda: bundle(4, sha256="ab" * 32), "is not the file that its manifest names", "the folder"),
        (lambda: bundle(4, golden=[]), "0 golden examples", "the folder"),
        (lambda: bundle(4, stream="scene"), "for the stream scene", ""),
    ],
    ids=["stranger", "altered", "another graph", "no examples", "another stream"],
)
def test_what_the_bank_did_not_sign_whole_is_refused(field: Field, made: Any, why: str, remedy: str) -> None:
    reply = field.rig.run(field.hand(made()))
    assert isinstance(reply, Refused)
    assert why in reply.message
    assert remedy in reply.remedy
    assert not (field.rig.folder / "models" / "machine").exists()


def test_an_older_edition_is_gone_back_to_but_not_installed(field: Field) -> None:
    async def play() -> None:
        for number in (4, 6):
            await field.install(bundle(number))
            await field.watch()
        older = await field.hand(bundle(5))
        assert isinstance(older, StagedModel)
        refused = await ask(field.rig, "carl", InstallModel("machine", 5, older.bundle_sha256))
        assert isinstance(refused, Refused)
        assert "not newer than the current 6" in refused.message
        assert "kioskctl model rollback machine" in refused.remedy
        assert isinstance(await ask(field.rig, "dora", RollBackModel("machine", 4)), Refused)  # a courier
        back = await ask(field.rig, "carl", RollBackModel("machine", 4))
        assert isinstance(back, Asked)
        assert back.done
        await field.watch()
        assert field.keeper.models["machine"].manifest.version == "1.4"

    field.rig.run(play())
    last = field.events()[-1]
    assert (last["event"], last["number"], last["before"]) == ("model_rolled_back", 4, 6)


def test_nothing_changes_under_a_deposit(field: Field) -> None:
    async def play() -> None:
        await field.install(bundle(4))
        field.busy = True
        await field.keeper.follow(field, lambda: not field.busy)
        assert field.keeper.due
        assert field.keeper.models["machine"] is PACKAGED["machine"]
        assert (await field.shelf()).trial == 4
        field.busy = False
        await field.watch()
        assert (await field.shelf()).current == 4

    field.rig.run(play())


def test_parts_out_of_turn_make_no_bundle(field: Field) -> None:
    data = bundle(4)
    name, size = hashlib.sha256(data).hexdigest(), len(data)
    chunks = -(-size // PART_BYTES)

    async def play() -> list[Reply]:
        second = StageModel(EvidencePart(name, 1, chunks, size, data[PART_BYTES : 2 * PART_BYTES]))
        alone = await handled(field.rig, "maintenance", second)
        other = await field.hand(data[:-5] + data[:5])
        huge = await handled(field.rig, "maintenance", StageModel(EvidencePart(name, 0, 99, 5 << 20, b"x")))
        return [alone, other, huge]

    for reply in field.rig.run(play()):
        assert isinstance(reply, Refused), reply
        assert reply.remedy


def test_every_packaged_model_gives_what_its_golden_examples_say() -> None:
    assert set(PACKAGED) == set(STREAMS)


def test_asking_is_bounded_by_the_loop(field: Field) -> None:
    """A model that fails again and again does not make the watcher ask for ever."""

    async def play() -> int:
        await field.install(bundle(5, wrong=True))
        async with asyncio.timeout(60):
            await field.watch()
        return field.told

    assert field.rig.run(play()) <= 3


@pytest.mark.parametrize("moment", ["before-write", "after-write"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_power_cut_amid_an_installation_leaves_all_of_it_or_nothing(field: Field, moment: str, count: int) -> None:
    """Asked for, used with its leaf and shelf, tried: whichever write is cut, no edition is without its bundle."""
    rig = field.rig

    async def play() -> None:
        await field.watch()
        rig.crash_at = (moment, rig.counts.get(moment, 0) + count)
        await field.install(bundle(4))
        await field.watch()

    with contextlib.suppress(PowerCut):
        rig.run(play())
    assert rig.crashed
    rig.bury()
    rig.start()
    field.start()
    rig.run(field.watch())
    shelf = rig.run(field.shelf())
    numbers = {edition.number for edition in shelf.editions}
    files = {int(path.stem) for path in (rig.folder / "models").glob("machine/*.bundle")}
    assert files == numbers - {0}
    installed = [each for each in field.events() if each["event"] == "model_installed"]
    assert len(installed) == len(files)
    assert shelf.current == (4 if files else 0)  # what is on the shelf is tried after the restart
    assert rig.journal.log.audit().size == rig.journal.log.size()
