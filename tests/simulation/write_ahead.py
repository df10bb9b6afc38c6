"""The rule of writing ahead, judged where notes move: nothing does without a durable intent for just that.

The world tells when a device takes up something that moves a note; which facts and orders are durable by then is
known from the commits that have returned. Neither is the controller's own word.
"""

from typing import Any, Final

from hwsim.notes import Place
from hwsim.world import Happening, World
from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.facts import Fact
from kiosk.core.orders import AnyOrder
from kiosk.core.state import Deposit, Outcome, State

_MOVING: Final = frozenset({2, 5, 6, 7})  # collect, store, return, purge
_WORK: Final[dict[str, type[AnyOrder]]] = {"smart_empty": o.EmptyStore, "return": o.CancelEscrow}


class WriteAhead:
    """Told of durable facts and of happenings; `complaints` collects what moved without a durable intent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.complaints: list[str] = []
        self._intents: set[type[Any]] = set()
        self._dispatched: set[tuple[int, int, int]] = set()  # boot id, sequence, opcode
        self._credits = 0  # that the validator has said and no durable fact knows
        self._boot_id = 0

    def durable(self, fact: Fact, outcome: Outcome, before: Deposit) -> None:
        """A commit has returned."""
        if isinstance(fact, f.Reconciled):
            self._intents.clear()  # what was to be done is ordered anew
        self._intents.update(type(order) for order in outcome.orders)
        if isinstance(fact, f.BoardDispatched):
            self._dispatched.add((fact.boot_id, fact.sequence, fact.opcode))
        if isinstance(fact, f.NoteCredited):
            self._credits = max(self._credits - 1, 0)
        if before.state is State.STARTING and outcome.deposit.state is State.CASH_IN:
            left = self._world.notes.count(Place.STORE)
            if left:
                self.complaints.append(f"{left} notes are in the store when the port opens for the next depositor")

    def happened(self, happening: Happening) -> None:
        """Something happened in the world."""
        match happening.source, happening.what:
            case "validator", "accepted":
                self._needs(o.AcceptNote, "a note was taken in")
                self._intents.discard(o.AcceptNote)
            case "validator", "credited":
                self._credits += 1
            case "validator", "acknowledged" if self._credits and happening.facts["credits"]:
                self.complaints.append("a credit was acknowledged before it was durable")
            case "validator", "ready":
                self._credits = 0  # what it had not told before its power went it tells otherwise
            case "validator", "committed":
                self._needs(o.CommitEscrow, "the escrow was committed")
            case "validator", "work_started":
                order = _WORK.get(happening.facts["work"])
                if order is not None:
                    self._needs(order, f"{happening.facts['work']} began")
            case "board", "accepted" if happening.facts["opcode"] in _MOVING:
                self._board(happening.facts)

    def _needs(self, order: type[Any], what: str) -> None:
        if order not in self._intents:
            self.complaints.append(f"{what} without a durable {order.__name__}")

    def _board(self, facts: dict[str, Any]) -> None:
        key = (facts["boot_id"], facts["sequence"], facts["opcode"])
        if key not in self._dispatched:
            self.complaints.append(f"the board took up opcode {key[2]}, sequence {key[1]}, that was not durable")
        self._dispatched.discard(key)  # once only
