"""Who may use what at the machine's maintenance socket: one table, which the controller enforces and the docs print.

Three kinds of requests. What is not in the tables below needs nobody to be signed in: what is seen of it everybody at
the open cabinet sees, too, and commissioning begins with it. `SIGNED` names the requests that take a person with one of
these roles. Everything that changes money, keys, people or the machine is an *action*: its seats
(`kiosk.core.actions`) say who asks and who approves, and it is on record before it happens.
"""

from collections.abc import Mapping
from typing import Final

from kiosk.core.people import Role

EVERYBODY: Final = frozenset(Role)
LOOKS_DEEPER: Final = frozenset({Role.TECHNICIAN, Role.SUPERVISOR, Role.AUDITOR})
HANDS_ON: Final = frozenset({Role.STAFF, Role.TECHNICIAN, Role.SUPERVISOR})

# Those that only look: who looked is on record, too (what is made for somebody to carry away has a record of its own).
LOOKS: Final = frozenset({"GetLog", "GetJournal", "GetOutbox", "TestDevice"})

SIGNED: Final[Mapping[str, frozenset[Role]]] = {
    "SignIn": EVERYBODY,
    "ChangeSecret": EVERYBODY,
    "OfferSecondFactor": EVERYBODY,
    "ConfirmSecondFactor": EVERYBODY,
    "SetDuress": EVERYBODY,
    "GetLog": EVERYBODY - {Role.COURIER},
    "GetJournal": LOOKS_DEEPER,
    "GetOutbox": LOOKS_DEEPER,
    "TestDevice": HANDS_ON,
    "MakeFile": LOOKS_DEEPER,
    "Capture": frozenset({Role.TECHNICIAN, Role.AUDITOR}),
    "FetchFile": LOOKS_DEEPER,
    "DryRun": EVERYBODY - {Role.AUDITOR},
    # What somebody asked for: who may sign or withdraw it is a matter of its seats.
    "ApproveAction": EVERYBODY - {Role.AUDITOR},
    "CarryOut": EVERYBODY - {Role.AUDITOR},
    "WithdrawAction": EVERYBODY - {Role.AUDITOR},
}
