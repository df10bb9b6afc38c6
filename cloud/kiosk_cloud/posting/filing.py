"""camt.054 files, each handed over exactly once, also when the bank's system takes them away the moment they appear.

    assigned    the postings of the file and its time are fixed in the store
    prepared    the file lies whole and synced in `.prepared`
    handed      it was moved into the folder; nothing writes it again

After a crash between prepared and handed, a file that is no longer in `.prepared` was moved: it is never made twice.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from kiosk_cloud.files import private_dir, write_pieces
from kiosk_cloud.posting.outbox import FileRow, Outbox

PREPARED: Final = ".prepared"  # on the same file system: a move is atomic
POSTINGS_PER_FILE_MAX: Final = 5000
Render = Callable[[FileRow], Iterator[bytes]]  # in pieces: memory does not grow with the file


class Filing:
    """The folder into which files are handed."""

    def __init__(self, folder: Path, outbox: Outbox) -> None:
        self._folder = folder
        self._outbox = outbox

    def finish(self, render: Render) -> FileRow | None:
        """Hand over the file that is under way, whatever was left of it; None when none is."""
        row = self._outbox.unfinished_file()
        if row is None:
            return None
        prepared = private_dir(self._folder / PREPARED) / f"{row.name}.xml"
        if row.state == "assigned":
            write_pieces(prepared, render(row))
            self._outbox.set_file_state(row.number, "prepared")
        if prepared.exists():
            prepared.rename(self._folder / prepared.name)
        _sync(self._folder)
        _sync(prepared.parent)
        self._outbox.set_file_state(row.number, "handed")
        return row

    def write(self, name_of: str, made_at: str, render: Render) -> list[FileRow]:
        """Everything that waits, in as many files as it takes: one, unless it is more than POSTINGS_PER_FILE_MAX."""
        written = []
        while True:
            if row := self.finish(render):
                written.append(row)
            elif self._outbox.assign_file(name_of, made_at, POSTINGS_PER_FILE_MAX) is None:
                return written


def _sync(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
