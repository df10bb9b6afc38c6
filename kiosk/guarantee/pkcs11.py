"""A signer whose key never leaves a token: ES256 through PKCS#11 (TPM, secure element, HSM; SoftHSM2 in tests).

The token makes the signature over a SHA-256 digest (CKM_ECDSA, r || s as COSE wants it). Whoever holds the journal's
thread holds the session; one that was lost is opened again once, since signing twice harms nobody.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kiosk.errors import ConfigError, JournalError, VerificationError
from kiosk.guarantee.keys import SIGNATURE_BYTES, Algorithm, PublicKey

_CHALLENGE: Final = b"kiosk-token-check-v1"
_REMEDIES: Final = {
    "NoSuchToken": "Plug the token in, and check its label in the settings against `pkcs11-tool --list-slots`.",
    "TokenNotPresent": "Plug the token in, and start again.",
    "TokenNotRecognised": "Initialise the token, or name another one in the settings.",
    "MultipleTokensReturned": "Give the tokens different labels.",
    "PinIncorrect": "Correct the PIN file. A token locks itself after a few wrong ones: do not try again blindly.",
    "PinInvalid": "Correct the PIN file: this PIN has characters that the token does not take.",
    "PinLenRange": "Correct the PIN file: this PIN is too short or too long for the token.",
    "PinLocked": "The token is locked after too many wrong PINs: unlock it with the security officer's PIN.",
    "PinExpired": "Set a new PIN on the token, and write it into the PIN file.",
    "UserPinNotInitialized": "Set the token's user PIN first (`pkcs11-tool --init-pin`).",
    "NoSuchKey": "Check the key's label in the settings, or generate it (docs/keys.md).",
    "MultipleObjectsReturned": "Give the keys on the token different labels.",
    "DeviceRemoved": "Plug the token in again; the kiosk starts by itself.",
}
_REMEDY: Final = "Check the token with `pkcs11-tool --list-objects`, then start again."


@dataclass(frozen=True)
class Token:
    """A token: the PKCS#11 module that speaks to it, its label, and the user's PIN."""

    module: Path
    label: str
    pin: str

    def __repr__(self) -> str:
        return f"Token({self.module}, {self.label})"  # never the PIN


class TokenSession:
    """The one session of this process with a token: a token knows one login for all of it."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self._session: Any = None

    def pair(self, label: str) -> tuple[Any, PublicKey]:
        """The private key's handle and the public half of the pair `label`. Raises what the library raises."""
        try:
            import pkcs11  # noqa: PLC0415 - an extra: kiosks with their keys in files do without
            from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError("keys on a token need python-pkcs11", remedy="Install deposit-kiosk[hsm].") from error
        if self._session is None:
            module = self.token.module
            if not module.is_file():
                remedy = "Install the token's library, or correct `module`."
                raise ConfigError(f"the PKCS#11 module {module} is not there", remedy=remedy)
            found = pkcs11.lib(str(module)).get_token(token_label=self.token.label)
            self._session = found.open(user_pin=self.token.pin)
        private = self._session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.KeyType.EC, label)
        other = self._session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.KeyType.EC, label)
        public = load_der_public_key(encode_ec_public_key(other))
        if not isinstance(public, EllipticCurvePublicKey):
            raise ConfigError(f"the key {label} is no EC key", remedy="Generate a P-256 key (docs/keys.md).")
        return private, PublicKey(public)

    def close(self) -> None:
        """Log out. A session that is lost already is only forgotten."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(RuntimeError):
                session.close()


class Pkcs11Signer:
    """Signs with a P-256 key on a token."""

    def __init__(self, session: TokenSession, label: str) -> None:
        """Find the pair, and see that its halves belong together. Raises ConfigError."""
        self._session, self._label = session, label
        self.algorithm: Final[Algorithm] = "ES256"
        with self._in_words(_config_error):
            self._key, self.public = session.pair(label)
            signature = self._raw(_CHALLENGE)
        try:
            self.public.verify(signature, _CHALLENGE)
        except VerificationError as error:
            raise ConfigError(
                f"the private and the public key {label} on token {session.token.label} do not belong together",
                remedy="Generate the pair again, under one label (docs/keys.md).",
            ) from error
        self.kid: Final = self.public.kid

    def sign(self, data: bytes) -> bytes:
        """ECDSA over SHA-256 of `data`, r || s, 64 bytes. Raises JournalError when the token is gone."""
        with self._in_words(_journal_error):
            try:
                return self._raw(data)
            except Exception as error:
                if type(error).__name__ not in _LOST:
                    raise
            self._session.close()
            self._key, public = self._session.pair(self._label)
            if public != self.public:
                raise JournalError(f"the token holds another key {self._label} now", remedy=_REMEDY)
            return self._raw(data)

    def _raw(self, data: bytes) -> bytes:
        import pkcs11  # noqa: PLC0415

        signature = bytes(self._key.sign(hashlib.sha256(data).digest(), mechanism=pkcs11.Mechanism.ECDSA))
        if len(signature) != SIGNATURE_BYTES:
            raise ValueError(f"the token's signature has {len(signature)} bytes")
        return signature

    @contextlib.contextmanager
    def _in_words(self, make: Callable[[str, str], Exception]) -> Iterator[None]:
        """What the library raises, as one of our errors with its remedy."""
        try:
            yield
        except (ConfigError, JournalError):
            raise
        except (RuntimeError, ValueError, OSError) as error:  # PKCS11Error is a RuntimeError
            name = type(error).__name__
            where = f"token {self._session.token.label}, key {self._label}"
            self._session.close()
            raise make(f"{where}: {name}{f' ({error})' if str(error) else ''}", _REMEDIES.get(name, _REMEDY)) from error


_LOST: Final = frozenset({"SessionClosed", "SessionHandleInvalid", "DeviceRemoved", "DeviceError", "KeyHandleInvalid",
                          "UserNotLoggedIn", "ObjectHandleInvalid", "TokenNotPresent"})  # fmt: skip


def _config_error(what: str, remedy: str) -> Exception:
    return ConfigError(what, remedy=remedy)


def _journal_error(what: str, remedy: str) -> Exception:
    return JournalError(f"nothing can be signed: {what}", remedy=remedy)
