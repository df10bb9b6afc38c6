"""Commands of the bank: verified, in their order, each carried out once and answered the same way for ever.

What a command changes, its result's record and its place in the sequence are one transaction, so a crash leaves all or
none of it, and the same message again is answered with the same sealed record. A command that is the bank's and whose
turn it is takes its number whatever comes of it: expired and refused ones have results, too.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from kiosk.clock import rfc3339
from kiosk.core import commands as c
from kiosk.core import day, topics
from kiosk.core.records import command_result, service
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import bank_keys, checkpoint
from kiosk.guarantee import commands as message
from kiosk.guarantee import policy as policies
from kiosk.guarantee.bank_book import Said
from kiosk.guarantee.bank_keys import Succession
from kiosk.guarantee.commands import Commanders, SignedOrder
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.seal import SealPublicKey
from kiosk.management.controller import Controller
from kiosk.management.terms import NO_KEY, BankTerms
from kiosk.messages import Delivered, Refused, Reply

_LANE: Final = "command"
_SECOND: Final = "this command takes the signature of a second signer, too"


class CommandRefused(Exception):
    """This cannot be done, and nothing was written."""


@dataclass(frozen=True)
class Carried:
    """What a command came to. `then` runs on the loop once it is durable; the uplink goes back to `resend_from`."""

    details: Mapping[str, object] = field(default_factory=dict)
    then: Callable[[], None] = lambda: None
    resend_from: int | None = None
    log: str = ""  # the uplink begins anew, for this one


OVERLAP_MAX: Final = timedelta(days=400)  # of two keys of the bank: long enough for a kiosk that was away for a year

Settle = Callable[[Journal, Any, SignedOrder], Carried]


class CommandDesk:
    """Without the bank's command key none is ever carried out."""

    def __init__(self, kiosk: str, keys: Commanders | None, controller: Controller, terms: BankTerms) -> None:
        self._kiosk, self._keys, self._c, self._terms = kiosk, keys, controller, terms
        self._lock = asyncio.Lock()
        self._settle: dict[type[c.Command], Settle] = {
            c.OutOfService: self._out_of_service,
            c.InService: self._in_service,
            c.Resend: _resend,
            c.ReportUnits: self._report,
            c.SetLimits: self._set_limits,
            c.SetSealKey: _set_seal_key,
            c.SetPolicy: self._set_policy,
            c.NewEpoch: self._new_epoch,
            c.SetBankKey: self._set_bank_key,
        }

    async def deliver(self, data: bytes) -> Reply:
        """Carry one out, or answer again what came of it. Raises VerificationError for what the bank did not sign."""
        if self._keys is None:
            return NO_KEY
        signed = message.verify(data, self._keys, self._kiosk)
        async with self._lock:
            sequence = signed.order.sequence
            known, last = await self._c.runner.run(_known, self._c.journal, sequence)
            if known is not None and known.sha256 != signed.sha256:
                raise VerificationError(f"the bank has signed two commands of number {sequence}")
            if known is not None:
                return await self._answered(signed, known)
            if sequence != last + 1:
                return Refused(
                    "not_next", f"command {sequence} is not the next one, {last + 1} is", "Send that one first."
                )
            return await self._carry_out(signed)

    async def _answered(self, signed: SignedOrder, known: Said) -> Delivered:
        """The same result again. One that stands in a log that was closed since may never reach the bank from there."""
        if known.log == self._c.journal.log.kiosk:
            return Delivered(await self._c.runner.run(self._c.journal.log.envelope, known.leaf))
        before = {"before": {"log": known.log, "record": known.leaf}}

        def write(journal: Journal, now: datetime) -> bytes:
            made = journal.append(command_result(_body(signed, known.outcome, known.reason, before)), now)
            journal.bank.moved(_LANE, signed.order.sequence, journal.log.kiosk, made.sequence)
            return made.envelope

        envelope = await self._c.runner.run(self._c.journal.commit_bank, write, self._c.clock.now_utc())
        self._c.recorded()
        return Delivered(envelope)

    async def _carry_out(self, signed: SignedOrder) -> Delivered:
        carried = Carried()

        def write(journal: Journal, now: datetime) -> bytes:
            nonlocal carried
            outcome, reason, carried = self._outcome(journal, signed, now, resting=resting)
            made = journal.append(command_result(_body(signed, outcome, reason, carried.details)), now)
            said = Said(signed.sha256, journal.log.kiosk, made.sequence, outcome, reason)
            journal.bank.add(_LANE, signed.order.sequence, said)
            journal.log.bank_said(signed.order.issued_at)
            return made.envelope

        async with self._c.at_rest() as resting:
            envelope = await self._c.runner.run(self._c.journal.commit_bank, write, self._c.clock.now_utc())
            carried.then()
        self._c.recorded()
        return Delivered(envelope, carried.resend_from, carried.log)

    def _outcome(
        self, journal: Journal, signed: SignedOrder, now: datetime, *, resting: bool
    ) -> tuple[c.Outcome, str, Carried]:
        order = signed.order
        floor = journal.log.time_floor()
        if journal.clock_synchronised():
            floor = max(floor, rfc3339(now))
        if floor >= order.expires_at:
            return "expired", f"it ended at {order.expires_at}, and it is {floor} at least", Carried()
        if not signed.enough:
            return "refused", _SECOND, Carried()
        if order.command.at_rest and not resting:
            return "refused", "a deposit is under way", Carried()
        try:
            return "done", "", self._settle[type(order.command)](journal, order.command, signed)
        except CommandRefused as refused:
            return "refused", str(refused), Carried()

    # --- what each does: on the journal's thread, inside the transaction ------------------------------------

    def _out_of_service(self, journal: Journal, command: c.OutOfService, _: SignedOrder) -> Carried:
        journal.bank.put("hold", command.reason.encode())
        return Carried(then=lambda: self._hold(command.reason))

    def _in_service(self, journal: Journal, _command: c.InService, _: SignedOrder) -> Carried:
        journal.bank.put("hold", None)
        return Carried(then=lambda: self._hold(""))

    def _hold(self, reason: str) -> None:
        self._c.machine.bank_hold = reason

    def _report(self, journal: Journal, _command: c.ReportUnits, _: SignedOrder) -> Carried:
        found = day.report(self._c.storage.ledger, rfc3339(self._c.clock.now_utc()))
        return Carried({"report": {**found, "open_disputes": journal.open_disputes()}})

    def _set_limits(self, journal: Journal, command: c.SetLimits, _: SignedOrder) -> Carried:
        journal.bank.put("limits", msgspec.json.encode(command))
        return Carried(then=lambda: self._terms.overridden(command))

    def _set_policy(self, journal: Journal, command: c.SetPolicy, _: SignedOrder) -> Carried:
        found = _policy_for(journal.log.kiosk, command.policy)
        journal.bank.put("policy", command.policy.encode())
        return Carried({"policy_sha256": found.sha256}, lambda: self._c.witnesses.adopt(found))

    def _new_epoch(self, journal: Journal, command: c.NewEpoch, signed: SignedOrder) -> Carried:
        if command.epoch != journal.bank.epoch + 1:
            raise CommandRefused(f"the epoch after this one is {journal.bank.epoch + 1}")
        name = topics.log_name(self._kiosk, command.epoch)
        policy = _policy_for(name, command.policy) if command.policy else None
        closed = journal.log.kiosk, journal.log.size(), journal.log.root()
        journal.begin_epoch(self._kiosk, command.epoch)
        journal.bank.put("policy", command.policy.encode() or None)
        said: dict[str, object] = {
            "epoch": command.epoch,
            "closed": {"log": closed[0], "size": closed[1], "root": closed[2]},
            "believed": {"size": command.size, "root": command.root},
            "command_sha256": signed.sha256,
            "signers": list(signed.signers),
        }
        journal.append(service("epoch", said), self._c.clock.now_utc())

        def then() -> None:
            self._c.machine.distrust = self._c.machine.damage = ""
            self._c.witnesses.move(name, policy)

        return Carried(then=then, log=name)

    def _set_bank_key(self, journal: Journal, command: c.SetBankKey, signed: SignedOrder) -> Carried:
        order = signed.order
        said = Succession(command.purpose, order.sequence, command.key, command.until, command.by_old, command.by_new)
        longest = rfc3339(datetime.fromisoformat(order.issued_at) + OVERLAP_MAX)
        if not order.issued_at < command.until <= longest:
            raise CommandRefused(f"the present key counts until a moment after {order.issued_at} and by {longest}")
        try:
            keys = journal.check_succession(said)
            journal.bank.put("bank_keys", bank_keys.keep(journal.bank.get("bank_keys"), said))
        except VerificationError as error:
            raise CommandRefused(str(error.args[0])) from error
        details = {"key_id": hashlib.sha256(command.key).digest(), "until": command.until}
        return Carried(details, lambda: keys.follow(self._kiosk, said))


def _policy_for(log: str, text: str) -> policies.Policy:
    try:
        found = policies.parse(text.encode())
        found.log(checkpoint.origin(log))
    except (VerificationError, ConfigError) as error:
        raise CommandRefused(str(error.args[0])) from error
    return found


def _resend(journal: Journal, command: c.Resend, signed: SignedOrder) -> Carried:
    try:
        rows = journal.log.resend(command.first_sequence, signed.order.issued_at)
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    return Carried({"rows": rows}, resend_from=command.first_sequence)


def _set_seal_key(journal: Journal, command: c.SetSealKey, _: SignedOrder) -> Carried:
    try:
        key = SealPublicKey(command.key)
    except ValueError as error:
        raise CommandRefused("this is no sealing key") from error
    journal.bank.put("seal_key", command.key)
    return Carried({"rows": journal.log.reseal(key), "key_id": key.key_id})


def _known(journal: Journal, sequence: int) -> tuple[Said | None, int]:
    return journal.bank.said(_LANE, sequence), journal.bank.last(_LANE)


def _body(signed: SignedOrder, outcome: str, reason: str, details: Mapping[str, object]) -> dict[str, object]:
    order = signed.order
    said = c.said(order.command)
    if isinstance(order.command, c.SetSealKey | c.SetPolicy | c.NewEpoch):  # long, and named by the order's hash
        said = {"name": said["name"]}
    return {
        "sequence": order.sequence,
        "command": said,
        "command_sha256": signed.sha256,
        "signers": list(signed.signers),
        "issued_at": order.issued_at,
        "outcome": outcome,
        "reason": reason,
        "details": dict(details),
    }
