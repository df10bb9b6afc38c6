"""`kioskctl reset`: the action that people sign, carried out by the controller."""

from collections.abc import Callable
from typing import Final

from kiosk.core.actions import Reset
from kiosk.core.deposit import allowed
from kiosk.core.facts import ResetOrdered
from kiosk.core.state import State
from kiosk.management.authority import Allowed, Performer
from kiosk.management.controller import Controller
from kiosk.messages import Refused

_REMEDY: Final = "Wait some seconds, and look at `kioskctl status`."


class ResetDevices(Performer[Reset]):
    """The order becomes a fact of its own right after the signature is used up; a crash in between lets it be repeated.

    No device has been told anything by then. From that fact on a restart goes on with the reset.
    """

    def __init__(self, controller: Controller, randomness: Callable[[int], bytes]) -> None:
        self._c = controller
        self._randomness = randomness

    async def ready(self, action: Reset) -> Refused | None:
        del action
        state = self._c.deposit.state
        if state is State.DONE or allowed(state, ResetOrdered):
            return None
        return Refused("not_now", f"A reset cannot begin in the state {state}.", _REMEDY)

    async def carry_out(self, allowed: Allowed[Reset]) -> None:
        await self._c.reset(self._randomness(16), allowed.signers[0])
