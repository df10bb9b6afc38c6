"""Disputes of one kiosk, netted: what deposits left disputed, what was cleared since, by whom and whether they might.

Nothing is taken from the kiosk's word alone: what was signed is hashed again from the action that is on record, the
signers of a clearing must have asked and approved before, be two, and have had the roles. Memory grows with open
requests and open disputes, not with records.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kiosk.core import actions as a
from kiosk.core import people
from kiosk.core.disputes import Dispute, clearing_record, of_record, settled, sums_of
from kiosk.core.people import Role
from kiosk.errors import VerificationError

WAYS: Final = ("credited", "returned", "bank", "not_found")
NOT_FOUND: Final = "not_found"
KINDS: Final = ("people", "authority", "clearing", "bundle_count", "deposit")
_ACTIONS: Final[dict[str, type[a.Action]]] = {each.__name__: each for each in a.AnyAction.__args__}


@dataclass
class Net:
    """Of all kiosks together, minor units per currency. `found` is what notes of unknown value turned out to be."""

    cleared: dict[str, Counter[str]] = field(default_factory=lambda: {way: Counter() for way in WAYS})
    found: Counter[str] = field(default_factory=Counter)
    outstanding: Counter[str] = field(default_factory=Counter)
    outstanding_unvalued: int = 0

    def as_json(self) -> dict[str, Any]:
        """What happened to the disputed amounts: disputed + found = sum of cleared + outstanding."""
        return {
            "cleared_minor": {way: dict(sorted(self.cleared[way].items())) for way in WAYS},
            "found_minor": dict(sorted(self.found.items())),
            "outstanding_minor": dict(sorted(self.outstanding.items())),
            "outstanding_unvalued": self.outstanding_unvalued,
        }


@dataclass(frozen=True)
class _Signed:
    """A request as its records show it."""

    content: bytes
    by: tuple[str, ...]


@dataclass(frozen=True)
class _Count:
    """A count just before, which clears what it decided. `number` 0: the bank signed it."""

    number: int
    by: list[str]
    decided: dict[tuple[bytes, int], tuple[int | None, str, bool]]  # (deposit, note) -> value, currency, found
    resolutions: tuple[str, ...]  # of what it found


class Clearings:
    """Follows the records of one kiosk, in sequence."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._roles: dict[str, tuple[Role, ...]] = {}
        self._open: dict[int, _Signed] = {}
        self._used: tuple[int, _Signed, a.AnyAction | None] | None = None  # by the record just before
        self._count: _Count | None = None
        self._disputes: dict[bytes, dict[int, Dispute]] = {}

    def take(self, kind: str, body: Mapping[str, Any]) -> None:
        """The next record. Raises `VerificationError` when it contradicts those before it."""
        used, self._used = self._used, None
        count, self._count = self._count, None
        try:
            match kind:
                case "deposit":
                    self._deposit(body)
                case "people":
                    self._people(body)
                case "authority":
                    self._authority(body)
                case "clearing":
                    self._clearing(body, used, count)
                case "bundle_count":
                    self._counted(body, used)
        except VerificationError:
            raise
        except (LookupError, TypeError, ValueError) as error:
            raise VerificationError(f"the {kind} record contradicts those before it: {error}") from error

    # --- who ----------------------------------------------------------------------------------------------

    def _people(self, body: Mapping[str, Any]) -> None:
        if body["event"] != "founded":
            return
        if self._roles:
            raise VerificationError("the first people are named twice")
        self._roles = {person["staff"]: _roles(person["roles"]) for person in body["people"]}

    def _authority(self, body: Mapping[str, Any]) -> None:
        number, event = body["number"], body["event"]
        signed = _Signed(body["content"], tuple(body["by"]))
        if event == "requested":
            if number in self._open:
                raise VerificationError(f"request {number} was made twice")
            self._open[number] = signed
            return
        before = self._open.pop(number, None)
        if before is None or before.content != signed.content:
            raise VerificationError(f"request {number} is not what was asked for")
        if event == "approved":
            if signed.by[:-1] != before.by or signed.by[-1] in before.by:
                raise VerificationError(f"request {number} was approved by nobody else")
            self._open[number] = signed
        elif event == "used":
            if signed.by != before.by:
                raise VerificationError(f"request {number} was used with other signatures")
            self._used = (number, signed, self._checked(number, signed, body["action"]))
        elif event not in ("withdrawn", "expired"):
            raise VerificationError(f"nobody knows what it means that a request is {event}")

    def _checked(self, number: int, signed: _Signed, plain: Mapping[str, Any]) -> a.AnyAction | None:
        """The action, when all of it is on record; in any case whether these people may allow it."""
        kind = _ACTIONS[plain["action"]]
        if not people.fill(kind.seats, (self._roles.get(staff, ()) for staff in dict.fromkeys(signed.by))):
            raise VerificationError(f"request {number} was signed by people who may not allow it")
        self._enrol(plain)
        if kind in (a.Enrol, a.Renew):
            return None  # their credentials are part of what was signed, and on no record
        action: a.AnyAction = msgspec.convert(plain, a.AnyAction)
        if a.content(action) != signed.content:
            raise VerificationError(f"request {number} was signed for something else")
        return action

    def _enrol(self, plain: Mapping[str, Any]) -> None:
        if plain["action"] == "Enrol":
            self._roles[plain["staff"]] = _roles(plain["roles"])
        elif plain["action"] == "Revoke":
            self._roles.pop(plain["staff"], None)

    # --- what ---------------------------------------------------------------------------------------------

    def _deposit(self, body: Mapping[str, Any]) -> None:
        disputes = of_record(body)
        if disputes:
            self._disputes[body["deposit_id"]] = {dispute.n: dispute for dispute in disputes}
        for dispute in disputes:
            self._outstanding(dispute, 1)

    def _clearing(
        self,
        body: Mapping[str, Any],
        used: tuple[int, _Signed, a.AnyAction | None] | None,
        count: _Count | None,
    ) -> None:
        if used is not None and isinstance(used[2], a.ClearDispute):
            number, signers, action = used[0], list(used[1].by), used[2]
        elif count is not None:
            number, signers, action = count.number, count.by, _decided(body, count)
            self._count = count  # one count may clear several deposits
        else:
            raise VerificationError("a clearing that nobody allowed just before")
        if len(set(signers)) < 2:  # noqa: PLR2004 - whatever the catalogue of actions says
            raise VerificationError("a dispute was cleared by one person")
        notes = settled(action, self._disputes.get(action.deposit_id, {}).values())
        expected = clearing_record(action, notes, number, tuple(signers)).body
        wrong = sorted(name for name, value in expected.items() if body[name] != value)
        if wrong:
            raise VerificationError(f"the clearing says another {', '.join(wrong)} than what allows it")
        self._net.cleared[action.resolution].update(sums_of(notes))
        for note in notes:
            dispute = self._closed(action.deposit_id, note.n)
            if dispute.value_minor is None and note.value_minor is not None:
                self._net.found[note.currency] += note.value_minor

    def _counted(self, body: Mapping[str, Any], used: tuple[int, _Signed, a.AnyAction | None] | None) -> None:
        by, number, found = list(body["counted_by"]), 0, ("credited", "bank")
        if body["source"] == "kiosk":
            if used is None or not isinstance(used[2], a.PostCount) or used[2].item != body["item"]:
                raise VerificationError("a count typed at the kiosk that nobody allowed just before")
            number, found = used[0], (used[2].found, "bank")
            if by != list(used[1].by):
                raise VerificationError("the count names others than those who signed it")
        if len(set(by)) != 2:  # noqa: PLR2004 - two people
            raise VerificationError("the count was not made by two people")
        decided = {
            (row["deposit"], row["n"]): (row["value"], row["currency"], row["found"]) for row in body["disputes"]
        }
        self._count = _Count(number, by, decided, found)

    def _closed(self, deposit_id: bytes, n: int) -> Dispute:
        dispute = self._disputes[deposit_id].pop(n)
        if not self._disputes[deposit_id]:
            del self._disputes[deposit_id]
        self._outstanding(dispute, -1)
        return dispute

    def _outstanding(self, dispute: Dispute, sign: int) -> None:
        if dispute.value_minor is None:
            self._net.outstanding_unvalued += sign
        else:
            self._net.outstanding[dispute.currency] += sign * dispute.value_minor


def _roles(words: list[str]) -> tuple[Role, ...]:
    return tuple(Role(word) for word in words)


def _decided(body: Mapping[str, Any], count: _Count) -> a.ClearDispute:
    """The clearing, if its notes are what the count decided."""
    notes = tuple(a.ClearedNote(note["n"], note["value"], note["currency"]) for note in body["notes"])
    for note in notes:
        value, currency, found = count.decided[body["deposit_id"], note.n]
        allowed = count.resolutions if found else (NOT_FOUND,)
        if (note.value_minor, note.currency) != (value, currency) or body["resolution"] not in allowed:
            raise VerificationError(f"note {note.n} is cleared otherwise than it was counted")
    return a.ClearDispute(body["deposit_id"], notes, body["resolution"], body["evidence"])
