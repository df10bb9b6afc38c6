"""What the grades promise: on normal deposits that no model has seen, p-values are uniform, so 1 in 100 is 1 in 100."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwsim.machine_dataset import write_machine
from hwsim.transaction_dataset import write as write_lives
from kiosk.appraisal.conformal import Smoother, p_value
from kiosk.appraisal.manifest import Stream
from kiosk.appraisal.model import Row, StreamModel
from kiosk.core import transaction
from kiosk.monitoring import machine
from kiosk.monitoring.extract import machine_rows, transaction_table

ARTIFACTS = Path(__file__).parents[2] / "models" / "artifacts"
NAMES: dict[Stream, tuple[str, ...]] = {"machine": machine.NAMES, "transaction": transaction.NAMES}
DEPOSITS = 150
SEED = 4711  # of no training, calibration or development data
Deposits = list[list[Row]]
CRITICAL = 1.63  # Kolmogorov-Smirnov at 0.01 for two samples, times the root of 1/n + 1/m


def readings(folder: Path) -> Deposits:
    rng = np.random.default_rng(SEED)
    deposits = []
    for number in range(DEPOSITS):
        path = folder / f"{number}.npz"
        start_s, end_s = 5.0, 5.0 + float(np.clip(9.0 + rng.gamma(2.0, 3.5), 9.0, 42.0))
        write_machine(path, SEED * 1000 + number, start_s, end_s)
        deposits.append([row for _, row, _ in machine_rows(path, start_s, end_s)])
    return deposits


def lives(folder: Path) -> Deposits:
    write_lives(folder, SEED, DEPOSITS // 10, 75)  # a fifth of each kiosk's known life: neighbours are alike
    table = transaction_table(folder / "transactions.jsonl")
    return [list(table["X"][table["deposit"] == one]) for one in np.unique(table["deposit"])[::5]]


@pytest.mark.parametrize(("stream", "made"), [("machine", readings), ("transaction", lives)])
def test_p_values_of_normal_deposits_are_uniform(
    tmp_path: Path, stream: Stream, made: Callable[[Path], Deposits]
) -> None:
    model = StreamModel.load(ARTIFACTS / stream, stream, NAMES[stream])
    known = model.manifest.calibration
    found = []
    for rows in made(tmp_path):
        smoother = Smoother(known.smoothing_rows)
        found.append(p_value(max(smoother.update(model.judge(row).score) for row in rows), known.deposit_max_scores))
    ordered = np.sort(found)
    count = ordered.size
    assert count >= DEPOSITS
    distance = max(np.max(np.arange(1, count + 1) / count - ordered), np.max(ordered - np.arange(count) / count))
    assert distance < CRITICAL * np.sqrt(1 / count + 1 / len(known.deposit_max_scores))
