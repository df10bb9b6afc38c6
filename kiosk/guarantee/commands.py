"""The bank's commands as signed messages (`kiosk.core.commands` says which there are).

A message is a CBOR array of one or two COSE_Sign1 of the same payload: the first by the bank's command key, the second
by a second signer, whose key is pinned beside it and is kept by other people. A payload names its kiosk, its place in
the kiosk's own sequence (contiguous from 1) and when it ends; a sensitive command counts only with both signatures.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from kiosk.clock import rfc3339
from kiosk.core.commands import SEQUENCE_MAX, AnyCommand, said
from kiosk.core.terms import Moment
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, leaf
from kiosk.guarantee.directory import COMMAND_FILE
from kiosk.guarantee.keys import PublicKeys, Signer

PAYLOAD_BYTES_MAX: Final = 32 * 1024
COMMAND_BYTES_MAX: Final = 2 * (PAYLOAD_BYTES_MAX + 512)
SIGNATURES_MAX: Final = 2
SECOND_FILE: Final = "second_signer.pub"
_VERSION: Final = 1


@dataclass(frozen=True)
class Commanders:
    """Whose signatures count: the bank's command keys, and the second signers."""

    bank: PublicKeys
    second: PublicKeys

    @classmethod
    def load(cls, keys_dir: Path) -> "Commanders | None":
        """From bank_command.pub and, where there is one, second_signer.pub; None without the first. ConfigError."""
        command, second = keys_dir / COMMAND_FILE, keys_dir / SECOND_FILE
        if not command.exists():
            return None
        return cls(PublicKeys.load(command), PublicKeys.load(*([second] if second.exists() else [])))


@dataclass(frozen=True)
class Order:
    """A command with its address: `sequence` from 1; `issued_at` and `expires_at` by the bank's clock."""

    kiosk: str
    sequence: int
    issued_at: str
    expires_at: str
    command: AnyCommand


@dataclass(frozen=True)
class SignedOrder:
    """A verified message. `signers`: the kids, the bank's first. `sha256` of the payload names the order."""

    order: Order
    signers: tuple[bytes, ...]
    sha256: bytes

    @property
    def enough(self) -> bool:
        """Whether as many have signed as this command takes."""
        return len(self.signers) >= self.order.command.signatures


def order(kiosk: str, sequence: int, command: AnyCommand, now: datetime, expires: datetime) -> bytes:
    """The payload to sign. Raises ValueError when it breaks a bound."""
    made = Order(kiosk, sequence, rfc3339(now), rfc3339(expires), command)
    problem = _problem(made)
    if problem:
        raise ValueError(problem)
    payload = _payload(made)
    if len(payload) > PAYLOAD_BYTES_MAX:
        message = f"a command of {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}"
        raise ValueError(message)
    return payload


def sign(payload: bytes, *signers: Signer) -> bytes:
    """The message: `payload` signed by the bank's command key and, where it takes two, by the second signer."""
    return _message([cose.sign1(payload, signer, cose.COMMAND_TYPE) for signer in signers])


def add_signature(message: bytes, signer: Signer) -> bytes:
    """`message` with one more signature over the same payload. Raises VerificationError for what is no message."""
    parts = _parts(message)
    if len(parts) == SIGNATURES_MAX:
        raise VerificationError("this command has two signatures already")
    return _message([*parts, cose.sign1(cose.parse(parts[0]).payload, signer, cose.COMMAND_TYPE)])


def signatures(message: bytes) -> int:
    """How many signatures there are, good or not. Raises VerificationError for what is no message."""
    return len(_parts(message))


def read(message: bytes) -> Order:
    """What a message says, its signatures not looked at: for who is about to sign it. Raises VerificationError."""
    return _order(cose.parse(_parts(message)[0], PAYLOAD_BYTES_MAX + 512).payload)


def verify(data: bytes, keys: Commanders, kiosk: str) -> SignedOrder:
    """The order in `data` for `kiosk`, signed by the bank and perhaps by a second signer. Raises VerificationError.

    Whether it is its turn, has expired, or has signatures enough is for whoever carries it out to say.
    """
    parts = _parts(data)
    first = cose.verify1(parts[0], keys.bank, cose.COMMAND_TYPE)
    signers = [first.kid]
    for part in parts[1:]:
        other = cose.verify1(part, keys.second, cose.COMMAND_TYPE)
        if other.payload != first.payload:
            raise VerificationError("the two signatures of a command are over different payloads")
        if other.kid in signers:
            raise VerificationError("both signatures of a command are by the same key")
        signers.append(other.kid)
    found = _order(first.payload)
    if found.kiosk != kiosk:
        raise VerificationError(f"command for {found.kiosk}, not for {kiosk}")
    return SignedOrder(found, tuple(signers), hashlib.sha256(first.payload).digest())


def _message(parts: Sequence[bytes]) -> bytes:
    return cbor.encode(list(parts))


def _parts(data: bytes) -> list[bytes]:
    match cbor.decode(data, COMMAND_BYTES_MAX):
        case [bytes(first)]:
            return [first]
        case [bytes(first), bytes(second)]:
            return [first, second]
    raise VerificationError("not a command: an array of one or two signed messages")


def _order(payload: bytes) -> Order:
    match cbor.decode(payload, PAYLOAD_BYTES_MAX):
        case {
            "kiosk": str(kiosk),
            "sequence": int(sequence),
            "issued_at": str(issued_at),
            "expires_at": str(expires_at),
            "command": dict(body),
        }:
            found = Order(kiosk, sequence, issued_at, expires_at, _command(body))
        case _:
            raise VerificationError("not a command")
    if payload != _payload(found):  # another version of the format, a field too many, True where 1 belongs
        raise VerificationError("not a command of version 1 of the format")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"command: {problem}")
    return found


def _command(body: dict[str, Any]) -> AnyCommand:
    try:
        found: AnyCommand = msgspec.convert(body, AnyCommand)
    except msgspec.ValidationError as error:
        raise VerificationError(f"not a command that is known here: {error}") from error
    return found


def _payload(made: Order) -> bytes:
    """Deterministic CBOR."""
    return cbor.encode({"v": _VERSION, **vars(made), "command": said(made.command)})


def _problem(made: Order) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    try:
        msgspec.convert(said(made.command), AnyCommand)
        msgspec.convert([made.issued_at, made.expires_at], list[Moment])
    except msgspec.ValidationError as error:
        return str(error)
    if not leaf.kiosk_id_fits(made.kiosk):
        return f"{made.kiosk!r} cannot name a kiosk"
    if type(made.sequence) is not int or not 1 <= made.sequence <= SEQUENCE_MAX:
        return f"sequence {made.sequence!r} is out of range"
    if not made.issued_at < made.expires_at:
        return "it ends before it begins"
    return ""
