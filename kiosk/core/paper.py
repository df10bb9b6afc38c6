"""The receipt on paper: after the record, before the result. It never holds up a credit or a record."""

from typing import Final

from msgspec.structs import replace

from kiosk.core import records
from kiosk.core.facts import ReceiptPrinted, Reconciled, Reprint
from kiosk.core.orders import CloseShutter, DisableValidator, PrintReceipt
from kiosk.core.state import Deposit, Outcome, Paper, RecordDraft, State

REPRINTS_MAX: Final = 3  # that a depositor may ask for
COPIES_MAX: Final = 8  # of all reasons together: a printer that kills the controller is not fed for ever


def after_record(deposit: Deposit, note: tuple[RecordDraft, ...]) -> Outcome:
    """The deposit's record is in `note`. Where a note was inserted, the receipt statement follows it."""
    if not deposit.notes:
        return Outcome(replace(deposit, state=State.DONE), (), note)
    deposit = replace(deposit, state=State.RECEIPT, paper=Paper("pending"))
    return Outcome(deposit, (PrintReceipt(0),), (*note, records.receipt_statement(deposit)))


def printed(deposit: Deposit, fact: ReceiptPrinted) -> Outcome:
    """On paper, or not: the QR codes are on the screen either way."""
    if fact.copy != deposit.paper.copy:
        return Outcome(deposit)  # a late word about an earlier copy
    note = (records.alert(deposit, "receipt", (fact.detail,)),) if fact.result == "failed" else ()
    return Outcome(replace(deposit, state=State.DONE, paper=replace(deposit.paper, stands=fact.result)), (), note)


def gave_up(deposit: Deposit, _: object) -> Outcome:
    """No word of the printer."""
    return Outcome(replace(deposit, state=State.DONE, paper=replace(deposit.paper, stands="failed")))


def reprint(deposit: Deposit, _: Reprint) -> Outcome:
    """Another copy, marked as one; a bounded number of times."""
    paper = deposit.paper
    if not reprints_left(paper):
        return Outcome(deposit)
    return _again(replace(deposit, paper=replace(paper, reprints=paper.reprints + 1)))


def in_doubt(deposit: Deposit, _: Reconciled) -> Outcome:
    """Power or controller failed while it was printed: nobody knows what came out, so the next one is a copy."""
    outcome = _again(deposit)
    return replace(outcome, orders=(DisableValidator(), CloseShutter(), *outcome.orders))


def reprints_left(paper: Paper) -> int:
    """How many more copies the depositor may ask for."""
    if paper.stands not in ("printed", "failed") or paper.copy >= COPIES_MAX:
        return 0
    return max(REPRINTS_MAX - paper.reprints, 0)


def _again(deposit: Deposit) -> Outcome:
    paper = deposit.paper
    if paper.copy >= COPIES_MAX:
        return gave_up(deposit, None)
    deposit = replace(deposit, state=State.RECEIPT, paper=replace(paper, stands="pending", copy=paper.copy + 1))
    return Outcome(deposit, (PrintReceipt(deposit.paper.copy),))
