"""Provisioning: private files, kept keys, pinned public halves, a broker configuration per plan."""

import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from kiosk.core import topics
from kiosk.errors import ConfigError
from kiosk.guarantee import keys, log_keys, personal, policy
from kiosk_cloud import broker
from kiosk_cloud import config as bank_config
from kiosk_cloud.cli import main
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Plan, provision
from tests.uplink_kit import KIOSK, plan


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_everything_but_the_policy_is_private(tmp_path: Path) -> None:
    provision(plan(tmp_path), utc_now())
    for path in tmp_path.rglob("*"):
        expected = 0o700 if path.is_dir() else 0o644 if path == tmp_path / "policy.txt" else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    first = provision(plan(tmp_path), utc_now())
    before = contents(tmp_path)
    second = provision(plan(tmp_path), utc_now() + timedelta(days=30))
    assert first.written
    assert second.written == []
    assert contents(tmp_path) == before


def test_both_sides_pin_each_other(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    kiosk = log_keys.LogKeys.load(KIOSK, done.kiosk_keys)
    keyring = Keyring(bank_config.load(done.bank_config).keys)
    assert kiosk.bank_seal.key_id == keyring.seal.public.key_id
    assert kiosk.bank_acks.get(keyring.ack.kid, "EdDSA").kid == keyring.ack.kid
    assert keyring.kiosk(KIOSK).records.get(kiosk.record.kid, "EdDSA").kid == kiosk.record.kid
    assert keyring.kiosk(KIOSK).checkpoint.key.kid == kiosk.checkpoint.kid
    assert len(personal.load_kek(done.kiosk_keys / "vault.key")) == 32


def test_keys_that_the_kiosk_made_itself_are_kept_and_pinned(tmp_path: Path) -> None:
    own = keys.Ed25519Signer.generate()
    directory = tmp_path / "kiosk" / "keys"
    directory.mkdir(parents=True)
    own.save(directory / "record.key")
    done = provision(plan(tmp_path), utc_now())
    keyring = Keyring(bank_config.load(done.bank_config).keys)
    assert keyring.kiosk(KIOSK).records.get(own.kid, "EdDSA").kid == own.kid


def test_a_replaced_key_is_refused_not_pinned(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    path = done.kiosk_keys / "record.key"
    path.unlink()
    keys.Ed25519Signer.generate().save(path)
    with pytest.raises(
        ConfigError, match=r"record\.key is key [0-9a-f]{16}, and the bank knows kiosk .* by"
    ) as refused:
        provision(plan(tmp_path), utc_now())
    assert "Renamed by hand" in refused.value.remedy


def test_a_key_that_was_renamed_by_hand_is_neither_replaced_nor_forgotten(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    path = done.kiosk_keys / "record.key"
    path.rename(path.with_name("record-2026.key"))
    with pytest.raises(ConfigError, match="the bank knows this kiosk by a key already") as refused:
        provision(plan(tmp_path), utc_now())
    assert "Put the kiosk's key back as record.key" in refused.value.remedy
    assert not path.exists()
    path.with_name("record-2026.key").rename(path)
    assert provision(plan(tmp_path), utc_now()).written == []


def test_a_further_kiosk_gets_its_own_names_and_both_stay_in_the_access_list(tmp_path: Path) -> None:
    provision(plan(tmp_path), utc_now())
    other = provision(plan(tmp_path, "demo-0002"), utc_now())
    assert other.kiosk_cert.name == "kiosk-demo-0002.pem"
    assert other.kiosk_keys == tmp_path / "kiosk-demo-0002" / "keys"
    text = (tmp_path / "mosquitto" / "acl").read_text()
    assert f"user {KIOSK}\n" in text
    assert "user demo-0002\n" in text


def test_another_port_reaches_broker_and_bank(tmp_path: Path) -> None:
    provision(plan(tmp_path), utc_now())
    done = provision(plan(tmp_path, port=18_884), utc_now())
    assert sorted(path.name for path in done.written) == ["bank.toml", "mosquitto.conf"]
    assert bank_config.load(done.bank_config).broker.port == 18_884
    assert "\nlistener 18884 127.0.0.1\n" in done.mosquitto_conf.read_text()


def test_an_old_certificate_is_issued_again_for_the_same_key(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    before = x509.load_pem_x509_certificate(done.kiosk_cert.read_bytes())
    again = provision(plan(tmp_path), utc_now() + timedelta(days=700))
    after = x509.load_pem_x509_certificate(done.kiosk_cert.read_bytes())
    assert done.kiosk_cert in again.written
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert after.public_key() == before.public_key()


@pytest.mark.parametrize("kiosk", ["", "a/b", "+", "#", "bank", "a b", "../x", "x" * 65, "-x"])
def test_an_id_that_means_something_elsewhere_is_refused(tmp_path: Path, kiosk: str) -> None:
    with pytest.raises(ConfigError):
        Plan(tmp_path, kiosk)
    assert not topics.is_kiosk_id(kiosk) or kiosk == "bank"


def test_a_kiosk_may_write_only_its_own_lanes() -> None:
    lines = broker.acl(["k1", "k2"]).split("\n\n")[1].splitlines()
    assert lines[0] == "user k1"
    assert all(line.split()[-1].startswith("kiosk/v1/k1/") for line in lines[1:])
    assert "topic read kiosk/v1/k1/ack" in lines
    assert not any(line.startswith("topic write") and line.endswith(("ack", "command", "directory")) for line in lines)


def test_topics_are_taken_apart_as_they_were_made() -> None:
    for lane in (*topics.FROM_KIOSK, *topics.TO_KIOSK):
        assert topics.parse(topics.topic("k1", lane)) == ("k1", lane)
    for other in ("kiosk/v1/k1", "kiosk/v2/k1/ack", "x/kiosk/v1/k1/ack", "kiosk/v1/+/ack", "kiosk/v1/k1/x", ""):
        assert topics.parse(other) is None


def test_the_banks_configuration_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    done.bank_config.write_text("surprise = 1\n" + done.bank_config.read_text())
    with pytest.raises(ConfigError, match="surprise"):
        bank_config.load(done.bank_config)


def test_the_command_prints_where_things_are(tmp_path: Path) -> None:
    arguments = ["provision", "--dir", str(tmp_path), "--kiosk", KIOSK, "--port", "18885"]
    runner = CliRunner()
    first = runner.invoke(main, [*arguments, "--json"])
    assert first.exit_code == 0
    said = json.loads(first.output)
    assert Path(said["mosquitto_conf"]).is_file()
    assert len(said["written"]) == len([path for path in tmp_path.rglob("*") if path.is_file()])
    assert "0 files written" in runner.invoke(main, arguments).output
    refused = runner.invoke(main, ["provision", "--dir", str(tmp_path), "--kiosk", "a/b"])
    assert refused.exit_code == 2
    assert "kiosk id" in refused.output


def test_the_policy_names_every_kiosk_and_keeps_what_the_bank_added(tmp_path: Path) -> None:
    provision(plan(tmp_path), utc_now())
    path = tmp_path / "policy.txt"
    found = policy.parse(path.read_bytes())
    assert [log.name for log in found.logs] == [f"deposit-kiosk/{plan(tmp_path).kiosk}"]
    path.write_text(path.read_text() + "# our own remark\n")
    provision(replace(plan(tmp_path), kiosk="second"), utc_now())
    again = policy.parse(path.read_bytes())
    assert {log.name for log in again.logs} == {found.logs[0].name, "deposit-kiosk/second"}
    assert len(again.keys("second")) == 1
    assert "# our own remark" in path.read_text()


def test_the_command_renews_a_certificate_beside_the_one_in_use(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(main, ["provision", "--dir", str(tmp_path), "--kiosk", "demo-0001"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    said = runner.invoke(main, ["renew", "--dir", str(tmp_path), "--kiosk", "demo-0001", "--json"])
    assert said.exit_code == 0, said.output
    made = json.loads(said.output)
    assert made["cert"] == str(tmp_path / "pki" / "kiosk.pem.new")
    assert Path(made["key"]).stat().st_mode & 0o777 == 0o600
    assert {name: (tmp_path / "pki" / name).read_bytes() for name in before} == before
    unknown = runner.invoke(main, ["renew", "--dir", str(tmp_path), "--kiosk", "demo-0009"])
    assert unknown.exit_code == 2
    assert "Provision this kiosk first" in unknown.output


def test_further_brokers_get_their_configuration_and_the_bank_listens_at_all(tmp_path: Path) -> None:
    options = ["--port", "8883", "--broker", "second.bank.example", "8884", "--broker", "127.0.0.1", "8885"]
    said = CliRunner().invoke(main, ["provision", "--dir", str(tmp_path), "--kiosk", "demo-0001", *options])
    assert said.exit_code == 0, said.output
    config = bank_config.load(tmp_path / "bank" / "bank.toml")
    found = [(broker.host, broker.port) for broker in config.brokers]
    assert found == [("127.0.0.1", 8883), ("second.bank.example", 8884), ("127.0.0.1", 8885)]
    acl = (tmp_path / "mosquitto" / "acl").read_bytes()
    for number, (host, port) in enumerate(found[1:], start=2):
        folder = tmp_path / f"mosquitto-{number}"
        assert f"listener {port} {host}" in (folder / "mosquitto.conf").read_text()
        assert (folder / "acl").read_bytes() == acl
