"""What both sides said of every case, and where that is not what it should be."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from kiosk.errors import VerificationError
from tests.interop import peers
from tests.interop.case import Case

LEAST: Final = 20  # accepted, and tampered refused, of each verifier


@dataclass
class Tally:
    """One verifier's: what it and we agreed on, and every case where one of us said something else."""

    accepted: int = 0
    tampered_refused: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was wrong and there was enough of both."""
        return not self.wrong and min(self.accepted, self.tampered_refused) >= LEAST

    def as_json(self) -> dict[str, int]:
        """For the last line."""
        return {"accepted": self.accepted, "tampered_refused": self.tampered_refused}


def judge(name: str, cases: Iterable[Case], tally: Tally) -> None:
    """Put `cases` before the peer `name` and before us. Raises peers.PeerFailed."""
    asked = list(cases)
    for case, answer in zip(asked, peers.ask(name, [case.question for case in asked]), strict=True):
        theirs, ours = bool(answer["accepted"]), _ours(case)
        if (theirs, ours) != (case.good, case.good):
            tally.wrong.append(f"{name}: {case.what}: they {_word(theirs)}, we {_word(ours)} ({answer['says']})")
        elif case.good and case.says is not None and answer["says"] != case.says:
            tally.wrong.append(f"{name}: {case.what}: they read {answer['says']!r}")
        elif case.good:
            tally.accepted += 1
        else:
            tally.tampered_refused += 1


def _ours(case: Case) -> bool:
    try:
        case.ours()
    except VerificationError:
        return False
    return True


def _word(accepted: bool) -> str:
    return "accept" if accepted else "refuse"
