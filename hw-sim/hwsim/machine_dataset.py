# ruff: noqa: PLR2004 - the chances and lengths of a made-up deposit explain themselves where they stand
"""Board readings of simulated deposits, as the kiosk's controller would forward them: normal ones only.

Cabinets differ (climate, supply, tilt, wear), links differ (readings a second), people lean on the cabinet and
lorries pass. The columns are named like the product's bus message; that is the contract between the two.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwsim.config import SensorConfig
from hwsim.devices.board_sensors import Activity, Disturbance, SensorState, read_sensors

IDLE, COLLECTING, STRAPPING, MARKING, STORING, RETURNING = range(6)  # input register 6 of the board
HOMING = 7  # as the kiosk tells it: the register has no state for it
REST_INTERVAL_S = 0.9  # the controller reads a board about once a second before somebody deposits
SETTLES_S = 0.5  # homing is told for so much longer than it lasts


@dataclass(frozen=True, slots=True)
class Step:
    """What the board does from one time on."""

    from_s: float
    state: int
    motor: Activity
    notes: int  # on the tray


def write_machine(path: Path, seed: int, start_s: float, end_s: float) -> None:
    """Write the readings from 0 to `end_s` of one deposit that starts at `start_s`."""
    rng = np.random.default_rng((seed, 0xB0A2D))
    steps = _steps(rng, start_s, end_s)
    surroundings = SensorConfig(
        ambient_c=float(rng.uniform(-8.0, 44.0)),
        supply_mv=float(rng.uniform(23_300, 24_800)),
        tilt_mg=float(rng.uniform(-30, 30)),
        gas_permille=float(rng.uniform(2, 32)),
        wear=float(rng.beta(1.0, 1.6)) * 0.95,
    )
    bumps = [(float(rng.uniform(0, end_s)), float(rng.exponential(7.0))) for _ in range(rng.poisson(1.6))]
    load, interval_s = float(rng.uniform(0, 0.25)), 1.0 / float(rng.uniform(2.0, 10.0))
    columns: dict[str, list[float]] = {}
    at_s = 0.0
    while at_s <= end_s:
        step = max((one for one in steps if one.from_s <= at_s), key=lambda one: one.from_s)
        state = SensorState(surroundings, step.motor, at_s - step.from_s, load)
        shake = sum(strength for when_s, strength in bumps if 0 <= at_s - when_s < 0.5)
        state = replace(state, disturbance=Disturbance(vibration_mg=shake, tilt_mg=0.3 * shake))
        read = read_sensors(state, seed, at_s)
        row = {
            "at_monotonic_s": at_s,
            "board_state": step.state,
            "temperature_decicelsius": read.temperature_decicelsius,
            "supply_mv": read.supply_mv,
            "tilt_mg": read.tilt_mg,
            "vibration_mg_rms": read.vibration_mg_rms,
            "gas_permille": read.gas_permille,
            "motor_current_ma": read.motor_current_ma,
            "door_bits": 0,
            "tray_notes": step.notes,
            "transport_occupied": step.state in (COLLECTING, RETURNING),
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
        at_s += (interval_s if at_s >= start_s else REST_INTERVAL_S) * float(rng.uniform(0.85, 1.3))
    kinds = {"at_monotonic_s": np.float64, "transport_occupied": np.bool_}
    np.savez_compressed(path, **{name: np.array(c, kinds.get(name, np.int64)) for name, c in columns.items()})  # type: ignore[arg-type]


def _steps(rng: np.random.Generator, start_s: float, end_s: float) -> list[Step]:
    """Homing, now and then a purge of a suspect note, then the bundle - unless the deposit is cancelled."""
    steps = [Step(0.0, IDLE, Activity.NONE, 0)]

    def move(at_s: float, length_s: float, state: int, motor: Activity, notes: int = 0) -> float:
        steps.append(Step(at_s, state, motor, notes))
        steps.append(Step(at_s + length_s, IDLE, Activity.NONE, notes))
        return at_s + length_s

    at_s = start_s + float(rng.uniform(0.0, 1.0))
    if rng.random() < 0.9:  # where notes become a bundle the board is homed before the port opens
        at_s = move(at_s, float(rng.uniform(0.4, 0.8)) + SETTLES_S, HOMING, Activity.GATE)
    notes = int(rng.integers(1, 41))
    collect_s = 0.6 + notes * float(rng.uniform(0.15, 0.45))
    bundle_s = end_s - collect_s - float(rng.uniform(2.5, 6.0))
    if rng.random() < 0.25:
        at_s = move(float(rng.uniform(at_s + 1.0, max(at_s + 1.1, bundle_s - 1.0))), 0.8, RETURNING, Activity.BELT)
    if rng.random() < 0.12:
        return steps
    at_s = max(at_s + 2.0, bundle_s)
    bundle = (
        (collect_s, COLLECTING, Activity.BELT, 0),
        (0.5 + SETTLES_S if rng.random() < 0.1 else 0.0, HOMING, Activity.GATE, notes),
        (1.0, STRAPPING, Activity.STRAPPER, notes),
        (0.8, MARKING, Activity.APPLICATOR, notes),
        (0.8, STORING, Activity.GATE, 0),
    )
    for length_s, state, motor, held in bundle:
        if length_s > 0:
            at_s = move(at_s, length_s * float(rng.uniform(0.9, 1.2)), state, motor, held)
            at_s += float(rng.uniform(0.05, 0.8))
    return steps
