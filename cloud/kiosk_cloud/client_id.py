"""The bank's MQTT client ids, with a random ending that is made once and kept beside the store.

MQTT gives a session to whoever connects with its client id, and the broker does not bind an id to a certificate:
a provisioned kiosk that could guess ours would disconnect the receiver, or discard its session, at will.
"""

import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Final

from kiosk.errors import ConfigError
from kiosk_cloud.config import BankConfig
from kiosk_cloud.files import private_dir

FILE: Final = "mqtt-client-id"
ENDING_BYTES: Final = 16
_ENDING: Final = re.compile(rb"[0-9a-f]{%d}\n?" % (2 * ENDING_BYTES))
_FILE_BYTES_MAX: Final = 2 * ENDING_BYTES + 1


def receiver(config: BankConfig) -> str:
    """The client id of this receiver, the same after a restart. ConfigError; OSError when it cannot be kept."""
    return f"bank-{config.instance}-{_ending(config)}"


def publisher(config: BankConfig) -> str:
    """The client id of a publishing command beside this receiver. ConfigError; OSError when it cannot be kept."""
    return f"bank-{config.instance}-publisher-{_ending(config)}"


def _ending(config: BankConfig) -> str:
    """Lower-case hexadecimal, from the file; makes that if it is missing."""
    path = config.store.parent / FILE
    if not path.exists():
        _make(path)
    path.chmod(0o600)
    with path.open("rb") as file:
        data = file.read(_FILE_BYTES_MAX + 1)
    if _ENDING.fullmatch(data) is None:
        message = f"{path} is not the ending of a client id"
        raise ConfigError(message, remedy="Remove it: a new one is made, and the broker begins a new session.")
    return data.decode().strip()


def _make(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=private_dir(path.parent), prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.token_hex(ENDING_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)  # whole or not at all, and never over the one of a receiver that started with us
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
