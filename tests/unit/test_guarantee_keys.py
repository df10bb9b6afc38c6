import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cose, files, keys, log, log_keys, personal, seal
from tests.guarantee_kit import NOW, Kit


class TokenSigner:
    """ES256 as a token does it: the key stays inside."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public = keys.PublicKey(self._key.public_key())
        self.kid = self.public.kid
        self.algorithm: keys.Algorithm = "ES256"

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def test_kid_is_the_hash_of_the_public_key_info_as_openssl_sees_it(tmp_path: Path) -> None:
    signer = keys.Ed25519Signer.generate()
    keys.save_public(tmp_path / "record.pub", signer.public)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", tmp_path / "record.pub", "-outform", "DER"],
        check=True,
        capture_output=True,
    ).stdout
    assert signer.kid == hashlib.sha256(der).digest()


def test_keys_survive_their_files(tmp_path: Path) -> None:
    signer, sealer, kek = keys.Ed25519Signer.generate(), seal.SealPrivateKey.generate(os.urandom), os.urandom(32)
    signer.save(tmp_path / "record.key")
    signer.save(tmp_path / "checkpoint.key")
    sealer.save(tmp_path / "seal.key")
    sealer.public.save(tmp_path / "bank_seal.pub")
    keys.save_public(tmp_path / "bank_ack.pub", signer.public)
    personal.save_kek(tmp_path / "vault.key", kek)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "record.key": 0o600,
        "checkpoint.key": 0o600,
        "seal.key": 0o600,
        "vault.key": 0o600,
        "bank_seal.pub": 0o644,
        "bank_ack.pub": 0o644,
    }
    loaded = log_keys.LogKeys.load("demo-0001", tmp_path)
    assert loaded.record.kid == loaded.checkpoint.kid == signer.kid
    assert loaded.bank_seal.key_id == seal.SealPrivateKey.load(tmp_path / "seal.key").public.key_id
    assert loaded.bank_acks.get(signer.kid, "EdDSA").pem == signer.public.pem
    assert personal.load_kek(tmp_path / "vault.key") == kek


def test_no_key_is_ever_overwritten(tmp_path: Path) -> None:
    keys.Ed25519Signer.generate().save(tmp_path / "record.key")
    before = (tmp_path / "record.key").read_bytes()
    with pytest.raises(FileExistsError):
        keys.Ed25519Signer.generate().save(tmp_path / "record.key")
    assert (tmp_path / "record.key").read_bytes() == before


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.key"
    keys.Ed25519Signer.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="may be read by others") as caught:
        keys.Ed25519Signer.load(path)
    assert f"chmod 600 {path}" in caught.value.remedy


def test_a_key_of_one_type_does_not_pass_for_another(tmp_path: Path) -> None:
    personal.save_kek(tmp_path / "vault.key", os.urandom(32))
    with pytest.raises(ConfigError, match="ed25519-seed is needed"):
        keys.Ed25519Signer.load(tmp_path / "vault.key")


@pytest.mark.parametrize("text", ["", "kiosk-key-v1 ed25519-seed AAAA", "kiosk-key-v1 ed25519-seed !", "x" * 5000])
def test_a_damaged_key_file_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        keys.Ed25519Signer.load(path)


def test_missing_and_foreign_public_keys_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        keys.load_public(tmp_path / "none.pub")
    (tmp_path / "text.pub").write_text("no key")
    with pytest.raises(ConfigError):
        keys.load_public(tmp_path / "text.pub")
    with pytest.raises(ValueError, match="P-256"):
        keys.PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key())
    files.write_new(tmp_path / "seal.pub", f"kiosk-key-v1 x-wing-public {'A' * 1624}=\n".encode(), 0o644)
    with pytest.raises(ConfigError):
        seal.SealPublicKey.load(tmp_path / "seal.pub")


def test_es256_of_a_token_is_verified_with_its_own_algorithm_only() -> None:
    token, soft = TokenSigner(), keys.Ed25519Signer.generate()
    pinned = keys.PublicKeys([token.public, soft.public])
    message = cose.sign1(b"payload", token, cose.RECORD_TYPE)
    assert cose.verify1(message, pinned, cose.RECORD_TYPE) == cose.Verified(b"payload", token.kid)
    with pytest.raises(VerificationError, match="pinned for ES256"):
        pinned.get(token.kid, "EdDSA")
    with pytest.raises(VerificationError, match="unknown key"):
        keys.PublicKeys([soft.public]).get(token.kid, "ES256")


def test_a_log_can_be_signed_by_a_token() -> None:
    kit, token = Kit(), TokenSigner()
    kept = log_keys.LogKeys("demo-0001", token, kit.checkpoint_signer, kit.seal_key.public, kit.ack_keys)
    records = log.RecordLog(kit.connection, kept, kit.vault)
    with kit.transaction():
        records.append("service", {"what": "start"}, NOW)
    assert records.record(0).kid == token.kid
