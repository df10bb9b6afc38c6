"""The deposit table's states and the like, in words for a technician."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kiosk.core.state import State
from kiosk.messages import Amount

STATES: Final[dict[str, str]] = {
    State.IDLE: "waits for a depositor",
    State.WATCHING: "the scene is graded before the shutter may open",
    State.CONSENTING: "the depositor is asked whether each note may be final",
    State.STARTING: "cash-in starts: shutter opens, validator is enabled",
    State.CASH_IN: "notes may be inserted",
    State.REFUSING: "a note is given back at the throat",
    State.ACCEPTING: "a note is being read in",
    State.STACKING: "a note is on its way to the escrow or the cassette",
    State.PURGING: "a suspect note goes to the retract bin",
    State.SETTLING: "no more notes; the port closes",
    State.REVIEW: "the depositor confirms or cancels",
    State.RETURNING: "notes are given back",
    State.SUSPENDED: "unconfirmed; can be resumed with the deposit code",
    State.JAMMED: "jammed; waits for a technician",
    State.RETRACTING: "notes that nobody took are retracted",
    State.CLEARING: "confirmed and credited; a suspect note must leave the board first",
    State.COMMITTING: "confirmed and credited; the escrow is emptied",
    State.COLLECTING: "the tray collects the notes",
    State.REALIGNING: "the board looks again at what is where",
    State.STRAPPING: "the bundle is strapped",
    State.MARKING: "the bundle gets its label",
    State.STORING: "the bundle goes to its cabinet slot",
    State.RESETTING: "every device is being brought to a known state",
    State.CLOSING: "the record is made",
    State.RECEIPT: "the record is made; the receipt is printed",
    State.DONE: "done; the result is on the screen",
}
# ISO 4217 currencies without a minor unit; all others here have two digits.
_WITHOUT_MINOR: Final = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "XAF", "XOF", "PYG", "UGX"})


def state_in_words(state: str) -> str:
    """What the kiosk does in this state; an unknown one, of a newer controller, as it is."""
    return STATES.get(state, state.replace("_", " "))


def amount_in_words(amount: Amount) -> str:
    """E.g. `1,250.00 CNY`."""
    if amount.currency in _WITHOUT_MINOR:
        return f"{amount.minor:,} {amount.currency}"
    return f"{amount.minor / 100:,.2f} {amount.currency}"


def amounts_in_words(amounts: Iterable[Amount]) -> str:
    """Several amounts, or `nothing`."""
    return ", ".join(amount_in_words(amount) for amount in amounts) or "nothing"


def duration_in_words(seconds: float) -> str:
    """E.g. `3 days 4 h`, `12 min`, `40 s`: the two largest units that are not zero."""
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left_s = divmod(rest, 60)
    parts = ((days, "days"), (hours, "h"), (minutes, "min"), (left_s, "s"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2]) or "0 s"


def action_in_words(action: Mapping[str, Any]) -> str:
    """What is being asked for: the action and every parameter, nothing shortened - it is what will be signed."""
    parameters = (f"{name} {_value_in_words(value)}" for name, value in action.items() if name != "action")
    return ", ".join((str(action.get("action")), *parameters))


def _value_in_words(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_value_in_words(item)}" for name, item in value.items() if item not in (None, ""))
    if isinstance(value, list | tuple):
        return "; ".join(map(_value_in_words, value))
    return str(value)
