"""The people of the branch in a schedule: they order a reset, and exchange the cabinet between two visits."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kiosk.core.actions import AnyAction, ExchangeEnd, ExchangeStart, Reset
from kiosk.messages import ApproveAction, Asked, ExchangeStep, GetUnits, RequestAction, Units
from tests.simulation.actors import ask
from tests.simulation.people import PINS

if TYPE_CHECKING:
    from tests.simulation.play import Play

TRIES_MAX: Final = 4  # of an exchange that a crash interrupts


class Staff:
    """Two of them; what one may not do alone, the other approves."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self.wants_exchange = False

    async def reset(self) -> None:
        """By the technician, whatever goes on; it may be refused."""
        reply = await self._ask("carl", Reset())
        if isinstance(reply, Asked) and reply.done:
            self._play.cause("people.reset.done")

    async def exchange(self) -> None:
        """The whole cabinet, if it is due and the kiosk is at rest; finished even when crashes lie between."""
        if not self.wants_exchange:
            return
        self.wants_exchange = False
        for _ in range(TRIES_MAX):
            view = await ask(self._play, "maintenance", GetUnits())
            if isinstance(view, Units) and view.exchange is None:
                await self._both(ExchangeStart(("cabinet",)))
                view = await ask(self._play, "maintenance", GetUnits())
            if isinstance(view, Units) and view.exchange is not None:
                self._play.rig.world.empty_cabinet()
                view = await ask(self._play, "maintenance", ExchangeStep("remove", "cabinet", "", "SEAL-1"))
            if isinstance(view, Units) and view.exchange is not None:
                done = await self._both(ExchangeEnd(view.exchange.number, view.exchange.digest))
                if isinstance(done, Asked) and done.done:
                    return
            await asyncio.sleep(5.0)

    async def _both(self, action: AnyAction) -> Any:
        asked = await self._ask("ben", action)
        if not isinstance(asked, Asked) or asked.done:
            return asked
        return await ask(self._play, "maintenance", ApproveAction("anna", PINS["anna"], asked.number, asked.content))

    async def _ask(self, who: str, action: AnyAction) -> Any:
        plain: dict[str, Any] = msgspec.to_builtins(action, builtin_types=(bytes,))
        return await ask(self._play, "maintenance", RequestAction(who, PINS[who], plain))
