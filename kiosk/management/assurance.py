"""The guarantee check of one deposit: security, confidentiality, authenticity, integrity, each with reasons.

Runs on the journal's thread, after the last note has moved. Each finding rests on something read now, not on a
default: a check that could not be made has failed.
"""

from collections.abc import Iterator

from firmware_bridge.interfaces import Line
from kiosk.core.facts import Finding
from kiosk.core.money import Claim, Place, at
from kiosk.core.state import Deposit
from kiosk.errors import VerificationError
from kiosk.guarantee.journal import Journal
from kiosk.management.machine import Devices, Machine

_MODULUS = 1 << 16


def findings(deposit: Deposit, machine: Machine, devices: Devices, journal: Journal) -> tuple[Finding, ...]:
    """All four areas. Pure reading; raises nothing."""
    return (
        *_security(machine, devices),
        *_log(deposit, journal),
        *_authenticity(deposit, machine),
        *_integrity(deposit, machine),
    )


def _security(machine: Machine, devices: Devices) -> Iterator[Finding]:
    lines = devices.lines
    door, tamper = lines.read(Line.DOOR_CLOSED), lines.read(Line.TAMPER)
    yield Finding("security", "cabinet_closed", door, "" if door else "the door is open")
    yield Finding("security", "no_tamper", not tamper, "the tamper line is active" if tamper else "")
    gate = machine.snapshot is not None and not machine.snapshot.gate_open
    yield Finding("security", "gate_closed", gate, "" if gate else "the cabinet gate is open or unknown")


def _log(deposit: Deposit, journal: Journal) -> Iterator[Finding]:
    """Confidentiality of what leaves, integrity of the chain: shown on the deposit's own first record."""
    at_rest = len(deposit.account_sealed) > 0
    yield Finding("confidentiality", "account_sealed", at_rest, "" if at_rest else "the account is not sealed at rest")
    try:
        to_bank, leaf_hash = journal.prove_start(deposit.id)
    except VerificationError as error:
        yield Finding("confidentiality", "sealed_to_bank", passed=False, reason="the first record does not verify")
        yield Finding("integrity", "log_chain", passed=False, reason=error.args[0])
        return
    reason = "" if to_bank else "the envelope is addressed to another key"
    yield Finding("confidentiality", "sealed_to_bank", to_bank, reason)
    yield Finding("integrity", "log_chain", passed=True, reason=f"leaf {leaf_hash[:16]}")


def _authenticity(deposit: Deposit, machine: Machine) -> Iterator[Finding]:
    known = machine.identity is not None
    serial = str(machine.identity.serial_number) if machine.identity else "unknown"
    yield Finding("authenticity", "validator_accepted", known, f"serial {serial}")
    yield Finding("authenticity", "staff_on_record", bool(deposit.staff), deposit.staff or "nobody is on duty")


def _integrity(deposit: Deposit, machine: Machine) -> Iterator[Finding]:
    board, base = machine.snapshot, deposit.baseline
    if deposit.confirmed and board is not None and base is not None:
        stored = (board.total_stored - base.board.total_stored) % _MODULUS
        booked = len(at([note for note in deposit.notes if note.claim is Claim.CREDITED], Place.CABINET))
        yield Finding("integrity", "board_count", stored == booked, f"board {stored}, journal {booked}")
    nothing_open = all(note.claim is not Claim.OPEN for note in deposit.notes)
    yield Finding("integrity", "books_closed", nothing_open, "" if nothing_open else "a note's claim is still open")
