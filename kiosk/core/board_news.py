"""What the board's event ring and the port's own sensors tell between commands: evidence, alerts, doubt."""

from typing import Final

from msgspec.structs import replace

from kiosk.core import ledger, records, steps
from kiosk.core.facts import BoardHappened, BoardHappening, PortTampered
from kiosk.core.state import Deposit, Outcome

WORDS: Final[dict[BoardHappening, str]] = {
    "tray_removed": "the tray was taken out",
    "tray_emptied": "the tray was emptied by hand",
    "gate_opened": "the cabinet gate opened without a command",
    "jam": "the board jammed",
    "door": "the board saw the cabinet door move",
    "supply_low": "the board's supply is low",
}
JAM_PLACES: Final = {1: "at the transport", 2: "at the tray", 3: "at the gate"}
LOST: Final = "more board events came than its ring holds: some were never read"
QUIET: Final[frozenset[BoardHappening]] = frozenset({"door"})  # the door's own line raises the alert
_OPENS_THE_GATE: Final = (steps.STORE, steps.PURGE)


def in_words(kind: BoardHappening, argument: int) -> str:
    """One event, for a record or a technician."""
    return f"{WORDS[kind]} {JAM_PLACES.get(argument, '')}".rstrip() if kind == "jam" else WORDS[kind]


def happened(deposit: Deposit, fact: BoardHappened) -> Outcome:
    """Kept in the record as evidence; the bank hears of it at once. A tray that was touched is looked at again."""
    commanded = deposit.board is not None and deposit.board.opcode in _OPENS_THE_GATE
    events = [item for item in fact.events if not (item[0] == "gate_opened" and commanded)]
    deposit = replace(deposit, ring=fact.mark)
    for kind, argument in events:
        deposit = steps.remark(deposit, in_words(kind, argument))
    if fact.lost:
        deposit = steps.remark(deposit, LOST)
    touched = fact.lost or any(kind in ("tray_removed", "tray_emptied") for kind, _ in events)
    deposit = replace(deposit, rescan=deposit.rescan or (touched and deposit.confirmed))
    loud = tuple(in_words(kind, argument) for kind, argument in events if kind not in QUIET)
    return steps.stay(deposit, note=(records.alert(deposit, "board", loud),) if loud else ())


def tampered(deposit: Deposit, fact: PortTampered) -> Outcome:
    """Before the confirmation it puts the credit under a reservation; afterwards it is the bank's risk alone."""
    deposit = ledger.reserve(steps.remark(deposit, fact.how), "port_tamper")
    deposit = steps.endangered(deposit, "storing" if deposit.confirmed else "escrow", fact.how)
    return steps.stay(deposit, note=(records.alert(deposit, "port_tamper", (fact.how,)),))
