"""Which key speaks for a kiosk at which place of its log: rotation, and what is believed after a compromise.

*Rotation* is a leaf: a record of kind `key_rotation` that carries one statement signed by the old key and by the new
one. From the next leaf on the new key signs, and what the old one signs is refused; what it signed before stays valid.
*Compromise* is a statement of the bank and a second signer (`Compromise`): what a key signed at or beyond the last
trusted tree size is not believed, a rotation included; the successor that it names goes on from there.

For a record key the place is the record's sequence; for a checkpoint key it is the tree size of what is signed.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cbor, cose, leaf
from kiosk.guarantee.keys import PublicKey, PublicKeys, Signer
from kiosk.guarantee.signers import Purpose

KIND: Final = "key_rotation"
COMPROMISE_BYTES_MAX: Final = 8192
KEYS_MAX: Final = 64  # of one purpose in the life of a kiosk
_VERSION: Final = 1
_KEY_BYTES_MAX: Final = 256


@dataclass(frozen=True)
class Rotation:
    """A verified one: from the leaf after `sequence` on, `new` signs instead of the key `old_kid`."""

    purpose: Purpose
    sequence: int
    old_kid: bytes
    new: PublicKey


@dataclass(frozen=True)
class Compromise:
    """Nothing that `kid` signed at or beyond `trusted_size` is believed; `successor` signs from there on."""

    kiosk: str
    purpose: Purpose
    kid: bytes
    trusted_size: int
    successor: PublicKey
    issued_at: str


@dataclass(frozen=True)
class Span:
    """`key` speaks for places `first` <= place < `end`; None: without an end so far. `why` it ended, in words."""

    key: PublicKey
    first: int = 0
    end: int | None = None
    why: str = ""

    @property
    def always(self) -> bool:
        """Whether it never was another key's turn."""
        return self.first == 0 and self.end is None

    def holds(self, place: int) -> bool:
        """Whether this key speaks for this place."""
        return self.first <= place and (self.end is None or place < self.end)


class KeyHistory(PublicKeys):
    """All keys that ever spoke for one purpose of one kiosk, each for its part of the log. Immutable."""

    def __init__(self, spans: Iterable[Span]) -> None:
        """Several keys may speak for the same place: a policy may pin more than one."""
        self.spans: Final = tuple(spans)
        self._never_rotated = all(span.always for span in self.spans)
        super().__init__(span.key for span in self.spans)

    @classmethod
    def of(cls, keys: PublicKeys) -> "KeyHistory":
        """These keys, which have never been rotated as far as anybody knows; a history stays as it is."""
        return keys if isinstance(keys, cls) else cls(Span(key) for key in keys)

    def at(self, place: int) -> "PublicKeys":
        """The keys that speak for this place; for another one it says why not."""
        return self if self._never_rotated else _At(self.spans, place)

    @property
    def present(self) -> PublicKey:
        """The key that signs now. Raises VerificationError when there is none."""
        found = [span.key for span in self.spans if span.end is None]
        if not found:
            raise VerificationError("no key signs here any more")
        return found[-1]

    def rotated(self, rotation: Rotation) -> "KeyHistory":
        """After this rotation. Raises VerificationError unless the old key speaks for its leaf and has no successor."""
        if any(span.first == rotation.sequence + 1 and span.key == rotation.new for span in self.spans):
            return self  # known already
        old = next(
            (span for span in self.spans if span.key.kid == rotation.old_kid and span.holds(rotation.sequence)), None
        )
        if old is None or old.end is not None:
            raise VerificationError(f"key {rotation.old_kid.hex()[:16]} may not name a successor here")
        if rotation.new.kid in {span.key.kid for span in self.spans}:
            raise VerificationError("a key that was in use before may not come back")
        if len(self.spans) >= KEYS_MAX:
            raise VerificationError(f"more than {KEYS_MAX} keys of one kiosk")
        turn = rotation.sequence + 1
        closed = Span(old.key, old.first, turn, f"it was rotated at leaf {rotation.sequence}")
        kept = [closed if span is old else span for span in self.spans]
        return KeyHistory([*kept, Span(rotation.new, turn)])

    def compromised(self, statement: Compromise) -> "KeyHistory":
        """Without what is not believed any more, whatever was known before of later keys that the stolen one named."""
        trusted = statement.trusted_size
        why = f"the bank has declared it stolen; trusted up to {trusted}"
        kept: list[Span] = []
        cut = False
        for span in self.spans:
            if span.key.kid == statement.kid and span.first < trusted and (span.end is None or span.end > trusted):
                kept.append(Span(span.key, span.first, trusted, why))
                cut = True
            elif span.first < trusted or not (cut or span.key.kid == statement.kid):
                kept.append(span)
        cut = cut or any(span.key.kid == statement.kid for span in self.spans if span.first >= trusted)
        known = {span.key.kid for span in kept}
        if cut and statement.successor.kid not in known:
            kept.append(Span(statement.successor, trusted))
        return KeyHistory(kept)


class _At(PublicKeys):
    """The keys of one place. An unknown kid is told from one whose time is over."""

    def __init__(self, spans: tuple[Span, ...], place: int) -> None:
        super().__init__(span.key for span in spans if span.holds(place))
        self._over = {span.key.kid: span.why for span in spans if not span.holds(place)}
        self._place = place

    def get(self, kid: bytes, algorithm: str) -> PublicKey:
        if kid not in self._keys and kid in self._over:
            why = self._over[kid] or "it signs only later ones"
            raise VerificationError(f"key {kid.hex()[:16]} does not speak for place {self._place} of the log: {why}")
        return super().get(kid, algorithm)


# --- rotation -------------------------------------------------------------------------------------------------


def draft(kiosk: str, purpose: Purpose, sequence: int, old: Signer, new: Signer) -> dict[str, object]:
    """What the rotation's record says beside its header. Raises ValueError when old and new are the same."""
    if old.kid == new.kid:
        raise ValueError("the new key is the old one")
    payload = _rotation_payload(kiosk, purpose, sequence, old.kid, new.public)
    return {
        "purpose": purpose,
        "old_kid": old.kid,
        "new_kid": new.kid,
        "new_key": der(new.public),
        "by_old": cose.sign1(payload, old, cose.ROTATION_TYPE),
        "by_new": cose.sign1(payload, new, cose.ROTATION_TYPE),
    }


def verify(kiosk: str, sequence: int, content: Mapping[str, Any], keys: PublicKeys) -> Rotation:
    """The rotation in a verified record of kind KIND; `keys` are those of its purpose, by history.

    Raises VerificationError unless the old key, while it spoke, and the new one have both signed exactly this.
    """
    match content:
        case {
            "purpose": "record" | "checkpoint" as purpose,
            "old_kid": bytes(old_kid),
            "new_kid": bytes(new_kid),
            "new_key": bytes(encoded),
            "by_old": bytes(by_old),
            "by_new": bytes(by_new),
        }:
            new = public_of(encoded)
        case _:
            raise VerificationError("a rotation without its parts")
    payload = _rotation_payload(kiosk, purpose, sequence, old_kid, new)
    first = cose.verify1(by_old, keys.at(sequence), cose.ROTATION_TYPE)
    second = cose.verify1(by_new, PublicKeys([new]), cose.ROTATION_TYPE)
    if first.payload != payload or second.payload != payload or first.kid != old_kid or new_kid != new.kid:
        raise VerificationError("a rotation whose signatures are over something else")
    if purpose == "checkpoint" and new.algorithm != "EdDSA":
        raise VerificationError("checkpoints are signed with Ed25519 only")
    return Rotation(purpose, sequence, old_kid, new)


def _rotation_payload(kiosk: str, purpose: Purpose, sequence: int, old_kid: bytes, new: PublicKey) -> bytes:
    said = {
        "v": _VERSION,
        "kiosk": kiosk,
        "purpose": purpose,
        "sequence": sequence,
        "old_kid": old_kid,
        "key": der(new),
    }
    return cbor.encode(said)


def history(
    base: KeyHistory,
    kiosk: str,
    purpose: Purpose,
    rotations: Mapping[int, Mapping[str, Any]],
    compromises: Iterable[Compromise],
) -> KeyHistory:
    """Who spoke when: from the pinned key through all that happened, in the order of their places in the log.

    `rotations` are the contents of rotation leaves by sequence. One that is signed by a key whose time was over, stolen
    ones included, changes nothing.
    """
    told: list[tuple[int, int, Compromise | Mapping[str, Any]]] = [
        (sequence, 1, content) for sequence, content in rotations.items() if content.get("purpose") == purpose
    ]
    told += [(each.trusted_size, 0, each) for each in compromises if each.purpose == purpose]
    for place, _, event in sorted(told, key=lambda each: each[:2]):
        if isinstance(event, Compromise):
            base = base.compromised(event)
        else:
            with contextlib.suppress(VerificationError):
                base = base.rotated(verify(kiosk, place, event, base))
    return base


# --- compromise -----------------------------------------------------------------------------------------------


def declare(statement: Compromise, *signers: Signer) -> bytes:
    """The statement, signed by each: the bank's command key and a second signer. Raises ValueError."""
    if not leaf.kiosk_id_fits(statement.kiosk) or not 0 <= statement.trusted_size <= leaf.SEQUENCE_MAX:
        raise ValueError("no kiosk, or no tree size")
    payload = _compromise_payload(statement)
    return cbor.encode([cose.sign1(payload, signer, cose.COMPROMISE_TYPE) for signer in signers])


def believe(data: bytes, kiosk: str, bank: PublicKeys, second: PublicKeys) -> Compromise:
    """The statement in `data`, by the bank *and* a second signer. Raises VerificationError."""
    match cbor.decode(data, COMPROMISE_BYTES_MAX):
        case [bytes(by_bank), bytes(by_second)]:
            first = cose.verify1(by_bank, bank, cose.COMPROMISE_TYPE)
            other = cose.verify1(by_second, second, cose.COMPROMISE_TYPE)
        case _:
            raise VerificationError("a statement of compromise takes two signatures: the bank's and a second signer's")
    if first.kid == other.kid or first.payload != other.payload:
        raise VerificationError("the two signatures of a statement of compromise are not two over the same")
    match cbor.decode(first.payload, COMPROMISE_BYTES_MAX):
        case {
            "kiosk": str(to),
            "purpose": "record" | "checkpoint" as purpose,
            "kid": bytes(kid),
            "trusted_size": int(size),
            "successor": bytes(successor),
            "issued_at": str(issued_at),
        }:
            found = Compromise(to, purpose, kid, int(size), public_of(successor), issued_at)
        case _:
            raise VerificationError("not a statement of compromise")
    if first.payload != _compromise_payload(found) or found.kiosk != kiosk or found.kid == found.successor.kid:
        raise VerificationError(f"not a statement of compromise of version 1 about {kiosk}")
    return found


def _compromise_payload(said: Compromise) -> bytes:
    return cbor.encode({"v": _VERSION, **vars(said), "successor": der(said.successor)})


def der(key: PublicKey) -> bytes:
    """The SubjectPublicKeyInfo of a key, whose SHA-256 is its kid."""
    return load_pem_public_key(key.pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_of(encoded: bytes) -> PublicKey:
    """The key in a SubjectPublicKeyInfo. Raises VerificationError."""
    if len(encoded) > _KEY_BYTES_MAX:
        raise VerificationError(f"a public key of {len(encoded)} bytes")
    try:
        loaded = load_der_public_key(encoded)
        found = PublicKey.from_pem(loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, ConfigError) as error:
        raise VerificationError("not a public key that is known here") from error
    if der(found) != encoded:
        raise VerificationError("a public key that is not encoded as it must be")
    return found
