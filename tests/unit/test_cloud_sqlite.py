"""The bank's SQLite files: nothing is left half done, and whoever waits for a turn gets it."""

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kiosk_cloud.sqlite import Database, read_only


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "some.db"
    file = Database(made)
    file.db.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY) STRICT")
    file.close()
    return made


def numbers(path: Path) -> list[int]:
    db = read_only(path)
    found = [row[0] for row in db.execute("SELECT number FROM numbers ORDER BY number")]
    db.close()
    return found


def test_closing_twice_is_harmless(path: Path) -> None:
    file = Database(path)
    file.close()
    file.close()


def test_files_are_private(path: Path) -> None:
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_what_fails_leaves_nothing_and_gives_its_turn_back(path: Path) -> None:
    one, other = Database(path), Database(path)
    one.db.execute(
        "CREATE TEMP TRIGGER no AFTER INSERT ON numbers BEGIN SELECT RAISE(FAIL, 'no'); END"
    )  # keeps the row
    with pytest.raises(sqlite3.IntegrityError), one.transaction():
        one.db.execute("INSERT INTO numbers VALUES (1)")
    with other.transaction():
        other.db.execute("INSERT INTO numbers VALUES (2)")
    assert numbers(path) == [2]
    one.close()
    other.close()


def test_a_commit_that_fails_is_rolled_back(path: Path) -> None:
    file = Database(path)
    file.db.executescript(
        "PRAGMA foreign_keys = ON;"
        "CREATE TABLE more (number INTEGER REFERENCES numbers (number) DEFERRABLE INITIALLY DEFERRED) STRICT;"
    )
    with pytest.raises(sqlite3.IntegrityError), file.transaction():  # deferred: said by COMMIT
        file.db.execute("INSERT INTO more VALUES (7)")
    with file.transaction():
        file.db.execute("INSERT INTO numbers VALUES (3)")
    assert file.db.execute("SELECT count(*) FROM more").fetchone() == (0,)
    assert numbers(path) == [3]
    file.close()


def test_writers_take_turns(path: Path) -> None:
    """Many at once, each of whom reads what the last one wrote; nobody is told that the file is locked."""
    failed: list[Exception] = []

    def count() -> None:
        file = Database(path)
        try:
            for _ in range(10):
                with file.transaction():
                    last = file.db.execute("SELECT coalesce(max(number), 0) FROM numbers").fetchone()[0]
                    file.db.execute("INSERT INTO numbers VALUES (?)", (last + 1,))
        except sqlite3.Error as error:
            failed.append(error)
        finally:
            file.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert numbers(path) == list(range(1, 41))


HOLDER = """
import sys
from pathlib import Path
from kiosk_cloud.sqlite import Database
with Database(Path(sys.argv[1])).transaction():
    print("mine", flush=True)
    sys.stdin.readline()
"""


def test_a_turn_ends_with_its_holder(path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        holder.kill()
    other = Database(path)
    with other.transaction():
        other.db.execute("INSERT INTO numbers VALUES (4)")
    assert numbers(path) == [4]
    other.close()


def test_what_is_read_only_cannot_be_written(path: Path) -> None:
    db = read_only(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO numbers VALUES (1)")
    db.close()
