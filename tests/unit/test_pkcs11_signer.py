"""Records signed by a key that never leaves a token (SoftHSM2), and what a person reads when the token will not."""

import dataclasses
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.errors import ConfigError, JournalError
from kiosk.guarantee import cose, files, log, signers
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.pkcs11 import Pkcs11Signer, Token, TokenSession
from kiosk.guarantee.signers import TokenPlace
from tests.guarantee_kit import NOW, Kit

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, OFFICER = "482915", "73519460"
pytestmark = pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="make setup installs softhsm2")
pkcs11 = pytest.importorskip("pkcs11", reason="make setup installs python-pkcs11")


@pytest.fixture(scope="module", autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One token of this test process; the library reads its configuration once in the life of a process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(config))
    for label in ("kiosk", "locked"):
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", OFFICER],
            check=True, capture_output=True,
        )  # fmt: skip
    library = pkcs11.lib(str(MODULE))
    library.reinitialize()
    with library.get_token(token_label="kiosk").open(user_pin=PIN, rw=True) as session:
        curve = pkcs11.util.ec.encode_named_curve_parameters("secp256r1")
        for label in ("record-1", "record-2"):
            domain = session.create_domain_parameters(
                pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
            )
            domain.generate_keypair(store=True, label=label)


@pytest.fixture
def sign() -> Iterator[Callable[..., Pkcs11Signer]]:
    """Makes signers, one login for all of them, and logs out."""
    session = TokenSession(Token(MODULE, "kiosk", PIN))
    yield lambda label="record-1", kind=Pkcs11Signer: kind(session, label)
    session.close()


class Flaky(Pkcs11Signer):
    """A token whose next calls fail like this."""

    losses: tuple[str, ...] = ()

    def _raw(self, data: bytes) -> bytes:
        if self.losses:
            name, *self.losses = self.losses  # type: ignore[assignment]
            raise getattr(pkcs11.exceptions, name)
        return super()._raw(data)


def test_a_token_signs_cose_messages_that_verify_like_any_other(sign: Callable[..., Pkcs11Signer]) -> None:
    signer = sign()
    message = cose.sign1(b"a record", signer, cose.RECORD_TYPE)
    found = cose.verify1(message, PublicKeys([signer.public]), cose.RECORD_TYPE)
    assert (found.payload, found.kid, signer.algorithm) == (b"a record", signer.kid, "ES256")
    assert sign().kid == signer.kid
    assert sign("record-2").kid != signer.kid


@pytest.mark.parametrize(
    ("token", "label", "words", "remedy"),
    [
        (Token(MODULE, "kiosk", "000000"), "record-1", "PinIncorrect", "Correct the PIN file"),
        (Token(MODULE, "elsewhere", PIN), "record-1", "NoSuchToken", "Plug the token in"),
        (Token(MODULE, "kiosk", PIN), "record-9", "NoSuchKey", "key's label"),
        (Token(Path("/usr/lib/no-such.so"), "kiosk", PIN), "record-1", "is not there", "Install the token's library"),
        (Token(Path("/etc/hostname"), "kiosk", PIN), "record-1", "token kiosk", "pkcs11-tool"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(token: Token, label: str, words: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Pkcs11Signer(TokenSession(token), label)
    assert remedy in caught.value.remedy
    assert PIN not in str(caught.value) + repr(token)


@pytest.mark.parametrize(
    "name", ["PinLocked", "PinExpired", "TokenNotPresent", "UserPinNotInitialized", "GeneralError"]
)
def test_an_error_of_the_library_at_the_start_has_a_remedy(name: str, sign: Callable[..., Pkcs11Signer]) -> None:
    class Broken(Flaky):
        losses = (name,)

    with pytest.raises(ConfigError, match=name) as caught:
        sign(kind=Broken)
    assert caught.value.remedy != ConfigError.remedy


def test_a_session_that_was_lost_is_opened_again(sign: Callable[..., Pkcs11Signer]) -> None:
    signer: Any = sign(kind=Flaky)
    signer.losses = ("SessionHandleInvalid",)
    signer.public.verify(signer.sign(b"a record"), b"a record")


@pytest.mark.parametrize(
    ("losses", "remedy"),
    [(("DeviceRemoved", "DeviceRemoved"), "Plug the token in"), (("PinLocked",), "unlock it")],
)
def test_a_token_that_is_gone_ends_the_controller(
    losses: tuple[str, ...], remedy: str, sign: Callable[..., Pkcs11Signer]
) -> None:
    signer: Any = sign(kind=Flaky)
    signer.losses = losses
    with pytest.raises(JournalError, match="nothing can be signed") as caught:
        signer.sign(b"a record")
    assert remedy in caught.value.remedy


def test_a_log_is_signed_by_a_token_and_goes_on_under_its_next_key(keys_dir: Path) -> None:
    first, second = signers.load("record", keys_dir, TokenPlace(MODULE, "kiosk", "record-1", "record-2"))
    try:
        kit = Kit()
        kit.keys = dataclasses.replace(kit.keys, record=first, next_record=second)
        kit.records = log.RecordLog(kit.connection, kit.keys, kit.vault, randomness=kit.randomness)
        kit.append()
        with kit.transaction():
            kit.records.rotate("record", second.kid, {"number": 1}, NOW)
        kit.append()
        assert [kit.records.record(at).kid for at in range(3)] == [first.kid, first.kid, second.kid]
    finally:
        first._session.close()  # type: ignore[attr-defined]  # noqa: SLF001 - a process ends instead


# --- where keys come from ---------------------------------------------------------------------------------------


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    for number, purpose in enumerate(signers.PURPOSES):
        Ed25519Signer.from_seed(bytes([number]) * 32).save(tmp_path / f"{purpose}.key")
    (tmp_path / "record.pin").touch(mode=0o600)
    (tmp_path / "record.pin").write_text(f"{PIN}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.chmod(0o640), "can be read by others"),
        (lambda path: path.write_text("\n"), "holds no PIN"),
        (lambda path: path.write_bytes(b"\xff" * 10), "holds no PIN"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_pin_file_that_will_not_do_is_refused(keys_dir: Path, spoil: object, words: str) -> None:
    spoil(keys_dir / "record.pin")  # type: ignore[operator]
    with pytest.raises(ConfigError, match=words):
        signers.load("record", keys_dir, TokenPlace(MODULE, "kiosk", "record-1"))


def test_a_systemd_credential_goes_before_a_file(keys_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = keys_dir / "credentials"
    credentials.mkdir()
    credential, following = Ed25519Signer.from_seed(b"\x31" * 32), Ed25519Signer.from_seed(b"\x32" * 32)
    credential.save(credentials / "record.key")
    following.save(credentials / "record.next.key")
    (credentials / "record.key").chmod(0o440)  # as systemd's access list shows it
    with pytest.raises(ConfigError, match="may be read by others"):
        Ed25519Signer.load(credentials / "record.key")
    monkeypatch.setenv(files.CREDENTIALS_VARIABLE, str(credentials))
    assert [signer.kid for signer in signers.load("record", keys_dir)] == [credential.kid, following.kid]
    assert signers.load("checkpoint", keys_dir)[0].kid == Ed25519Signer.from_seed(b"\x01" * 32).kid
    (credentials / "record.key").chmod(0o444)
    with pytest.raises(ConfigError, match="may be read by others"):
        signers.load("record", keys_dir)
