"""The controller's process: drivers on their ports, journal, keys, bus. It has no network and imports no vision."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom
from typing import Final
from zoneinfo import ZoneInfo

from firmware_bridge.drivers.escpos_printer import EscposPrinter
from firmware_bridge.drivers.modbus_board import ModbusBoard
from firmware_bridge.drivers.zpl_printer import ZplPrinter
from firmware_bridge.interfaces import BoardSnapshot
from firmware_bridge.protocols.escpos.job import LETTERS_OF
from firmware_bridge.serial_port import BOARD_SETTINGS, SerialPort, SerialSettings
from kiosk.bus import BusServer
from kiosk.clock import Clock, SystemClock
from kiosk.config import Config, bus_uids, config_hash, load_config, understood
from kiosk.core import commissioning
from kiosk.core.calendar import Calendar
from kiosk.core.facts import Fact
from kiosk.core.people import Role as StaffRole
from kiosk.core.policy import NoteKind, Timing
from kiosk.core.state import Deposit, RecordDraft
from kiosk.core.storage import Threshold
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import checkpoint, signers
from kiosk.guarantee import policy as policies
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.credentials import Credentials
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.evidence_queue import Bounds
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.log_keys import LogKeys
from kiosk.guarantee.personal import load_kek
from kiosk.guarantee.policy import Policy
from kiosk.guarantee.signers import TokenPlace
from kiosk.management.assurance import Assurance
from kiosk.management.authority import AuthorityDesk
from kiosk.management.camera_capture import CameraCaptures
from kiosk.management.commissioned import Commissioned
from kiosk.management.controller import Controller, Settings
from kiosk.management.desk import Desk, Rules
from kiosk.management.directory import AccountDirectory
from kiosk.management.field import FieldBook, FieldFile
from kiosk.management.field_desk import FieldDesk
from kiosk.management.files_desk import FilesDesk
from kiosk.management.health import Around, HealthDesk
from kiosk.management.host import Host
from kiosk.management.machine import Devices, hazards
from kiosk.management.model_files import ModelFiles
from kiosk.management.models import ModelDesk
from kiosk.management.riskdesk import RiskDesk, stage_of
from kiosk.management.settings_desk import SettingsDesk
from kiosk.management.sign_in import SignInRules
from kiosk.management.storage import StorageSettings
from kiosk.management.store import ThreadRunner
from kiosk.management.tally import Tally
from kiosk.management.transactions import HabitFile, Transactions, pseudonym_key
from kiosk.management.view import Books, Identity, seen_by, status
from kiosk.messages import (
    AssessRequest,
    ModelsChanged,
    OutboxGrew,
    Role,
    StageChanged,
    Status,
    TransactionReading,
)
from kiosk.processes import notify, watchdog
from kiosk.processes.gates import egress_gate
from kiosk.processes.installed import artifacts_dir, installed, levels_of, packaged
from kiosk.processes.lines import open_lines
from kiosk.processes.live import LiveSettings
from kiosk.processes.sensing import Sensing
from kiosk.processes.timesync import clock_synchronised
from kiosk.processes.validators import MAKES
from kiosk.protection import canonical

VAULT_KEY: Final = "vault.key"
POLICY: Final = "policy.txt"
HABITS: Final = "habits.bin"  # in the state directory: who usually deposits how much, under pseudonyms
FIELD: Final = "field.bin"  # in the state directory: scores of deposits, for calibration and drift
MODELS: Final = "models"  # in the state directory: installed bundles, as they were signed
CAPTURED: Final = ("validator", "board", "label_printer")  # not the receipts: they are a depositor's
OUTGOING: Final = "outgoing"  # in the state directory: files made for people to carry away
STATUS_S: Final = 0.1  # changes within this time are told together


def rules_of(config: Config) -> Rules:
    """What every deposit is held to."""
    timing = config.timing
    return Rules(
        kinds=tuple(
            NoteKind(note.channel, note.currency, note.value_minor, suspect=note.suspect) for note in config.cash.notes
        ),
        deposit_minor_max={currency: limit.deposit_minor_max for currency, limit in config.limits.items()},
        day_minor_max={currency: limit.day_minor_max for currency, limit in config.limits.items()},
        notes_max=min(limit.deposit_notes_max for limit in config.limits.values()),
        timing=Timing(
            idle_s=timing.idle_s,
            review_s=timing.confirm_s,
            resume_s=timing.resume_s,
            returned_s=timing.take_s,
            result_s=timing.result_s,
        ),
        staff=config.kiosk.staff,
        medium_stops=config.risk.medium == "stop",
    )


def settings_of(config: Config) -> Settings:
    """What the controller itself needs."""
    return Settings(
        accept_channels=frozenset(note.channel for note in config.cash.notes),
        suspect_channels=frozenset(note.channel for note in config.cash.notes if note.suspect),
        worth={note.channel: (note.currency, note.value_minor) for note in config.cash.notes if not note.suspect},
        shutter_s=config.timing.shutter_s,
        board_watchdog_ms=config.board.watchdog_ms,
        accepted_serial=config.validator.accepted_serial,
        kiosk=config.kiosk.id,
        branch=config.kiosk.branch,
        software=version("deposit-kiosk"),
        config_hash=config_hash(config),
        hold_up_s=config.power.hold_up_s,
        power_dip_s=config.power.dip_s,
        receipt_language="en" if config.receipt_printer is None else config.receipt_printer.language,
        storage=storage_of(config),
        evidence=Bounds(config.evidence.mib_max << 20, config.evidence.free_mib_min << 20),
    )


def storage_of(config: Config) -> StorageSettings:
    """Units, thresholds and business date."""
    units = config.units
    hours, minutes = config.day.cut_over.split(":")
    return StorageSettings(
        slots=units.cabinet_slots,
        thresholds={
            "cabinet": Threshold(units.cabinet_high_slots, units.cabinet_slots),
            "cassette": Threshold(units.cassette_high_notes, units.cassette_notes_max),
            "retract": Threshold(units.retract_high_notes, units.retract_notes_max),
        },
        calendar=Calendar(ZoneInfo(config.day.time_zone), 60 * int(hours) + int(minutes)),
    )


def sign_in_of(config: Config) -> SignInRules:
    """How people show who they are."""
    sign_in = config.sign_in
    return SignInRules(
        second_factor=frozenset(map(StaffRole, sign_in.second_factor)),
        idle_s=sign_in.idle_s,
        session_s=sign_in.session_s,
        delays_s={str(action): delay_s for action, delay_s in sign_in.delays_s.items()},
    )


def open_devices(config: Config) -> Devices:
    """Every driver on its port; ports that are not there yet open themselves later."""
    make = MAKES[config.validator.protocol]
    ports = [
        SerialPort(config.validator.port, make.line, name="validator"),
        SerialPort(config.board.port, BOARD_SETTINGS, name="board"),
        SerialPort(config.label_printer.port, SerialSettings(config.label_printer.baud, 1), name="label printer"),
    ]
    receipts = None
    if config.receipt_printer is not None:
        settings = SerialSettings(config.receipt_printer.baud, 1)
        ports.append(SerialPort(config.receipt_printer.port, settings, name="receipt printer"))
        receipts = EscposPrinter(ports[-1], letters=LETTERS_OF[config.receipt_printer.language])
    for port in ports:
        port.open()
    return Devices(
        validator=make.driver(ports[0], config.validator),
        board=ModbusBoard(ports[1], unit=config.board.unit),
        printer=ZplPrinter(ports[2]),
        lines=open_lines(config),
        receipts=receipts,
        ports=dict(zip(CAPTURED, ports, strict=False)),
    )


class Process:
    """Controller, desk and bus, joined."""

    def __init__(
        self, config: Config, site: Path, devices: Devices, journal: Journal, kek: bytes, clock: Clock
    ) -> None:
        """`kek`: the kiosk's key-encryption key; credentials' pepper and pseudonyms are derived from it.

        `site`: the folder of the configuration, where `kioskctl commission` writes down what was done.
        """
        self._config = config
        self._clock = clock
        self._dirty = asyncio.Event()
        self._log_size = -1
        self._sensing = Sensing()
        self._told_stage: tuple[str | None, str] = ("?", "")
        self._identity = Identity(
            kiosk=config.kiosk.id,
            config_hash=config_hash(config),
            version=version("deposit-kiosk"),
            single_user=config.bus.single_user,
            started_s=clock.monotonic_s(),
        )
        self._habits = HabitFile(config.paths.state_dir / HABITS)
        self._transactions = Transactions(
            clock,
            pseudonym_key(kek),
            self._habits.load(),
            tell=self._tell_transaction,
            save=self._keep_habits,
            warn=self._warn,
            zone=ZoneInfo(config.day.time_zone),
            day_max=config.risk.depositor_day_max,
        )
        self._field_file = FieldFile(config.paths.state_dir / FIELD)
        self._book = FieldBook(clock, self._field_file.load(), save=self._keep_field, tau=SystemRandom().random)
        self.risk = RiskDesk(self._ask, lambda: hazards(devices.lines), config.timing.assess_s)
        directory_keys = DirectoryKeys.load(config.keys_dir)
        models, hashes = packaged(config)
        bank_commands = journal.bank_keys("command", directory_keys.bank_commands) if directory_keys else None
        assurance = Assurance(
            devices,
            journal,
            self.risk,
            installed(hashes),
            policy=lambda: self.controller.witnesses.policy,
            bank_commands=bank_commands,
        )
        self.controller = Controller(
            devices=devices,
            journal=journal,
            runner=ThreadRunner(),
            risk=self.risk,
            clock=clock,
            settings=settings_of(config),
            guarantee=assurance.findings,
            changed=self._changed,
            grew=self._changed,
            sensed=self._sensed,
            policy=trusted(config, journal),
            heard=self._heard,
        )
        directory = AccountDirectory(config.kiosk.id, directory_keys, journal, self.controller.runner, clock)
        self._worker = ThreadRunner()
        self._tasks: set[asyncio.Future[object]] = set()
        self.desk = Desk(
            self.controller,
            rules_of(config),
            os.urandom,
            self._status,
            directory,
            authority=AuthorityDesk(
                self.controller,
                Credentials(kek),
                self._worker,
                rules=sign_in_of(config),
                kiosk=config.kiosk.id,
            ),
            commanders=Commanders.load(config.keys_dir),
            identified=self._transactions.identified,
        )
        files = ModelFiles(config.paths.state_dir / MODELS, bank_commands, artifacts_dir(config))
        shelves = ModelDesk(self.controller, files, models, hashes, self._models_changed)
        self.desk.take_models(shelves, FieldDesk(self.controller, shelves, self._book, levels_of(config)))
        self.desk.take_upkeep(
            SettingsDesk(self.controller, self.desk.authority, LiveSettings(config, self._follow)),
            FilesDesk(
                self.controller,
                self.desk.authority,
                self._worker,
                config.paths.state_dir / OUTGOING,
                status=self._seen,
                link=lambda: self.desk.link,
                configuration=understood(config),
                catalogue=config.protection.catalogue,
                camera=CameraCaptures(
                    lambda ask: self.bus.push("stage", ask), lambda: self._present.get("watcher", 0) > 0
                ),
            ),
        )
        self.desk.take_commissioning(Commissioned(self.controller, site / commissioning.FILE))
        self._tally = Tally(clock, canonical.say)
        around = Around(self.desk, hashes)
        self._present = around.present
        host = Host(config.paths.state_dir)
        health = HealthDesk(
            self.controller, self._identity, self._tally, host, around, clock_synchronised, egress_gate(config)
        )
        self.desk.take_health(health.health)
        self._journal = journal
        self.bus = BusServer(
            config.paths.bus_dir,
            self.desk.handle,
            bus_uids(config),
            single_user=config.bus.single_user,
            on_presence=self._presence,
            view=lambda role, push: seen_by(role, push) if isinstance(push, Status) else push,
        )
        self.desk.tickets.tell = self.bus.push

    async def run(self) -> None:
        """Until cancelled, or until the controller ends in order."""
        loop = asyncio.get_running_loop()

        def durable(drafts: Sequence[RecordDraft]) -> None:  # on the journal's thread
            loop.call_soon_threadsafe(self._tally.records, drafts)

        self._journal.listener = durable
        await self.bus.start()
        notify.ready("serving the bus")
        try:
            async with asyncio.TaskGroup() as group:
                beside = (
                    group.create_task(self._tell(), name="status"),
                    group.create_task(watchdog.feed(self.controller.self_check, self._clock), name="watchdog"),
                )
                await self.controller.run()
                for task in beside:
                    task.cancel()  # it ended in order: the mains power is gone
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.bus.close()
            self._worker.close()
            self.controller.runner.close()

    def _status(self, books: Books) -> Status:
        return status(self.controller, books, self._identity, clock_synchronised=clock_synchronised())

    def _follow(self, config: Config) -> None:
        """What is set over the file holds for the next deposits; status and births name what they are held to."""
        self.desk.follow(rules_of(config))
        self._identity.config_hash = config_hash(config)

    async def _seen(self) -> Status:
        return self._status(await self.desk.books())

    def _changed(self) -> None:
        self._tell_stage()
        self._dirty.set()

    def _tell_stage(self) -> None:
        deposit = self.controller.deposit
        stage = (deposit.code or None, stage_of(deposit.state))
        if stage != self._told_stage:
            self._told_stage = stage
            self.bus.push("stage", StageChanged(*stage))

    async def _tell(self) -> None:
        """Status and outbox news, at a bounded rate."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            books = await self.desk.books()
            self.bus.push("status", self._status(books))
            if books.log_size != self._log_size:
                self._log_size = books.log_size
                self.bus.push("outbox", OutboxGrew(books.log_size))
            await self._clock.sleep(STATUS_S)

    def _tell_transaction(self, reading: TransactionReading) -> None:
        self.bus.push("sensor", reading)

    def _models_changed(self) -> None:
        self.bus.push("stage", ModelsChanged())

    def _warn(self, words: str) -> None:
        self._spawn(self.controller.graded("medium", words))

    def _heard(self, fact: Fact, deposit: Deposit) -> None:
        self._transactions.heard(fact, deposit)
        self._book.heard(deposit)

    def _keep_field(self, content: bytes) -> None:
        self._spawn(self._worker.run(self._field_file.save, content))

    def _keep_habits(self, content: bytes) -> None:
        self._spawn(self._worker.run(self._habits.save, content))

    def _spawn(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ask(self, request: AssessRequest) -> None:
        self.bus.push("stage", request)

    def _presence(self, role: Role, clients: int) -> None:
        self._present[role] = clients
        if role == "watcher" and not clients:
            self.risk.absent()
        if role == "watcher" and clients:
            self._told_stage = ("?", "")  # it has just come and must hear where we are
            asyncio.get_running_loop().call_later(STATUS_S, self._tell_stage)
        self._dirty.set()

    def _sensed(self, snapshot: BoardSnapshot) -> None:
        self.bus.push("sensor", self._sensing.reading(snapshot, self._clock.monotonic_s()))


def token_of(config: Config) -> TokenPlace | None:
    """The token that signs records, where there is one."""
    token = config.record_token
    return None if token is None else TokenPlace(token.module, token.token, token.key, token.next_key)


def open_journal(config: Config, synchronised: Callable[[], bool] = clock_synchronised) -> Journal:
    """The journal with the kiosk's keys. Raises `ConfigError` or `JournalError` with what to do."""
    keys_dir = config.keys_dir
    return Journal(
        config.paths.state_dir / "journal.db",
        LogKeys.load(config.kiosk.id, keys_dir, token_of(config)),
        load_kek(signers.find(keys_dir, VAULT_KEY)),
        clock_synchronised=synchronised,
    )


def trusted(config: Config, journal: Journal) -> Policy | None:
    """The policy that the bank and a second signer have commanded, else the file beside the keys, where there is one.

    Raises ConfigError when that cannot be read.
    """
    commanded = journal.bank.get("policy")
    if commanded is not None:
        return policies.parse(commanded)
    path = config.keys_dir / POLICY
    if not path.exists():
        return None
    found = policies.load(path)
    try:
        found.log(checkpoint.origin(journal.log.kiosk))
    except VerificationError as error:
        if journal.bank.epoch > 1:  # the file is of the first log: receipts are provisional until a policy is commanded
            return None
        raise ConfigError(f"{path}: {error}", remedy="Take the policy file that names this kiosk.") from error
    return found


async def run(config_path: Path) -> None:
    """Until cancelled; `ConfigError` and `JournalError` end it before any device is touched."""
    config = load_config(config_path)
    egress_gate(config)  # its id stands in clear in every envelope and leaf
    journal = open_journal(config)
    kek = load_kek(signers.find(config.keys_dir, VAULT_KEY))
    devices = open_devices(config)
    try:
        await Process(config, config_path.parent, devices, journal, kek, SystemClock()).run()
    finally:
        devices.close()
        journal.close()
