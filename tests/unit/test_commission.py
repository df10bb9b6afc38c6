"""A kiosk's first start: adapters, configuration, its own keys, the bank's answer. Both ends, by their commands."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kiosk.config import load_config
from kiosk.core import topics
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import enrolment
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.guarantee.policy import load as load_policy
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.maintenance import adapters, commission_book, commissioning
from kiosk.processes.kioskctl import main as kioskctl
from kiosk_cloud.cli import main as kiosk_cloud
from kiosk_cloud.keyring import Keyring

ID = "village-0007"
BY = ("--by", "T-0007")


def typed(program: Any, *words: object) -> Result:
    return CliRunner().invoke(program, [str(word) for word in words])


def said(program: Any, *words: object) -> Any:
    done = typed(program, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is all below `tmp_path`."""
    path = tmp_path / "etc" / "kiosk.toml"
    words = ("--kiosk", ID, "--branch", "branch-7", "--staff", "S-0001", "--broker", "mqtt.bank.example")
    said(kioskctl, "commission", "configure", "--config", path, *words, *BY)
    text = path.read_text()
    for place in ("/var/lib/kiosk-watcher", "/var/lib/kiosk-uplink", "/var/lib/kiosk", "/etc/kiosk", "/run/kiosk"):
        text = text.replace(f'"{place}', f'"{tmp_path}/{place.split("/")[-1]}')
    path.write_text(text.replace("/dev/kiosk/", f"{tmp_path}/dev/"))
    return path


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    said(kiosk_cloud, "provision", "--dir", folder, "--kiosk", "first-0001")
    return folder


@pytest.fixture
def bank(founded: Path, tmp_path: Path) -> Path:
    """A bank with one kiosk of its own making already."""
    return Path(shutil.copytree(founded, tmp_path / "bank"))


def enrolled(config: Path, bank: Path, tmp_path: Path) -> Result:
    """Request, approval and answer, as two people with a memory stick do it."""
    asked = said(kioskctl, "commission", "request", "--config", config, *BY, "--out", tmp_path / "request")
    words = ("--dir", bank, tmp_path / "request", "--fingerprint", asked["fingerprint"], "--out", tmp_path / "answer")
    said(kiosk_cloud, "enrol", "approve", *words)
    letter = typed(kiosk_cloud, "enrol", "bank", "--dir", bank).stdout.strip()
    return typed(
        kioskctl, "commission", "enrol", "--config", config, tmp_path / "answer", "--bank", letter, *BY, "--json"
    )


def test_adapters_are_found_with_their_serial_numbers(tmp_path: Path) -> None:
    usb = tmp_path / "devices" / "usb1" / "1-1"
    port = usb / "1-1:1.0" / "ttyUSB0"
    port.mkdir(parents=True)
    for name, text in (("serial", "FT4ZX1"), ("manufacturer", "FTDI"), ("product", "USB-RS232")):
        (usb / name).write_text(text + "\n")
    (port / "device").symlink_to("../")
    (tmp_path / "class" / "tty").mkdir(parents=True)
    (tmp_path / "class" / "tty" / "ttyUSB0").symlink_to(port)
    camera = tmp_path / "class" / "video4linux" / "video0"
    camera.mkdir(parents=True)
    (camera / "name").write_text("Front camera\n")
    assert adapters.found(tmp_path) == [
        adapters.Adapter("/dev/ttyUSB0", "FT4ZX1", "FTDI USB-RS232"),
        adapters.Adapter("/dev/video0", "", "Front camera"),
    ]


def test_rules_name_each_device_by_its_serial_number(tmp_path: Path) -> None:
    path = tmp_path / "60-kiosk.rules"
    words = (
        "--assign",
        "validator=FT4ZX1",
        "--assign",
        "board=A50285BI",
        "--rules",
        path,
        "--config",
        tmp_path / "kiosk.toml",
        *BY,
    )
    said(kioskctl, "commission", "devices", *words)
    text = path.read_text()
    assert 'ENV{ID_SERIAL_SHORT}=="FT4ZX1", SYMLINK+="kiosk/validator"' in text
    assert 'ENV{ID_SERIAL_SHORT}=="A50285BI", SYMLINK+="kiosk/board"' in text
    said(kioskctl, "commission", "devices", *words)  # again, over its own file


WRONG = ({"printer": "A"}, {"board": ""}, {"board": 'A", RUN+="x'}, {"board": "A", "label": "A"})


@pytest.mark.parametrize("assigned", WRONG)
def test_what_is_no_device_or_no_serial_number_is_refused(assigned: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        adapters.rules(assigned)


def test_a_configuration_that_is_there_is_never_changed(config: Path) -> None:
    before = config.read_bytes()
    found = load_config(config)
    assert (found.kiosk.id, found.kiosk.branch, found.uplink.brokers[0].host) == (ID, "branch-7", "mqtt.bank.example")
    words = ("--kiosk", "other", "--branch", "b", "--staff", "S-1", "--broker", "h")
    done = typed(kioskctl, "commission", "configure", "--config", config, *words, *BY)
    assert done.exit_code == 5
    assert config.read_bytes() == before


def test_a_kiosk_makes_its_keys_and_the_bank_lets_it_in(config: Path, bank: Path, tmp_path: Path) -> None:
    done = enrolled(config, bank, tmp_path)
    assert done.exit_code == 0, done.output
    loaded = load_config(config)
    keys = LogKeys.load(ID, loaded.keys_dir)
    load_kek(loaded.keys_dir / "vault.key")
    assert Commanders.load(loaded.keys_dir)
    assert DirectoryKeys.load(loaded.keys_dir)
    load_policy(loaded.keys_dir / "policy.txt").log(f"deposit-kiosk/{ID}")
    known = Keyring(bank / "bank" / "keys").kiosk(ID)
    assert known.records.present == keys.record.public
    assert topics.topic(ID, "record") in (bank / "mosquitto" / "acl").read_text()
    for path in (*loaded.keys_dir.iterdir(), loaded.uplink.key, loaded.uplink.cert):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for name in ("record.key", "checkpoint.key", "vault.key"):  # no private half has left
        secret = (loaded.keys_dir / name).read_bytes().split()[-1]
        assert secret not in (tmp_path / "request").read_bytes() + (tmp_path / "answer").read_bytes()
    assert (loaded.keys_dir / "directory.key").read_bytes().split()[-1] not in (tmp_path / "answer").read_bytes()


def test_it_can_stop_and_go_on_anywhere(config: Path, bank: Path, tmp_path: Path) -> None:
    def at() -> dict[str, bool]:
        done = typed(kioskctl, "commission", "next", "--config", config, "--json")
        assert done.exit_code == 1
        return {step["name"]: step["done"] for step in json.loads(done.stdout)}

    assert at() == {"configuration": True, "devices": False, "keys": False, "bank": False}
    first = said(kioskctl, "commission", "request", "--config", config, *BY)
    assert at()["keys"]
    again = said(kioskctl, "commission", "request", "--config", config, *BY)
    assert again["fingerprint"] == first["fingerprint"]
    assert again["made"] == []
    for name in ("validator", "board", "label"):
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / "dev" / name).touch()
    assert enrolled(config, bank, tmp_path).exit_code == 0
    before = [(path, path.read_bytes()) for path in load_config(config).keys_dir.iterdir()]
    again_done = enrolled(config, bank, tmp_path)
    assert again_done.exit_code == 5
    assert "enrolled already" in again_done.output
    assert [(path, path.read_bytes()) for path in load_config(config).keys_dir.iterdir()] == before
    seen = at()
    assert all(seen[name] for name in ("configuration", "devices", "keys", "bank"))
    assert not seen["golden deposit"]  # nothing runs here


def test_without_a_configuration_that_is_what_comes_next(tmp_path: Path) -> None:
    done = typed(kioskctl, "commission", "next", "--config", tmp_path / "kiosk.toml")
    assert done.exit_code == 1
    assert "kioskctl commission configure" in done.stdout


def test_a_fingerprint_that_differs_is_refused_at_both_ends(config: Path, bank: Path, tmp_path: Path) -> None:
    said(kioskctl, "commission", "request", "--config", config, *BY, "--out", tmp_path / "request")
    words = ("--dir", bank, tmp_path / "request", "--fingerprint", "0000 " * 8, "--out", tmp_path / "answer")
    assert typed(kiosk_cloud, "enrol", "approve", *words).exit_code == 2
    assert not (tmp_path / "answer").exists()
    shown = said(kiosk_cloud, "enrol", "show", tmp_path / "request")
    said(kiosk_cloud, "enrol", "approve", *words[:4], shown["fingerprint"].upper(), *words[5:])
    done = typed(kioskctl, "commission", "enrol", "--config", config, tmp_path / "answer", "--bank", "ab12 " * 8, *BY)
    assert done.exit_code == 1
    assert "call the bank" in done.output
    assert not (load_config(config).keys_dir / "bank_command.pub").exists()


def test_an_id_that_is_taken_is_refused(config: Path, bank: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(ID, "first-0001"))
    asked = said(kioskctl, "commission", "request", "--config", config, *BY, "--out", tmp_path / "request")
    words = ("--dir", bank, tmp_path / "request", "--fingerprint", asked["fingerprint"], "--out", tmp_path / "answer")
    done = typed(kiosk_cloud, "enrol", "approve", *words)
    assert done.exit_code == 2
    assert "is taken" in done.output


def test_every_changed_byte_of_a_request_is_noticed(config: Path, tmp_path: Path) -> None:
    said(kioskctl, "commission", "request", "--config", config, *BY, "--out", tmp_path / "request")
    data = (tmp_path / "request").read_bytes()
    assert enrolment.read_request(data).kiosk == ID
    for at in range(0, len(data), 7):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises(VerificationError):
            enrolment.read_request(changed)


def test_an_answer_is_to_one_request_and_from_one_bank(config: Path, bank: Path, tmp_path: Path) -> None:
    said(kioskctl, "commission", "request", "--config", config, *BY)
    keys = load_config(config).keys_dir
    private = SealPrivateKey.load(keys / commissioning.ANSWER_KEY)
    enrolled(config, bank, tmp_path)
    assert not (keys / commissioning.ANSWER_KEY).exists()
    asked = enrolment.read_request((tmp_path / "request").read_bytes())
    letter = enrolment.fingerprint(Ed25519Signer.load(bank / "bank" / "keys" / "command.key").kid)
    answer = (tmp_path / "answer").read_bytes()
    found = enrolment.read_answer(answer, asked, private, letter)
    with pytest.raises(VerificationError):
        enrolment.read_answer(answer, asked, SealPrivateKey.generate(os.urandom), letter)
    for at in (0, 1200, len(answer) - 1):
        with pytest.raises(VerificationError):
            enrolment.read_answer(answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :], asked, private, letter)
    thief = Ed25519Signer.generate()
    other = enrolment.answer(asked, {**found, "bank_command.pub": thief.public.pem}, thief)
    with pytest.raises(VerificationError, match="fingerprint"):
        enrolment.read_answer(other, asked, private, letter)
    command = Ed25519Signer.load(bank / "bank" / "keys" / "command.key")
    swapped = {**found, enrolment.CERTIFICATE: (bank / "pki" / "kiosk.pem").read_bytes()}
    with pytest.raises(VerificationError, match="another key"):
        enrolment.read_answer(enrolment.answer(asked, swapped, command), asked, private, letter)


def test_every_step_is_in_the_book_with_what_came_of_it(config: Path, bank: Path, tmp_path: Path) -> None:
    assert enrolled(config, bank, tmp_path).exit_code == 0
    assert enrolled(config, bank, tmp_path).exit_code == 5
    steps = [entry.step for entry in commission_book.done(config).steps]
    assert [(step.step, step.ok) for step in steps] == [
        ("configuration", True), ("request", True), ("enrolment", True), ("request", True), ("enrolment", False),
    ]  # fmt: skip
    assert {step.by for step in steps} == {"T-0007"}
    assert "made record.key, checkpoint.key, vault.key" in steps[1].result
    assert "enrolled already" in steps[-1].result
    assert "kiosk-key" not in (config.parent / "commissioning.jsonl").read_text()
