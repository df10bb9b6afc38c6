"""The transaction stream: hears every durable fact, keeps habits under pseudonyms, tells the watcher one row at a time.

It only listens. An account number becomes a keyed hash when it is typed and is forgotten; the key is derived from the
kiosk's own, so the file of habits says nothing about anybody without it. A file that is lost costs the past, no money.
"""

import hmac
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kiosk.clock import Clock
from kiosk.core import facts as f
from kiosk.core.habits import MONTH_S, Habit
from kiosk.core.state import Deposit, State
from kiosk.core.transaction import Session, begun, features
from kiosk.messages import TransactionReading

_log = logging.getLogger(__name__)

PSEUDONYM_BYTES: Final = 12
DEPOSITORS_MAX: Final = 2000
KEPT_S: Final = 3 * MONTH_S  # after that nothing of a depositor is worth keeping
FILE_BYTES_MAX: Final = 4 << 20
FADED: Final = 0.8  # a few deposits within a day count for less than their number: the sums fade
OFTEN: Final = "many deposits of this depositor within a day (about {})"
_INFO: Final = b"kiosk-depositor-pseudonym-v1"
_TELLING: Final = (f.Begin, f.NoteRead, f.NoteCredited, f.NoteRefused, f.Cancel, f.MoreTime, f.Resume, f.Confirm)


class Habits(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that is kept: the kiosk's habit, and those of depositors, the one who came last at the end."""

    kiosk: Habit = Habit()
    depositors: dict[bytes, Habit] = {}


def pseudonym_key(kek: bytes) -> bytes:
    """The key of the pseudonyms, from the kiosk's key-encryption key."""
    return HKDF(SHA256(), 32, salt=None, info=_INFO).derive(kek)


def pseudonym(key: bytes, account: str) -> bytes:
    """What a depositor is called in the habits."""
    return hmac.digest(key, account.encode(), "sha256")[:PSEUDONYM_BYTES]


class HabitFile:
    """Habits on disk, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Habits:
        """What is kept; empty when there is no file, or one that cannot be read."""
        try:
            with self._path.open("rb") as file:
                return msgspec.msgpack.decode(file.read(FILE_BYTES_MAX), type=Habits)
        except FileNotFoundError:
            return Habits()
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("habits: %s cannot be read, so the past is forgotten: %s", self._path.name, error)
            return Habits()

    def save(self, content: bytes) -> None:
        """Replace the file; a disk that does not take it costs the past, not the deposit."""
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(content)
            part.chmod(0o600)
            part.replace(self._path)
        except OSError as error:
            _log.warning("habits: %s could not be kept: %s", self._path.name, error)


class Transactions:
    """Hears facts, keeps habits, tells rows. `save` is given the file's new content, on the loop."""

    def __init__(
        self,
        clock: Clock,
        key: bytes,
        habits: Habits,
        *,
        tell: Callable[[TransactionReading], None],
        save: Callable[[bytes], None],
        warn: Callable[[str], None],
        zone: tzinfo,
        day_max: int = 3,
    ) -> None:
        """`warn` is given what makes a deposit medium by a rule, in words.

        Zone: of the shop, for the hour of the day. `day_max`: deposits of one depositor within about a day.
        """
        self._warn, self._day_max = warn, day_max
        self._clock, self._key, self._zone = clock, key, zone
        self._tell, self._save = tell, save
        self._kiosk = habits.kiosk
        self._depositors = OrderedDict(habits.depositors)
        self._identified: tuple[bytes, bytes] = (b"", b"")  # deposit id, pseudonym
        self._session: Session | None = None

    def identified(self, deposit_id: bytes, account: str) -> None:
        """Whose deposit this will be."""
        self._identified = (deposit_id, pseudonym(self._key, account))

    def heard(self, fact: f.Fact, deposit: Deposit) -> None:
        """A fact is durable and the deposit is as it left it. A deposit whose beginning was not heard is not judged."""
        now_s = self._clock.monotonic_s()
        if isinstance(fact, f.Begin):
            self._session = begun(fact, now_s)
            before = self._depositors.get(self._identified[1], Habit()).at(self._clock.now_utc().timestamp()).day
            if before > self._day_max - FADED:
                self._warn(OFTEN.format(round(before) + 1))
        elif self._session is not None:
            self._session = self._session.heard(fact, now_s)
        if self._session is None:
            return
        if isinstance(fact, _TELLING):
            self._tell(TransactionReading(now_s, deposit.code, self.row()))
        if deposit.state in (State.DONE, State.IDLE):
            self._closed(deposit)

    def row(self) -> tuple[float, ...]:
        """The features now. Only with a session."""
        assert self._session is not None
        now, wall = self._clock.monotonic_s(), self._clock.now_utc()
        own = self._depositors.get(self._identified[1], Habit())
        hour = wall.astimezone(self._zone).hour
        return features(self._session, own, self._kiosk, now_s=now, wall_s=wall.timestamp(), hour=hour)

    def _closed(self, deposit: Deposit) -> None:
        """Money that stayed is what becomes habit."""
        session, self._session = self._session, None
        if session is None or not session.minor or deposit.outcome != "credited":
            return
        wall = self._clock.now_utc()
        at_s, hour = wall.timestamp(), wall.astimezone(self._zone).hour
        self._kiosk = self._kiosk.after(at_s, session.amount, hour)
        name = self._identified[1]
        if name:
            own = self._depositors.pop(name, Habit())
            self._depositors[name] = own.after(at_s, session.amount, hour)
        self._forget(at_s)
        self._save(msgspec.msgpack.encode(Habits(self._kiosk, dict(self._depositors))))

    def _forget(self, now_s: float) -> None:
        while self._depositors:
            oldest = next(iter(self._depositors))
            if len(self._depositors) <= DEPOSITORS_MAX and now_s - self._depositors[oldest].at_s <= KEPT_S:
                return
            del self._depositors[oldest]
