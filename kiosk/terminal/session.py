"""What the terminal itself remembers: the language chosen, the digits being typed, and nothing else of a person."""

from dataclasses import dataclass
from typing import Final, Literal

from kiosk.core import accounts
from kiosk.messages import BadgeShown, LookedUp

OPTIONS: Final = ("large", "contrast", "speech")
CODE_DIGITS_MAX: Final = 16  # a deposit code has twelve
PIN_DIGITS_MAX: Final = 16
SLOT_DIGITS_MAX: Final = 4


@dataclass
class Session:
    """One person at the screen. Kept by the server, so that a browser may be reloaded at any moment."""

    language: str | None = None  # None: nobody has chosen one yet
    options: frozenset[str] = frozenset()  # of `OPTIONS`: how this person wants the screen
    digits: str = ""
    looked_up: LookedUp | None = None
    ticket: int = 0  # under which number the controller keeps the ticket that was shown; 0: the account was typed
    staff: Literal["", "badge", "pin", "in"] = ""  # somebody of the staff: how far they have shown who they are
    badge: BadgeShown | None = None
    secret: str = ""  # the PIN while its one-time code is typed; on no page, gone with the answer
    informed: bool = False  # the account is confirmed, and the notice before the deposit is being read
    revealed: bool = False  # the amount was asked to be seen although somebody may look on
    codes_page: int = 0  # which of the receipt's QR codes is looked at, from 1; 0: the result itself
    problem: str = ""  # a key of the catalogue's `text.problem`
    touched_s: float = 0.0  # monotonic
    labelling: bool = False  # whoever is signed in types the slot of a bundle that needs a label

    def reset(self) -> None:
        """Nobody is there any more."""
        self.language, self.options = None, frozenset()
        self.staff, self.badge = "", None
        self.forget()

    @property
    def begun(self) -> bool:
        """Whether anybody has touched anything yet."""
        return self.language is not None or bool(self.options) or bool(self.staff)

    def toggle(self, option: str) -> None:
        """Switch one of `OPTIONS` on or off."""
        self.options ^= {option}

    def forget(self) -> None:
        """What was typed was for another screen."""
        self.digits, self.informed, self.codes_page, self.problem = "", False, 0, ""
        self.secret = ""
        self.unknown()
        self.revealed = self.labelling = False

    def unknown(self) -> None:
        """Nobody has said yet which account it is."""
        self.looked_up, self.ticket = None, 0

    def type(self, digit: str, digits_max: int) -> None:
        """One more digit; over the most that there can be, none."""
        if len(self.digits) < digits_max:
            self.digits += digit

    def erase(self) -> None:
        """The last digit."""
        self.digits = self.digits[:-1]

    def account_problem(self) -> str:
        """What is wrong with the digits as an account number; empty when nothing is."""
        if len(self.digits) < accounts.ACCOUNT_DIGITS_MIN:
            return "incomplete"
        return "" if accounts.normalise(self.digits) else "check_digit"
