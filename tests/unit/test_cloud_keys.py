"""The bank follows a kiosk's rotation by itself, writes it into the policy file, and declares a stolen key stolen."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.errors import ConfigError
from kiosk.guarantee import checkpoint, keys, policy
from kiosk.guarantee.keys import Ed25519Signer
from kiosk_cloud import cli
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import KIOSK, NOW, Bank, KioskSide, plan

NEW = Ed25519Signer.from_seed(b"\x51" * 32)
NEW_LOG = Ed25519Signer.from_seed(b"\x52" * 32)
THIRD = Ed25519Signer.from_seed(b"\x53" * 32)


class Side(KioskSide):
    """A kiosk with a new key beside each present one."""

    def rotate(self, purpose: str = "record", kid: bytes = NEW.kid) -> bytes:
        with self._transaction():
            made = self.records.rotate(purpose, kid, {"number": 1, "content": bytes(32), "by": ["a", "b"]}, NOW)  # type: ignore[arg-type]
        return made.envelope


@pytest.fixture
def provisioned(tmp_path: Path) -> Provisioned:
    done = provision(plan(tmp_path), utc_now())
    NEW.save(done.kiosk_keys / "record.next.key")
    NEW_LOG.save(done.kiosk_keys / "checkpoint.next.key")
    return done


@pytest.fixture
def kiosk(provisioned: Provisioned) -> Iterator[Side]:
    side = Side(provisioned.kiosk_keys)
    yield side
    side.close()


@pytest.fixture
def bank(provisioned: Provisioned) -> Iterator[Bank]:
    found = Bank(provisioned)
    yield found
    found.store.close()


def held(bank: Bank) -> int:
    return bank.store.tree(KIOSK).size


def run(provisioned: Provisioned, *arguments: str) -> str:
    done = CliRunner().invoke(cli.main, ["keys", *arguments, "--config", str(provisioned.bank_config)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_receiver_follows_a_rotation_in_whatever_order_and_so_does_everybody_else(
    provisioned: Provisioned, kiosk: Side, bank: Bank
) -> None:
    first, rotation = kiosk.deposit(1), kiosk.rotate()
    later = [kiosk.deposit(number) for number in (2, 3)]
    bank.take(later[0])  # before the rotation is here: nobody knows that key
    assert held(bank) == 0
    bank.take(rotation, first, *later)
    assert held(bank) == 4
    assert kiosk.acknowledge(bank.take(later[1])[0].payload) == 4
    other = Keyring(bank.config.keys)  # another instance, or a command of later
    assert other.kiosk(KIOSK).records.present == NEW.public
    bank.store.close()
    report = verify_store(bank.config.store, bank.config.keys)
    assert (report.verified, report.ok) == (4, True), report.failures
    rows = json.loads(run(provisioned, "show", "--kiosk", KIOSK, "--json"))
    assert [(row["purpose"], row["first"], row["end"]) for row in rows] == [
        ("record", 0, 2), ("record", 2, None), ("checkpoint", 0, None),
    ]  # fmt: skip


def test_a_rotated_kiosk_is_provisioned_again_once_the_bank_has_followed(
    tmp_path: Path, provisioned: Provisioned, kiosk: Side, bank: Bank
) -> None:
    rotation = kiosk.rotate()
    old, new = provisioned.kiosk_keys / "record.key", provisioned.kiosk_keys / "record.next.key"
    old.rename(old.with_name("away"))
    with pytest.raises(ConfigError, match="and the bank knows kiosk"):
        provision(plan(tmp_path), utc_now())
    bank.take(rotation)
    provision(plan(tmp_path), utc_now())
    new.rename(old)  # as docs/keys.md says that one may
    provision(plan(tmp_path), utc_now())
    assert Keyring(bank.config.keys).kiosk(KIOSK).records.present == NEW.public


def test_the_store_is_verified_also_where_the_keys_were_pinned_only(
    provisioned: Provisioned, kiosk: Side, bank: Bank
) -> None:
    bank.take(kiosk.deposit(1), kiosk.rotate(), kiosk.rotate("checkpoint", NEW_LOG.kid), kiosk.deposit(2))
    bank.take(kiosk.records.checkpoint().encode(), lane="checkpoint")
    bank.store.close()
    for path in (bank.config.keys / "kiosks" / KIOSK / "rotations").iterdir():
        path.unlink()
    report = verify_store(bank.config.store, bank.config.keys)
    assert report.ok, report.failures


def test_what_the_old_key_signs_after_the_rotation_goes_into_quarantine(
    provisioned: Provisioned, kiosk: Side, bank: Bank
) -> None:
    bank.take(kiosk.deposit(1), kiosk.rotate())
    thief = Side(provisioned.kiosk_keys)  # a copy of the old disk
    forged = [thief.deposit(number) for number in (1, 2, 3)][2]
    bank.take(forged)
    assert bank.store.record(KIOSK, 2) is None
    reasons = [row[0] for row in bank.store.db.execute("SELECT reason FROM quarantine")]
    assert len(reasons) == 1
    assert "it was rotated at leaf 1" in reasons[0]
    thief.close()


def test_checkpoints_by_the_new_key_are_taken_and_by_the_old_one_refused(
    provisioned: Provisioned, kiosk: Side, bank: Bank
) -> None:
    bank.take(kiosk.deposit(1))
    old = kiosk.records.checkpoint().encode()
    bank.take(kiosk.rotate("checkpoint", NEW_LOG.kid), kiosk.deposit(2))
    bank.take(old, lane="checkpoint")
    bank.take(kiosk.records.checkpoint().encode(), lane="checkpoint")
    signer = Ed25519Signer.load(provisioned.kiosk_keys / "checkpoint.key")
    bank.take(checkpoint.sign(KIOSK, 3, kiosk.records.root(), signer).encode(), lane="checkpoint")
    assert [size for size, _, _ in bank.store.checkpoints(KIOSK)] == [1, 3]
    assert bank.store.db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == 1


def test_the_policy_file_follows_and_keeps_what_is_not_ours(provisioned: Provisioned, kiosk: Side, bank: Bank) -> None:
    bank.take(kiosk.deposit(1), kiosk.rotate(), kiosk.deposit(2))
    path = bank.config.policy
    assert path is not None
    other = f"# record-key other-1 {policy.record_key_line('x', THIRD.public).split()[-1]}"
    path.write_text(f"{path.read_text()}{other}\n")
    said = run(provisioned, "policy", "--json")
    text = path.read_text()
    found = policy.load(path)
    assert json.loads(said)["sha256"] == found.sha256.hex()
    assert other in text
    assert text.count("quorum none") == 1
    assert [(span.first, span.end) for span in found.record_keys[KIOSK].spans] == [(0, 2), (2, None)]  # type: ignore[attr-defined]
    run(provisioned, "policy")
    assert path.read_text() == text
    provision(plan(provisioned.bank_config.parents[1]), utc_now())  # again, for another port: the ranges stay
    assert policy.load(path).ranges == found.ranges


def test_a_stolen_key_is_not_believed_beyond_the_trusted_size(
    provisioned: Provisioned, kiosk: Side, bank: Bank, tmp_path: Path
) -> None:
    bank.take(kiosk.deposit(1), kiosk.deposit(2))
    beyond = kiosk.deposit(3)
    successor = tmp_path / "successor.pem"
    keys.save_public(successor, THIRD.public)
    kid = Ed25519Signer.load(provisioned.kiosk_keys / "record.key").kid.hex()
    second = provisioned.bank_config.parents[1] / "second" / "second.key"
    options = ["--kiosk", KIOSK, "--kid", kid[:12], "--trusted-size", "2", "--successor", str(successor)]
    assert "trusted up to size 2 only" in run(provisioned, "compromise", *options, "--second", str(second))
    bank.take(beyond)
    assert held(bank) == 2
    reason = bank.store.db.execute("SELECT reason FROM quarantine").fetchone()[0]
    assert "declared it stolen" in reason
    assert bank.keyring.kiosk(KIOSK).records.present == THIRD.public
    run(provisioned, "policy")
    assert bank.config.policy is not None
    trusted = policy.load(bank.config.policy)
    assert [(span.first, span.end) for span in trusted.keys(KIOSK).spans] == [(0, 2), (2, None)]  # type: ignore[attr-defined]
    bank.store.close()
    assert verify_store(bank.config.store, bank.config.keys).ok


def test_a_compromise_takes_the_second_signer_and_a_key_that_is_known(
    provisioned: Provisioned, bank: Bank, tmp_path: Path
) -> None:
    successor = tmp_path / "successor.pem"
    keys.save_public(successor, THIRD.public)
    kid = Ed25519Signer.load(provisioned.kiosk_keys / "record.key").kid.hex()
    second = str(provisioned.bank_config.parents[1] / "second" / "second.key")
    command = str(bank.config.keys / "command.key")
    for which, by, words in ((kid, command, "unknown key"), ("ffff", second, "begins 0 record keys")):
        options = [
            "--kiosk",
            KIOSK,
            "--kid",
            which,
            "--trusted-size",
            "2",
            "--successor",
            str(successor),
            "--second",
            by,
        ]
        done = CliRunner().invoke(cli.main, ["keys", "compromise", "--config", str(provisioned.bank_config), *options])
        assert done.exit_code in (2, 3)
        assert words in done.output
    assert len(bank.keyring.kiosk(KIOSK).records.spans) == 1
