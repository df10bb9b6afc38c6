"""Why a note may be disputed: the reason in the record, the troubles that can bring it, and what no device can tell.

A dispute whose reason is not here, or whose deposit met none of its troubles, is unexplained: then the product gave up
where it could have known, or the judge does not understand it. Both are bugs.
"""

import re
from typing import Final, NamedTuple

POWER: Final = (  # a device, or the controller, begins anew: a disk that takes no commit ends it, a reset restarts it
    "crash.",
    "validator.restart",
    "board.restart",
    "cabinet.line_pulse:power_good",
    "mains.",
    "disk.",
    "people.reset",
)
LINKS: Final = (  # one device that is not heard stops all: the port closes, whatever waits there
    "line.",
    *(f"{device}.{how}" for device in ("board", "label", "receipt") for how in ("mute", "lost_reply", "corrupt_reply")),
    "label.restart",
    "receipt.restart",
)
VALIDATOR: Final = ("validator.", "crash.validator", "line.", "crash.all", "crash.controller")
BOARD: Final = ("board.", "crash.", "line.")
GONE: Final = ("depositor.",)


class Why(NamedTuple):
    """A pattern of the record's reason, labels (or beginnings of labels) of its causes, and the missing evidence."""

    pattern: re.Pattern[str]
    causes: tuple[str, ...]
    evidence: str


def _why(pattern: str, causes: tuple[str, ...], evidence: str) -> Why:
    return Why(re.compile(pattern), causes, evidence)


TABLE: Final = (
    _why(
        r"not confirmed within the time for coming back",
        GONE,
        "only the depositor can confirm or take the notes back, and did neither in time",
    ),
    _why(
        r"not taken by the depositor",
        (*GONE, "hand.in_port", "cabinet.shutter_jam", "cabinet.stuck_line", *POWER, *LINKS),
        "the validator waits at the bezel: nothing but a hand can end that",
    ),
    _why(
        r"the validator did not return them",
        (*VALIDATOR, *GONE),
        "the validator says no to giving them back, three times; its other way out leads to the bank's side only",
    ),
    _why(
        r"could not be returned",
        (*VALIDATOR, *BOARD, "cabinet."),
        "the way out is closed or the notes have left the store, and nothing gives a single note back from there",
    ),
    _why(
        r"inside a jammed validator|jammed beyond reach without a credit",
        (*VALIDATOR, "technician."),
        "a jammed validator reports neither credit nor place of its notes until it is cleared",
    ),
    _why(
        r"inside the validator that was replaced",
        (*VALIDATOR, "technician."),
        "the old validator is gone with what it held, and the new one's counters know nothing of this deposit",
    ),
    _why(
        r"cleared to the front after its credit",
        (*POWER, "crash.validator"),
        "E1 does not say whether the note was taken at the bezel",
    ),
    _why(
        r"handed out when power or link failed; taking it was not seen",
        (*POWER, *LINKS, *VALIDATOR),
        "the dispense counter counts what reached the bezel, not what was taken",
    ),
    _why(
        r"left the store for the port or the stacker exit",
        (*POWER, *VALIDATOR),
        "the dispense counter says how many were handed out, not which, and the others went to the stacker exit",
    ),
    _why(
        r"left the store without a report",
        (*VALIDATOR, *POWER, "technician."),
        "neither dispense nor transfer counter accounts for a note that the store lacks",
    ),
    _why(
        r"the validator counted notes that it never reported|unpaired .* at power-up",
        (*POWER, *VALIDATOR),
        "the counters say that a note came in, and no report says which",
    ),
    _why(
        r"more notes in the store than the journal knows|more notes in the tray than the journal knows",
        (*POWER, *VALIDATOR, *BOARD, "technician."),
        "a sensor shows a note and no report says which",
    ),
    _why(
        r"credited, then not counted by the validator",
        (*POWER, *VALIDATOR, "technician."),
        "the credit was reported and neither counter holds it",
    ),
    _why(
        r"purge of a suspect note ended with result",
        BOARD,
        "after a failed purge the board does not know where the note stopped",
    ),
    _why(
        r"never came to the tray, and the credit was given under a reservation",
        ("validator.fraud", "cabinet.stuck_line", "cabinet.line_pulse:tamper", *POWER),
        "the board never saw the note, and the port was open to a hand while it was counted",
    ),
    _why(
        r"purged beside a suspect note|purge of a suspect note ended|more notes (purged|on the board) than",
        (*BOARD, *VALIDATOR, "note.suspect", "technician."),
        "on the belt the board cannot tell notes apart, and the suspect one had to leave",
    ),
    _why(
        r"ordered in, and the validator cannot tell whether it was stacked: it jammed",
        (*VALIDATOR, "technician."),
        "a jam within reach: a hand may have pulled the note out, or the next power-up may take it in",
    ),
    _why(
        r"it started again and said nothing of it",
        (*POWER, *VALIDATOR),
        "at power-up a validator tells of the note that it held: of this one nothing, so a hand has taken it out",
    ),
    _why(
        r"held inside the validator, which|ordered in, and the validator cannot tell",
        (*POWER, *VALIDATOR),
        "a validator without counters does not say what became of the note it was told to take",
    ),
    _why(
        r"reset by \w+ before the confirmation",
        ("people.reset",),
        "a person had everything inside moved to a known place, and none of it had been confirmed",
    ),
    _why(
        r"credited in state",
        (*POWER, *VALIDATOR, "people.reset"),
        "a credit came when no note could come in",
    ),
)


def explain(reason: str, causes: set[str]) -> tuple[str, str] | None:
    """(the trouble, why no device evidence decides), or None: unexplained."""
    for why in TABLE:
        if why.pattern.search(reason):
            fitting = sorted(cause for cause in causes if cause.startswith(why.causes))
            if fitting:
                return ", ".join(fitting), why.evidence
    return None
