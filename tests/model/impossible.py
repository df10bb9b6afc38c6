"""Pairs of the deposit table that nothing reaches, by reason. One that is reached after all fails the check.

The rows stay because a device that breaks its protocol must cost neither the controller its life nor anybody a note.
"""

from typing import Final

from kiosk.core.state import State

S = State
Explained = dict[str, dict[str, tuple[State, ...]]]

_NO_SHUTTER = (S.CASH_IN, S.ACCEPTING, S.REFUSING, S.COLLECTING, S.STRAPPING, S.MARKING, S.STORING)
_BEFORE_PORT = (S.WATCHING, S.CONSENTING, S.STARTING)
_BUNDLING = (S.STRAPPING, S.MARKING, S.STORING)
_NONE_IN_FLIGHT = (S.CASH_IN, S.REFUSING, S.ACCEPTING, S.PURGING, S.CLEARING, *_BUNDLING)

IMPOSSIBLE: Final[Explained] = {
    "the port has not opened: the validator is disabled, and a deposit begins only when nothing is in its path": {
        "NoteRead": _BEFORE_PORT,
        "NoteCredited": _BEFORE_PORT,
    },
    "the store is empty before the bundle is strapped, and the validator is disabled: no note moves in it": {
        "NoteRead": _BUNDLING,
        "NoteCredited": _BUNDLING,
        "AtReset": _BUNDLING,
    },
    "the path holds one note at a time: while one is on its way to where it stays, no other is read": {
        "NoteRead": (S.STACKING,),
    },
    "orders are carried out one after another, each outcome offered before the next begins: the shutter has answered "
    "before the order that leads here (to take notes, to commit, to run the belt) is taken up": {
        "ShutterMoved": _NO_SHUTTER,
    },
    "the state's only order is to commit; the board's command of the state before was dispatched there, or dropped": {
        "BoardDispatched": (S.COMMITTING,),
    },
    "a note in flight settles, or is reconciled, before this state begins; only one that is stuck beyond reach lasts "
    "longer, no purge of a suspect note follows it, and while it lasts the store cannot be emptied": {
        "NoteStored": _NONE_IN_FLIGHT,
        "NoteStacked": _NONE_IN_FLIGHT,
    },
}
