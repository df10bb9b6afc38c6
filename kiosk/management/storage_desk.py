"""Requests about storage units: what is in them, the steps of an exchange, reports, slips. Decides nothing itself."""

from collections.abc import Mapping
from typing import Any, Final

from firmware_bridge.errors import DeviceFault
from kiosk.clock import rfc3339
from kiosk.core import day, exchange, units
from kiosk.core import unit_facts as u
from kiosk.core.storage import Collected, Container, Exchange, Item, Ledger, Rows, Unit, minor, number
from kiosk.core.unit_records import denominations
from kiosk.core.unit_refusals import UnitRefused
from kiosk.management.controller import Controller
from kiosk.management.slip import slip_page
from kiosk.messages import (
    Amount,
    BundleView,
    CashCount,
    CollectedView,
    ExchangeStep,
    ExchangeView,
    GetReport,
    GetUnits,
    ListReports,
    Ok,
    PrintSlip,
    Refused,
    Reply,
    Report,
    ReportRow,
    Reports,
    Units,
    UnitView,
)

StorageRequest = GetUnits | ExchangeStep | GetReport | ListReports | PrintSlip
COLLECTED_SHOWN_MAX: Final = 200
_NO_SLIP: Final = Refused("no_exchange", "There is no such exchange.", "`kioskctl exchange show` says which was last.")


class StorageDesk:
    """Answers `StorageRequest`s."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller

    async def handle(self, request: StorageRequest) -> Reply:
        """Answer one; what cannot be done is `Refused` in XFS4IoT's words."""
        try:
            match request:
                case GetUnits():
                    return self.view()
                case ExchangeStep():
                    await self._step(request)
                    return self.view()
                case GetReport():
                    return await self._report(request)
                case ListReports():
                    return await self._list(request)
                case PrintSlip():
                    return await self._slip(request.exchange)
        except UnitRefused as refused:
            return Refused(refused.code, str(refused), refused.remedy)

    # --- exchange -----------------------------------------------------------------------------------------

    async def _step(self, request: ExchangeStep) -> None:
        at = rfc3339(self._c.clock.now_utc())
        fact: u.AnyUnitFact
        match request.step:
            case "take":
                how = "scanned" if request.scanned else "typed"
                fact = u.BundleTaken(at, request.serial, request.seal, how)  # type: ignore[arg-type]
            case "miss":
                fact = u.BundleMissing(at, request.serial)
            case "remove":
                fact = u.UnitRemoved(at, request.unit, request.serial, request.seal)
            case "insert":
                fact = u.UnitInserted(at, request.unit, request.serial)
        await self._c.storage.apply(lambda _: fact)

    async def print_last(self) -> str:
        """Print the slip of the exchange that has just ended; why it was not printed, empty when it was."""
        reply = await self._slip(0)
        return reply.message if isinstance(reply, Refused) else ""

    async def _slip(self, wanted: int) -> Reply:
        found: list[Mapping[str, Any]] = await self._c.runner.run(self._c.journal.latest, "exchange", 400)
        record = next((each for each in found if wanted in (0, each["number"])), None)
        if record is None:
            return _NO_SLIP
        printer, settings = self._c.devices.receipts, self._c.settings
        if printer is None:
            return Refused("no_printer", "This kiosk has no receipt printer.", "Copy the record from --json.")
        if self._c.deposit.paper.stands == "pending":
            return Refused("not_now", "A receipt is being printed.", "Try again in a moment.")
        place = (settings.kiosk, settings.branch)
        try:
            await printer.print_receipt(slip_page(record, place=place, language=settings.receipt_language))
        except DeviceFault as fault:
            return Refused("not_printed", str(fault), f"{fault.remedy} Then: kioskctl exchange slip.")
        return Ok()

    # --- reports ------------------------------------------------------------------------------------------

    async def _report(self, request: GetReport) -> Reply:
        if request.kind == "x":
            now = rfc3339(self._c.clock.now_utc())
            disputes = await self._c.runner.run(self._c.journal.open_disputes)
            return Report({**day.report(self._c.storage.ledger, now), "open_disputes": disputes})
        found = await self._c.runner.run(self._c.journal.latest, day.Z_KIND, 400)
        record = next((each for each in found if request.number in (0, each["number"])), None)
        if record is None:
            return Refused("no_report", "There is no such Z report.", "`kioskctl report list` shows them.")
        return Report(dict(record))

    async def _list(self, request: ListReports) -> Reply:
        found = await self._c.runner.run(self._c.journal.latest, day.Z_KIND, request.rows_max)
        return Reports(
            tuple(
                ReportRow(
                    number=each["number"],
                    date=each["date"],
                    made_at=each["made_at"],
                    closed_by=each["closed_by"],
                    deposits=each["deposits"],
                    credited=_amounts({currency: row["credited"] for currency, row in each["sums"].items()}),
                    record=each["seq"],
                )
                for each in found
            )
        )

    # --- views --------------------------------------------------------------------------------------------

    def view(self) -> Units:
        """Everything about the units at this moment."""
        storage = self._c.storage
        ledger = storage.ledger
        newest = ledger.collected[-COLLECTED_SHOWN_MAX:]
        return Units(
            units=tuple(self._unit(ledger, unit) for unit in ledger.units),
            exchange=None if ledger.exchange is None else _exchange(ledger.exchange),
            collected=tuple(_collected(item) for item in reversed(newest)),
            collected_total=len(ledger.collected),
            warnings=storage.warnings(),
            date=day.label(ledger.day) if ledger.day.opened else "",
            z_number=ledger.day.number,
        )

    def _unit(self, ledger: Ledger, unit: Unit) -> UnitView:
        threshold = self._c.storage.settings.thresholds.get(unit.name)
        return UnitView(
            name=unit.name,
            serial=unit.serial,
            status=unit.status,
            accuracy=unit.accuracy,
            doubts=unit.doubts,
            replenishment=units.replenishment(ledger, unit, threshold),
            used=units.used(ledger, unit),
            full=threshold.full if threshold else None,
            count=unit.count,
            amounts=_amounts(minor(unit.rows)),
            cash=_cash(unit.rows),
            initial=number(unit.initial),
            came={moved.kind: number(moved.rows) for moved in unit.came},
            left={moved.kind: number(moved.rows) for moved in unit.left},
            bundles=tuple(_bundle(item) for item in unit.items if item.id),
        )


def _amounts(by_currency: Mapping[str, int]) -> tuple[Amount, ...]:
    return tuple(Amount(value, currency) for currency, value in sorted(by_currency.items()))


def _cash(rows: Rows) -> tuple[CashCount, ...]:
    counts: list[dict[str, Any]] = denominations(rows)
    return tuple(CashCount(each["currency"], each["value"], each["level"], each["count"]) for each in counts)


def _bundle(item: Item) -> BundleView:
    slot = -1 if item.slot is None else item.slot
    return BundleView(item.id, slot, number(item.rows), _amounts(minor(item.rows)), item.flags)


def _collected(item: Collected) -> CollectedView:
    return CollectedView(
        id=item.id,
        unit=item.unit,
        exchange=item.exchange,
        notes=number(item.rows),
        amounts=_amounts(minor(item.rows)),
        seal=item.seal,
        flags=item.flags,
        missing=item.missing,
    )


def _exchange(open_: Exchange) -> ExchangeView:
    return ExchangeView(
        number=open_.number,
        started_at=open_.started_at,
        by=open_.by,
        units=open_.units,
        taken=tuple(f"{taken.bundle}@{taken.bag}" if taken.bag else taken.bundle for taken in open_.taken),
        missing=open_.missing,
        foreign=tuple(f"{taken.bundle}@{taken.bag}" if taken.bag else taken.bundle for taken in open_.foreign),
        removed=tuple(map(_container, open_.removed)),
        inserted=tuple(map(_container, open_.inserted)),
        digest=exchange.digest(open_),
    )


def _container(container: Container) -> str:
    return " ".join(filter(None, (container.unit, container.serial, container.seal)))
