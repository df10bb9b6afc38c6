"""The thread beside a receiver that writes the mirror of tiles and has each kiosk's newest checkpoint cosigned.

It has its own connection to the store and is woken for the kiosks whose logs grew. Whatever fails in it is tried again
later and holds up no record.
"""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from kiosk.clock import Clock
from kiosk.errors import KioskError
from kiosk.guarantee.policy import Policy
from kiosk_cloud.cosigning import Cosigning, Post, for_receipts, post
from kiosk_cloud.files import locked, private_dir
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.mirror import LogMirror
from kiosk_cloud.store import Store

log = logging.getLogger(__name__)

AGAIN_S: Final = 30.0  # every kiosk is looked at this often, for witnesses that failed
WAITING_MAX: Final = 10_000


class Witnessing:
    """`work_on` does it for one kiosk; `start` and `stop` run it on a thread."""

    def __init__(self, keyring: Keyring, policy: Policy, folder: Path, clock: Clock, send: Post = post) -> None:
        self._keyring = keyring
        self._policy = policy
        self._folder = folder
        self._cosigning = Cosigning(policy, clock, send)
        self._woken: queue.Queue[str | None] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self.news: Final = threading.Event()  # set when a kiosk has something to be told

    def wake(self, kiosks: Iterable[str]) -> None:
        """These kiosks' logs may have grown; from any thread."""
        for kiosk in kiosks:
            try:
                self._woken.put_nowait(kiosk)
            except queue.Full:
                log.warning("witnessing is behind; %s is looked at later", kiosk)

    def start(self, store: Callable[[], Store]) -> None:
        """Run until `stop`; `store` opens a connection on the new thread."""
        self._thread = threading.Thread(target=self._run, args=(store,), name="witnessing", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the kiosk that it works on."""
        if self._thread is not None:
            self._woken.put(None)
            self._thread.join()
        self._cosigning.close()

    def work_on(self, store: Store, kiosk: str) -> bool:
        """Tiles up to the newest good checkpoint, then its cosignatures; whether the kiosk has something to be told.

        One receiver at a time works on a kiosk: of two, the slower one would put an older checkpoint over a newer.
        """
        with locked(private_dir(self._folder) / f".{kiosk}.lock"):
            return self._work_on(store, kiosk)

    def _work_on(self, store: Store, kiosk: str) -> bool:
        newest = store.newest_checkpoint(kiosk)
        if newest is None:
            return False
        size, _, raw = newest
        log_key = self._keyring.kiosk(kiosk).checkpoint
        mirror = LogMirror(self._folder / kiosk, log_key)
        if mirror.size() < size:
            mirror.grow(store, kiosk, size, raw)
        known = store.cosigned(kiosk)
        signed = known[1] if known is not None and known[0] == size else raw.decode()
        merged = self._cosigning.cosign(signed, log_key, mirror)
        if merged == signed:
            return False
        mirror.set_checkpoint(merged.encode())
        store.set_cosigned(kiosk, size, merged, for_receipts(merged, log_key, self._policy))
        return True

    def _run(self, open_store: Callable[[], Store]) -> None:
        store = open_store()
        try:
            while True:
                kiosks = self._next(store)
                if kiosks is None:
                    return
                for kiosk in kiosks:
                    self._try(store, kiosk)
        finally:
            store.close()

    def _next(self, store: Store) -> list[str] | None:
        """The woken ones, each once; everybody after AGAIN_S of quiet; None to end."""
        try:
            woken = [self._woken.get(timeout=AGAIN_S)]
        except queue.Empty:
            return [kiosk for kiosk, _ in store.prefixes()]
        while not self._woken.empty():
            woken.append(self._woken.get_nowait())
        return None if None in woken else sorted({kiosk for kiosk in woken if kiosk is not None})

    def _try(self, store: Store, kiosk: str) -> None:
        try:
            if self.work_on(store, kiosk):
                self.news.set()
        except (KioskError, sqlite3.Error, OSError) as error:
            log.error("%s: no tiles and no cosignatures this time: %s", kiosk, error)  # noqa: TRY400 - said in full
