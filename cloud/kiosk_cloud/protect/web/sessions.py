"""Who is signed in, in memory only: a restart signs everybody out. Bounded in number, idle time and length."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

IDLE_S: Final = 30 * 60.0
LONGEST_S: Final = 8 * 3600.0
SESSIONS_MAX: Final = 1000


@dataclass
class Session:
    """One browser."""

    user: str
    csrf: str
    begun_s: float
    seen_s: float


class Sessions:
    """By the hash of the cookie's value. Call on one thread (the event loop's)."""

    def __init__(self) -> None:
        self._all: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, user: str, now_s: float) -> str:
        """A new session; the cookie's value. Where there are many, that which was not seen for longest gives way."""
        value = secrets.token_urlsafe(32)
        self._all[_hash(value)] = Session(user, secrets.token_urlsafe(32), now_s, now_s)
        while len(self._all) > SESSIONS_MAX:
            self._all.popitem(last=False)
        return value

    def get(self, value: str, now_s: float) -> Session | None:
        """The session of a cookie, if it is not over."""
        key = _hash(value)
        found = self._all.get(key)
        if found is None:
            return None
        if now_s - found.seen_s > IDLE_S or now_s - found.begun_s > LONGEST_S:
            del self._all[key]
            return None
        found.seen_s = now_s
        self._all.move_to_end(key)
        return found

    def end(self, value: str) -> None:
        """Sign out."""
        self._all.pop(_hash(value), None)

    def end_all_of(self, user: str) -> None:
        """After another password or role."""
        for key in [key for key, session in self._all.items() if session.user == user]:
            del self._all[key]


def same(given: str, kept: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), kept.encode())


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="replace")).digest()
