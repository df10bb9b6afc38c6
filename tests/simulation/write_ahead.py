"""The rule of writing ahead, judged where notes move: nothing does without a durable intent for just that.

The world tells when a device takes up something that moves a note; which facts and orders are durable by then is
known from the commits that have returned. Neither is the controller's own word.
"""

from collections import Counter
from typing import Any, Final

from firmware_bridge.interfaces import BoardOpcode, BoardResult
from hwsim.notes import Place
from hwsim.world import Happening, World
from kiosk.core import facts as f
from kiosk.core import orders as o
from kiosk.core.facts import Fact
from kiosk.core.ledger import OF_NO_NOTE
from kiosk.core.orders import AnyOrder
from kiosk.core.state import Deposit, Outcome, State

_RING: Final = {
    "tray_removed": "tray_removed",
    "tray_emptied_by_hand": "tray_emptied",
    "gate_opened": "gate_opened",
    "jam": "jam",
    "door": "door",
    "supply_low": "supply_low",
}
_WORK: Final[dict[str, type[AnyOrder]]] = {"smart_empty": o.EmptyStore, "return": o.CancelEscrow}


class WriteAhead:
    """Told of durable facts and of happenings; `complaints` collects what moved without a durable intent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.complaints: list[str] = []
        self._intents: set[type[Any]] = set()
        self._dispatched: set[tuple[int, int, int]] = set()  # boot id, sequence, opcode
        self._credits = 0  # that the validator has said and no durable fact knows
        self._opcode = 0  # that the board took up last
        self._ends: Counter[tuple[int, str]] = Counter()  # of board commands, as the board said them and no fact knows
        self._at_reset = 0  # durable facts of what became of a note at power-up, since the last acknowledgement
        self._board_events: Counter[str] = Counter()  # that the board has put into its ring
        self._board_told: Counter[str] = Counter()  # and that durable facts know

    def durable(self, fact: Fact, outcome: Outcome, before: Deposit) -> None:
        """A commit has returned."""
        if isinstance(fact, f.Reconciled):
            self._intents.clear()  # what was to be done is ordered anew
            self._ends.clear()
        self._intents.update(type(order) for order in outcome.orders)
        if isinstance(fact, f.BoardDispatched):
            self._dispatched.add((fact.boot_id, fact.sequence, fact.opcode))
        if isinstance(fact, f.BoardFinished):
            self._finished(fact.opcode, BoardResult(fact.result).name.lower())
        if isinstance(fact, f.BoardHappened):
            self._heard(fact)
        self._at_reset += isinstance(fact, f.AtReset) and fact.kind not in OF_NO_NOTE
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
            case "validator", "acknowledged":
                self._acknowledged(happening.facts)
            case "validator", "ready":
                self._credits = 0  # what it had not told before its power went it tells otherwise
            case "validator", "committed":
                self._needs(o.CommitEscrow, "the escrow was committed")
            case "validator", "work_started":
                order = _WORK.get(happening.facts["work"])
                if order is not None:
                    self._needs(order, f"{happening.facts['work']} began")
            case "board", what:
                self._board_happened(what, happening.facts)

    def _board_happened(self, what: str, facts: dict[str, Any]) -> None:
        if what in _RING:
            self._board_events[_RING[what]] += 1
        elif what == "finished":  # it names no opcode where it refuses one
            self._ends[self._opcode, facts["result"]] += 1
        elif what == "accepted":
            self._opcode = facts["opcode"]
            self._board(facts)

    def _needs(self, order: type[Any], what: str) -> None:
        if order not in self._intents:
            self.complaints.append(f"{what} without a durable {order.__name__}")

    def _finished(self, opcode: int, result: str) -> None:
        if not self._ends[opcode, result]:
            self.complaints.append(f"opcode {opcode} was taken to have ended with {result}, which the board never said")
        self._ends[opcode, result] = max(self._ends[opcode, result] - 1, 0)

    def _acknowledged(self, facts: dict[str, Any]) -> None:
        if self._credits and facts["credits"]:
            self.complaints.append("a credit was acknowledged before it was durable")
        if facts["at_power_up"] > self._at_reset:
            self.complaints.append("what became of a note at power-up was acknowledged, and nothing durable says it")
        self._at_reset = 0

    def _heard(self, fact: f.BoardHappened) -> None:
        """An event of the board is news once: nothing is looked at again, nor said to the bank, for an old one."""
        self._board_told.update(kind for kind, _ in fact.events)
        more = self._board_told - self._board_events
        if more:
            self.complaints.append(f"board events were taken twice: {dict(more)}")
            self._board_told &= self._board_events  # said once is enough

    def _board(self, facts: dict[str, Any]) -> None:
        key = (facts["boot_id"], facts["sequence"], facts["opcode"])
        if facts["opcode"] == BoardOpcode.HOME:
            return  # it moves no note
        if key not in self._dispatched:
            self.complaints.append(f"the board took up opcode {key[2]}, sequence {key[1]}, that was not durable")
        self._dispatched.discard(key)  # once only
