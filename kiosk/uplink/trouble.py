"""Why there is no connection to the bank, in words with a remedy: for the log and for status."""

import ssl
from pathlib import Path
from typing import Final

_CERTIFICATE: Final = "Ask the bank for this kiosk's certificate and key; they are [uplink] cert and key."
_AUTHORITY: Final = (
    "Check [uplink] ca and the broker's host name against what the bank gave; do not go round it: "
    "this may be somebody else's broker."
)
_CLOCK: Final = (
    "First check this machine's clock: with a wrong one every certificate looks out of its time. Else the broker's "
    "certificate must be renewed by the bank."
)
_OUT_OF_TIME: Final = (9, 10)  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and CERT_HAS_EXPIRED
_NETWORK: Final = "Check the network and [[uplink.brokers]]; records wait in the outbox meanwhile."
_ADMITTED: Final = "Ask the bank whether this kiosk is admitted, and with which certificate."
HUNG_UP: Final = "it hung up before it answered"
REFUSED: Final = "it refuses this kiosk"


def in_words(error: Exception, cert: Path, key: Path, ca: Path) -> str:
    """One sentence and a remedy for what went wrong on the way to a broker."""
    what, remedy = _tls(error, cert, key, ca) or _connection(error, cert)
    return f"{what} ({remedy})"


def _tls(error: Exception, cert: Path, key: Path, ca: Path) -> tuple[str, str] | None:
    """Certificates and their files; None when it is something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CLOCK if error.verify_code in _OUT_OF_TIME else _AUTHORITY
        return f"the broker's certificate is not accepted: {error.verify_message}", remedy
    for path, remedy in ((ca, _AUTHORITY), (cert, _CERTIFICATE), (key, _CERTIFICATE)):
        trouble = _unreadable(path)
        if trouble:
            return f"{path} cannot be read: {trouble}", remedy
    if not isinstance(error, ssl.SSLError):
        return None
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{cert} and {key} do not belong together", _CERTIFICATE
    return f"TLS fails: {error}", _CERTIFICATE


def _connection(error: Exception, cert: Path) -> tuple[str, str]:
    words = str(error) or type(error).__name__
    if words.startswith(REFUSED):
        return words, _ADMITTED
    if words == HUNG_UP:
        return f"{words}; perhaps it does not accept {cert}", _CERTIFICATE
    return words, _NETWORK


def _unreadable(path: Path) -> str:
    """Why a PEM file cannot be used; empty when it can be read and looks like one."""
    try:
        with path.open("rb") as file:
            return "" if b"-----BEGIN " in file.read(1 << 20) else "it is no PEM file"
    except OSError as error:
        return error.strerror or str(error)
