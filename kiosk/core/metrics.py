"""What a kiosk tells of its own health: every metric by name, with all the labels that it may have. Pure.

A sample is `(name, label values in the table's order, value)`. It crosses the bus, MQTT and the bank's store as it is,
and becomes Prometheus' text at either end. A label value is one of a closed list, or a hash or version of fixed form:
there is no place in a sample where a name, an account or anything else of a person could stand. Whoever receives
samples holds them against this table again (`checked`).
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, NamedTuple, get_args

import msgspec

from kiosk.core.model_shelf import STREAMS
from kiosk.core.money import Claim

Name = Annotated[str, msgspec.Meta(max_length=64)]
Label = Annotated[str, msgspec.Meta(max_length=64)]
Sample = tuple[Name, Annotated[tuple[Label, ...], msgspec.Meta(max_length=4)], float]
SAMPLES_MAX: Final = 256  # of one message
HEALTH_BYTES_MAX: Final = 64 * 1024  # of one message on the lane `telemetry`

Device = Literal["validator", "board", "label_printer", "receipt_printer", "gpio", "devices"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)
DEVICE_STATES: Final = ("ok", "starting", "degraded", "down")
GRADES: Final = ("low", "medium", "high")
OUTCOMES: Final = (
    *("credited", "returned", "retracted", "nothing_inserted", "cancelled", "interrupted", "refused_risk"),
    *("shutter_jammed", "reset", "position_not_empty", "board_not_ready", "jammed", "other"),
)
ALERTS: Final = (
    *("not_taken", "not_returned", "unfinished", "validator_stopped", "risk", "suspect_note", "fraud", "jam", "device"),
    *("cabinet", "guarantee", "receipt", "unpaired_note", "unexpected_credit", "exchange", "board", "technician"),
    *("port_tamper", "locked_out", "power", "service_key", "complaint", "certificate", "other"),
)
LINES: Final = ("shutter_closed", "shutter_opened", "door_closed", "tamper", "e_stop", "service_key", "power_good")
LENSES: Final = ("clear", "covered", "frozen", "looped", "absent")
UNITS: Final = ("cabinet", "cassette", "retract", "tray", "escrow")
PROCESSES: Final = ("watcher", "uplink", "terminal")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}((a|b|rc|\.dev|\.post)[0-9]{1,4})?")

Values = tuple[str, ...] | re.Pattern[str]


class Metric(NamedTuple):
    """One row of the table. `help` is Prometheus' HELP line; units are in the name, as Prometheus asks."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[tuple[str, Values], ...] = ()


def _gauge(name: str, words: str, **labels: Values) -> Metric:
    return Metric(f"kiosk_{name}", "gauge", words, tuple(labels.items()))


def _counter(name: str, words: str, **labels: Values) -> Metric:
    return Metric(f"kiosk_{name}_total", "counter", words, tuple(labels.items()))


_ROWS: Final = (
    # The kiosk as a whole
    _gauge("controller_up", "1 if the controller answers and can read its journal; nothing else is told when not."),
    _gauge("info", "1; which software and configuration this is.", version=_VERSION, config_hash=_SHA256),
    _gauge("uptime_seconds", "Since the controller was started."),
    _gauge("in_service", "1 if a deposit may begin now, or one is under way."),
    _gauge("deposit_under_way", "1 from the first touch until the result has left the screen."),
    _gauge("devices_connected", "0 while devices start or are being reconciled after a fault."),
    _gauge("process_connected", "1 while this process is connected to the controller.", process=PROCESSES),
    _gauge("clock_synchronised", "1 if the kernel says that the wall clock follows a time server."),
    _gauge("power_holding_up", "1 while the cabinet runs on the uninterruptible supply alone."),
    # Deposits; counters begin at the controller's start
    _counter("deposits", "Deposits that ended, by outcome.", outcome=OUTCOMES),
    _counter("deposit_grades", "Deposits that ended, by their worst grade of risk.", grade=GRADES),
    _counter("notes", "Notes of deposits that ended, by claim.", claim=tuple(map(str, Claim))),
    _counter("disputed_deposits", "Deposits that ended with a disputed note."),
    _gauge("disputes_open", "Deposits with disputed notes that two people have not cleared yet."),
    _counter("alerts", "Alerts to the bank, by name.", alert=ALERTS),
    # The way to the bank
    _gauge("uplink_connected", "1 while a broker of the bank is connected."),
    _gauge("certificate_ends_timestamp_seconds", "When the uplink's client certificate ends."),
    _gauge("log_records", "Records in the kiosk's log."),
    _gauge("outbox_records", "Records that the bank has not signed for."),
    _gauge("outbox_age_seconds", "How long the oldest of them has been waiting; 0 when there is none."),
    _gauge("deposits_unacknowledged", "Deposit records among them."),
    _gauge("log_trusted", "0 when the log is not the one the bank knows, or does not add up: no deposit may begin."),
    # Devices
    _gauge("device_state", "1 for the state that the device is in.", device=DEVICES, state=DEVICE_STATES),
    _counter("device_faults", "Faults that led to reconciliation, by device.", device=DEVICES),
    _gauge("line_active", "1 while this line of the cabinet has its meaning (doors, tamper, keys).", line=LINES),
    _gauge("board_temperature_celsius", "Inside the cabinet, as the deposit board measures it."),
    _gauge("board_supply_volts", "Of the deposit board."),
    _gauge("straps", "Straps left for bundles."),
    # Storage
    _gauge("unit_used", "Taken of a storage unit: slots of the cabinet, notes of the others.", unit=UNITS),
    _gauge("unit_capacity", "All of it: when so much is taken, no deposit may begin.", unit=UNITS),
    _gauge("cabinet_fill_ratio", "How full the cabinet is, as the board's own sensor sees it; 1 is full."),
    # Danger
    _gauge("scene_grade", "1 for the grade of the scene now.", grade=GRADES),
    _gauge("lens_state", "1 for what the watcher makes of the camera's picture.", state=LENSES),
    _gauge("camera_frames_per_second", "Frames that the watcher gets."),
    _gauge("inference_p95_seconds", "95 of 100 judgements of late took no longer.", stream=STREAMS),
    _gauge("model_info", "1; the SHA-256 of the model that judges this stream.", stream=STREAMS, sha256=_SHA256),
    # The machine below
    _gauge("cpu_temperature_celsius", "The hottest of the processor's sensors."),
    _gauge("disk_temperature_celsius", "Of the journal's disk: NVMe says it, SATA with the kernel's module drivetemp."),
    _gauge("disk_free_bytes", "Free for the journal on its file system."),
    _gauge("disk_size_bytes", "Of the journal's file system."),
    _counter("disk_written_bytes", "Written to the journal's ext4 file system since it was made."),
    _gauge("disk_life_used_ratio", "Upper bound of the share of its life that eMMC says is used up; 1 is all."),
    _gauge("disk_end_of_life", "Reserve blocks of eMMC: 1 normal, 2 at 80 % used, 3 at 90 %: replace it."),
)
METRICS: Final[dict[str, Metric]] = {row.name: row for row in _ROWS}


def sample(name: str, value: float, *labels: str) -> Sample:
    """One sample of the table. Raises ValueError for anything that is not in it."""
    made = (name, labels, float(value))
    why = refusal(made)
    if why:
        raise ValueError(why)
    return made


def states(name: str, current: str, *labels: str) -> tuple[Sample, ...]:
    """One sample for each value of the metric's last label: 1 for `current`, 0 for the others."""
    values = METRICS[name].labels[-1][1]
    if not isinstance(values, tuple) or current not in values:
        message = f"{name}: {current!r} is none of its states"
        raise ValueError(message)
    return tuple(sample(name, value == current, *labels, value) for value in values)


def known(value: str, values: Sequence[str]) -> str:
    """`value` if the list has it, otherwise the list's last entry, which stands for all others."""
    return value if value in values else values[-1]


def refusal(found: Sample) -> str:
    """Why this is no sample of the table; empty when it is one. What is refused is not repeated in the words."""
    name, labels, value = found
    metric = METRICS.get(name)
    if metric is None:
        return "a metric that the table does not have"
    if len(labels) != len(metric.labels):
        return f"{name}: {len(labels)} labels instead of {len(metric.labels)}"
    if not math.isfinite(value):
        return f"{name}: the value is no number"
    for said, (label, values) in zip(labels, metric.labels, strict=True):
        if not (said in values if isinstance(values, tuple) else values.fullmatch(said)):
            return f"{name}: label {label} has a value that the table does not allow"
    return ""


def checked(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples, if every one is in the table and none is there twice. Raises ValueError."""
    seen: dict[tuple[str, tuple[str, ...]], Sample] = {}
    for each in samples:
        why = refusal(each)
        if not why and (each[0], each[1]) in seen:
            why = f"{each[0]}: the same sample twice"
        if why:
            raise ValueError(why)
        seen[each[0], each[1]] = each
    return tuple(seen.values())


def grouped(samples: Iterable[Sample]) -> dict[Metric, list[Sample]]:
    """Samples by metric, in the table's order, as Prometheus' text wants them."""
    found: dict[Metric, list[Sample]] = {}
    for each in samples:
        found.setdefault(METRICS[each[0]], []).append(each)
    return {metric: found[metric] for metric in METRICS.values() if metric in found}
