"""Single values that only the bank can open, beside a text in which their names stand (the support bundle's `sealed`).

HPKE as of an envelope (`seal`), single-shot to the bank's key. `info` is the deterministic CBOR of ["kiosk-value-v1",
suite, kiosk, name, recipient key id]: a value cannot be moved under another name or to another kiosk's file. HPKE
names no sender; the bundle's signature says whose it is.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, seal
from kiosk.guarantee.seal import KeyOf, SealPublicKey

CONTEXT: Final = "kiosk-value-v1"
VALUES_MAX: Final = 4096
VALUE_BYTES_MAX: Final = 1 << 16
_OVERHEAD_BYTES: Final = 1120 + 16  # enc, tag


class SealedValues:
    """Collects values of one file; the same name is sealed once."""

    def __init__(self, kiosk: str, recipient: SealPublicKey) -> None:
        """`recipient`: the bank's present key."""
        self._kiosk, self._recipient = kiosk, recipient
        self._values: dict[str, str] = {}

    def keep(self, token: str, value: str) -> None:
        """Seal one. Raises ValueError: too long, or too many."""
        if token in self._values:
            return
        data = value.encode()
        if len(data) > VALUE_BYTES_MAX or len(self._values) >= VALUES_MAX:
            raise ValueError(f"at most {VALUES_MAX} values of {VALUE_BYTES_MAX} bytes are sealed")
        info = _info(self._kiosk, token, self._recipient.key_id)
        self._values[token] = base64.b64encode(seal.HPKE.encrypt(data, self._recipient.hpke, info=info)).decode()

    def file(self) -> dict[str, Any] | None:
        """What is written: {"recipient": key id in hex, "values": {name: base64}}; None where there is nothing."""
        return {"recipient": self._recipient.key_id.hex(), "values": dict(self._values)} if self._values else None


def open_values(file: Mapping[str, Any], kiosk: str, key_of: KeyOf) -> dict[str, str]:
    """Name -> value of a file that `kiosk` is said to have made. Raises VerificationError, and what `key_of` does."""
    try:
        recipient = bytes.fromhex(file["recipient"])
        values = {str(name): base64.b64decode(data, validate=True) for name, data in file["values"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise VerificationError("this is no file of sealed values") from error
    if len(values) > VALUES_MAX or any(len(data) > VALUE_BYTES_MAX + _OVERHEAD_BYTES for data in values.values()):
        raise VerificationError(f"more than {VALUES_MAX} values, or longer ones than {VALUE_BYTES_MAX} bytes")
    key = key_of(recipient)
    opened: dict[str, str] = {}
    for name, data in values.items():
        try:
            opened[name] = seal.HPKE.decrypt(data, key.hpke, info=_info(kiosk, name, recipient)).decode()
        except (InvalidTag, ValueError) as error:
            raise VerificationError(f"{name} does not open: it was changed, or is another kiosk's") from error
    return opened


def _info(kiosk: str, name: str, recipient: bytes) -> bytes:
    return cbor.encode([CONTEXT, seal.SUITE, kiosk, name, recipient])
