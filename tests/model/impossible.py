"""Pairs of the deposit table that nothing reaches, by reason. One that is reached after all fails the check.

The rows stay because a device that breaks its protocol must cost neither the controller its life nor anybody a note.
"""

from typing import Final

from kiosk.core.state import State

S = State
Explained = dict[str, dict[str, tuple[State, ...]]]

_BEFORE_PORT = (S.WATCHING, S.CONSENTING, S.STARTING)
_BUNDLING = (S.STRAPPING, S.MARKING, S.STORING)
_NONE_IN_FLIGHT = (S.CASH_IN, S.REFUSING, S.ACCEPTING, S.COMMITTING, S.COLLECTING, S.REALIGNING, *_BUNDLING)

IMPOSSIBLE: Final[Explained] = {
    "the port has not opened: the validator is disabled, and a deposit begins only when nothing is in its path": {
        "NoteRead": _BEFORE_PORT,
        "NoteCredited": _BEFORE_PORT,
        "AtReset": _BEFORE_PORT,
    },
    "the store is empty before the bundle is strapped, and the validator is disabled: no note moves in it": {
        "NoteRead": _BUNDLING,
        "NoteCredited": _BUNDLING,
        "AtReset": _BUNDLING,
        "Jammed": _BUNDLING,
    },
    "the path holds one note at a time: while one is under way, no other is read": {
        "NoteRead": (S.ACCEPTING, S.REFUSING, S.STACKING),
    },
    "a note in flight settles, or is reconciled, before this state begins": {
        "NoteStored": _NONE_IN_FLIGHT,
        "NoteStacked": _NONE_IN_FLIGHT,
    },
}
