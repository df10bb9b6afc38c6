"""How well cells were told: F-measures, confusion, cells a second."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellkinds.columns import Labelled
from kiosk.protection import fusion
from kiosk.protection.classify import Classifier, Column
from kiosk.protection.kinds import KINDS
from kiosk.protection.opinions import INDEX


@dataclass(frozen=True)
class Figures:
    """`per_kind` F1 by kind; `matrix` [K, K] truth by verdict; seconds of one core for all cells."""

    macro_f1: float
    micro_f1: float
    per_kind: dict[str, float]
    matrix: "np.typing.NDArray[np.int64]"
    cells: int
    cells_per_second: float
    wrong: tuple[tuple[str, str, str, str], ...]  # truth, verdict, value, header
    verdicts: tuple[str, ...]  # of every cell in order


def measure(classifier: Classifier, columns: Sequence[Labelled]) -> Figures:
    """Classify and compare."""
    asked = [Column(each.values, each.header) for each in columns]
    classifier.cells(asked[:20])  # the first call of a graph prepares it
    started = time.process_time()
    verdicts = classifier.cells(asked)
    seconds = time.process_time() - started
    truth = np.array([INDEX[kind] for each in columns for kind in each.kinds])
    said = np.array([INDEX[verdict.kind] for column in verdicts for verdict in column])
    one_hot = np.zeros((len(said), len(KINDS)), dtype=np.float32)
    one_hot[np.arange(len(said)), said] = 1.0
    measured, matrix = fusion.f_measures(truth, one_hot)
    occurring = sorted(set(truth.tolist()))
    cells = [(value, each.header) for each in columns for value in each.values]
    wrong = tuple((KINDS[truth[at]], KINDS[said[at]], *cells[at]) for at in np.flatnonzero(truth != said))
    return Figures(
        float(np.mean([measured[kind] for kind in occurring])),
        float((truth == said).mean()),
        {KINDS[kind]: float(measured[kind]) for kind in occurring},
        matrix[:, : len(KINDS)],
        len(truth),
        len(truth) / seconds,
        wrong,
        tuple(KINDS[kind] for kind in said),
    )
