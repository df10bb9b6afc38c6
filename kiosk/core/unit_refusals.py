"""Why something cannot be done with a storage unit, in XFS4IoT's codes, and the checks that several steps share."""

from typing import Final

from kiosk.core.storage import Exchange, Ledger

PERSONS: Final = 2


class UnitRefused(ValueError):
    """Nothing was changed. `code` is XFS4IoT's where it has one."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


def persons(by: tuple[str, ...]) -> None:
    """Two different people; who they are was verified before."""
    if len(by) != PERSONS or len(set(by)) != PERSONS or not all(by):
        raise UnitRefused("notAuthorised", "This takes two different people.", "Let a second person approve it.")


def within(ledger: Ledger, unit: str) -> Exchange:
    """The open exchange, if `unit` is in it."""
    exchange = ledger.exchange
    if exchange is None:
        raise UnitRefused("noExchangeActive", "No exchange is open.", "Start one with `kioskctl exchange start`.")
    if unit not in exchange.units:
        message = f"The {unit} is not in this exchange, which is of {', '.join(exchange.units)}."
        raise UnitRefused("invalidUnit", message, "End this exchange and start one of that unit.")
    return exchange
