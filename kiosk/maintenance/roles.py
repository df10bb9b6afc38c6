"""Which command takes whom: a row for each, printed in docs/kioskctl.md. It decides nothing: the controller does.

A row names what the command sends. Who may send that is `kiosk.core.access` and the seats of `kiosk.core.actions`; a
test lets people of every role type every command and compares (tests/contract/test_role_matrix.py).
"""

from dataclasses import dataclass
from typing import Final

from kiosk.core import actions as a
from kiosk.core.access import SIGNED
from kiosk.core.actions import Action
from kiosk.core.people import Role


@dataclass(frozen=True)
class Takes:
    """What a command takes. Neither a request nor an action: nobody has to be signed in for it."""

    request: str = ""  # a key of `SIGNED`
    action: type[Action] | None = None
    changes: bool = False  # the kiosk, or who may do what; others only look
    local: bool = False  # works on files alone, without the controller

    def asks(self) -> frozenset[Role] | None:
        """Who may type it; None: anybody at the maintenance socket."""
        if self.action is not None:
            return frozenset(role for seat in self.action.seats for role in seat)
        return SIGNED[self.request] if self.request else None

    def seats(self) -> tuple[frozenset[Role], ...]:
        """Who must sign what it asks for: one seat, or two for two people."""
        return self.action.seats if self.action is not None else ()


LOOK: Final = Takes()
LOCAL: Final = Takes(local=True)
STEP: Final = Takes(changes=True)  # within what two people have signed, and counted when they sign its end


def _does(action: type[Action]) -> Takes:
    return Takes(action=action, changes=True)


def _own(request: str) -> Takes:
    return Takes(request=request, changes=True)


COMMANDS: Final[dict[str, Takes]] = {
    "status": LOOK,
    "watch": LOOK,
    "approvals": LOOK,
    "people list": LOOK,
    "people found": Takes(changes=True),  # once in the life of a journal, before anybody is enrolled
    "people enrol": _does(a.Enrol),
    "people revoke": _does(a.Revoke),
    "people renew": _does(a.Renew),
    "people pin": _own("ChangeSecret"),
    "people second-factor": _own("OfferSecondFactor"),
    "people duress": _own("SetDuress"),
    "approve": Takes(request="ApproveAction", changes=True),
    "carry-out": Takes(request="CarryOut", changes=True),
    "withdraw": Takes(request="WithdrawAction", changes=True),
    "accept-device": _does(a.AcceptDevice),
    "reset": _does(a.Reset),
    "dispute list": LOOK,
    "dispute clear": _does(a.ClearDispute),
    "keys show": LOOK,
    "keys rotate": _does(a.RotateKey),
    "model list": LOOK,
    "model install": _does(a.InstallModel),
    "model rollback": _does(a.RollBackModel),
    "model calibrate": _does(a.CalibrateModel),
    "risk map": LOOK,
    "units": LOOK,
    "exchange show": LOOK,
    "exchange start": _does(a.ExchangeStart),
    "exchange take": STEP,
    "exchange miss": STEP,
    "exchange remove": STEP,
    "exchange insert": STEP,
    "exchange end": _does(a.ExchangeEnd),
    "exchange slip": STEP,
    "count post": _does(a.PostCount),
    "report x": LOOK,
    "report z": _does(a.CloseDate),
    "report show": LOOK,
    "report list": LOOK,
    "commission next": LOOK,
    "commission devices": LOCAL,
    "commission configure": LOCAL,
    "commission request": LOCAL,
    "commission enrol": LOCAL,
    "commission pins": LOOK,
    "commission camera": LOOK,
    "commission calibration": LOOK,
    "commission golden": LOOK,
    "config check": LOCAL,
    "config show": LOCAL,
    "decode ssp": LOCAL,
    "encode ssp": LOCAL,
    "show status": LOOK,
    "show devices": LOOK,
    "show notes": LOOK,
    "show units": LOOK,
    "show risk": LOOK,
    "show config": LOOK,
    "show journal": Takes(request="GetJournal"),
    "show log": Takes(request="GetLog"),
    "show outbox": Takes(request="GetOutbox"),
    "test": Takes(request="TestDevice"),
    "service show": LOOK,
    "service enter": _does(a.ServiceEnter),
    "service leave": _does(a.ServiceLeave),
    "service open": _does(a.ServiceMove),
    "service close": _does(a.ServiceMove),
    "service home": _does(a.ServiceMove),
    "service jog": _does(a.ServiceMove),
    "service clear": _does(a.ClearJam),
    "set show": LOOK,
    "set value": _does(a.ChangeSetting),
    "set confirm": _does(a.ConfirmSettings),
    "set revert": _does(a.RevertSettings),
    "backup": Takes(request="MakeFile"),
    "restore": Takes(action=a.RestoreBackup, changes=True, local=True),  # its people are those of the copy
    "capture": Takes(request="Capture"),
    "replay": LOCAL,
    "bundle make": Takes(request="MakeFile"),
    "bundle verify": LOCAL,
    "shell": LOOK,
    "sign-in": Takes(request="SignIn"),
    "sign-out": LOOK,
    "whoami": LOOK,
}


def only_looks(path: str) -> bool:
    """Whether this command may be repeated by `watch`."""
    takes = COMMANDS.get(path)
    return takes is not None and not takes.changes and path not in ("watch", "shell", "sign-in", "sign-out")


def page() -> str:
    """The table as Markdown: who types a command, and who else must sign."""
    rows = ["| command | " + " | ".join(Role) + " | and another |", "|---|" + "---|" * (len(Role) + 1)]
    for path, takes in sorted(COMMANDS.items()):
        asks = takes.asks()
        marks = ["." if asks is None else "x" if role in asks else "" for role in Role]
        seats = takes.seats()
        another = ", ".join(sorted(seats[1])) if len(seats) > 1 else ""
        rows.append(f"| `{path}` | " + " | ".join(marks) + f" | {another} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page())  # noqa: T201 - for the docs
