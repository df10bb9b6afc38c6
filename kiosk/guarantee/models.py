"""A model bundle: one edition of one stream's model, signed by the bank, as `kioskctl model install` takes it.

COSE_Sign1 of a content type of its own by the bank's command key, so that neither a command nor a directory can pass as
a model. The payload carries manifest, graph and what else is in the model's folder, so one signature is over everything
that judges: thresholds, golden examples and words, too. It names no kiosk: an edition is for all kiosks of a bank, and
its number, which only grows, keeps an old one from coming back.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kiosk.clock import rfc3339
from kiosk.core.model_shelf import NUMBER_MAX, STREAMS, Stream
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose
from kiosk.guarantee.keys import PublicKeys, Signer

BUNDLE_BYTES_MAX: Final = 4 << 20
MANIFEST, GRAPH, ATLAS, CARD = "manifest.json", "model.onnx", "map.json", "card.md"
NEEDED: Final = frozenset({MANIFEST, GRAPH})
FILES: Final = NEEDED | {ATLAS, CARD}
VERSION_CHARACTERS_MAX: Final = 64
_VERSION: Final = 1
_HEADROOM_BYTES: Final = 512  # COSE headers and signature


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. `files`: name -> content, of `FILES`. `sha256` names the whole of it."""

    stream: Stream
    number: int
    version: str
    issued_at: str
    files: Mapping[str, bytes]
    sha256: bytes = b""

    @property
    def graph_sha256(self) -> str:
        """As records name the model, hex."""
        return hashlib.sha256(self.files[GRAPH]).hexdigest()


def make(bundle: Bundle, now: datetime, signer: Signer) -> bytes:
    """The signed bundle, issued `now`. Raises ValueError when it breaks a bound."""
    made = Bundle(bundle.stream, bundle.number, bundle.version, rfc3339(now), bundle.files)
    if problem := _problem(made):
        raise ValueError(problem)
    return cose.sign1(_payload(made), signer, cose.MODEL_TYPE, BUNDLE_BYTES_MAX - _HEADROOM_BYTES)


def verify(data: bytes, keys: PublicKeys) -> Bundle:
    """The bundle in `data`, signed by one of the bank's command `keys`. Raises VerificationError.

    Whether it is newer, and whether its model can be run, is for others to say.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise VerificationError(f"model bundle of {len(data)} bytes, at most {BUNDLE_BYTES_MAX}")
    payload = cose.verify1(data, keys, cose.MODEL_TYPE, BUNDLE_BYTES_MAX).payload
    match cbor.decode(payload, BUNDLE_BYTES_MAX):
        case {
            "stream": "scene" | "machine" | "transaction" as stream,
            "number": int(number),
            "version": str(version),
            "issued_at": str(issued_at),
            "files": dict(files),
        }:
            found = Bundle(stream, number, version, issued_at, dict(files), hashlib.sha256(data).digest())
        case _:
            raise VerificationError("not a model bundle")
    if payload != _payload(found):  # another version of the format, a field too many, True where 1 belongs
        raise VerificationError("not a model bundle of version 1 of the format")
    if problem := _problem(found):
        raise VerificationError(f"model bundle: {problem}")
    return found


def _payload(bundle: Bundle) -> bytes:
    """Deterministic CBOR."""
    return cbor.encode(
        {
            "v": _VERSION,
            "stream": bundle.stream,
            "number": bundle.number,
            "version": bundle.version,
            "issued_at": bundle.issued_at,
            "files": dict(bundle.files),
        }
    )


def _problem(bundle: Bundle) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    names = set(bundle.files)
    checks = (
        (bundle.stream in STREAMS, f"{bundle.stream!r} is no stream"),
        (
            type(bundle.number) is int and 1 <= bundle.number <= NUMBER_MAX,  # no bool: one value, one form
            f"number {bundle.number!r} is out of range",
        ),
        (
            0 < len(bundle.version) <= VERSION_CHARACTERS_MAX and bundle.version.isprintable(),
            "its version is empty, too long or not printable",
        ),
        (names >= NEEDED, f"{', '.join(sorted(NEEDED - names))} is missing"),
        (names <= FILES, f"{', '.join(sorted(map(str, names - FILES)))} does not belong into it"),
        (all(isinstance(content, bytes) for content in bundle.files.values()), "a file in it is not bytes"),
    )
    return next((words for holds, words in checks if not holds), "")
