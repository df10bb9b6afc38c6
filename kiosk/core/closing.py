"""Guarantee, appraisal and record: the end of every deposit."""

from msgspec.structs import replace

from kiosk.core import paper, records, steps
from kiosk.core.facts import Assessed, GuaranteeChecked
from kiosk.core.state import Deposit, Outcome, RecordDraft


def assessed(deposit: Deposit, fact: Assessed) -> Outcome:
    """The watcher's last word on each stage."""
    deposit, alerts = steps.merge(deposit, fact)
    if not fact.asked or len(fact.assessments) < len(steps.ALL_STAGES):
        return steps.stay(deposit, note=alerts)  # a late answer to an earlier question
    return _record(replace(deposit, assessed=True), fact.at, alerts)


def checked(deposit: Deposit, fact: GuaranteeChecked) -> Outcome:
    """The guarantee's findings. One that failed is an alert; it takes nothing from the depositor."""
    failed = tuple(f"{one.area}, {one.check}: {one.reason}" for one in fact.findings if not one.passed)
    alerts = (records.alert(deposit, "guarantee", failed),) if failed else ()
    return _record(replace(deposit, findings=fact.findings, checked=True), fact.at, alerts)


def _record(deposit: Deposit, at: str, alerts: tuple[RecordDraft, ...]) -> Outcome:
    if not (deposit.assessed and deposit.checked):
        return steps.stay(deposit, note=alerts)
    return paper.after_record(deposit, (*alerts, records.deposit_record(deposit, at)))


def finished(deposit: Deposit, _: object) -> Outcome:
    """The terminal is free for the next depositor; nothing personal is left in memory."""
    return Outcome(Deposit(ring=deposit.ring))  # how far the board was heard stays known
