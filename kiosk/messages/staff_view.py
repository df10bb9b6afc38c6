"""Who of the staff is signed in at the screen, and what the screen offers them: a part of its status."""

from typing import Final, Literal

import msgspec

# duty: sign on or off; collect, emptied, end: the steps of a hand-over of the cabinet's cash; approve, withdraw: as the
# second person, or either. What is offered depends on the person's roles and on what is open.
StaffAct = Literal["duty_on", "duty_off", "collect", "approve", "withdraw", "emptied", "end"]
STAFF_ACTS: Final[tuple[StaffAct, ...]] = ("duty_on", "duty_off", "collect", "approve", "withdraw", "emptied", "end")


class BundleAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle of the hand-over whose label may be printed again."""

    slot: int
    bundle: str
    notes: int
    labelled: bool  # by the machine, or since by a person


class LabelView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The label that was last printed again, or is being printed."""

    bundle: str
    copy: int
    stands: Literal["printing", "printed", "failed"]


class StaffView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is signed in at the screen, and what the screen offers them."""

    staff: str
    offers: tuple[StaffAct, ...]
    asked_by: str = ""  # who has asked for what `approve` approves
    asked: Literal["", "start", "end"] = ""  # the beginning or the end of a hand-over waits for a second person
    bundles: int = 0  # in the cabinet
    exchange: int = 0  # the number of the hand-over that is open; 0: none
    emptied: bool = False  # and all its bundles have been taken out
    done: str = ""  # the last act that succeeded
    labels: tuple[BundleAt, ...] = ()  # whose label this person may have printed again
    label: LabelView | None = None  # the last one of them, in the hand-over that is open
    whole: bool = True  # False: without the second factor that is asked for here; then only duty is offered
