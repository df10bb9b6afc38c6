"""Whether a receipt is witnessed: waits a little for cosignatures, then says who has signed.

The bank sends them back with its acknowledgement. A kiosk without a policy, or whose policy asks for nobody, waits for
nobody; so does one whose link is down. What is printed without them is provisional and can be upgraded later.
"""

import asyncio
from typing import Final

from kiosk.clock import Clock
from kiosk.guarantee import checkpoint, cosignature, note, proof
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.policy import NONE, Policy
from kiosk.guarantee.receipt import Receipt
from kiosk.management.store import Runner

WAIT_S: Final = 8.0  # DESIGN.md section 3: at most this long


class Witnesses:
    """One for the controller; the desk tells it of the link and of acknowledgements."""

    def __init__(self, kiosk: str, policy: Policy | None, journal: Journal, runner: Runner, clock: Clock) -> None:
        """Raises VerificationError when the policy does not name this kiosk's log."""
        self._kiosk = kiosk
        self.policy: Policy | None = None  # the one in force, whether or not it asks for witnesses
        self._policy: Policy | None = None
        self._log: note.Verifier | None = None
        self.policy_sha256 = ""
        if policy is not None:
            self.adopt(policy)
        self._journal = journal
        self._runner = runner
        self._clock = clock
        self._arrived = asyncio.Event()
        self.link_up = False

    def move(self, log: str, policy: Policy | None) -> None:
        """The kiosk's log is another one from now on, judged by `policy`."""
        self._kiosk, self._policy, self._log, self.policy_sha256 = log, None, None, ""
        if policy is not None:
            self.adopt(policy)

    def adopt(self, policy: Policy) -> None:
        """Judge by this one from now on. Raises VerificationError when it asks for witnesses of other logs only."""
        asks = policy.quorum != NONE
        self._log = policy.log(checkpoint.origin(self._kiosk)) if asks else None
        self._policy = policy if asks else None
        self.policy, self.policy_sha256 = policy, policy.sha256.hex()

    def arrived(self) -> None:
        """An acknowledgement was taken; it may have brought cosignatures."""
        self._arrived.set()

    async def receipt(self, deposit_id: bytes, *, wait: bool) -> tuple[Receipt | None, tuple[str, ...]]:
        """The receipt as it can be shown now, and the witnesses of a quorum; nobody: it is provisional.

        With `wait` up to WAIT_S are given to the witnesses, as long as the link is up. Raises as `Journal.receipt`.
        """
        end_s = self._clock.monotonic_s() + WAIT_S
        while True:
            self._arrived.clear()
            made = await self._runner.run(self._journal.receipt, deposit_id)
            names = self.names(made)
            left_s = end_s - self._clock.monotonic_s()
            if names or made is None or not (wait and self.link_up and self._policy is not None) or left_s <= 0:
                return made, names
            try:
                async with asyncio.timeout(left_s):
                    await self._arrived.wait()
            except TimeoutError:
                wait = False

    def names(self, made: Receipt | None) -> tuple[str, ...]:
        """Who vouches for this receipt, if they are a quorum."""
        return () if made is None else self.vouching(made.proof)

    def vouching(self, proved: str) -> tuple[str, ...]:
        """Who vouches for this proof of a receipt, if they are a quorum."""
        if self._policy is None or self._log is None:
            return ()
        signed = proof.parse(proved).checkpoint
        _, cosigned = cosignature.verify(signed, self._log, self._policy.witnesses.values())
        return tuple(each.witness.name for each in cosigned) if self._policy.witnessed(cosigned) else ()
