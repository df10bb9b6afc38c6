"""Pairs of the deposit table that nothing reaches, by reason. One that is reached after all fails the check.

The rows stay because a device that breaks its protocol must cost neither the controller its life nor anybody a note.
"""

from typing import Final

from kiosk.core.state import State

S = State
Explained = dict[str, dict[str, tuple[State, ...]]]

_BEFORE_PORT = (S.WATCHING, S.CONSENTING, S.STARTING)
_BUNDLING = (S.CLEARING, S.REALIGNING, S.STRAPPING, S.MARKING, S.STORING)

IMPOSSIBLE: Final[Explained] = {}
