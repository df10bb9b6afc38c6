"""Support bundles: a ZIP of JSON files, each named by its hash in a manifest that the kiosk signed.

Whoever receives one verifies it without the kiosk: the manifest is a COSE_Sign1 by the kiosk's record key, whose public
half lies beside it. That half proves nothing by itself: `kid` has to be compared with what the bank has of this kiosk.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import cose
from kiosk.guarantee.keys import PublicKey, PublicKeys

MANIFEST: Final = "manifest.cose"
KEY: Final = "record-key.pem"
TYPE: Final = "application/vnd.deposit-kiosk.bundle+json"
BYTES_MAX: Final = 16 << 20
FILES_MAX: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # a ZIP's first moment: the same content is the same file


@dataclass(frozen=True)
class Verified:
    """A bundle that holds: who signed it, what its manifest says, and its files."""

    kid: str
    manifest: dict[str, Any]
    files: dict[str, bytes]


def make(about: Mapping[str, object], files: Mapping[str, object], key: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The bundle's bytes. `files`: name -> what is written as JSON; `key`: the signer's, PEM."""
    written = {
        f"{name}.json": json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode()
        for name, value in sorted(files.items())
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}
    manifest = json.dumps({**about, "files": hashes}, sort_keys=True).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {MANIFEST: sign(manifest), KEY: key, **written}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def verify(data: bytes) -> Verified:
    """Whether nothing was changed, left out or added since it was signed. Raises VerificationError."""
    try:
        files = _files(data)
        key = PublicKey.from_pem(files.pop(KEY))
        manifest = json.loads(cose.verify1(files.pop(MANIFEST), PublicKeys([key]), TYPE).payload)
        hashes = dict(manifest["files"])
    except (KeyError, ValueError, TypeError, ConfigError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise VerificationError(f"this is no support bundle: {error}") from error
    found = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if found != hashes:
        other = sorted(name for name in {*found, *hashes} if found.get(name) != hashes.get(name))
        raise VerificationError(f"changed, missing or added: {', '.join(other)}")
    return Verified(key.kid.hex(), manifest, files)


def _files(data: bytes) -> dict[str, bytes]:
    if len(data) > BYTES_MAX:
        raise VerificationError(f"a bundle has at most {BYTES_MAX} bytes")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        names = {info.filename for info in infos}
        if len(infos) > FILES_MAX or len(names) != len(infos) or sum(info.file_size for info in infos) > BYTES_MAX:
            raise VerificationError("too many files, too large ones, or two of one name")
        return {name: archive.read(name) for name in names}
