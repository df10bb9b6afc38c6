"""The webhook: one POST for each posting, signed as Standard Webhooks says, idempotent by its key.

    Idempotency-Key: <deposit id>          the same for every repetition; whoever receives it books it once
    webhook-id: <the same key>             standardwebhooks.com, scheme v1
    webhook-timestamp: <POSIX seconds>
    webhook-signature: v1,<base64 of HMAC-SHA256(secret, "<id>.<timestamp>.<body>")>

Any 2xx answer means that the bank's books have it, durably, or had it before. A connection is kept for one round.
"""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from kiosk.errors import ConfigError
from kiosk.guarantee import files
from kiosk_cloud.posting.entries import Posting

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 4096
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_GOOD: Final = range(200, 300)


class Unreachable(ConnectionError):
    """The webhook did not answer; there is no use in trying others now."""


@dataclass(frozen=True)
class Answer:
    """What the bank's system said. `error` is empty when it accepted."""

    status: int
    error: str


class Sender(Protocol):
    """Hands one posting over."""

    def send(self, posting: Posting, now_posix_s: int) -> Answer:
        """The answer. Raises Unreachable."""

    def close(self) -> None:
        """End of the round."""


def body_of(posting: Posting) -> bytes:
    """The JSON that is sent: the same bytes each time."""
    return json.dumps(posting.as_json(), ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: bytes, identity: str, posix_s: int, body: bytes) -> str:
    """The header `webhook-signature`."""
    signed = f"{identity}.{posix_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


class Webhook:
    """One URL. `key` is a key file of type hmac-sha256, whose secret the receiving end has, too."""

    def __init__(self, url: str, key: Path, ca: Path | None = None) -> None:
        """Raise ConfigError for a URL that would carry account numbers in clear, or for a missing key."""
        parts = urllib.parse.urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if (parts.scheme != "https" and not local) or not parts.hostname:
            raise ConfigError(f"webhook_url {url}: https only, or http on loopback", remedy="Correct posting.toml.")
        self._parts = parts
        self._secret = files.load_key(key, "hmac-sha256")
        self._tls = None
        if not local:
            try:
                self._tls = ssl.create_default_context(cafile=ca)
            except OSError as error:
                raise ConfigError(f"webhook_ca {ca}: {error}", remedy="Correct posting.toml.") from error
        self._connection: http.client.HTTPConnection | None = None

    def send(self, posting: Posting, now_posix_s: int) -> Answer:
        return self.post(posting.key, body_of(posting), now_posix_s)

    def post(self, key: str, body: bytes, now_posix_s: int) -> Answer:
        """Hand over any JSON `body` under its idempotency key. Raises Unreachable."""
        headers = {
            "content-type": "application/json",
            "idempotency-key": key,
            "webhook-id": key,
            "webhook-timestamp": str(now_posix_s),
            "webhook-signature": signature(self._secret, key, now_posix_s, body),
        }
        try:
            connection = self._connection = self._connection or self._connect()
            connection.request("POST", self._target(), body, headers)
            response = connection.getresponse()
            said = response.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if response.will_close or len(said) == ANSWER_BYTES_MAX:
            self.close()
        if response.status in _GOOD:
            return Answer(response.status, "")
        return Answer(response.status, f"{response.status} {said.decode('utf-8', 'replace')}".strip())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _target(self) -> str:
        return (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._tls is not None:
            return http.client.HTTPSConnection(host, self._parts.port, timeout=TIMEOUT_S, context=self._tls)
        return http.client.HTTPConnection(host, self._parts.port, timeout=TIMEOUT_S)
