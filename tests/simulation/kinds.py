"""Every kind of trouble that a schedule may hold, by label: what the simulator's faults, lines, disk and clock can do.

A label is `device.fault` with the parameter that makes it another kind; the faults are hwsim's own (`hwsim faults`).
`tests/simulation/test_schedules.py` fails when the simulator learns a fault that is neither here nor a repair.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal


@dataclass(frozen=True)
class Kind:
    """One kind of trouble. `mends`: a technician's hand is needed; `seconds` is drawn where a fault has a duration."""

    label: str
    device: str
    fault: str
    parameters: dict[str, Any] = field(default_factory=dict)


def _kind(device: str, fault: str, suffix: str = "", **parameters: Any) -> Kind:
    return Kind(f"{device}.{fault}{suffix}", device, fault, parameters)


FAULTS: Final = (
    *(_kind("validator", "jam", f":{where}", where=where) for where in ("unsafe", "safe", "payout", "empty")),
    _kind("validator", "jam", ":payout_recovers", where="payout_recovers"),
    _kind("validator", "jam", ":stubborn", where="safe", stubborn=True),
    _kind("validator", "fraud", ":pulled", note="pulled"),
    _kind("validator", "fraud", ":kept", note="kept"),
    _kind("validator", "misread", count=2),
    _kind("validator", "stacker_full"),
    _kind("validator", "stacker_removed"),
    _kind("validator", "path_opened"),
    _kind("validator", "lost_reply", count=3),
    _kind("validator", "corrupt_reply", count=3),
    _kind("validator", "mute", seconds=4.0),
    _kind("validator", "restart"),
    _kind("validator", "escrow_forgotten"),
    _kind("validator", "swapped"),
    _kind("validator", "failure"),
    _kind("validator", "event_burst"),
    _kind("validator", "lost_echo", count=3),
    *(_kind("board", "jam", f":{place}", place=place) for place in ("transport", "tray", "gate")),
    _kind("board", "jam", ":stubborn", place="transport", stubborn=True),
    *(_kind("board", name, f":{count}", count=count) for name in ("strap_fails", "label_fails") for count in (1, 3)),
    _kind("board", "counter_misses", count=1),
    _kind("board", "tray_removed", ":stay", notes="stay"),
    _kind("board", "tray_removed", ":taken", notes="taken"),
    _kind("board", "tray_emptied"),
    _kind("board", "note_taken", ":tray", place="tray"),
    _kind("board", "note_taken", ":transport", place="transport"),
    _kind("board", "stuck_sensor", sensor="temperature_decicelsius", value=990),
    _kind("board", "disturbance", ":drill", vibration_mg=900.0),
    _kind("board", "disturbance", ":tilt", tilt_mg=400.0),
    _kind("board", "disturbance", ":supply", supply_mv=-4000.0),
    _kind("board", "lost_reply", count=3),
    _kind("board", "corrupt_reply", count=3),
    _kind("board", "mute", seconds=4.0),
    _kind("board", "restart"),
    *(_kind("label", name) for name in ("head_open", "ribbon_out", "hot", "paused", "paper_out", "label_torn_off")),
    _kind("label", "lost_reply", count=2),
    _kind("label", "mute", seconds=3.0),
    _kind("label", "restart"),
    *(_kind("receipt", name) for name in ("cover_open", "cutter_stuck", "unrecoverable", "hot", "paper_out")),
    _kind("receipt", "paper_near_end", mm=60.0),
    _kind("receipt", "lost_reply", count=2),
    _kind("receipt", "mute", seconds=3.0),
    _kind("receipt", "restart"),
    _kind("cabinet", "shutter_jam"),
    _kind("cabinet", "slots_full"),
    _kind("cabinet", "emptied"),
    *(
        _kind("cabinet", "stuck_line", f":{line}", line=line, level=level)
        for line, level in (("shutter_closed", False), ("shutter_opened", False), ("shutter_closed!", True))
    ),
    *(
        _kind("cabinet", "line_pulse", f":{line}", line=line)
        for line in ("power_good", "e_stop", "door_closed", "tamper", "service_key")
    ),
)

# Not faults of a device: what people, lines, disk, clock and stocks do. `tests/simulation/fate.py` carries them out.
OTHERS: Final = (
    "hand.in_port",
    "stock.straps_out",
    "stock.nearly_full_cabinet",
    "disk.full",
    "disk.read_only",
    "disk.slow",
    "clock.back_a_day",
    "clock.forward_a_year",
    "clock.unsynchronised",
    "watcher.medium",
    "watcher.high",
    "watcher.silent",
    "watcher.covered",
    "mains.dip",
    "mains.gone",
    "people.reset",
    "people.exchange",
)
LINE_NOISE: Final = ("delay", "loss", "duplicate", "corrupt", "split", "merge")
LINES: Final = ("validator", "board", "label", "receipt")
CRASHES: Final = ("all", "controller", "validator", "board", "label", "receipt")
LEAVES: Final = ("watching", "cash_in", "review", "returning", "storing")
REPAIRS: Final = frozenset(  # what the technician does; never a trouble by itself
    {
        ("validator", "clear_jam"),
        ("validator", "stacker_emptied"),
        ("validator", "stacker_replaced"),
        ("validator", "repaired"),
        ("validator", "path_closed"),
        ("board", "clear_jam"),
        ("board", "tray_returned"),
        ("board", "sensors_repaired"),
        ("board", "forget_faults"),
        ("label", "paper_loaded"),
        ("receipt", "paper_loaded"),
        ("cabinet", "line_repaired"),
        ("cabinet", "shutter_freed"),
        ("cabinet", "power_cut"),  # schedules cut the power by their own crash points
    }
)
VALIDATORS: Final = ("ssp", "ebds", "cctalk")
OWN: Final = {"ebds": ("failure",), "cctalk": ("event_burst", "lost_echo")}  # faults that no other make has
CrashWhere = Literal["before-write", "after-write", "frame", "time"]


def labels() -> tuple[str, ...]:
    """Every kind that must come in at least one schedule of a hundred."""
    return (
        *(kind.label for kind in FAULTS),
        *OTHERS,
        *(f"line.{noise}" for noise in LINE_NOISE),
        *(f"crash.{what}" for what in CRASHES),
        *(f"depositor.leaves:{step}" for step in LEAVES),
        "depositor.forgets_code",
        "technician.takes_note",
        *(f"validator.is:{kind}" for kind in VALIDATORS),
        *(f"note.{kind}" for kind in ("suspect", "unreadable", "long", "double")),
    )
