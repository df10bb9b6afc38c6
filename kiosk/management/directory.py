"""The account directory at the kiosk: taken over from the bank, kept in the journal, looked into with measure.

Account numbers are short enough to be tried one after another, and the terminal is open to whoever stands before
it. So tries are bounded per minute, those that begin a deposit included.
"""

import asyncio
import hashlib
import logging
from collections import deque
from typing import Final

from kiosk.clock import Clock
from kiosk.core import accounts
from kiosk.core.records import service
from kiosk.errors import VerificationError
from kiosk.guarantee import directory as statement
from kiosk.guarantee.directory import Directory, DirectoryKeys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import PublicKeys
from kiosk.management.store import Runner
from kiosk.messages import DeliverDirectory, LookedUp, LookUp, Ok, Refused, Reply

_log = logging.getLogger(__name__)
TRIES_MAX: Final = 10  # within WINDOW_S: a depositor needs two, one more for each mistake
WINDOW_S: Final = 60.0
BAD_ACCOUNT: Final = Refused("bad_account", "This is not a complete account number.", "Check the digits and try again.")


class AccountDirectory:
    """What is known of accounts at this kiosk. Without `keys` no directory is ever accepted."""

    def __init__(self, kiosk: str, keys: DirectoryKeys | None, journal: Journal, runner: Runner, clock: Clock) -> None:
        self.kiosk = kiosk
        self.keys = keys
        self._journal = journal
        self._runner = runner
        self._clock = clock
        self._loaded = False
        self._present: Directory | None = None
        self._bytes = b""
        self._tries: deque[float] = deque(maxlen=TRIES_MAX)
        self._delivering = asyncio.Lock()
        self._loading = asyncio.Lock()

    async def deliver(self, message: DeliverDirectory) -> Reply:
        """Verify, store and use a directory that is newer than ours; the same one again is `Ok`.

        Raises VerificationError for anything that is not the bank's newer word to this kiosk.
        """
        if self.keys is None:
            return Refused(
                "no_directory_key",
                "This kiosk was provisioned without a directory key.",
                "Run `kiosk-cloud provision` for it again and install directory.key and bank_command.pub.",
            )
        async with self._delivering:
            await self._load()
            if message.data != self._bytes:  # the broker's retained message comes again at each connection
                await self._replace(message.data)
        return Ok()

    async def _replace(self, data: bytes) -> None:
        assert self.keys is not None
        found = await self._verified(data, self.keys.bank_commands)
        if self._present is not None and found.version <= self._present.version:
            raise VerificationError(
                f"directory version {found.version} is not newer than version {self._present.version}",
                remedy="Publish the directory again: a new version replaces the one that is here.",
            )
        draft = service(
            "directory_accepted",
            {
                "version": found.version,
                "entries": len(found.entries),
                "issued_at": found.issued_at,
                "sha256": hashlib.sha256(data).digest(),
            },
        )
        await self._runner.run(self._journal.store_directory, data, draft, self._clock.now_utc())
        self._present, self._bytes = found, data
        _log.info("account directory version %d with %d entries", found.version, len(found.entries))

    async def _verified(self, data: bytes, keys: PublicKeys) -> Directory:
        """Off the loop: thousands of entries take tens of milliseconds."""
        return await self._runner.run(statement.verify, data, keys, self.kiosk)

    async def look_up(self, request: LookUp) -> Reply:
        """The masked holder of an account, within the measure of tries."""
        account = accounts.normalise(request.account)
        if account is None:
            return BAD_ACCOUNT
        await self._load()
        refused = self.try_once()
        if refused is not None:
            return refused
        name = self._name(account)
        version = await self.version()
        return LookedUp(accounts.masked(account), name, known=name is not None, directory_version=version)

    async def version(self) -> int | None:
        """Of the directory in use; None without one."""
        await self._load()
        return self._present.version if self._present else None

    async def knows(self, account: str) -> bool | Refused | None:
        """Whether `account` (digits) is in the directory; None without one; `Refused` after too many tries."""
        await self._load()
        if self._present is None:
            return None
        refused = self.try_once()
        return self._name(account) is not None if refused is None else refused

    def try_once(self) -> Refused | None:
        """Count one try; `Refused`, uncounted, when the last minute has had its fill. Free without a directory."""
        now_s = self._clock.monotonic_s()
        if self._present is None:
            return None
        if len(self._tries) == TRIES_MAX and now_s - self._tries[0] < WINDOW_S:
            wait_s = int(self._tries[0] + WINDOW_S - now_s) + 1
            return Refused("too_many_tries", "Too many account numbers were tried.", f"Try again in {wait_s} seconds.")
        self._tries.append(now_s)
        return None

    def _name(self, account: str) -> str | None:
        if self._present is None or self.keys is None:
            return None
        return self._present.name_of(account, self.keys.key)

    async def _load(self) -> None:
        """Once: the directory that was here before the restart, verified as if it had just come."""
        async with self._loading:
            if self._loaded or self.keys is None:
                return
            data = await self._runner.run(self._journal.directory)
            if data is not None:
                try:
                    self._present, self._bytes = await self._verified(data, self.keys.bank_commands.ever), data
                except VerificationError as error:  # e.g. the bank's key was changed: deposits go on without names
                    _log.error("the stored account directory is not used: %s", error)
            self._loaded = True
