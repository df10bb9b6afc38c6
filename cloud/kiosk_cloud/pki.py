"""The small certificate authority for mutual TLS between kiosks, broker and bank (EC P-256, X.509 v3).

A certificate's common name is what the broker's access list knows its holder by. Existing keys and
certificates are kept; a certificate that has less than a third of its life left is issued again for its key.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kiosk.errors import ConfigError
from kiosk_cloud.files import private_dir, write_once, write_private

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 825
BACKDATED: Final = timedelta(hours=1)  # kiosk clocks may be a little behind
_NO_EXPANSION: Final = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Identity:
    """A certificate and the private key of its holder."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Issues into one directory: `ca.pem`, `ca.key`, and `<name>.pem`, `<name>.key` of each holder."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory = private_dir(directory)
        self._now = now
        self.written: list[Path] = []
        self._ca = self._load_or_make_ca()

    def server(self, name: str, common_name: str, hosts: Sequence[str]) -> None:
        """A broker's certificate for these DNS names and addresses."""
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        self._issue(name, common_name, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str, common_name: str) -> None:
        """A client's certificate; the broker takes the common name for its user name."""
        self._issue(name, common_name, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def common_name(self, name: str) -> str | None:
        """Whom the certificate of this file name was issued to; None when there is none."""
        path = self._directory / f"{name}.pem"
        if not path.exists():
            return None
        return _common_name(x509.load_pem_x509_certificate(path.read_bytes()))

    def _load_or_make_ca(self) -> Identity:
        key = self._key("ca")
        path = self._directory / "ca.pem"
        if path.exists():
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            if certificate.public_key() != key.public_key():
                message = f"{path} does not belong to ca.key beside it"
                raise ConfigError(message, remedy="Put the matching pair back, or provision a new directory.")
            return Identity(certificate, key)
        subject = _name("kiosk bank authority")
        certificate = (
            self._builder(subject, subject, key.public_key(), CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_NO_EXPANSION),
                critical=True,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._write(path, certificate.public_bytes(serialization.Encoding.PEM))
        return Identity(certificate, key)

    def renew(self, name: str) -> tuple[Path, Path]:
        """A new key and certificate for the holder of this file name, beside the present ones as `.new`.

        The present ones stay in use: whoever uses them tries the new ones first. ConfigError when there are none.
        """
        common_name = self.common_name(name)
        if common_name is None:
            message = f"{self._directory / name}.pem is not there"
            raise ConfigError(message, remedy="Provision this kiosk first.")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(key.public_key(), common_name, ExtendedKeyUsageOID.CLIENT_AUTH, [])
        paths = self._directory / f"{name}.pem.new", self._directory / f"{name}.key.new"
        self._write(paths[1], _private_pem(key))  # first: whoever sees the certificate finds its key
        self._write(paths[0], certificate.public_bytes(serialization.Encoding.PEM))
        return paths

    def sign_request(self, wanted: x509.CertificateSigningRequest, common_name: str) -> x509.Certificate:
        """A client's certificate for the key of a request that was checked; its name is ours to say."""
        key = wanted.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            message = "the certificate request has no EC key"
            raise ConfigError(message)
        return self._signed(key, common_name, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def _issue(self, name: str, common_name: str, usage: x509.ObjectIdentifier, names: list[x509.GeneralName]) -> None:
        key = self._key(name)
        path = self._directory / f"{name}.pem"
        if path.exists() and self._still_good(path, key, common_name, names):
            path.chmod(0o600)
            return
        certificate = self._signed(key.public_key(), common_name, usage, names)
        self._write(path, certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        usage: x509.ObjectIdentifier,
        names: list[x509.GeneralName],
    ) -> x509.Certificate:
        builder = (
            self._builder(_name(common_name), self._ca.certificate.subject, key, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_NO_EXPANSION),
                critical=True,
            )
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca.key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._ca.key, hashes.SHA256())

    def _still_good(
        self, path: Path, key: ec.EllipticCurvePrivateKey, common_name: str, names: list[x509.GeneralName]
    ) -> bool:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        holder = _common_name(certificate)
        if holder != common_name:
            message = f"{path} belongs to {holder!r}, not to {common_name!r}"
            raise ConfigError(message, remedy="Provision this one into a directory of its own.")
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        same_names = not names or _alternative_names(certificate) == names
        fresh = certificate.not_valid_after_utc - self._now > life / 3
        return fresh and same_names and certificate.public_key() == key.public_key()

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BACKDATED)
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self._directory / f"{name}.key"
        if path.exists():
            path.chmod(0o600)
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                message = f"{path} is no EC key"
                raise ConfigError(message, remedy="Remove it together with its certificate and provision again.")
            return key
        key = ec.generate_private_key(ec.SECP256R1())
        write_once(path, _private_pem(key))
        self.written.append(path)
        return key

    def _write(self, path: Path, data: bytes) -> None:
        write_private(path, data)
        self.written.append(path)


def utc_now() -> datetime:
    """The moment of issue, whole seconds, as X.509 counts."""
    return datetime.now(UTC).replace(microsecond=0)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(certificate: x509.Certificate) -> str:
    value = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return value if isinstance(value, str) else value.decode()


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
