"""`python -m tests.protection_bench` (`make bench-protection`): accuracy, speed, the gate's time, and the peers beside them.

The last line is JSON: {"macro_f1", "micro_f1", "per_kind", "cells_per_second", "peers", ...}.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cellkinds.columns import Labelled
from kiosk.protection import fusion
from kiosk.protection.bundles import usual_gate
from kiosk.protection.catalogue import Catalogue, Destination
from kiosk.protection.classify import Classifier, Column
from kiosk.protection.egress import Gate
from kiosk.protection.judge import FieldJudge
from kiosk.protection.kinds import KINDS
from kiosk.protection.networks import ALGORITHMS
from kiosk.protection.opinions import INDEX
from tests.protection_bench import pictures
from tests.protection_bench.measure import Figures, measure
from tests.protection_bench.peers import compare
from tests.protection_bench.table import CELLS_EACH, table

FIELDS = (
    "deposit of 12 notes, 7 suspect", "validator NV200 2.13.4 on /dev/serial/by-id/usb-FTDI_FT232R-if00", "record 4711 acknowledged after 0.31 s",
    "the broker refused a publish: quota exceeded", "Иванов Иван Иванович просил перезвонить", "王建国 更换了皮带", "call +7 912 345-67-89 about it",
    "low", "21.5 C, 24012 mV, tilt 3 mg", "scene: somebody looks over the shoulder", "card 4111 1111 1111 1111 refused", "Technician Margaret Thompson opened the door",
)  # fmt: skip


CHANNELS: dict[Destination, tuple[str, ...]] = {
    "log": tuple(f"INFO kiosk.management.loop: {field}" for field in FIELDS),
    "telemetry": ("out of service: the receipt printer has no paper", "validator: no answer for 2.0 s", "kiosk_device_state", "board", "idle", "0.1.0", "ab" * 32),
    "caption": ("somebody looks over the shoulder (face 0.34 of the picture; usually below 0.11)", "the amount is larger than 99.2 % of this kiosk's", "the sensors' supply drops: 22.9 V, usually 23.6 to 24.3 V", "the lens is covered"),
    "bundle": ("2026-11-22T10:15:02.125Z", "note_escrowed", "3f" * 16, "validator NV200 2.13.4", "the transport is jammed at the strapper", "deposit 3f3f3f3f: 12 notes, 1,200.00 CNY", "kiosk/v1/demo-0001/record"),
    "record": ("demo-0001",),
}  # fmt: skip


def gate_microseconds(gate: Gate, rounds: int, destination: Destination) -> float:
    """Of one field on average, over ordinary ones; each round other ones, so that nothing is remembered."""
    fields = CHANNELS[destination]
    started = time.process_time()
    for number in range(rounds):
        for field in fields:
            gate.text(f"{field} {number % 97}", destination, "note")
    return (time.process_time() - started) / (rounds * len(fields)) * 1e6


def mixed_microseconds(gate: Gate, rounds: int) -> float:
    """The twelve fields of all sorts, a quarter of them with a name."""
    started = time.process_time()
    for number in range(rounds):
        for field in FIELDS:
            gate.text(f"{field} {number % 97}", "bundle", "note")
    return (time.process_time() - started) / (rounds * len(FIELDS)) * 1e6


def stream_microseconds(gate: Gate, rounds: int) -> float:
    """Of one line on average when the same fields come as a stream."""
    started = time.process_time()
    for _ in gate.lines((f"{field} {number}" for number in range(rounds) for field in FIELDS), "bundle"):
        pass
    return (time.process_time() - started) / (rounds * len(FIELDS)) * 1e6


def alone(classifier: Classifier, columns: Sequence[Labelled]) -> float:
    """Micro F1 when each cell is a column of its own without a header: what the column is worth."""
    cells = [(value, kind) for each in columns for value, kind in zip(each.values, each.kinds, strict=True)]
    verdicts = classifier.cells([Column([value]) for value, _ in cells])
    return sum(verdict.kind == kind for (verdict,), (_, kind) in zip(verdicts, cells, strict=True)) / len(cells)


def by_algorithm(classifier: Classifier, columns: Sequence[Labelled], found: Figures) -> dict[str, dict[str, float]]:
    """F1 by kind of each algorithm alone, and of the fusion."""
    said = classifier.said([Column(each.values, each.header) for each in columns])
    truth = np.array([INDEX[kind] for each in columns for kind in each.kinds])
    measured = {
        name: dict(zip(KINDS, fusion.f_measures(truth, said[at])[0].tolist(), strict=True))
        for at, name in enumerate(ALGORITHMS)
    }
    return {**measured, "fused": found.per_kind}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.protection_bench", description=__doc__)
    parser.add_argument("--each", type=int, default=CELLS_EACH, help="cells of each kind in each script")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--artifacts", type=Path, default=None, help="other networks than the shipped ones")
    parser.add_argument("--pictures", type=Path, default=None, help="folder for the two SVG files")
    parser.add_argument("--wrong", type=int, default=12, help="how many confusions to show")
    parser.add_argument("--no-peers", action="store_true")
    asked = parser.parse_args()
    classifier = Classifier.load(asked.artifacts)
    columns = table(asked.seed, asked.each)
    found = measure(classifier, columns)
    for kind, score in sorted(found.per_kind.items(), key=lambda each: each[1]):
        print(f"{kind:16} {score:.4f}")
    for (truth, said), count in Counter((truth, said) for truth, said, _, _ in found.wrong).most_common(asked.wrong):
        print(f"{count:5} {truth} taken for {said}")
    if asked.pictures is not None:
        pictures.confusion(found.matrix, asked.pictures / "protection-confusion.svg")
        pictures.f_table(by_algorithm(classifier, columns, found), asked.pictures / "protection-f.svg")
    gate = Gate(Catalogue.load(), bytes(32), FieldJudge(classifier))
    fresh = Gate(Catalogue.load(), bytes(32), FieldJudge(classifier))
    mixed_microseconds(gate, 3)
    usual = usual_gate(Catalogue.load())
    report: dict[str, object] = {
        "macro_f1": round(found.macro_f1, 4),
        "micro_f1": round(found.micro_f1, 4),
        "per_kind": {kind: round(score, 4) for kind, score in found.per_kind.items()},
        "cells": found.cells,
        "cells_per_second": round(found.cells_per_second),
        "micro_f1_without_column": round(alone(classifier, columns), 4),
        "gate_microseconds": round(mixed_microseconds(usual, 80), 1),
        "gate_microseconds_by_channel": {to: round(gate_microseconds(usual, 80, to), 1) for to in CHANNELS},
        "gate_microseconds_networks": round(mixed_microseconds(gate, 80), 1),
        "gate_microseconds_streaming": round(stream_microseconds(fresh, 80), 1),
        "gate_microseconds_patterns_only": round(mixed_microseconds(Gate(Catalogue.load(), bytes(32)), 80), 1),
        "classifier": classifier.version,
        "seed": asked.seed,
        "peers": {} if asked.no_peers else compare(columns, list(found.verdicts), asked.seed),
    }
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
