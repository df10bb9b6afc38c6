"""Users, tokens, jobs and feedback in one SQLite file. Passwords as scrypt, tokens as hashes, texts of users sealed."""

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from kiosk.errors import ConfigError
from kiosk_cloud.protect.web import vault
from kiosk_cloud.sqlite import Database

Role = Literal["uploader", "reviewer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
USERS_MAX: Final = 1000
TOKENS_MAX: Final = 1000
JOBS_MAX: Final = 200  # queued, running and done together
FEEDBACK_MAX: Final = 100_000
PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 200
NAME: Final = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)
_SCRYPT: Final = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 64 << 20, "dklen": 32}  # 32 MiB a password
_SALT_BYTES: Final = 16
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('uploader', 'reviewer', 'admin')),
    salt BLOB NOT NULL,
    password BLOB NOT NULL           -- scrypt
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (  -- of the HTTP API
    hash BLOB PRIMARY KEY,           -- SHA-256 of 256 random bits
    user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    made_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    owner TEXT NOT NULL,
    name BLOB NOT NULL,              -- sealed: of the file
    size INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    share REAL NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0,
    grade TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    made_at TEXT NOT NULL,
    until REAL NOT NULL              -- POSIX seconds; removed then with all that it has
) STRICT;
CREATE TABLE IF NOT EXISTS feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    place TEXT NOT NULL,             -- of the cell: one person's last word on it counts
    said_by TEXT NOT NULL,
    sealed BLOB NOT NULL,
    at TEXT NOT NULL,
    UNIQUE (job, place)
) STRICT;
"""


@dataclass(frozen=True)
class User:
    """Somebody who may sign in."""

    name: str
    role: Role


@dataclass(frozen=True)
class Job:
    """One upload and what became of it."""

    id: str
    number: int
    owner: str
    name: str
    size: int
    state: str
    share: float
    rows: int
    grade: str
    error: str
    made_at: str
    until: float


_COLUMNS: Final = "id, number, owner, name, size, state, share, rows, grade, error, made_at, until"


class Book:
    """One connection, on one thread. A context manager."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open or make the file. Raises ConfigError."""
        self._key = key
        try:
            self._file = Database(path)
            self._db = self._file.db
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    # --- users --------------------------------------------------------------------------------------------

    def users(self) -> list[User]:
        """By name."""
        return [User(*row) for row in self._db.execute("SELECT name, role FROM users ORDER BY name")]

    def put_user(self, name: str, role: Role, password: str) -> None:
        """A new user, or another role and password for one that is there. Raises ConfigError."""
        if not NAME.fullmatch(name):
            raise ConfigError(
                "a name has 2 to 32 characters: a-z, then also 0-9 . _ -", remedy="Choose another, for example li.hua."
            )
        if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
            raise ConfigError(
                f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters",
                remedy="Four or five words that do not belong together are long enough and easy to keep in mind.",
            )
        salt = secrets.token_bytes(_SALT_BYTES)
        row = (name, role, salt, _scrypt(password, salt))
        with self._file.transaction():
            if self._db.execute("SELECT count(*) FROM users").fetchone()[0] >= USERS_MAX:
                raise ConfigError(f"there are {USERS_MAX} users", remedy="Remove those who have left.")
            self._db.execute("DELETE FROM tokens WHERE user = ?", (name,))
            self._db.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET role = excluded.role, salt = excluded.salt, password = excluded.password",
                row,
            )

    def remove_user(self, name: str) -> bool:
        """With their tokens; False for the last admin, who stays."""
        with self._file.transaction():
            others = "SELECT count(*) FROM users WHERE role = 'admin' AND name <> ?"
            found = self._db.execute("SELECT role FROM users WHERE name = ?", (name,)).fetchone()
            if found is None or (found[0] == "admin" and not self._db.execute(others, (name,)).fetchone()[0]):
                return False
            self._db.execute("DELETE FROM users WHERE name = ?", (name,))
        return True

    def signed_in(self, name: str, password: str) -> User | None:
        """Whose name and password these are. Takes as long for a name that nobody has."""
        row = self._db.execute("SELECT role, salt, password FROM users WHERE name = ?", (name,)).fetchone()
        role, salt, kept = row or (ROLES[0], bytes(_SALT_BYTES), bytes(32))
        given = _scrypt(password[:PASSWORD_CHARACTERS_MAX], salt)
        return User(name, role) if hmac.compare_digest(given, kept) and row is not None else None

    def user(self, name: str) -> User | None:
        """As they are now."""
        row = self._db.execute("SELECT name, role FROM users WHERE name = ?", (name,)).fetchone()
        return None if row is None else User(*row)

    def new_token(self, user: str, at: str) -> str:
        """To be shown once. Raises ConfigError when there are too many, or no such user."""
        token = secrets.token_urlsafe(32)
        with self._file.transaction():
            if self._db.execute("SELECT count(*) FROM tokens").fetchone()[0] >= TOKENS_MAX:
                raise ConfigError(
                    f"there are {TOKENS_MAX} tokens", remedy="Give users new passwords: that ends theirs."
                )
            if self.user(user) is None:
                raise ConfigError("there is no such user", remedy="`kiosk-protect user add` makes one.")
            self._db.execute("INSERT INTO tokens VALUES (?, ?, ?)", (_hash(token), user, at))
        return token

    def of_token(self, token: str) -> User | None:
        """Whose token this is."""
        query = "SELECT u.name, u.role FROM tokens t JOIN users u ON u.name = t.user WHERE t.hash = ?"
        row = self._db.execute(query, (_hash(token),)).fetchone()
        return None if row is None else User(*row)

    # --- jobs ---------------------------------------------------------------------------------------------

    def room(self) -> bool:
        """Whether one more job may come."""
        return int(self._db.execute("SELECT count(*) FROM jobs").fetchone()[0]) < JOBS_MAX

    def add_job(self, job: str, owner: str, name: str, size: int, at: str, until: float) -> bool:
        """Queue a job; False when there are too many."""
        sealed = vault.seal(self._key, f"name {job}", name.encode())
        with self._file.transaction():
            if not self.room():
                return False
            number = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM jobs").fetchone()[0]
            self._db.execute(
                "INSERT INTO jobs (id, number, owner, name, size, state, made_at, until)"
                " VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
                (job, number, owner, sealed, size, at, until),
            )
        return True

    def jobs(self, owner: str | None = None) -> list[Job]:
        """The newest first; of one owner, or all."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM jobs WHERE ? IS NULL OR owner = ? ORDER BY number DESC",  # noqa: S608 - constants
            (owner, owner),
        )
        return [self._job(row) for row in rows.fetchall()]

    def job(self, job: str) -> Job | None:
        """One job."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,)).fetchone()  # noqa: S608
        return None if row is None else self._job(row)

    def _job(self, row: Sequence[Any]) -> Job:
        name = vault.unseal(self._key, f"name {row[0]}", row[3]).decode()
        values: tuple[Any, ...] = (*row[:3], name, *row[4:])
        return Job(*values)

    def next_job(self) -> Job | None:
        """The one that waits longest, which is running from now on."""
        with self._file.transaction():
            row = self._db.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return None
            self._db.execute("UPDATE jobs SET state = 'running' WHERE id = ?", row)
        return self.job(row[0])

    def queue_again(self) -> None:
        """What was running when the server ended waits again."""
        with self._file.transaction():
            self._db.execute("UPDATE jobs SET state = 'queued', share = 0, rows = 0 WHERE state = 'running'")

    def progress(self, job: str, rows: int, share: float) -> bool:
        """How far it is; False when it was removed meanwhile."""
        with self._file.transaction():
            query = "UPDATE jobs SET rows = ?, share = ? WHERE id = ? AND state = 'running'"
            return self._db.execute(query, (rows, share, job)).rowcount > 0

    def finish(self, job: str, *, grade: str = "", rows: int = 0, error: str = "") -> bool:
        """Done, or failed with an error; False when it was removed meanwhile."""
        state = "failed" if error else "done"
        with self._file.transaction():
            query = "UPDATE jobs SET state = ?, share = 1, rows = ?, grade = ?, error = ? WHERE id = ?"
            return self._db.execute(query, (state, rows, grade, error[:500], job)).rowcount > 0

    def remove_job(self, job: str) -> bool:
        """Whether it was there. Feedback on it stays."""
        with self._file.transaction():
            return self._db.execute("DELETE FROM jobs WHERE id = ?", (job,)).rowcount > 0

    def over(self, now_posix_s: float) -> list[str]:
        """Jobs whose time is over."""
        return [row[0] for row in self._db.execute("SELECT id FROM jobs WHERE until <= ?", (now_posix_s,))]

    # --- feedback -----------------------------------------------------------------------------------------

    def add_feedback(self, job: str, place: str, said_by: str, data: bytes, at: str) -> bool:
        """What somebody said of a cell, sealed; the last word on it counts. False when there is too much."""
        sealed = vault.seal(self._key, "feedback", data)
        with self._file.transaction():
            if self._db.execute("SELECT count(*) FROM feedback").fetchone()[0] >= FEEDBACK_MAX:
                return False
            self._db.execute(
                "INSERT INTO feedback (job, place, said_by, sealed, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (job, place) DO UPDATE"
                " SET said_by = excluded.said_by, sealed = excluded.sealed, at = excluded.at",
                (job, place, said_by, sealed, at),
            )
        return True

    def feedback(self) -> list[bytes]:
        """All of it, in clear; for `retrain`."""
        rows = self._db.execute("SELECT sealed FROM feedback ORDER BY id").fetchall()
        return [vault.unseal(self._key, "feedback", row[0]) for row in rows]

    def places(self, job: str) -> set[str]:
        """Cells of a job that somebody has spoken of."""
        return {row[0] for row in self._db.execute("SELECT place FROM feedback WHERE job = ?", (job,))}

    def forget_feedback(self) -> int:
        """Remove all of it; how much there was."""
        with self._file.transaction():
            return self._db.execute("DELETE FROM feedback").rowcount


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
