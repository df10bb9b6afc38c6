"""The bank asks its policy's witnesses to cosign each kiosk's log, and keeps what they sign.

A witness that does not answer, or knows another size than we thought, costs nothing but its signature this time: it is
asked again with the next checkpoint or after a pause. What comes back is believed only as far as it verifies.
"""

import http.client
import logging
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from kiosk.clock import Clock
from kiosk.errors import VerificationError
from kiosk.guarantee import acks, cosignature, merkle, note
from kiosk.guarantee.policy import Policy
from kiosk_cloud.mirror import LogMirror

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0  # the depositor waits 8 s at most
ANSWER_BYTES_MAX: Final = 64 * 1024
PAUSE_S: Final = 30.0  # before a witness that failed is asked again about the same checkpoint
SIZE_CHARACTERS_MAX: Final = 20
OK: Final = 200
CONFLICT: Final = 409


@dataclass(frozen=True)
class Reply:
    """A witness's answer."""

    status: int
    body: str


Post = Callable[[str, bytes], Reply]  # (url, body) -> reply; raises OSError, http.client.HTTPException


def post(url: str, body: bytes) -> Reply:
    """POST over HTTP or HTTPS (certificates are checked); at most ANSWER_BYTES_MAX are read."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path, body, {"content-type": "text/plain; charset=utf-8"})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace"))
    finally:
        connection.close()


class Cosigning:
    """Asks; one object for all kiosks, used on one thread."""

    def __init__(self, policy: Policy, clock: Clock, send: Post = post) -> None:
        self._policy = policy
        self._clock = clock
        self._send = send
        self._urls = sorted({url for url in policy.urls.values() if url.startswith(("http://", "https://"))})
        self._known: dict[tuple[str, str], int] = {}  # (url, origin) -> the size that it signed last
        self._failed_s: dict[tuple[str, str], float] = {}  # (url, signed checkpoint) -> when
        self._pool = ThreadPoolExecutor(max(1, len(self._urls)), thread_name_prefix="witness")

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def cosign(self, signed: str, log_key: note.Verifier, mirror: LogMirror) -> str:
        """`signed` with the cosignature lines of every witness that has signed now or had signed it before."""
        known = self._policy.witnesses.values()
        have = {each.witness for each in cosignature.verify(signed, log_key, known)[1]}
        missing = [url for url in self._urls if self._wanted(url, signed, have)]
        asked = [self._pool.submit(self._ask, url, signed, log_key, mirror) for url in missing]
        for lines in [each.result() for each in asked]:
            signed = _merged(signed, lines, log_key, self._policy)
        return signed

    def _wanted(self, url: str, signed: str, have: set[cosignature.Witness]) -> bool:
        names = [name for name, each in self._policy.urls.items() if each == url]
        if all(self._policy.witnesses[name] in have for name in names):
            return False
        failed_s = self._failed_s.get((url, _body(signed)), float("-inf"))
        return self._clock.monotonic_s() - failed_s >= PAUSE_S

    def _ask(self, url: str, signed: str, log_key: note.Verifier, mirror: LogMirror) -> str:
        try:
            reply = self._submit(url, signed, log_key, mirror)
        except (OSError, http.client.HTTPException, VerificationError, ValueError) as error:
            reply = Reply(0, str(error))
        if reply.status == OK:
            return reply.body
        log.warning("witness %s did not sign: %s %s", url, reply.status or "no answer", reply.body.strip()[:200])
        if len(self._failed_s) > len(self._urls):  # only the newest checkpoint matters
            self._failed_s.clear()
        self._failed_s[url, _body(signed)] = self._clock.monotonic_s()
        return ""

    def _submit(self, url: str, signed: str, log_key: note.Verifier, mirror: LogMirror) -> Reply:
        """Once with the size that we believe it knows, once more with the one that it says."""
        size = cosignature.verify(signed, log_key, ())[0].size
        old = min(self._known.get((url, log_key.name), 0), size)
        reply = self._send(f"{url.rstrip('/')}/add-checkpoint", _request(old, size, signed, mirror))
        stated = reply.body.strip()
        if reply.status == CONFLICT and stated.isdecimal() and len(stated) <= SIZE_CHARACTERS_MAX:
            old = int(stated)
            if old > size:
                raise VerificationError(f"it has signed a tree of {old} already, this one has {size}")
            reply = self._send(f"{url.rstrip('/')}/add-checkpoint", _request(old, size, signed, mirror))
        if reply.status == OK:
            self._known[url, log_key.name] = size
        return reply


def for_receipts(signed: str, log_key: note.Verifier, policy: Policy) -> str:
    """What fits the paper: the log's own signature and as few Ed25519 cosignatures as are a quorum."""
    short = [witness for witness in policy.witnesses.values() if witness.type == cosignature.ED25519]
    found = policy.enough(cosignature.verify(signed, log_key, short)[1])
    keep = {(each.name, each.key_id) for each in log_key.verifiers}
    keep |= {(each.witness.name, each.witness.key_id) for each in found}
    parsed = note.parse(signed)
    text = f"{parsed.text}\n"
    for line in parsed.lines:
        made = note.signature_line(line.name, line.key_id + line.signature)
        if (line.name, line.key_id) in keep and len((text + made).encode()) <= acks.CHECKPOINT_BYTES_MAX:
            text += made
    return text


def _request(old: int, size: int, signed: str, mirror: LogMirror) -> bytes:
    proof = merkle.consistency_proof(mirror.tree(size).node, old, size) if old > 0 else ()
    lines = [f"old {old}", *map(note.encode_base64, proof), "", signed]
    return "\n".join(lines).encode()


def _merged(signed: str, lines: str, log_key: note.Verifier, policy: Policy) -> str:
    """`signed` with those of `lines` that are good cosignatures of configured witnesses and not there yet."""
    for line in lines.splitlines(keepends=True):
        try:
            before = cosignature.verify(signed, log_key, policy.witnesses.values())[1]
            after = cosignature.verify(signed + line, log_key, policy.witnesses.values())[1]
        except VerificationError as error:
            log.warning("a witness's answer is not a cosignature: %s", error)
            continue
        if len(after) > len(before):
            signed += line
    return signed


def _body(signed: str) -> str:
    return note.parse(signed).text
