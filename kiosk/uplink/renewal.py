"""A new client certificate beside the old one: looked at, tried at a broker, and only then put in its place.

Somebody lays `<cert>.new` (and `<key>.new`, if it has a key of its own) beside `uplink.cert` and `uplink.key`. The
session tries the pair on a connection of its own while the old one goes on; when a broker takes it, the files change
places and the old pair stays as `.old`. Whether it is in its time is for the broker to say: our clock may be wrong.

Two files cannot be replaced in one step. The certificate goes first, so a crash in between leaves the new certificate
with the old key, and the new key still beside it: `repair` finishes that.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

_FILE_BYTES_MAX: Final = 1 << 16


class NotRenewable(ValueError):
    """The new pair cannot take the old one's place; the message says why."""


@dataclass(frozen=True)
class Certificate:
    """What identifies it, in hex, and until when it is good."""

    sha256: str
    ends: datetime


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path
    certificate: Certificate


def beside(path: Path, ending: str) -> Path:
    """`kiosk.pem` and `new` make `kiosk.pem.new`."""
    return path.with_name(f"{path.name}.{ending}")


def pending(cert: Path, key: Path) -> Pair | None:
    """The pair that waits beside the present one; None when there is none. NotRenewable, OSError."""
    new_cert = beside(cert, "new")
    if not new_cert.exists():
        return None
    new_key = beside(key, "new") if beside(key, "new").exists() else key
    found, present = _certificate(new_cert), _certificate(cert)
    if not _belong_together(found, new_key):
        raise NotRenewable(f"{new_cert} and {new_key} do not belong together")
    if _name(found) != _name(present):
        raise NotRenewable(f"{new_cert} is for {_name(found)!r}, not for {_name(present)!r}")
    if found.not_valid_after_utc <= present.not_valid_after_utc:
        raise NotRenewable(f"{new_cert} ends no later than the present certificate")
    return Pair(new_cert, new_key, _described(found))


def read(cert: Path) -> Certificate:
    """The certificate in a file. NotRenewable, OSError."""
    return _described(_certificate(cert))


def swap(cert: Path, key: Path) -> None:
    """Put the waiting pair into its place; the present one stays beside it as `.old`. OSError."""
    for path in (cert, key):
        _copy(path, beside(path, "old"))
    beside(cert, "new").replace(cert)
    _sync(cert.parent)
    if beside(key, "new").exists():
        beside(key, "new").replace(key)
        _sync(key.parent)


def repair(cert: Path, key: Path) -> bool:
    """Finish a swap that a crash broke off; whether there was one. NotRenewable, OSError."""
    new_key = beside(key, "new")
    if not new_key.exists() or not cert.exists() or _belong_together(_certificate(cert), key):
        return False
    if not _belong_together(_certificate(cert), new_key):
        return False
    new_key.replace(key)
    _sync(key.parent)
    return True


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise NotRenewable(f"{path} holds no certificate: {error}") from error


def _belong_together(certificate: x509.Certificate, key: Path) -> bool:
    try:
        private = serialization.load_pem_private_key(_read(key), password=None)
    except (ValueError, TypeError) as error:
        raise NotRenewable(f"{key} holds no private key: {error}") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _described(certificate: x509.Certificate) -> Certificate:
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER))
    return Certificate(digest.hexdigest(), certificate.not_valid_after_utc)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_FILE_BYTES_MAX)


def _copy(path: Path, to: Path) -> None:
    part = beside(to, "part")
    part.unlink(missing_ok=True)
    shutil.copy2(path, part)  # with its mode: a key stays private
    part.replace(to)
    _sync(to.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
