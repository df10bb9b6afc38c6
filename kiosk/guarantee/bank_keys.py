"""The bank's keys as a kiosk believes them: those pinned at provisioning, and what came after them by succession.

A *succession* is a statement signed by the bank's present key of a purpose and by the new one, inside a command that
the second signer has signed, too (`core.commands.SetBankKey`). It names its kiosk and that command's number, so that it
is good once. From then on both keys count, until the moment that it states; after that the old one does not, and never
again. What was accepted while a key counted stays accepted: `BankKeys.ever` is for what is kept.

The journal keeps successions as they were signed, and each is verified again at every start.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, rotation
from kiosk.guarantee.keys import PublicKey, PublicKeys, Signer

_log = logging.getLogger(__name__)

BankPurpose = Literal["ack", "command"]
PURPOSES: Final[tuple[BankPurpose, ...]] = ("ack", "command")
SUCCESSIONS_MAX: Final = 64  # of both purposes in the life of a kiosk
SUCCESSION_BYTES_MAX: Final = 2048
KEPT_BYTES_MAX: Final = SUCCESSIONS_MAX * SUCCESSION_BYTES_MAX
_VERSION: Final = 1


@dataclass(frozen=True)
class Succession:
    """Not verified. `key` is a SubjectPublicKeyInfo; `until`, RFC 3339: so long the old key counts beside it."""

    purpose: BankPurpose
    sequence: int  # of the command that carries it
    key: bytes
    until: str
    by_old: bytes
    by_new: bytes


class BankKeys(PublicKeys):
    """The keys of one purpose that count now. `now` gives the latest time that it can be said to be, RFC 3339.

    Shared by whoever verifies the bank's word: `follow` changes it for all of them. Any thread may ask.
    """

    def __init__(self, pinned: PublicKeys, now: Callable[[], str]) -> None:
        super().__init__(pinned)
        self._known = dict(self._keys)
        self._until: dict[bytes, str] = {}  # of keys that have a successor
        self._now = now

    def __iter__(self) -> Iterator[PublicKey]:
        return iter([key for key in self._known.values() if not self._over(key.kid)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def ever(self) -> PublicKeys:
        """Also those that do not count any more, for what was accepted while they did."""
        return PublicKeys(self._known.values())

    @property
    def until(self) -> dict[bytes, str]:
        """Until when each key counts that has a successor, by kid."""
        return dict(self._until)

    def get(self, kid: bytes, algorithm: str) -> PublicKey:
        """The key `kid` while it counts; otherwise VerificationError."""
        if self._over(kid):
            raise VerificationError(f"key {kid.hex()[:16]} of the bank counted until {self._until[kid]}")
        return self.ever.get(kid, algorithm)

    def check(self, kiosk: str, said: Succession, signers: PublicKeys | None = None) -> bytes:
        """The kid of the key that `said` succeeds. Raises VerificationError unless both keys have signed exactly it.

        `signers`: who may have signed as the old key; those that count now unless given.
        """
        new = rotation.public_of(said.key)
        known = self if signers is None else signers
        old = cose.verify1(said.by_old, known, cose.BANK_KEY_TYPE, SUCCESSION_BYTES_MAX)
        other = cose.verify1(said.by_new, PublicKeys([new]), cose.BANK_KEY_TYPE, SUCCESSION_BYTES_MAX)
        expected = _payload(kiosk, said, old.kid)
        if old.payload != expected or other.payload != expected:
            raise VerificationError("the signatures of a succession are over something else")
        if old.kid in self._until:
            raise VerificationError(f"key {old.kid.hex()[:16]} of the bank has a successor already")
        if new.kid in self._known:
            raise VerificationError("a key of the bank that was in use before may not come back")
        return old.kid

    def follow(self, kiosk: str, said: Succession) -> None:
        """Let the new key count from now on, and the old one until the moment that is stated. VerificationError."""
        self._succeed(self.check(kiosk, said), said)

    def _succeed(self, old: bytes, said: Succession) -> None:
        new = rotation.public_of(said.key)
        self._known = {**self._known, new.kid: new}
        self._until = {**self._until, old: said.until}

    def follow_kept(self, kiosk: str, purpose: BankPurpose, kept: bytes | None) -> None:
        """Every succession of this purpose that the journal keeps; one that does not hold ends it, and is logged."""
        try:
            for said in read(kept):
                if said.purpose == purpose:
                    self._succeed(self.check(kiosk, said, self.ever), said)  # accepted while its old key counted
        except VerificationError as error:
            _log.error("a kept succession of the bank's %s key is not believed: %s", purpose, error.args[0])

    def _over(self, kid: bytes) -> bool:
        until = self._until.get(kid)
        return until is not None and self._now() >= until


def draft(
    kiosk: str, purpose: BankPurpose, sequence: int, until: str, old: Signer, new: Signer
) -> Succession:  # one for each kiosk: it names it
    """The succession, signed by both keys. Raises ValueError when they are the same."""
    if old.kid == new.kid:
        message = "the new key is the old one"
        raise ValueError(message)
    unsigned = Succession(purpose, sequence, rotation.der(new.public), until, b"", b"")
    payload = _payload(kiosk, unsigned, old.kid)
    by_old, by_new = (cose.sign1(payload, signer, cose.BANK_KEY_TYPE) for signer in (old, new))
    return Succession(purpose, sequence, unsigned.key, until, by_old, by_new)


def keep(kept: bytes | None, said: Succession) -> bytes:
    """What the journal keeps, with one more. Raises VerificationError when there are too many."""
    all_of_them = [*read(kept), said]
    if len(all_of_them) > SUCCESSIONS_MAX:
        raise VerificationError(f"more than {SUCCESSIONS_MAX} successions of the bank's keys")
    return cbor.encode([vars(each) for each in all_of_them])


def read(kept: bytes | None) -> list[Succession]:
    """The successions that the journal keeps, oldest first, not verified. Raises VerificationError."""
    if kept is None:
        return []
    match cbor.decode(kept, KEPT_BYTES_MAX):
        case list(rows):
            return list(_rows(rows))
    raise VerificationError("no list of successions")


def _rows(rows: Iterable[Any]) -> Iterator[Succession]:
    for row in rows:
        match row:
            case {
                "purpose": "ack" | "command" as purpose,
                "sequence": int(sequence),
                "key": bytes(key),
                "until": str(until),
                "by_old": bytes(by_old),
                "by_new": bytes(by_new),
            }:
                yield Succession(purpose, sequence, key, until, by_old, by_new)
            case _:
                raise VerificationError("not a succession")


def _payload(kiosk: str, said: Succession, old_kid: bytes) -> bytes:
    parts: Mapping[str, object] = {
        "v": _VERSION,
        "kiosk": kiosk,
        "purpose": said.purpose,
        "sequence": said.sequence,
        "old_kid": old_kid,
        "key": said.key,
        "until": said.until,
    }
    return cbor.encode(dict(parts))
