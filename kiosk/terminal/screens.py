"""Which screen stands for a status, and which touches it takes. Pure: the same status shows the same screen.

Every state of the deposit table has its screen here (a test holds this table to `kiosk.core.state.State`); a touch
that a screen does not list is refused on the server, whatever a browser sends.
"""

from dataclasses import dataclass
from typing import Final

from kiosk.core import accounts
from kiosk.core.state import State
from kiosk.messages import BundleAt, DepositView, StaffView, Status
from kiosk.messages.watcher import UNSEEN
from kiosk.terminal.session import CODE_DIGITS_MAX, OPTIONS, PIN_DIGITS_MAX, SLOT_DIGITS_MAX, Session

URGENT_S: Final = 20.0  # from here on the screen asks whether more time is needed

KEYPAD: Final = tuple(f"digit:{digit}" for digit in "1234567890")
MASKED: Final = ("insert", "review", "result")  # where an onlooker could read an amount
STEPS: Final = ("count", "strap", "label", "store", "record")  # of the cash-in end, as the depositor sees them

SCREEN_OF: Final[dict[State, str]] = {
    State.WATCHING: "prepare",
    State.CONSENTING: "consent",
    State.STARTING: "prepare",
    State.CASH_IN: "insert",
    State.REFUSING: "insert",
    State.ACCEPTING: "insert",
    State.STACKING: "insert",
    State.PURGING: "insert",
    State.SETTLING: "closing_port",
    State.REVIEW: "review",
    State.RETURNING: "returning",
    State.SUSPENDED: "resume",
    State.JAMMED: "jam",
    State.RETRACTING: "retracting",
    State.RESETTING: "retracting",
    State.CLEARING: "bundling",
    State.COMMITTING: "bundling",
    State.COLLECTING: "bundling",
    State.REALIGNING: "bundling",
    State.STRAPPING: "bundling",
    State.MARKING: "bundling",
    State.STORING: "bundling",
    State.CLOSING: "finishing",  # these two are the last step of `bundling` when the deposit was credited
    State.RECEIPT: "finishing",
    State.DONE: "result",
}
STEP_OF: Final[dict[State, str]] = {
    State.CLEARING: "count",
    State.COMMITTING: "count",
    State.COLLECTING: "count",
    State.REALIGNING: "count",
    State.STRAPPING: "strap",
    State.MARKING: "label",
    State.STORING: "store",
    State.CLOSING: "record",
    State.RECEIPT: "record",
}
ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "identify": (*KEYPAD, "erase", "next", "leave", "more_time"),
    "out_of_service": ("staff",),
    "badge": ("leave", "more_time"),
    "pin": (*KEYPAD, "erase", "sign_in", "leave", "more_time"),
    "staff": ("leave", "more_time"),
    "label": (*KEYPAD, "erase", "label", "back", "more_time"),
    "account": ("yes", "no", "leave", "more_time"),
    "before": ("begin", "leave", "more_time"),
    "prepare": ("cancel",),
    "consent": ("consent", "cancel", "more_time"),
    "insert": ("done", "cancel", "more_time"),
    "review": ("confirm", "cancel", "more_time"),
    "returning": ("more_time",),
    "resume": (*KEYPAD, "erase", "resume", "more_time"),
    "result": ("finish", "more_time", "codes", "reprint"),
    "codes": ("codes", "result", "more_time"),
}
_DIGITS_MAX: Final = {"resume": CODE_DIGITS_MAX, "pin": PIN_DIGITS_MAX, "label": SLOT_DIGITS_MAX}
# The depositor's own waits; other deadlines are the machine's and no business of the screen.
WAITS_FOR_DEPOSITOR: Final = (
    State.CONSENTING,
    State.CASH_IN,
    State.REVIEW,
    State.RETURNING,
    State.SUSPENDED,
    State.DONE,
)
PART_OF: Final[dict[str, str]] = {
    "port": "port",
    "validator": "validator",
    "escrow": "store",
    "cash_in": "store",
    "transport": "belt",
    "tray": "tray",
    "bundle": "tray",
    "gate": "gate",
    "cabinet": "safe",
    "retract": "box",
}  # place of a note or of an obstacle -> part of the picture; anything else is shown nowhere
PART_AT: Final[dict[str, str]] = {
    "accepting": "validator",
    "stacking": "store",
    "purging": "box",
    "clearing": "belt",
    "committing": "belt",
    "collecting": "belt",
    "realigning": "tray",
    "strapping": "tray",
    "marking": "tray",
    "storing": "safe",
    "retracting": "box",
    "resetting": "box",
    "closing": "safe",
    "receipt": "safe",
}  # state -> where the machine is at work
RESULTS: Final = {
    "credited": "credited",
    "returned": "returned",
    "retracted": "retracted",
    "jammed": "jammed",
    "refused_risk": "refused_risk",
    "position_not_empty": "machine",
    "board_not_ready": "machine",
    "shutter_jammed": "machine",
}  # outcome of the deposit -> words; every other outcome means that nothing was deposited


@dataclass(frozen=True)
class Deadline:
    """Until the kiosk acts by itself."""

    left_s: float
    total_s: float

    @property
    def urgent(self) -> bool:
        """Whether to ask; a wait that is short from its beginning never hurries anybody."""
        return self.left_s <= URGENT_S < self.total_s


@dataclass(frozen=True)
class Screen:
    """What is shown, and which touches it takes."""

    name: str  # of the template
    actions: tuple[str, ...]
    deadline: Deadline | None = None
    masked: bool = False  # somebody may look on: amounts are shown only when touched


def screen(status: Status | None, session: Session, deadline: Deadline | None, languages: tuple[str, ...]) -> Screen:
    """The screen of this moment. `status` None: there is no controller to ask."""
    name = _name(status, session)
    actions = ACTIONS.get(name, ())
    deposit = status.deposit if status is not None else None
    if name == "result" and deposit is not None:
        absent = {"codes": not deposit.receipt_qrs, "reprint": not deposit.receipt_reprints_left}
        actions = tuple(act for act in actions if not absent.get(act))
    if name == "insert" and deposit is not None and deposit.each_note_final:
        actions = tuple(act for act in actions if act != "cancel")  # there is nothing that could be given back
    if name == "attract":
        actions = ("staff", *(f"option:{option}" for option in OPTIONS))
    if status is not None and status.staff is not None:
        actions = _of_staff(name, actions, status.staff, session)
    masked = deposit is not None and name in MASKED and _looked_on(deposit) and not session.revealed
    if masked:
        actions = (*actions, "reveal")
    if name in ("attract", "identify", "badge"):
        actions = (*actions, *(f"language:{code}" for code in languages))
    return Screen(name, actions, deadline if name in ACTIONS else None, masked)


def _of_staff(name: str, actions: tuple[str, ...], staff: StaffView, session: Session) -> tuple[str, ...]:
    if name == "label":
        busy = staff.label is not None and staff.label.stands == "printing"
        may = not busy and bundle_at(staff, session.digits) is not None
        return tuple(act for act in actions if act != "label" or may)
    if name == "staff":
        return (*actions, *(f"staff:{act}" for act in staff.offers), *(("labels",) if staff.labels else ()))
    return actions


def bundle_at(staff: StaffView, slot: str) -> BundleAt | None:
    """The bundle from the slot that was typed, if there was one."""
    return next((each for each in staff.labels if slot and each.slot == int(slot)), None)


def _looked_on(deposit: DepositView) -> bool:
    """Whether somebody may read the amounts: something was noticed, not only that a sensor is silent."""
    worried = deposit.grade in ("medium", "high")
    return worried and not (deposit.reasons and UNSEEN.issuperset(deposit.reasons))


def _name(status: Status | None, session: Session) -> str:
    if status is None:
        return "starting"
    if status.deposit is None:
        return _idle(status, session)
    if not status.devices_connected and status.deposit.state != State.DONE:
        return "trouble"
    return _under_way(status.deposit, session)


def _under_way(deposit: DepositView, session: Session) -> str:
    state = State(deposit.state)
    if deposit.obstacle and state is not State.JAMMED:
        return "held"
    if state in STEP_OF and credited(deposit):
        return "bundling"
    if state is State.DONE and session.codes_page and deposit.receipt_qrs:
        return "codes"
    return SCREEN_OF[state]


def _idle(status: Status, session: Session) -> str:
    if status.staff is not None:
        return "label" if session.labelling and status.staff.labels else "staff"
    if session.staff:
        return "badge" if session.badge is None else "pin"
    if not status.in_service:
        return "out_of_service"
    if session.language is None:
        return "attract"
    if session.looked_up is None:
        return "identify"
    return "before" if session.informed else "account"


def credited(deposit: DepositView) -> bool:
    """Whether the point of no return has been passed."""
    return bool(deposit.confirmed_at)


def result_of(deposit: DepositView) -> str:
    """Which words the result begins with."""
    if deposit.outcome == "returned" and not deposit.returned:
        return "nothing"
    words = RESULTS.get(deposit.outcome, "nothing")
    return "unclear" if words == "nothing" and (deposit.disputed or deposit.disputed_unvalued) else words


def limit_reached(deposit: DepositView) -> bool:
    """Whether no note of any currency goes in any more without going over a limit."""
    return bool(deposit.room) and not any(amount.minor for amount in deposit.room)


def digits_max(name: str) -> int:
    """How many digits this screen's keypad takes."""
    return _DIGITS_MAX.get(name, accounts.ACCOUNT_DIGITS_MAX)


def grouped(digits: str) -> str:
    """In fours, as on a bank card."""
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))
