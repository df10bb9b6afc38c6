"""A `Status` as text for a person: what is wrong and what to do about it first, then the rest.

Colours are click's; it takes them out again when the output is no terminal.
"""

from collections.abc import Iterator
from typing import Final

import click

from kiosk.maintenance.words import amounts_in_words, duration_in_words, state_in_words
from kiosk.messages import (
    AssessRequest,
    BadgeShown,
    CaptureCamera,
    DepositView,
    DeviceView,
    LookForTicket,
    ModelsChanged,
    OutboxGrew,
    Push,
    SensorReading,
    StageChanged,
    Status,
    TicketShown,
    TransactionReading,
)

LABEL_CHARS: Final = 12
_COLOURS: Final = {"ok": "green", "low": "green", "starting": "yellow", "degraded": "yellow", "medium": "yellow"}
_PAPER: Final = {
    "pending": "being printed",
    "printed": "printed",
    "failed": "not printed, its codes are on the screen",
    "none": "no printer, its codes are on the screen",
}


def status_text(status: Status) -> str:
    """The whole status, several lines."""
    return "\n".join([*_head(status), *_deposit(status.deposit), *device_lines(status.devices), *_books(status)])


def status_line(status: Status) -> str:
    """The status in one line, for `kioskctl watch`."""
    service = click.style("in service", fg="green") if status.in_service else click.style("OUT OF SERVICE", fg="red")
    parts = [service, status.state.replace("_", " ")]
    if status.deposit is not None:
        parts.append(f"deposit {status.deposit.code}: {amounts_in_words(status.deposit.total)}")
        if status.deposit.last_refusal:
            parts.append(f"last note refused: {status.deposit.last_refusal}")
    parts.append(f"scene {_grade(status.scene_grade)}")
    parts.extend(f"{device.name} {device.state}" for device in status.devices if device.state != "ok")
    parts.append(f"{status.log_size} records, {status.acknowledged} acknowledged by the bank")
    return ", ".join(parts)


def push_line(push: Push) -> str:  # noqa: C901, PLR0911 - one for each push
    """Any push in one line."""
    match push:
        case Status():
            return status_line(push)
        case StageChanged():
            return f"deposit {push.deposit_code or '-'} enters {push.stage}"
        case OutboxGrew():
            return f"records up to {push.next_sequence - 1} wait for the bank"
        case ModelsChanged():
            return "the watcher is told that other models are wanted"
        case AssessRequest():
            return f"the watcher is asked about {push.stage} of {push.deposit_code}"
        case LookForTicket():
            return f"the watcher looks for a deposit ticket for {push.for_s:.0f} s"
        case CaptureCamera():
            return f"the watcher keeps what the camera gives for {push.for_s:.0f} s, blurred"
        case TicketShown():
            return "a deposit ticket is shown: " + (push.problem or "good")
        case BadgeShown():
            return "a badge is shown: " + (push.problem or push.staff)
        case SensorReading():
            return (
                f"board: state {push.board_state}, {push.temperature_decicelsius / 10:.1f} C, {push.supply_mv} mV, "
                f"tilt {push.tilt_mg} mg, vibration {push.vibration_mg_rms} mg, motor {push.motor_current_ma} mA, "
                f"{push.tray_notes} notes in the tray"
            )
        case TransactionReading():
            return f"{push.deposit_code} as a transaction: " + ", ".join(f"{value:.2f}" for value in push.values)


def _row(label: str, text: str) -> str:
    return f"{label:<{LABEL_CHARS}}{text}"


def _grade(grade: str | None) -> str:
    return click.style(grade, fg=_COLOURS.get(grade, "red")) if grade else click.style("not watched", fg="yellow")


def _head(status: Status) -> Iterator[str]:
    if status.in_service:
        yield _row(status.kiosk, click.style("in service", fg="green", bold=True))
    else:
        yield _row(status.kiosk, click.style("OUT OF SERVICE", fg="red", bold=True))
        for reason in status.out_of_service_reasons:
            yield _row("", f"because: {reason}")
    for warning in status.warnings:
        yield _row("", click.style(f"soon: {warning}", fg="yellow"))
    yield _row("does", f"{status.state.replace('_', ' ')} - {state_in_words(status.state)}")
    yield _row("scene", _grade(status.scene_grade))


def _deposit(deposit: DepositView | None) -> Iterator[str]:
    if deposit is None:
        yield _row("deposit", "none under way")
        return
    yield _row("deposit", f"{deposit.code}, account {deposit.account_masked}")
    for count in deposit.counted:
        yield _row("", f"{count.count:>4} x {count.value_minor / 100:,.2f} {count.currency}")
    yield _row("  counted", amounts_in_words(deposit.total))
    for label, amounts in (
        ("  returned", deposit.returned),
        ("  retained", deposit.retained),
        ("  disputed", deposit.disputed),
    ):
        if amounts:
            yield _row(label, amounts_in_words(amounts))
    if deposit.disputed_unvalued:
        yield _row("", f"{deposit.disputed_unvalued} notes of unknown value are disputed")
    if deposit.last_refusal:
        yield _row("  refused", deposit.last_refusal)
    if deposit.bundle_id:
        yield _row("  bundle", deposit.bundle_id)
    yield from _receipt(deposit)
    if deposit.grade:
        yield _row("  risk", _grade(deposit.grade) + "".join(f"; {reason}" for reason in deposit.reasons))
    if deposit.deadline_s is not None:
        yield _row("", f"the kiosk acts by itself in {deposit.deadline_s:.0f} s")


def _receipt(deposit: DepositView) -> Iterator[str]:
    if deposit.receipt:
        copy = f", copy {deposit.receipt_copy}" if deposit.receipt_copy else ""
        yield _row("  receipt", _PAPER[deposit.receipt] + copy)


def device_lines(devices: tuple[DeviceView, ...]) -> Iterator[str]:
    """Each device with its state, and what to do where it is not ok."""
    width = max((len(device.name) for device in devices), default=0)
    for number, device in enumerate(devices):
        state = click.style(f"{device.state:<9}", fg=_COLOURS.get(device.state, "red"))
        yield _row("devices" if number == 0 else "", f"{device.name:<{width}}  {state} {device.detail}".rstrip())
        if device.remedy and device.state != "ok":
            yield _row("", f"{'':<{width}}  -> {device.remedy}")


def _books(status: Status) -> Iterator[str]:
    yield _row("log", f"{status.log_size} leaves, root {status.log_root[:16]}")
    yield _row("bank", f"{status.acknowledged} records acknowledged, {status.outbox_rows} waiting")
    version = status.directory_version
    yield _row("accounts", "no account directory" if version is None else f"account directory version {version}")
    yield _row("today", f"{status.deposits_today} deposits")
    yield _row("software", f"{status.version}, configuration {status.config_hash[:16]}")
    yield _row("up", duration_in_words(status.uptime_s))
    if status.single_user:
        yield click.style("All roles run as one user: nothing keeps the processes apart.", fg="yellow")
    if not status.clock_synchronised:
        yield click.style("The clock is not synchronised; records say so. Check the network time.", fg="yellow")
