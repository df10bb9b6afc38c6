"""A deposit with disputes and what two people make of them, as a kiosk puts it on record."""

from typing import Any

from kiosk.core import actions as a
from kiosk.core.authority import step
from kiosk.core.authority_facts import AnyAuthorityFact, Approved, Authority, Founded, Founder, Requested, Used
from kiosk.core.disputes import clearing_record, of_record, settled
from kiosk.core.people import Passphrase, Role
from tests.uplink_kit import deposit_content

Record = tuple[str, dict[str, Any]]
PIN = Passphrase(b"salt", b"verifier", 1, 1, 8)
DEPOSIT = (1).to_bytes(16, "big")
FOUNDERS = (
    Founder("anna", (Role.SUPERVISOR,), PIN),
    Founder("ben", (Role.STAFF,), PIN),
    Founder("carl", (Role.TECHNICIAN,), PIN),
)


def disputed() -> Record:
    """A deposit with three disputed notes: two of known value, one not."""
    content: dict[str, Any] = deposit_content(1)
    for n, value, currency in ((3, 5000, "CNY"), (4, 2000, "CNY"), (5, None, "")):
        content["notes"].append(
            {
                "n": n, "value": value, "currency": currency, "suspect": False,
                "place": "tray", "claim": "disputed", "reason": "",
            }
        )  # fmt: skip
    content["sums"]["CNY"]["disputed"] = 7000
    content["sums"]["CNY"]["inserted"] += 7000
    return "deposit", {**content, "disputed_unvalued": 1}


def clear(resolution: Any, *notes: a.ClearedNote) -> a.ClearDispute:
    return a.ClearDispute(DEPOSIT, notes, resolution, "counted in the vault, voucher 17")


FIRST = clear("returned", a.ClearedNote(3), a.ClearedNote(5, 10000, "CNY"))
SECOND = clear("not_found", a.ClearedNote(4))


def story(*clearings: a.ClearDispute) -> list[Record]:
    """The deposit, the first people, and each clearing as the kiosk puts it on record."""
    deposit = disputed()
    facts: list[AnyAuthorityFact] = [Founded(0, FOUNDERS)]
    for number, action in enumerate(clearings, 1):
        facts += [Requested(0, "ben", action), Approved(0, number, "anna", a.content(action))]
        facts += [Used(0, number, a.content(action))]
    state, records = Authority(), [deposit]
    for fact in facts:
        outcome = step(state, fact)
        state = outcome.state
        records += [(draft.kind, dict(draft.body)) for draft in outcome.records]
        if isinstance(fact, Used):
            action = clearings[fact.number - 1]
            draft = clearing_record(action, settled(action, of_record(deposit[1])), fact.number, ("ben", "anna"))
            records.append((draft.kind, dict(draft.body)))
    return records
