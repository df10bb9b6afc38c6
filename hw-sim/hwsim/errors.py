"""What can go wrong in the simulator itself, each with a remedy for the person at the control page."""


class HwsimError(Exception):
    """Root of the simulator's own errors; `remedy` says what to do."""

    remedy: str = "See hwsim's log."

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy


class InsertionRefused(HwsimError, RuntimeError):
    """A hand cannot feed a note now."""

    remedy = "Wait until the shutter is open and nothing lies in the throat or the bezel."


class UnknownFault(HwsimError, LookupError):
    """No such device, fault, line or scene field, or bad parameters."""

    remedy = "List them with `hwsim faults` or GET /faults."


class ScenarioError(HwsimError, ValueError):
    """A scenario file that cannot be used as written."""

    remedy = "Correct the file; hwsim/README.md lists the keys."


class ConservationError(HwsimError, AssertionError):
    """The world lost count of a note: a bug of the simulator, never of the product."""

    remedy = "Report it with the seed; no result of this run counts."
