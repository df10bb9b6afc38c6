"""The bank's MQTT client ids: the same after a restart, and nothing that a kiosk could guess."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiosk.errors import ConfigError
from kiosk_cloud import client_id
from kiosk_cloud import config as bank_config
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from tests.uplink_kit import plan


def bank(directory: Path) -> bank_config.BankConfig:
    return bank_config.load(provision(plan(directory), utc_now()).bank_config)


def test_an_id_stays_and_is_private_to_its_bank(tmp_path: Path) -> None:
    one, other = bank(tmp_path / "one"), bank(tmp_path / "other")
    receiver = client_id.receiver(one)
    assert receiver == client_id.receiver(one)
    assert receiver.startswith("bank-1-")
    assert len(receiver) >= len("bank-1-") + 32  # 128 bits
    assert receiver != client_id.receiver(other)
    path = one.store.parent / client_id.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_clients_of_one_bank_differ(tmp_path: Path) -> None:
    one = bank(tmp_path)
    second = bank_config.with_instance(one, "2")
    ids = [make(config) for config in (one, second) for make in (client_id.receiver, client_id.publisher)]
    assert len(set(ids)) == 4
    assert len({each[-32:] for each in ids}) == 1


def test_receivers_that_start_at_once_agree(tmp_path: Path) -> None:
    config = bank(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: client_id.receiver(config), range(32)))) == 1
    assert [path.name for path in config.store.parent.glob(f"*{client_id.FILE}*")] == [client_id.FILE]


@pytest.mark.parametrize("data", [b"", b"bank\n", b"0" * 31, b"g" * 32, b"\xff" * 32, b"0" * 5000])
def test_a_damaged_file_is_said_and_left(tmp_path: Path, data: bytes) -> None:
    config = bank(tmp_path)
    path = config.store.parent / client_id.FILE
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=client_id.FILE):
        client_id.receiver(config)
    assert path.read_bytes() == data


def test_an_instance_that_cannot_be_part_of_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--instance a/b"):
        bank_config.with_instance(bank(tmp_path), "a/b")
