"""The kiosk's health as samples of `kiosk.core.metrics`: read from what the controller knows, decided nowhere else."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import Line
from kiosk.clock import rfc3339
from kiosk.core import units
from kiosk.core.metrics import DEVICE_STATES, DEVICES, LINES, PROCESSES, UNITS, Sample, known, sample, states
from kiosk.core.state import State
from kiosk.guarantee.journal import Journal
from kiosk.management.controller import Controller
from kiosk.management.desk import Desk
from kiosk.management.host import Host
from kiosk.management.machine import not_ready
from kiosk.management.tally import Tally
from kiosk.management.view import Identity, device_views
from kiosk.messages import Health, LinkReport, RiskReport
from kiosk.protection.bundles import usual_gate
from kiosk.protection.egress import Gate

REASONS_MAX: Final = 32
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Around:
    """What health is told of beside the controller; all of it as it is now."""

    def __init__(self, desk: Desk, models: Mapping[str, str]) -> None:
        """`models`: stream -> hash of the model that judges, kept up to date by whoever decides that."""
        self._desk = desk
        self.models = models
        self.present: dict[str, int] = {}  # role -> connections to the bus

    @property
    def link(self) -> LinkReport:
        """What the uplink last said of its connection."""
        return self._desk.link


@dataclass(frozen=True)
class _Kept:
    """What the journal's thread reads."""

    log_records: int
    outbox_records: int
    deposits: int  # that the bank has not signed for
    oldest_minute: str
    disputes: int
    host: tuple[Sample, ...]


class HealthDesk:
    """Answers `GetHealth`."""

    def __init__(
        self,
        controller: Controller,
        identity: Identity,
        tally: Tally,
        host: Host,
        around: Around,
        clock_synchronised: Callable[[], bool],
        gate: Gate | None = None,
    ) -> None:
        """`gate`: what of the reasons may be told (destination `telemetry`)."""
        self._gate = gate or usual_gate()
        self._c, self._identity, self._tally, self._host, self._around = controller, identity, tally, host, around
        self._clock_synchronised = clock_synchronised

    async def health(self) -> Health:
        """Now. Raises JournalError when the journal cannot be read."""
        kept = await self._c.runner.run(_read, self._c.journal, self._host)
        reasons = tuple(
            self._gate.text(words, "telemetry").text for words in not_ready(self._c.machine, self._c.devices)
        )
        under_way = self._c.deposit.state not in (State.IDLE, State.DONE)
        samples = (
            *self._kiosk(in_service=not reasons, under_way=under_way),
            *self._tally.samples(),
            *self._records(kept),
            *self._devices(),
            *self._units(),
            *_watching(self._c.risk.latest),
            *self._danger(),
            *kept.host,
        )
        now = rfc3339(self._c.clock.now_utc())
        return Health(now, in_service=not reasons, reasons=reasons[:REASONS_MAX], samples=samples)

    def _kiosk(self, *, in_service: bool, under_way: bool) -> Iterator[Sample]:
        identity, machine = self._identity, self._c.machine
        yield sample("kiosk_info", 1, identity.version, identity.config_hash)
        yield sample("kiosk_uptime_seconds", round(self._c.clock.monotonic_s() - identity.started_s, 1))
        yield sample("kiosk_in_service", in_service)
        yield sample("kiosk_deposit_under_way", under_way)
        yield sample("kiosk_devices_connected", machine.connected)
        for process in PROCESSES:
            yield sample("kiosk_process_connected", self._around.present.get(process, 0) > 0, process)
        yield sample("kiosk_clock_synchronised", self._clock_synchronised())
        yield sample("kiosk_power_holding_up", self._c.power.until_s is not None)
        yield sample("kiosk_log_trusted", not (machine.distrust or machine.damage))

    def _records(self, kept: _Kept) -> Iterator[Sample]:
        yield sample("kiosk_log_records", kept.log_records)
        yield sample("kiosk_outbox_records", kept.outbox_records)
        yield sample("kiosk_outbox_age_seconds", self._age_s(kept.oldest_minute))
        yield sample("kiosk_deposits_unacknowledged", kept.deposits)
        yield sample("kiosk_disputes_open", kept.disputes)
        link = self._around.link
        yield sample("kiosk_uplink_connected", link.connected)
        if link.certificate_ends:
            ends = datetime.fromisoformat(link.certificate_ends)
            yield sample("kiosk_certificate_ends_timestamp_seconds", ends.timestamp())

    def _age_s(self, minute: str) -> float:
        """Records say when they were made to the minute."""
        if not minute:
            return 0.0
        made = datetime.strptime(minute, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        return round(max((self._c.clock.now_utc() - made).total_seconds(), 0.0), 1)

    def _devices(self) -> Iterator[Sample]:
        seen: dict[str, str] = {}
        for view in device_views(self._c.machine):  # one that is down may be told with what it last said of itself
            device, state = known(view.name, DEVICES), known(view.state, DEVICE_STATES)
            seen[device] = max(seen.get(device, state), state, key=DEVICE_STATES.index)
        for device, state in seen.items():
            yield from states("kiosk_device_state", state, device)
        for line in LINES:
            try:
                active = self._c.devices.lines.read(Line(line))
            except DeviceFault:
                continue
            yield sample("kiosk_line_active", active, line)
        if (board := self._c.machine.snapshot) is not None:
            yield sample("kiosk_board_temperature_celsius", board.temperature_decicelsius / 10)
            yield sample("kiosk_board_supply_volts", board.supply_mv / 1000)
            yield sample("kiosk_straps", board.strap_stock)
            yield sample("kiosk_cabinet_fill_ratio", board.cabinet_fill_permille / 1000)

    def _units(self) -> Iterator[Sample]:
        ledger, thresholds = self._c.storage.ledger, self._c.storage.settings.thresholds
        for unit in ledger.units:
            if unit.name in UNITS:
                yield sample("kiosk_unit_used", units.used(ledger, unit), unit.name)
            if unit.name in thresholds:
                yield sample("kiosk_unit_capacity", thresholds[unit.name].full, unit.name)

    def _danger(self) -> Iterator[Sample]:
        grade = self._c.risk.grade
        if grade is not None:
            yield from states("kiosk_scene_grade", grade)
        for stream, sha256 in self._around.models.items():
            if _SHA256.fullmatch(sha256):  # else it says in words why there is none
                yield sample("kiosk_model_info", 1, stream, sha256)


def _watching(report: RiskReport | None) -> Iterator[Sample]:
    """What the watcher last said of itself; nothing while it is not there."""
    if report is None:
        return
    yield from states("kiosk_lens_state", report.lens)
    yield sample("kiosk_camera_frames_per_second", report.frames_per_second)
    for pace in report.paces:
        yield sample("kiosk_inference_p95_seconds", round(pace.p95_ms / 1000, 6), pace.stream)


def _read(journal: Journal, host: Host) -> _Kept:
    deposits, oldest = journal.outbox_state()
    open_ones = {dispute.deposit_id for dispute in journal.disputes.open()}
    return _Kept(
        log_records=journal.log.size(),
        outbox_records=journal.log.outbox_rows(),
        deposits=deposits,
        oldest_minute=oldest,
        disputes=len(open_ones),
        host=tuple(host.samples()),
    )
