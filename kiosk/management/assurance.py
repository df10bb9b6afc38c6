"""The guarantee check of one deposit: security, confidentiality, authenticity, integrity, each with reasons.

Runs on the journal's thread, after the last note has moved. Each finding rests on something read now, not on a
default: a check that could not be made has failed. Where a validator keeps no counters there is nothing to read, and no
finding claims that there was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import Line
from kiosk.core import ledger
from kiosk.core.facts import Evidence, Finding
from kiosk.core.money import Claim, Place, at
from kiosk.core.state import Deposit
from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, cose, directory
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import PublicKeys
from kiosk.guarantee.policy import Policy
from kiosk.management.installed import Installed
from kiosk.management.machine import Devices, Machine
from kiosk.management.riskdesk import RiskDesk

_MODULUS = 1 << 16
_DOUBTS = {
    "cleared_from_front": "a note was cleared to the front after it was counted",
    "fraud": "the validator reported a manipulated note",
    "port_tamper": "the port was forced",
}


@dataclass(frozen=True)
class Assurance:
    """What the check looks at. `policy`: by which receipts are checked now; `bank_commands`: keys of the bank."""

    devices: Devices
    journal: Journal
    risk: RiskDesk
    installed: Installed
    policy: Callable[[], Policy | None] = lambda: None
    bank_commands: PublicKeys | None = None

    def findings(self, deposit: Deposit, machine: Machine, evidence: Evidence | None) -> tuple[Finding, ...]:
        """All four areas. `evidence`: what the validator counted, asked just now; None when it did not answer.

        Pure reading; raises nothing that a deposit could cause.
        """
        return (
            *self._security(deposit, machine),
            *self._log(deposit),
            *self._confidentiality(deposit),
            *self._authenticity(deposit, machine),
            *_integrity(deposit, machine, evidence),
        )

    def _security(self, deposit: Deposit, machine: Machine) -> Iterator[Finding]:
        for check, line, good, words in (
            ("cabinet_closed", Line.DOOR_CLOSED, True, "the door is open"),
            ("no_tamper", Line.TAMPER, False, "the tamper line is active"),
        ):
            try:
                level = self.devices.lines.read(line)
            except DeviceFault as fault:
                yield Finding("security", check, passed=False, reason=f"the line cannot be read: {fault}")
            else:
                yield _found("security", check, "" if level is good else words)
        gate = machine.snapshot is not None and not machine.snapshot.gate_open
        yield _found("security", "gate_closed", "" if gate else "the cabinet gate is open or unknown")
        doubts = [_DOUBTS.get(each.kind, each.kind) for each in deposit.doubts]
        yield _found("security", "port_untouched", "; ".join(doubts))
        troubles = [machine.fault] if machine.fault else list(machine.stopped.values())
        yield _found("security", "devices_sound", "; ".join(troubles))
        yield self._software()
        yield self._models()

    def _software(self) -> Finding:
        try:
            now = self.installed.software()
        except OSError as error:
            return Finding(
                "security", "software_unchanged", passed=False, reason=f"it cannot be read: {error.strerror}"
            )
        if now != self.installed.software_at_start:
            return _found("security", "software_unchanged", f"its files are not those that were started: sha256 {now}")
        return Finding("security", "software_unchanged", passed=True, reason=f"sha256 {now}")

    def _models(self) -> Finding:
        told = self.risk.models
        problems = [
            f"the {stream} was judged by {told[stream][:16] if told.get(stream) else 'no model'}, not by {sha256[:16]}"
            for stream, sha256 in sorted(self.installed.models.items())
            if told.get(stream) != sha256
        ]
        if not self.installed.models:
            problems = ["no models are installed"]
        hashes = ", ".join(f"{stream} {sha256[:16]}" for stream, sha256 in sorted(self.installed.models.items()))
        return Finding("security", "models_known", passed=not problems, reason="; ".join(problems) or hashes)

    def _log(self, deposit: Deposit) -> Iterator[Finding]:
        """Sealing of what leaves and integrity of the chain: shown on the deposit's own first record."""
        try:
            to_bank, leaf_hash = self.journal.prove_start(deposit.id)
        except VerificationError as error:
            reason = "the first record does not verify"
            yield Finding("confidentiality", "sealed_to_bank", passed=False, reason=reason)
            yield Finding("integrity", "log_chain", passed=False, reason=error.args[0])
            return
        reason = "" if to_bank else "the envelope is addressed to another key"
        yield Finding("confidentiality", "sealed_to_bank", to_bank, reason)
        yield Finding("integrity", "log_chain", passed=True, reason=f"leaf {leaf_hash[:16]}")

    def _confidentiality(self, deposit: Deposit) -> Iterator[Finding]:
        if not deposit.account_sealed:
            yield Finding("confidentiality", "account_sealed", passed=False, reason="the account is not sealed at rest")
        else:
            try:
                places = self.journal.account_in_clear(deposit.id, deposit.account_sealed)
            except VerificationError:
                reason = "the sealed account does not open"
                yield Finding("confidentiality", "account_sealed", passed=False, reason=reason)
            else:
                yield Finding("confidentiality", "account_sealed", passed=True)
                yield _found("confidentiality", "nothing_in_clear", " and ".join(_readable(place) for place in places))
        masked = self.installed.logs_masked()
        yield _found("confidentiality", "logs_masked", "" if masked else "log lines are written past the gate")

    def _authenticity(self, deposit: Deposit, machine: Machine) -> Iterator[Finding]:
        yield _validator(machine)
        yield self._staff(deposit)
        yield _found("authenticity", "kiosk_keys", self._kiosk_keys())
        yield _found("authenticity", "bank_keys", self._bank_keys())

    def _staff(self, deposit: Deposit) -> Finding:
        if not deposit.staff:
            return Finding("authenticity", "staff_on_record", passed=False, reason="nobody is on duty")
        people = self.journal.authority().people
        person = next((each for each in people if each.staff == deposit.staff), None)
        if person is not None and not person.active:
            return _found("authenticity", "staff_on_record", f"{deposit.staff} has been revoked")
        if person is None and people:
            return _found(
                "authenticity", "staff_on_record", f"{deposit.staff} is not among those enrolled at this kiosk"
            )
        known = "enrolled" if person else "named by the configuration; nobody is enrolled here yet"
        return Finding("authenticity", "staff_on_record", passed=True, reason=f"{deposit.staff}, {known}")

    def _kiosk_keys(self) -> str:
        """Our own keys against the policy that receipts are checked by: with others no receipt would hold."""
        log = self.journal.log
        policy = self.policy()
        if policy is None:
            return ""
        try:
            size = log.size()
            policy.keys(log.kiosk).at(size).get(log.record_key.kid, log.record_key.algorithm)
            checkpoint.verify(log.checkpoint(), policy.log(log.origin))
        except VerificationError as error:
            return f"a receipt would not hold: {error.args[0]}"
        return ""

    def _bank_keys(self) -> str:
        """What the bank has last said, held against its pinned keys again."""
        kept = self.journal.directory()
        if kept is not None:
            if self.bank_commands is None:
                return "an account directory is here and no key of the bank to hold it against"
            try:
                cose.verify1(kept, self.bank_commands.ever, cose.DIRECTORY_TYPE, directory.DIRECTORY_BYTES_MAX)
            except VerificationError as error:
                return f"the account directory: {error.args[0]}"
        return self.journal.acknowledgement_problem()


def _validator(machine: Machine) -> Finding:
    identity = machine.identity
    if identity is None:
        return _found("authenticity", "validator_accepted", "no validator has said who it is")
    if machine.stranger is not None:
        return _found("authenticity", "validator_accepted", f"serial {machine.stranger} has not been accepted")
    return Finding("authenticity", "validator_accepted", passed=True, reason=f"serial {identity.serial_number}")


def _integrity(deposit: Deposit, machine: Machine, evidence: Evidence | None) -> Iterator[Finding]:
    board, base = machine.snapshot, deposit.baseline
    if deposit.confirmed and board is not None and base is not None:
        stored = (board.total_stored - base.board.total_stored) % _MODULUS
        booked = len(at([note for note in deposit.notes if note.claim is Claim.CREDITED], Place.CABINET))
        yield Finding("integrity", "board_count", stored == booked, f"board {stored}, journal {booked}")
    if base is not None and base.validator.counted:
        surplus = None if evidence is None else ledger.uncounted(deposit, evidence)
        if surplus is None:
            yield Finding("integrity", "validator_count", passed=False, reason="the validator did not say its counts")
        else:
            booked = len(deposit.notes)
            yield Finding(
                "integrity", "validator_count", not surplus, f"validator {booked + surplus}, journal {booked}"
            )
    nothing_open = all(note.claim is not Claim.OPEN for note in deposit.notes)
    yield _found("integrity", "books_closed", "" if nothing_open else "a note's claim is still open")


def _readable(place: str) -> str:
    return f"the account can be read in {place}"


def _found(area: str, check: str, problem: str) -> Finding:
    return Finding(area, check, passed=not problem, reason=problem)  # type: ignore[arg-type]  # one of the four, above
