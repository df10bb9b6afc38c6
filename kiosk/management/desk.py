"""Requests of the other processes: a person's touch becomes a fact, a watcher's report an assessment."""

import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Final

from msgspec import structs

from firmware_bridge.errors import DeviceFault
from kiosk.clock import rfc3339
from kiosk.core import accounts
from kiosk.core import facts as f
from kiosk.core.actions import AcceptDevice, CalibrateModel, ClearDispute, InstallModel, Reset, RollBackModel, RotateKey
from kiosk.core.deposit import IllegalTransition, allowed
from kiosk.core.facts import Fact
from kiosk.core.paper import reprints_left
from kiosk.core.policy import Limit, NoteKind, Policy, Timing
from kiosk.core.risk import worst
from kiosk.core.state import State
from kiosk.errors import LogForkError, LogRollbackError, VerificationError
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.journal import Journal
from kiosk.management import exchanging
from kiosk.management.authority import AuthorityDesk, AuthorityRequest
from kiosk.management.bank_counts import BankCounts
from kiosk.management.certificate import Certificate
from kiosk.management.clearing import AcceptValidator, ClearDisputes
from kiosk.management.commands import CommandDesk
from kiosk.management.commissioned import Commissioned
from kiosk.management.controller import Controller
from kiosk.management.directory import BAD_ACCOUNT, AccountDirectory
from kiosk.management.evidence import EvidenceDesk, EvidenceRequest
from kiosk.management.field_desk import CalibrateModels, FieldDesk, FieldRequest
from kiosk.management.files_desk import FilesDesk, FilesRequest
from kiosk.management.key_desk import RotateKeys
from kiosk.management.look_desk import LookDesk, LookRequest
from kiosk.management.machine import label_printer_status, not_ready, receipt_printer_status, store_levels
from kiosk.management.models import InstallModels, ModelDesk, ModelRequest, RollBackModels
from kiosk.management.refusals import Refusals
from kiosk.management.resetting import ResetDevices
from kiosk.management.settings_desk import SettingsDesk, SettingsRequest
from kiosk.management.staff_desk import StaffDesk, StaffRequest
from kiosk.management.statements import Statements
from kiosk.management.storage_desk import StorageDesk, StorageRequest
from kiosk.management.terms import BankTerms
from kiosk.management.tickets import TicketDesk
from kiosk.management.view import Books, seen_by
from kiosk.messages import (
    DeliverAck,
    DeliverCounts,
    DeliverDirectory,
    DeliverStatement,
    Depositor,
    FetchOutbox,
    GetDisputes,
    GetHealth,
    GetKeys,
    GetStatus,
    Health,
    Identify,
    LinkReport,
    LookUp,
    Ok,
    OutboxRow,
    OutboxRows,
    Refused,
    Reply,
    Request,
    Resume,
    RiskReport,
    Role,
    SeekTicket,
    Status,
    TakeCommissioning,
    TicketSeen,
    UseTicket,
)

_log = logging.getLogger(__name__)
OUTBOX_BYTES_MAX: Final = 700_000  # of one answer, well inside a bus frame
# Digits alone: a depositor who reads no Latin letters types the code on the keypad of the account number.
_CODE_LETTERS: Final = "0123456789"
_CODE_CHARACTERS: Final = 12
RESUME_TRIES_MAX: Final = 5


@dataclass(frozen=True)
class Rules:
    """From the configuration: what every deposit is held to."""

    kinds: tuple[NoteKind, ...]
    deposit_minor_max: dict[str, int]
    day_minor_max: dict[str, int]
    notes_max: int
    timing: Timing
    staff: str
    medium_stops: bool = False  # a medium grade does what high does


class Desk:
    """The bus handler. Never holds money logic: it asks the table."""

    def __init__(
        self,
        controller: Controller,
        rules: Rules,
        randomness: Callable[[int], bytes],
        status: Callable[[Books], Status],
        directory: AccountDirectory | None = None,
        *,
        authority: AuthorityDesk,
        commanders: Commanders | None = None,
        identified: Callable[[bytes, str], None] = lambda _deposit_id, _account: None,
    ) -> None:
        """`commanders`: whose commands and terms count; without them none do.

        `identified`: told whose deposit begins, before it does.
        """
        self._c = controller
        self._identified = identified
        self._rules = rules
        self._randomness = randomness
        self._status = status
        self._directory = directory or AccountDirectory(
            "", None, controller.journal, controller.runner, controller.clock
        )
        if commanders is not None:
            commanders = replace(commanders, bank=controller.journal.bank_keys("command", commanders.bank))
        if (keys := self._directory.keys) is not None:
            followed = controller.journal.bank_keys("command", keys.bank_commands)
            self._directory.keys = replace(keys, bank_commands=followed)
        self.tickets = TicketDesk(controller, self._directory)
        self._tickets_told = False
        self.authority = authority
        self._disputes = ClearDisputes(controller.journal, controller.runner)
        authority.register(ClearDispute, self._disputes)
        authority.register(AcceptDevice, AcceptValidator(controller))
        self._keys = RotateKeys(controller.journal, controller.runner)
        authority.register(RotateKey, self._keys)
        self._units = StorageDesk(controller)
        self.staff = StaffDesk(controller, authority, self._units)
        self.tickets.badge_shown = self.staff.shown
        self._evidence = EvidenceDesk(controller)
        exchanging.register(authority, controller.storage, self._units.print_last)
        kiosk = self._directory.kiosk
        self._terms = BankTerms(kiosk, commanders, controller)
        commands = CommandDesk(kiosk, commanders, controller, self._terms)
        self._refusals = Refusals(controller)
        self._counts = BankCounts(self._directory, controller, self._refusals)
        self._statements = Statements(controller, self._terms, commands, self._refusals)
        authority.register(Reset, ResetDevices(controller, randomness))
        self._certificate = Certificate(controller)
        self._looks = LookDesk(controller, authority, randomness, lambda: self.link)
        self._settings: SettingsDesk | None = None
        self._files: FilesDesk | None = None
        self._models: ModelDesk | None = None
        self._field: FieldDesk | None = None
        self._health: Callable[[], Awaitable[Health]] | None = None
        self._commissioned: Commissioned | None = None
        self._resume_tries = 0
        self.link = LinkReport(connected=False, detail="the uplink has not reported")

    def take_models(self, models: ModelDesk, field: FieldDesk | None = None) -> None:
        """From here on models can be looked at and changed; with `field`, also calibrated on what they saw here."""
        self._models, self._field = models, field
        if field is not None:
            self.authority.register(CalibrateModel, CalibrateModels(field))
        self.authority.register(InstallModel, InstallModels(models))
        self.authority.register(RollBackModel, RollBackModels(models))

    def take_health(self, health: Callable[[], Awaitable[Health]]) -> None:
        """From here on `GetHealth` is answered."""
        self._health = health

    def take_upkeep(self, settings: SettingsDesk, files: FilesDesk) -> None:
        """From here on settings can be changed at the running kiosk, and files made."""
        self._settings, self._files = settings, files
        self._c.at_start += [settings.start, files.start]

    def take_commissioning(self, commissioned: Commissioned) -> None:
        """From here on the steps of commissioning are put on record: those before now at the start."""
        self._commissioned = commissioned
        self._c.at_start.append(commissioned.start)

    def follow(self, rules: Rules) -> None:
        """What the next deposits are held to."""
        self._rules = rules

    async def handle(self, role: Role, request: Request) -> Reply:  # noqa: C901, PLR0911, PLR0912 - one answer a request
        """Answer one allowed request (the bus has checked the role's list)."""
        if role == "uplink":  # whether a key of the bank still counts is judged by the time
            self._c.journal.log.clock_shows(self._c.clock.now_utc())
            await self._certificate.look()
        match request:
            case GetStatus():
                return seen_by(role, self._status(await self.books()))
            case Identify() | UseTicket():
                return await self._identify(request)
            case LookUp():
                return await self._directory.look_up(request)
            case Depositor():
                return await self._touch(request)
            case Resume():
                return await self._resume(request)
            case RiskReport():
                return await self._risk(request)
            case FetchOutbox():
                return await self._c.runner.run(outbox_rows, self._c.journal, request)
            case DeliverAck():
                return await self._acknowledged(request)
            case DeliverDirectory():
                async with self._refusals.noting("directory", request.data):
                    reply = await self._directory.deliver(request)
                self._c.announce()
                return reply
            case DeliverCounts():
                async with self._refusals.noting("counts", request.data):
                    return await self._counts.deliver(request)
            case DeliverStatement():
                return await self._stated(request)
            case LinkReport():
                await self._linked(request)
                return Ok()
            case GetHealth() if self._health is not None:
                return await self._health()
            case TakeCommissioning() if self._commissioned is not None:
                return await self._commissioned.take()
            case GetKeys():
                return await self._keys.listed()
            case GetDisputes():
                return await self._disputes.listed()
            case SeekTicket() | TicketSeen():
                return await self.tickets.handle(request)
            case _:
                return await self._service(request)

    async def _acknowledged(self, request: DeliverAck) -> Reply:
        try:
            await self._c.acknowledged(request.ack)
        except (LogForkError, LogRollbackError):  # a leaf would only be one more that contradicts the bank's
            raise
        except VerificationError as error:
            await self._refusals.note("ack", request.ack, str(error.args[0]))
            raise
        return Ok()

    async def _linked(self, report: LinkReport) -> None:
        self.link = report
        self._c.witnesses.link_up = report.connected
        await self._certificate.taken(report)

    async def _stated(self, request: DeliverStatement) -> Reply:
        reply = await self._statements.deliver(request)
        self._c.announce()
        return reply

    async def _service(self, request: Request) -> Reply:  # noqa: C901, PLR0911 - one for each desk
        """People and what they do with the cash; evidence."""
        if isinstance(request, StorageRequest):
            return await self._units.handle(request)
        if isinstance(request, StaffRequest):
            return await self.staff.handle(request)
        if isinstance(request, AuthorityRequest):
            return await self.authority.handle(request)
        if isinstance(request, SettingsRequest) and self._settings is not None:
            return await self._settings.handle(request)
        if isinstance(request, FilesRequest) and self._files is not None:
            return await self._files.handle(request)
        if isinstance(request, LookRequest):
            return await self._looks.handle(request)
        if isinstance(request, EvidenceRequest):
            return await self._evidence.handle(request)
        if isinstance(request, ModelRequest) and self._models is not None:
            if self._field is not None:  # which models judge, and so what there is to warn of
                await self._field.loaded()
            return await self._models.handle(request)
        if isinstance(request, FieldRequest) and self._field is not None:
            return await self._field.handle(request)
        return Refused("unknown_request", type(request).__name__)

    async def books(self) -> Books:
        """The journal's figures, now."""
        deposit = self._c.deposit
        shown = deposit.id if deposit.paper.stands else b""
        books = await self._c.runner.run(_books, self._c.journal, _midnight(self._c.clock.now_utc()), shown)
        return replace(
            books,
            directory_version=await self._directory.version(),
            terms_version=await self._terms.version(),
            bank_texts=await self._terms.texts(),
            warnings=(*self._certificate.warnings(), *(self._field.book.warnings() if self._field else ())),
            tickets=self.tickets.possible,
            on_duty=await self.staff.on_duty(),
            staff=await self.staff.view(),
            receipt_witnessed=bool(books.receipt_qrs) and bool(self._c.witnesses.vouching(books.receipt_qrs[1])),
        )

    # --- depositor --------------------------------------------------------------------------------------

    async def _identify(self, request: Identify | UseTicket) -> Reply:
        if isinstance(request, Identify) and accounts.normalise(request.account) is None:
            return BAD_ACCOUNT
        if self._c.deposit.state is State.DONE:
            await self._c.request(f.Finish())
        if self._c.deposit.state is not State.IDLE:
            return Refused("busy", "A deposit is under way.", "Finish or cancel it first.")
        faults = await self._refresh()
        reasons = faults + tuple(not_ready(self._c.machine, self._c.devices))
        if reasons:
            return Refused("out_of_service", "; ".join(reasons), "Please ask the staff.")
        whose = await self._whose(request)
        if isinstance(whose, Refused):
            return whose
        begin = await self._begin(*whose)
        if isinstance(begin, f.Begin):
            begin = structs.replace(begin, language=request.language)
        if isinstance(begin, Refused):
            return begin
        self._resume_tries = 0
        return Ok() if await self._c.request(begin) else Refused("busy", "A deposit is under way.", "Try again.")

    async def _whose(self, request: Identify | UseTicket) -> tuple[str, bool | None, f.TicketUse | None] | Refused:
        """Account, whether it is known, and the ticket that said so: by its signature the bank knows the account."""
        if isinstance(request, UseTicket):
            taken = await self.tickets.take(request.number)
            return taken if isinstance(taken, Refused) else (taken[0], True, taken[1])
        account = accounts.normalise(request.account)
        assert account is not None, "looked at before"
        known = await self._directory.knows(account)
        return known if isinstance(known, Refused) else (account, known, None)

    async def _refresh(self) -> tuple[str, ...]:
        """Ask the devices again before promising anything; a fault is a reason not to."""
        machine, devices = self._c.machine, self._c.devices
        if not machine.connected:
            return ()
        machine.printer = await label_printer_status(devices)
        machine.receipt_printer = await receipt_printer_status(devices)
        try:
            async with self._c.batches.lock:
                machine.levels = await store_levels(devices)
        except DeviceFault as fault:
            return (str(fault),)
        return ()

    async def _begin(self, account: str, known: bool | None, ticket: f.TicketUse | None) -> f.Begin | Refused:  # noqa: FBT001 - as `_whose` says
        now = self._c.clock.now_utc()
        journal, runner = self._c.journal, self._c.runner
        bundled = self._c.devices.validator.capabilities.bunch_escrow
        slot = self._c.storage.free_slot() if bundled else 0
        if slot is None:
            return Refused("out_of_service", "no cabinet slot is free", "Please ask the staff.")
        credited = await runner.run(journal.credited_since, _midnight(now))
        deposit_id = self._randomness(16)
        self._identified(deposit_id, account)
        return f.Begin(
            at=rfc3339(now),
            deposit_id=deposit_id,
            code="".join(_CODE_LETTERS[byte % len(_CODE_LETTERS)] for byte in self._randomness(_CODE_CHARACTERS)),
            account_sealed=await runner.run(journal.seal_account, deposit_id, account),
            account_masked=accounts.masked(account),
            staff=await self.staff.on_duty() or self._rules.staff,
            policy=await self._policy(credited),
            bundle_serial=await runner.run(journal.next_serial),
            slot=slot,
            account_known=known,
            ticket=ticket,
        )

    async def _policy(self, credited_today: dict[str, int]) -> Policy:
        rules = self._rules
        configured = {
            currency: (most, rules.day_minor_max[currency]) for currency, most in rules.deposit_minor_max.items()
        }
        bank = await self._terms.in_force(configured, rules.timing)
        limits = tuple(
            Limit(currency, deposit_max, max(day_max - credited_today.get(currency, 0), 0))
            for currency, (deposit_max, day_max) in sorted(bank.limits.items())
        )
        capabilities = self._c.devices.validator.capabilities
        bunch = capabilities.bunch_escrow
        return Policy(
            kinds=rules.kinds,
            limits=limits,
            notes_max=min(rules.notes_max, capabilities.escrow_notes_max) if bunch else rules.notes_max,
            timing=bank.timing,
            medium_stops=bank.medium_stops or rules.medium_stops,
            suspect_custody=capabilities.suspect_custody and bunch,
            bunch_escrow=bunch,
        )

    async def _touch(self, request: Depositor) -> Reply:
        facts: dict[str, Fact] = {
            "consent": f.Consent(rfc3339(self._c.clock.now_utc())),
            "done": f.Done(),
            "confirm": f.Confirm(rfc3339(self._c.clock.now_utc())),
            "cancel": f.Cancel(),
            "more_time": f.MoreTime(),
            "finish": f.Finish(),
            "reprint": f.Reprint(),
        }
        if request.action == "reprint" and not reprints_left(self._c.deposit.paper):
            return Refused("not_now", "No more copies can be printed.", "Take a photo of the codes on the screen.")
        if await self._c.request(facts[request.action]):
            return Ok()
        state = self._c.deposit.state
        return Refused("not_now", f"{request.action} is not possible now ({state}).", "Look at the screen.")

    async def _resume(self, request: Resume) -> Reply:
        if self._c.deposit.state is not State.SUSPENDED:
            return Refused("nothing_to_resume", "No deposit waits for its code.", "Begin a new deposit.")
        if self._resume_tries >= RESUME_TRIES_MAX:
            return Refused("too_many_tries", "Too many wrong codes.", "Ask the staff; the notes are safe.")
        if not hmac.compare_digest(request.code.strip().upper().encode(), self._c.deposit.code.encode()):
            self._resume_tries += 1
            return Refused("wrong_code", "This is not the code of this deposit.", "Look at the code again.")
        return Ok() if await self._c.request(f.Resume()) else Refused("not_now", "The time is over.", "Ask the staff.")

    # --- watcher, uplink --------------------------------------------------------------------------------

    async def _risk(self, report: RiskReport) -> Reply:
        assessment = self._c.risk.report(report)
        if self.tickets.possible is not self._tickets_told:
            self._tickets_told = self.tickets.possible
            self._c.announce()
        deposit = self._c.deposit
        stale = report.deposit_code != deposit.code
        if assessment is None or stale or not allowed(deposit.state, f.Assessed):
            return Ok()
        known = next((item for item in deposit.assessments if item.stage == assessment.stage), None)
        if known is not None and worst((known.grade, assessment.grade)) == known.grade:
            return Ok()  # only what is worse than before is news: the journal is not a diary of scores
        with contextlib.suppress(IllegalTransition):
            fact = f.Assessed(rfc3339(self._c.clock.now_utc()), asked=False, assessments=(assessment,))
            await self._c.apply(fact)
        return Ok()


def outbox_rows(journal: Journal, request: FetchOutbox) -> OutboxRows:
    """Unacknowledged envelopes, as many as fit one answer, with the newest checkpoint."""
    rows: list[OutboxRow] = []
    room = OUTBOX_BYTES_MAX
    for row in journal.log.outbox(request.first_sequence, request.rows_max):
        room -= len(row.envelope)
        if rows and room < 0:
            break
        rows.append(OutboxRow(row.sequence, row.envelope))
    size = journal.log.size()
    checkpoint = journal.log.checkpoint().encode() if size else b""
    return OutboxRows(rows=tuple(rows), next_sequence=size, checkpoint=checkpoint)


def _books(journal: Journal, midnight: datetime, shown: bytes) -> Books:
    log = journal.log
    size = log.size()
    return Books(
        log_size=size,
        log_root=log.root().hex() if size else "",
        outbox_rows=log.outbox_rows(),
        acknowledged=log.acknowledged(),
        deposits_today=journal.deposits_since(midnight),
        receipt_qrs=_receipt_qrs(journal, shown),
    )


def _receipt_qrs(journal: Journal, deposit_id: bytes) -> tuple[str, ...]:
    try:
        receipt = journal.receipt(deposit_id) if deposit_id else None
    except (VerificationError, ValueError) as error:  # erased meanwhile, or a log too large for a QR code
        _log.warning("no receipt codes for the screen: %s", error)
        return ()
    return () if receipt is None else (receipt.opening, receipt.proof)


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
