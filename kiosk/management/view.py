"""What the other processes may see: the controller's state as a `Status` message."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from firmware_bridge.interfaces import BoardSnapshot, ReceiptPrinterStatus
from kiosk.clock import Clock
from kiosk.core.deposit import timeout_s
from kiosk.core.money import Claim, sums, unvalued
from kiosk.core.paper import reprints_left
from kiosk.core.state import Deposit, State
from kiosk.management.controller import Controller
from kiosk.management.machine import Machine, not_ready
from kiosk.management.whereabouts import notes_at, obstacle, room
from kiosk.messages import (
    Amount,
    BankText,
    DenominationCount,
    DepositView,
    DeviceView,
    PaperState,
    Role,
    StaffView,
    Status,
)

_PAPER: Final[dict[str, PaperState | None]] = {
    "": None,
    "pending": "pending",
    "printed": "printed",
    "failed": "failed",
    "no_printer": "none",
}


@dataclass(frozen=True)
class Books:
    """Figures of the journal, read on its own thread."""

    log_size: int = 0
    log_root: str = ""
    outbox_rows: int = 0
    acknowledged: int = 0
    deposits_today: int = 0
    directory_version: int | None = None
    terms_version: int | None = None
    bank_texts: tuple[BankText, ...] = ()
    receipt_qrs: tuple[str, ...] = ()  # of the deposit whose result is shown
    receipt_witnessed: bool = False
    warnings: tuple[str, ...] = ()  # beside those of the storage units
    tickets: bool = False  # whether a deposit ticket could be read now
    on_duty: str = ""
    staff: StaffView | None = None


@dataclass
class Identity:
    """What does not change while the process lives, but for `config_hash`: of what is in force."""

    kiosk: str
    config_hash: str
    version: str
    single_user: bool
    started_s: float  # monotonic


def status(controller: Controller, books: Books, identity: Identity, *, clock_synchronised: bool) -> Status:
    """The whole kiosk at one moment."""
    reasons = tuple(not_ready(controller.machine, controller.devices))
    if controller.deposit.state is State.RESETTING:
        reasons = ("the devices are being reset", *reasons)
    clock = controller.clock
    return Status(
        kiosk=identity.kiosk,
        state=str(controller.deposit.state),
        in_service=not reasons,
        out_of_service_reasons=reasons,
        deposit=deposit_view(controller.deposit, controller.deadline_s, clock, books, controller.machine.snapshot),
        devices=tuple(device_views(controller.machine)),
        scene_grade=controller.risk.grade,
        log_size=books.log_size,
        log_root=books.log_root,
        outbox_rows=books.outbox_rows,
        acknowledged=books.acknowledged,
        deposits_today=books.deposits_today,
        directory_version=books.directory_version,
        tickets=books.tickets,
        headphones=controller.headphones,
        on_duty=books.on_duty,
        staff=books.staff,
        terms_version=books.terms_version,
        log=controller.journal.log.kiosk,
        bank_texts=books.bank_texts,
        single_user=identity.single_user,
        clock_synchronised=clock_synchronised,
        config_hash=identity.config_hash,
        version=identity.version,
        uptime_s=round(clock.monotonic_s() - identity.started_s, 1),
        devices_connected=controller.machine.connected,
        warnings=(*controller.storage.warnings(), *books.warnings),
    )


def seen_by(role: Role, seen: Status) -> Status:
    """The status as a role may have it: the deposit's code and receipt are for the screen, the deposit not for all."""
    if role == "terminal":
        return seen
    seen = replace(seen, staff=None)
    if seen.deposit is None:
        return seen
    if role == "maintenance":
        return replace(seen, deposit=replace(seen.deposit, code="", receipt_qrs=()))
    return replace(seen, deposit=None)


def deposit_view(
    deposit: Deposit,
    deadline_s: float | None,
    clock: Clock,
    books: Books | None = None,
    board: BoardSnapshot | None = None,
) -> DepositView | None:
    """The deposit as the screen may show it; None when the kiosk is idle."""
    if deposit.state is State.IDLE or not deposit.code:
        return None  # nobody's: idle, or a reset outside any deposit
    counted = Counter((note.currency, note.value_minor or 0) for note in deposit.genuine)
    total: Counter[str] = Counter()
    for (currency, value), count in counted.items():
        total[currency] += value * count
    return DepositView(
        code=deposit.code,
        state=str(deposit.state),
        account_masked=deposit.account_masked,
        account_known=deposit.account_known,
        language=deposit.language,
        counted=tuple(
            DenominationCount(value, currency, count) for (currency, value), count in sorted(counted.items())
        ),
        total=_amounts(dict(total)),
        each_note_final=not deposit.policy.bunch_escrow,
        notes_left=max(deposit.policy.notes_max - len(deposit.genuine), 0),
        last_refusal=deposit.last_refusal or None,
        retained=_amounts(sums(deposit.notes, Claim.RETAINED)),
        returned=_amounts(sums(deposit.notes, Claim.RETURNED)),
        disputed=_amounts(sums(deposit.notes, Claim.DISPUTED)),
        disputed_unvalued=unvalued(deposit.notes, Claim.DISPUTED),
        bundle_id=deposit.bundle.name if deposit.confirmed else None,
        grade=deposit.grade if deposit.assessments else None,
        reasons=tuple(reason for item in deposit.assessments if item.grade != "low" for reason in item.reasons),
        deadline_s=None if deadline_s is None else round(max(deadline_s - clock.monotonic_s(), 0.0), 1),
        deadline_total_s=None if deadline_s is None else timeout_s(deposit),
        confirmed_at=deposit.confirmed_at,
        outcome=deposit.outcome,
        receipt=_PAPER[deposit.paper.stands],
        receipt_copy=deposit.paper.copy,
        receipt_reprints_left=reprints_left(deposit.paper),
        receipt_qrs=books.receipt_qrs if books is not None and deposit.paper.stands else (),
        receipt_witnessed=books is not None and books.receipt_witnessed,
        notes_at=notes_at(deposit),
        obstacle=obstacle(deposit, board),
        room=room(deposit, dict(total)),
    )


def _amounts(by_currency: dict[str, int]) -> tuple[Amount, ...]:
    return tuple(Amount(minor, currency) for currency, minor in sorted(by_currency.items()))


def device_views(machine: Machine) -> Iterator[DeviceView]:
    """Every device of which something is known."""
    if not machine.connected:
        device, _, detail = machine.fault.partition(": ")
        yield DeviceView(device or "devices", "down" if machine.fault else "starting", detail, machine.remedy)
    if machine.identity is not None:
        stopped = "; ".join(machine.stopped.values())
        serial = machine.identity.serial_number
        detail = f"serial {'not told' if serial is None else serial}, firmware {machine.identity.firmware}"
        yield DeviceView("validator", "degraded" if stopped else "ok", stopped or detail)
    if machine.snapshot is not None:
        board = machine.snapshot
        filled, stock = board.cabinet_fill_permille / 10, board.strap_stock
        yield DeviceView("board", "ok", f"cabinet {filled:g} % full, {stock} straps, {board.supply_mv / 1000:g} V")
    if machine.printer is not None:
        ready = machine.printer.ready
        detail = "ready" if ready else "does not answer" if not machine.printer.answered else "not ready"
        yield DeviceView("label_printer", "ok" if ready else "down", detail)
    if machine.receipt_printer is not None:
        yield _receipt_printer(machine.receipt_printer)


def _receipt_printer(printer: ReceiptPrinterStatus) -> DeviceView:
    if not printer.ready:
        return DeviceView("receipt_printer", "down", printer.trouble, printer.remedy)
    if printer.paper_near_end:
        return DeviceView("receipt_printer", "degraded", "the paper is near its end", "Have a new roll at hand.")
    return DeviceView("receipt_printer", "ok", "ready")
