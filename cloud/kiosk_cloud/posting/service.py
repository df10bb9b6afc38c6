"""One round of handing over, or round after round until stopped. One process for a store: a lock beside it says so."""

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kiosk.clock import Clock, rfc3339
from kiosk.errors import KioskError
from kiosk_cloud.posting import camt
from kiosk_cloud.posting.entries import Posting
from kiosk_cloud.posting.filing import Filing
from kiosk_cloud.posting.judging import Judging
from kiosk_cloud.posting.outbox import FileRow, Outbox, Row
from kiosk_cloud.posting.settings import Settings
from kiosk_cloud.posting.webhook import Sender, Unreachable
from kiosk_cloud.store import Store

log = logging.getLogger(__name__)

BATCH: Final = 32  # accepted postings that one commit marks; after a crash the webhook hears of as many again
AGAIN_S: Final = 2.0  # first pause after a refusal; doubled each time
AGAIN_S_MAX: Final = 900.0
ROUND_S: Final = 2.0  # between two rounds
TOLD_MAX: Final = 100


class Busy(KioskError, RuntimeError):
    """Another process posts from this store."""

    remedy = "One `kiosk-cloud post` for a store; stop the other one, or let it do the work."


@dataclass
class Round:
    """What one round did."""

    webhook: int = 0
    refused: int = 0
    unreachable: str = ""
    files: list[str] = field(default_factory=list)


class Poster:
    """Hands over what the outbox holds. `webhook` None: no webhook is configured."""

    def __init__(self, store: Store, settings: Settings, webhook: Sender | None, clock: Clock) -> None:
        self._store = store
        self.outbox: Final = Outbox(store)
        self._settings = settings
        self._webhook = webhook
        self._clock = clock
        self._filing = None if settings.files is None else Filing(settings.files, self.outbox)
        self._filed_s: float | None = None  # when the last file was made, monotonic

    def round(self, *, everything: bool) -> Round:
        """Judge, then each channel. `everything`: whatever the pauses say. OSError, sqlite3.Error, KioskError."""
        done = Round()
        judging = Judging(self._store, self.outbox)
        judging.run()
        if everything:
            self.outbox.due_now()
        if self._webhook is not None:
            try:
                self._send(self._webhook, judging, done)
            finally:
                self._webhook.close()
        now_s = self._clock.monotonic_s()
        due = self._filed_s is None or now_s - self._filed_s >= self._settings.file_interval_s
        if self._filing is not None and (everything or due):
            made = self._filing.write("deposits", self._now(), lambda row: self._render(judging, row))
            done.files = [f"{row.name}.xml" for row in made]
            if made:
                self._filed_s = now_s
        return done

    def follow(self, stopping: threading.Event) -> Iterator[Round]:
        """A round at once and every ROUND_S, until `stopping` is set."""
        while not stopping.is_set():
            yield self.round(everything=False)
            stopping.wait(ROUND_S)

    def report(self) -> dict[str, Any]:
        """How things stand, for people and programs."""
        return {
            "postings": self.outbox.counts(),
            "held": [{"key": key, "reason": reason} for key, reason in self.outbox.held(TOLD_MAX)],
            "refused": [
                {"key": key, "attempts": attempts, "error": error}
                for key, attempts, error in (self.outbox.refused(TOLD_MAX) if self._webhook is not None else ())
            ],
        }

    # --- webhook -----------------------------------------------------------------------------------------

    def _send(self, webhook: Sender, judging: Judging, done: Round) -> None:
        """Everything due. An answer that is not 2xx costs that posting a pause, silence ends the round."""
        while rows := self.outbox.for_webhook(self._now_posix_s(), BATCH):
            accepted: list[int] = []
            row = rows[0]
            try:
                for row in rows:
                    answer = webhook.send(judging.posting(row), int(self._now_posix_s()))
                    if answer.error:
                        self._pause(row, answer.error)
                        done.refused += 1
                    else:
                        accepted.append(row.id)
            except Unreachable as error:
                done.unreachable = str(error)
                log.warning("the webhook does not answer: %s", error)
                self._pause(row, str(error))
                return
            finally:
                self.outbox.accepted(accepted, self._now())
                done.webhook += len(accepted)

    def _pause(self, row: Row, error: str) -> None:
        pause_s = min(AGAIN_S_MAX, AGAIN_S * 2 ** min(row.attempts, 16))
        log.warning("posting %s was not accepted, attempt %d: %s", row.key, row.attempts + 1, error)
        self.outbox.failed(row.id, error, self._now_posix_s() + pause_s)

    # --- file --------------------------------------------------------------------------------------------

    def _render(self, judging: Judging, row: FileRow) -> Iterator[bytes]:
        def read(posting: int) -> Posting:
            return judging.posting(self.outbox.row(posting))

        ids = self.outbox.of_file(row.number)
        return camt.document(row.name, row.made_at, ids, read, self._settings.suspense_account)

    def _now(self) -> str:
        return rfc3339(self._clock.now_utc())

    def _now_posix_s(self) -> float:
        return self._clock.now_utc().timestamp()


@contextmanager
def only_one(store: Path) -> Iterator[None]:
    """Hold the lock beside `store`. Raises Busy when another process has it."""
    with store.with_name(f"{store.name}.post.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("another process posts from this store") from error
        yield
