"""Jobs one after the other, each in a process of its own. However a job ends, its upload is removed then."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from kiosk_cloud.protect.reading.opening import CSV_SUFFIXES, JSON_SUFFIXES, OTHER_SUFFIXES
from kiosk_cloud.protect.web import memory
from kiosk_cloud.protect.web.book import Book, Job
from kiosk_cloud.protect.web.settings import Limits, Place
from kiosk_cloud.protect.web.worker import RESULTS, UPLOAD

LOG: Final = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 30.0  # for jobs whose time is over
WRITE_EVERY_S: Final = 0.5
STOP_S: Final = 10.0
SUFFIXES: Final = JSON_SUFFIXES | CSV_SUFFIXES | OTHER_SUFFIXES


class Queue:
    """A thread. `add` wakes it; `stop` ends it and the job that runs, which waits again then."""

    def __init__(self, place: Place, limits: Limits, models: Path | None = None, catalogue: Path | None = None) -> None:
        """Raises ConfigError when the memory folder is none."""
        memory.check(limits.memory)
        self._place, self._limits = place, limits
        self._told = {"models": str(models or ""), "catalogue": str(catalogue or "")}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._running = ""
        self._thread = threading.Thread(target=self._run, name="protect-queue", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier server left: unfinished files are removed, its running job waits again."""
        memory.clear(self._limits.memory, self._place.folder)
        kept = self._place.vault()
        kept.clear_parts()
        with self._place.book() as book:
            book.queue_again()
            known = {job.id: job for job in book.jobs()}
        for name in kept.names():
            job, _, part = name.partition(".")
            waits = job in known and (part != UPLOAD or known[job].state == "queued")
            if not waits:
                kept.remove(name)
        self._thread.start()

    def add(self) -> None:
        """There is a new job."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread; waits for it."""
        self._stopping.set()
        self._wake.set()
        self._end_process()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def remove(self, job: str) -> bool:
        """A job and all that it has, also while it runs; whether it was there."""
        with self._place.book() as book:
            there = book.remove_job(job)
        if self._running == job:
            self._end_process()
        self._remove_files(job, (UPLOAD, *RESULTS))
        return there

    def _end_process(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def _remove_files(self, job: str, parts: tuple[str, ...]) -> None:
        kept = self._place.vault()
        for part in parts:
            kept.remove(f"{job}.{part}")

    def _run(self) -> None:
        with self._place.book() as book:
            while not self._stopping.is_set():
                self._forget(book)
                job = book.next_job()
                if job is None:
                    self._wake.wait(LOOK_EVERY_S)
                    self._wake.clear()
                else:
                    self._one(book, job)

    def _forget(self, book: Book) -> None:
        for job in book.over(time.time()):
            book.remove_job(job)
            self._remove_files(job, (UPLOAD, *RESULTS))

    def _one(self, book: Book, job: Job) -> None:
        self._running = job.id
        try:
            with memory.folder(self._limits.memory, self._place.folder, job.id) as folder:
                found = self._work(book, job, folder)
        except OSError as error:
            LOG.warning("job %s: %s", job.id, error)
            found = {"error": "The server has no room or memory for this job now."}
        finally:
            self._running = ""
        if self._stopping.is_set() and "done" not in found:
            book.queue_again()
            return
        self._remove_files(job.id, (UPLOAD,))
        done = found.get("done") or {}
        there = book.finish(job.id, grade=done.get("grade", ""), rows=done.get("rows", 0), error=found.get("error", ""))
        if not there or not done:
            self._remove_files(job.id, RESULTS)

    def _work(self, book: Book, job: Job, folder: Path) -> dict[str, Any]:
        suffix = Path(job.name).suffix.lower()
        task = {
            "job": job.id,
            "suffix": suffix if suffix in SUFFIXES else "",
            "folder": str(folder),
            "files": str(self._place.folder / "files"),
            "key": self._place.key.hex(),
            "memory_bytes_max": self._limits.job_memory_bytes_max,
            "job_s_max": self._limits.job_s_max,
            **self._told,
        }
        command = [sys.executable, "-m", "kiosk_cloud.protect.web.worker"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - our own module
            self._process = process
            if self._stopping.is_set():
                process.kill()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(task) + "\n")
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended; below says how
            found = self._follow(process.stdout, lambda rows, share: book.progress(job.id, rows, share))
            if found is None:
                process.kill()
            process.wait()
        self._process = None
        if found:
            return found
        LOG.warning("job %s: its process ended with %s", job.id, process.returncode)
        return {
            "error": f"The reader of this file ended with {_ended(process.returncode)}; it may be broken or hostile."
        }

    @staticmethod
    def _follow(lines: Any, progress: Callable[[int, float], bool]) -> dict[str, Any] | None:  # noqa: ANN401 - a pipe
        """The last word of the process; None when it said none, or its job was removed."""
        written = float("-inf")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if "rows" not in said:
                return said
            now = time.monotonic()
            if now - written >= WRITE_EVERY_S:
                written = now
                if not progress(said["rows"], said["share"]):
                    return None
        return None


def _ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def new_id() -> str:
    """Of a job: 128 random bits."""
    return os.urandom(16).hex()
