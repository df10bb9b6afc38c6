"""`kioskctl model` and `kiosk-cloud model sign`, as people and scripts use them."""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kiosk.bus import BusServer
from kiosk.guarantee import models
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.messages import (
    Asked,
    EditionView,
    GetModels,
    Models,
    Ok,
    Refused,
    Reply,
    Request,
    RequestAction,
    Role,
    ShelfView,
    StagedModel,
    StageModel,
)
from kiosk.processes.kioskctl import main as kioskctl
from kiosk_cloud.cli import main as kiosk_cloud

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
EDITIONS = (
    EditionView(0, "1.0.0+packaged", "0a" * 32, "good"),
    EditionView(3, "1.3", "3a" * 32, "good"),
    EditionView(4, "1.4", "4a" * 32, "failed", "golden example 2 scores 9.1 instead of 3.2"),
    EditionView(5, "1.5", "5a" * 32, "trial"),
)
SHELVES = Models((ShelfView("scene", EDITIONS, 3, 5), ShelfView("machine", (), 0, None)))


class Controller:
    """The other end of the bus: keeps what it was given."""

    def __init__(self) -> None:
        self.content = b""
        self.action: dict[str, object] = {}
        self.refuse: Refused | None = None

    async def handle(self, role: Role, request: Request) -> Reply:
        assert role == "maintenance"
        match request:
            case GetModels():
                return SHELVES
            case StageModel(part):
                self.content += part.data
                if part.index + 1 < part.chunks:
                    return Ok()
                return self.refuse or StagedModel(
                    "scene", 6, "1.6", "6a" * 32, hashlib.sha256(self.content).digest(), 3
                )
            case RequestAction(action=action):
                self.action = action
                return Asked(1, bytes(32), ("carl",), (), done=True)
        raise AssertionError(request)


def ctl(folder: Path, controller: Controller, *arguments: str) -> Result:
    async def play() -> Result:
        server = BusServer(folder, controller.handle, {}, single_user=True)
        await server.start()
        try:
            words = ["model", *arguments, "--bus-dir", str(folder)]
            return await asyncio.to_thread(CliRunner().invoke, kioskctl, words, input="918234\n")
        finally:
            await server.close()

    return asyncio.run(play())


def test_the_list_says_who_judges_and_why_another_does_not(tmp_path: Path) -> None:
    lines = ctl(tmp_path, Controller(), "list").output.splitlines()
    assert lines[0] == "scene"
    assert [line.split("  ")[-1] for line in lines[1:5]] == [
        "good", "judges", "failed: golden example 2 scores 9.1 instead of 3.2", "on trial",
    ]  # fmt: skip
    assert "goes unjudged" in lines[6]
    as_json = json.loads(ctl(tmp_path, Controller(), "list", "--json").output)
    assert (as_json[0]["current"], as_json[0]["trial"]) == (3, 5)


def test_a_bundle_goes_over_in_parts_and_is_asked_for_by_its_hash(tmp_path: Path) -> None:
    file, controller = tmp_path / "scene-6.bundle", Controller()
    file.write_bytes(bytes(range(256)) * 600)  # three parts
    result = ctl(tmp_path, controller, "install", str(file), "--as", "carl", "--pin-stdin")
    assert result.exit_code == 0, result.output
    assert controller.content == file.read_bytes()
    digest = hashlib.sha256(file.read_bytes()).digest()
    assert controller.action == {"action": "InstallModel", "stream": "scene", "number": 6, "bundle_sha256": digest}
    assert "on trial" in result.output


def test_a_refused_bundle_is_told_with_its_remedy_and_nothing_is_asked_for(tmp_path: Path) -> None:
    file, controller = tmp_path / "b", Controller()
    file.write_bytes(b"x")
    controller.refuse = Refused("verification_error", "unknown key", "Get it from the bank again.")
    result = ctl(tmp_path, controller, "install", str(file), "--as", "carl", "--pin-stdin")
    assert (result.exit_code, controller.action) == (1, {})
    assert "Get it from the bank again." in result.output
    file.write_bytes(b"")
    assert "no model bundle" in ctl(tmp_path, controller, "install", str(file), "--as", "carl", "--pin-stdin").output


@pytest.mark.parametrize(("words", "number"), [((), 0), (("--to", "0"), 0)])
def test_going_back_names_the_edition(tmp_path: Path, words: tuple[str, ...], number: int) -> None:
    controller = Controller()
    result = ctl(tmp_path, controller, "rollback", "scene", *words, "--as", "carl", "--pin-stdin")
    assert result.exit_code == 0, result.output
    assert controller.action == {"action": "RollBackModel", "stream": "scene", "number": number}


def test_the_bank_signs_a_whole_folder_only(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTIFACTS / "machine", tmp_path / "machine"))
    keys = tmp_path / "keys"
    keys.mkdir()
    signer = Ed25519Signer.from_seed(bytes([7] * 32))
    signer.save(keys / "command.key")
    broker = '[broker]\nhost = "localhost"\nport = 8883\nca = "ca.pem"\ncert = "c.pem"\nkey = "k.pem"\n'
    (tmp_path / "bank.toml").write_text(f'keys = "{keys}"\nstore = "{tmp_path}/bank.db"\n{broker}')
    words = ["model", "sign", "--config", str(tmp_path / "bank.toml"), "--number", "4", "--json"]

    def sign(out: str) -> Result:
        return CliRunner().invoke(kiosk_cloud, [*words, str(folder), str(tmp_path / out)])

    said = json.loads(sign("a.bundle").output)
    bundle = models.verify((tmp_path / "a.bundle").read_bytes(), PublicKeys([signer.public]))
    assert (bundle.stream, bundle.number, bundle.graph_sha256) == ("machine", 4, said["model_sha256"])
    assert bundle.files["model.onnx"] == (folder / "model.onnx").read_bytes()
    assert sign("a.bundle").exit_code == 2  # an edition is signed once
    (folder / "model.onnx").write_bytes(b"another graph")
    refused = sign("b.bundle")
    assert refused.exit_code == 2
    assert "not the one that its manifest names" in refused.output
    assert not (tmp_path / "b.bundle").exists()
