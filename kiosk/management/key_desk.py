"""The kiosk's signing keys, as people see them, and their rotation by two people's word."""

from datetime import datetime
from typing import Final

from kiosk.core import actions as a
from kiosk.core.authority_facts import NotAuthorised
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.signers import PURPOSES
from kiosk.management.authority import Allowed, Performer
from kiosk.management.store import Runner
from kiosk.messages import Keys, KeyView, Refused

_LOOK: Final = (
    "Lay the new key beside the old one (docs/keys.md) and restart the controller; then `kioskctl keys show`."
)


class RotateKeys(Performer[a.RotateKey]):
    """The leaf that names the new key and the turn of that key are one transaction."""

    at_rest = True  # a deposit's records are all signed by one key: nobody has to explain two on one day

    def __init__(self, journal: Journal, runner: Runner) -> None:
        self._journal = journal
        self._runner = runner

    async def ready(self, action: a.RotateKey) -> Refused | None:
        following = await self._runner.run(self._journal.log.next_key, action.purpose)
        if following is None or following.kid != action.kid:
            return Refused("no_such_key", f"No new {action.purpose} key {action.kid.hex()[:16]} is here.", _LOOK)
        return None

    def settle(self, journal: Journal, allowed: Allowed[a.RotateKey], now: datetime) -> None:
        action = allowed.action
        by = {"number": allowed.number, "content": a.content(action), "by": list(allowed.signers)}
        try:
            journal.log.rotate(action.purpose, action.kid, by, now)
        except ValueError as error:
            raise NotAuthorised("no_such_key", f"The key cannot be changed: {error}.", _LOOK) from error

    async def listed(self) -> Keys:
        """Every key with its part of the log."""
        return Keys(await self._runner.run(_views, self._journal))


def _views(journal: Journal) -> tuple[KeyView, ...]:
    found: list[KeyView] = []
    for purpose in PURPOSES:
        spans = journal.log.keys(purpose).spans
        found += [KeyView(purpose, span.key.kid, span.key.algorithm, span.first, span.end) for span in spans]
        following = journal.log.next_key(purpose)
        if following is not None:
            found.append(KeyView(purpose, following.kid, following.algorithm, None))
    return tuple(found)
