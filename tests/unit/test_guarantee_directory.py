"""The signed account directory: what the bank makes is accepted, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import acks, cbor, cose, directory, files
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys, save_public
from tests.guarantee_kit import KIOSK, NOW

SIGNER = Ed25519Signer.from_seed(bytes(32))
PINNED = PublicKeys([SIGNER.public])
KEY = bytes(range(32))
NAMES = {"79927398713": "J*** D**", "0000111122223337": "王*明", "0000555566667773": "И*** П*****"}


def made(version: int = 1, names: dict[str, str] | None = None, kiosk: str = KIOSK) -> bytes:
    return directory.make(kiosk, version, NAMES if names is None else names, KEY, NOW, SIGNER)


def resigned(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A statement changed and signed by the right key: only its content is wrong."""
    content = cbor.decode(cose.parse(made()).payload, directory.DIRECTORY_BYTES_MAX)
    change(content)
    return cose.sign1(cbor.encode(content), SIGNER, cose.DIRECTORY_TYPE, 1 << 22)


def test_the_kiosk_finds_the_names_that_the_bank_listed() -> None:
    found = directory.verify(made(7), PINNED, KIOSK)
    assert (found.kiosk, found.version, found.issued_at) == (KIOSK, 7, "2026-11-21T08:30:00.125Z")
    assert {account: found.name_of(account, KEY) for account in NAMES} == NAMES
    assert found.name_of("4242424242424242", KEY) is None


def test_without_the_key_no_account_is_found_and_none_is_in_it() -> None:
    data = made()
    assert directory.verify(data, PINNED, KIOSK).name_of("79927398713", bytes(32)) is None
    assert b"79927398713" not in data


def test_the_same_names_make_the_same_bytes_in_any_order() -> None:
    assert made(names=dict(reversed(NAMES.items()))) == made()


def test_no_account_at_all_is_a_directory_too() -> None:
    assert directory.verify(made(names={}), PINNED, KIOSK).entries == {}


def test_a_full_directory_fits_its_bound() -> None:
    names = {f"{number:016d}": "王" * 8 for number in range(directory.ENTRIES_MAX)}
    data = made(names=names)
    assert len(data) <= directory.DIRECTORY_BYTES_MAX
    assert len(directory.verify(data, PINNED, KIOSK).entries) == directory.ENTRIES_MAX


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(version=0), "version 0"),
        (lambda d: d.update(version=True), "version True"),
        (lambda d: d.update(version=-1), "version -1"),
        (lambda d: d.update(version="2"), "not a directory"),
        (lambda d: d.update(v=2), "version 1 of the format"),
        (lambda d: d.update(more=1), "version 1 of the format"),
        (lambda d: d.pop("issued_at"), "not a directory"),
        (lambda d: d.update(kiosk="demo-0002"), "for demo-0002"),
        (lambda d: d["entries"].reverse(), "order"),
        (lambda d: d["entries"].append(d["entries"][-1]), "version 1 of the format"),
        (lambda d: d["entries"].insert(0, [bytes(31), "J***"]), "32 bytes"),
        (lambda d: d["entries"].insert(0, [bytes(32), ""]), "a name is empty"),
        (lambda d: d["entries"].insert(0, [bytes(32), "J\x1b[2J"]), "printable"),
        (lambda d: d["entries"].insert(0, [bytes(32), "J" * 97]), "96 bytes"),
        (lambda d: d["entries"].insert(0, [bytes(32)]), "a hash and a name"),
        (lambda d: d["entries"].insert(0, ["x", "J***"]), "a hash and a name"),
    ],
)
def test_wrong_content_is_refused_though_it_is_signed(change: Callable[[dict[str, Any]], None], words: str) -> None:
    with pytest.raises(VerificationError, match=words):
        directory.verify(resigned(change), PINNED, KIOSK)


def test_another_signer_another_kiosk_another_kind_are_refused() -> None:
    other = Ed25519Signer.from_seed(bytes([9] * 32))
    with pytest.raises(VerificationError, match="unknown key"):
        directory.verify(made(), PublicKeys([other.public]), KIOSK)
    with pytest.raises(VerificationError, match="for demo-0002, not for"):
        directory.verify(made(kiosk="demo-0002"), PINNED, KIOSK)
    with pytest.raises(VerificationError, match="signed as"):
        directory.verify(acks.make(KIOSK, 1, bytes(32), NOW, SIGNER), PINNED, KIOSK)


def test_every_changed_byte_is_refused() -> None:
    data = made()
    for position in range(0, len(data), 7):
        tampered = bytearray(data)
        tampered[position] ^= 0x01
        with pytest.raises(VerificationError):
            directory.verify(bytes(tampered), PINNED, KIOSK)


def test_too_much_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(VerificationError, match="at most"):
        directory.verify(bytes(directory.DIRECTORY_BYTES_MAX + 1), PINNED, KIOSK)


@pytest.mark.parametrize(
    ("version", "names"),
    [(0, NAMES), (2**53, NAMES), (1, {"1": ""}), (1, {"1": "J" * 97}), (1, {str(n): "J" for n in range(10_001)})],
)
def test_the_bank_cannot_sign_what_no_kiosk_would_take(version: int, names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"version|name|entries"):
        directory.make(KIOSK, version, names, KEY, NOW, SIGNER)


def test_a_kiosk_without_directory_keys_has_none_and_half_of_them_is_an_error(tmp_path: Any) -> None:
    assert DirectoryKeys.load(tmp_path) is None
    files.save_key(tmp_path / "directory.key", "hmac-sha256", KEY)
    with pytest.raises(ConfigError, match=r"bank_command\.pub"):
        DirectoryKeys.load(tmp_path)
    save_public(tmp_path / "bank_command.pub", SIGNER.public)
    loaded = DirectoryKeys.load(tmp_path)
    assert loaded is not None
    assert loaded.key == KEY
    assert directory.verify(made(), loaded.bank_commands, KIOSK).version == 1
