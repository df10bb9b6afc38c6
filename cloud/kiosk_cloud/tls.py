"""Mutual TLS 1.3 for the bank's clients."""

import ssl
from pathlib import Path

from kiosk.errors import ConfigError


def client_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.3 only, the server's name checked, no authority trusted but `ca`. ConfigError for unusable files."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(cert), str(key))
    except OSError as error:  # ssl.SSLError is one
        message = f"cannot use {ca}, {cert} and {key}: {error}"
        raise ConfigError(message) from error
    return context
