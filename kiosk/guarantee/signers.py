"""Where the kiosk's own signing keys come from: systemd credentials, the keys directory, or a token.

A credential (`LoadCredentialEncrypted=`, decrypted by systemd for this service alone, below $CREDENTIALS_DIRECTORY)
goes before a file of the same name in the keys directory. `record.next.key` and `checkpoint.next.key` are keys that a
rotation may take up; which one the log goes on under, the log itself remembers.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kiosk.errors import ConfigError
from kiosk.guarantee import files
from kiosk.guarantee.keys import Ed25519Signer, Signer
from kiosk.guarantee.pkcs11 import Pkcs11Signer, Token, TokenSession

Purpose = Literal["record", "checkpoint"]
PURPOSES: Final[tuple[Purpose, ...]] = ("record", "checkpoint")
PIN_FILE: Final = "record.pin"
_PIN_BYTES_MAX: Final = 256


@dataclass(frozen=True)
class TokenPlace:
    """A record key on a token, and the one that a rotation may take up; empty: there is none."""

    module: Path
    token: str
    key: str
    next_key: str = ""


def find(keys_dir: Path, name: str) -> Path:
    """The file of this name: systemd's credential where there is one, else that in the keys directory."""
    credentials = os.environ.get(files.CREDENTIALS_VARIABLE)
    if credentials and (path := Path(credentials) / name).exists():
        return path
    return keys_dir / name


def load(purpose: Purpose, keys_dir: Path, token: TokenPlace | None = None) -> tuple[Signer, ...]:
    """The signer of this purpose, then the one to rotate to, where there is one. Raises ConfigError.

    Checkpoints are Ed25519 always (C2SP); records too, but for a key on a token.
    """
    if purpose == "record" and token is not None:
        pin = _pin(find(keys_dir, PIN_FILE))
        session = TokenSession(Token(token.module, token.token, pin))
        return tuple(Pkcs11Signer(session, label) for label in (token.key, token.next_key) if label)
    following = find(keys_dir, f"{purpose}.next.key")
    paths = (find(keys_dir, f"{purpose}.key"), *([following] if following.exists() else []))
    return tuple(Ed25519Signer.load(path) for path in paths)


def _pin(path: Path) -> str:
    """The token's PIN, which nobody else may read. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(_PIN_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"the token's PIN {path} cannot be read: {error.strerror}", remedy=f"Write it into {path}, mode 0600."
        ) from error
    if files.exposed(path, mode):
        raise ConfigError(f"{path} can be read by others", remedy=f"chmod 600 {path}, and change the PIN.")
    try:
        pin = data.decode().strip()
    except UnicodeDecodeError:
        pin = ""
    if not pin or len(data) > _PIN_BYTES_MAX:
        raise ConfigError(f"{path} holds no PIN", remedy="Write the PIN as one line of text.")
    return pin
