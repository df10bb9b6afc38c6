"""`kioskctl test`: one device after another, step by step: what should be, what is, what to do. Moves nothing."""

from collections.abc import Callable, Iterator
from typing import Final

from firmware_bridge.errors import DeviceFault
from firmware_bridge.interfaces import BoardResult, BoardSnapshot, BoardState, Line
from kiosk.management.controller import Controller
from kiosk.management.machine import label_printer_status, receipt_printer_status, store_levels
from kiosk.messages import LinkReport, TestedDevice, TestReport, TestStep

SUPPLY_MV: Final = (21_600, 26_400)  # 24 V, a tenth more or less
MAP_VERSION: Final = 1
_CABLE: Final = "Check its power and its cable; then `kioskctl status`."


class DeviceTests:
    """Looks at what each device says of itself."""

    def __init__(self, controller: Controller, link: Callable[[], LinkReport]) -> None:
        self._c = controller
        self._link = link

    async def run(self, device: TestedDevice) -> TestReport:
        """Every step of one device; a fault is a step that failed."""
        try:
            steps = await self._steps(device)
        except DeviceFault as fault:
            steps = [_step("answers", "yes", str(fault), ok=False, remedy=fault.remedy)]
        return TestReport(tuple(steps))

    async def _steps(self, device: TestedDevice) -> list[TestStep]:  # noqa: PLR0911 - one for each device
        match device:
            case "validator":
                return await self._validator()
            case "board":
                return await self._board()
            case "label_printer":
                status = await label_printer_status(self._c.devices)
                return [
                    _step("answers", "yes", "yes" if status.answered else "no", ok=status.answered, remedy=_CABLE),
                    *_absent("paper", status.paper_out, "out", "Put a new roll of labels in."),
                    *_absent("head", status.head_open, "open", "Close the print head."),
                    *_absent("ribbon", status.ribbon_out, "out", "Put a new ribbon in."),
                    *_absent("pause", status.paused, "paused", "Press its pause key."),
                ]
            case "receipt_printer":
                return await self._receipt_printer()
            case "lines":
                return self._lines()
            case "watcher":
                grade = self._c.risk.grade
                return [
                    _step("watches", "low", grade or "is not there", ok=grade == "low", remedy="Look at the camera.")
                ]
        link = self._link()
        seen = "connected" if link.connected else link.detail or "not connected"
        return [_step("link to the bank", "connected", seen, ok=link.connected, remedy="Look at the network.")]

    async def _validator(self) -> list[TestStep]:
        machine = self._c.machine
        if machine.identity is None:
            return [_step("answers", "yes", machine.fault or "no", ok=False, remedy=machine.remedy or _CABLE)]
        identity, stranger = machine.identity, machine.stranger
        steps = [_step("answers", "yes", f"firmware {identity.firmware}", ok=True)]
        remedy = "Vouch for it: kioskctl accept-device validator SERIAL_NUMBER"
        seen = f"serial {identity.serial_number if stranger is None else stranger}"
        steps.append(_step("is the accepted one", "yes", seen, ok=stranger is None, remedy=remedy))
        known = {channel.number for channel in identity.channels}
        lacking = sorted(self._c.settings.accept_channels - known)
        seen = f"lacks {', '.join(map(str, lacking))}" if lacking else f"{len(known)} channels"
        steps.append(
            _step("dataset", "every note of the configuration", seen, ok=not lacking, remedy="Load its dataset.")
        )
        stopped = "; ".join(machine.stopped.values())
        steps.append(_step("takes notes", "yes", stopped or "yes", ok=not stopped, remedy="Open it and look inside."))
        async with self._c.batches.lock:
            levels = await store_levels(self._c.devices)
        notes = sum(level.count for level in levels)
        idle = self._c.idle and not self._c.deposit.notes
        words = "empty" if idle else "as the deposit says"
        steps.append(_step("note store", words, f"{notes} notes", ok=not (idle and notes), remedy="kioskctl reset"))
        return steps

    async def _board(self) -> list[TestStep]:
        before = self._c.machine.snapshot
        board = await self._c.devices.board.snapshot()
        return [_step("answers", "yes", f"boot {board.boot_id:08x}", ok=True), *_board_steps(before, board)]

    async def _receipt_printer(self) -> list[TestStep]:
        status = await receipt_printer_status(self._c.devices)
        if status is None:
            return [_step("is there", "as configured", "none is configured", ok=True)]
        near = "near its end" if status.paper_near_end else "enough"
        return [
            _step("answers", "yes", "yes" if status.answered else "no", ok=status.answered, remedy=_CABLE),
            _step("can print", "yes", status.trouble or "yes", ok=status.ready, remedy=status.remedy),
            _step("paper", "enough", near, ok=not status.paper_near_end, remedy="Have a new roll at hand."),
        ]

    def _lines(self) -> list[TestStep]:
        lines = self._c.devices.lines
        rows = (
            (Line.DOOR_CLOSED, True, "door", "closed", "open", "Close the cabinet door."),
            (Line.TAMPER, False, "tamper line", "whole", "broken", "Look for who opened the cabinet; tell the bank."),
            (Line.E_STOP, False, "emergency stop", "released", "pressed", "Release it."),
            (Line.POWER_GOOD, True, "mains power", "there", "failed", "Look at the mains and the supply."),
            (Line.SHUTTER_CLOSED, True, "shutter", "closed", "not closed", "kioskctl service close"),
            (Line.SERVICE_KEY, False, "service key", "turned back", "turned", "Turn it back when you leave."),
        )
        return [
            _step(name, good, good if (ok := lines.read(line) is wanted) else bad, ok=ok, remedy=remedy)
            for line, wanted, name, good, bad, remedy in rows
        ]


def _board_steps(before: BoardSnapshot | None, board: BoardSnapshot) -> Iterator[TestStep]:
    same = before is None or before.boot_id == board.boot_id
    yield _step(
        "runs since it was connected", "yes", "yes" if same else "restarted", ok=same, remedy="Look at its supply."
    )
    version = board.map_version
    yield _step("map version", str(MAP_VERSION), str(version), ok=version == MAP_VERSION, remedy="Another firmware.")
    low, high = SUPPLY_MV
    volts = f"{board.supply_mv / 1000:.2f} V"
    expected = f"{low / 1000:g} to {high / 1000:g} V"
    yield _step("supply", expected, volts, ok=low <= board.supply_mv <= high, remedy="Measure the supply.")
    fault = board.state == BoardState.FAULT
    state = BoardState(board.state).name.lower() if board.state in set(BoardState) else str(board.state)
    yield _step("state", "no fault", state, ok=not fault, remedy="kioskctl service home")
    result = board.finished_result
    words = BoardResult(result).name.lower() if result in set(BoardResult) else str(result)
    yield _step("last command", "ok", words, ok=result == BoardResult.OK, remedy="kioskctl service clear")
    belt = "occupied" if board.transport_occupied else "clear"
    yield _step("belt", "clear", belt, ok=not board.transport_occupied, remedy="kioskctl service clear")
    yield _step("tray", "0 notes", f"{board.tray_notes} notes", ok=not board.tray_notes, remedy="kioskctl reset")
    yield _step("straps", "some", str(board.strap_stock), ok=board.strap_stock > 0, remedy="Put straps in.")
    full = board.cabinet_fill_permille
    yield _step("cabinet", "not full", f"{full / 10:g} %", ok=full < 1000, remedy="An exchange is due.")  # noqa: PLR2004


def _step(name: str, expected: str, seen: str, *, ok: bool, remedy: str = "") -> TestStep:
    return TestStep(name, expected, seen, ok, "" if ok else remedy)


def _absent(name: str, found: bool, trouble: str, remedy: str) -> Iterator[TestStep]:  # noqa: FBT001 - a reading
    yield _step(name, f"not {trouble}", trouble if found else f"not {trouble}", ok=not found, remedy=remedy)
