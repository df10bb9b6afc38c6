"""Card transactions of the Fraud Detection Handbook's simulator: a week to learn from, a later week to judge.

Trained on the transactions of the training days without their frauds, tested on the test days without the cards that
had a fraud in the training days (Le Borgne et al., "Reproducible machine learning for credit card fraud detection").
The detector sees no labels. Its features come twice: from behaviour alone, and with what investigations have confirmed
by then (`histories`): in this simulator frauds at compromised terminals have ordinary amounts from ordinary cards, so
that nothing but an earlier confirmed fraud can point at them.
"""

import csv
import gzip
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Bools, Floats, Ints
from somgan.benchmark import histories, peers
from somgan.errors import DataError
from somgan.metrics import auroc, average_precision

COLUMNS = ("time", "customer", "terminal", "amount", "fraud")
FIT_ROWS_MAX = 20_000
CARDS_A_DAY = 100
ROWS_MAX = 5_000_000


@dataclass(frozen=True)
class Transactions:
    """Columns [n] in time order; `time_s` since the first day's midnight, `day` a proleptic ordinal."""

    time_s: Floats
    day: Ints
    card: Ints
    terminal: Ints
    amount: Floats
    fraud: Bools

    def between(self, days: tuple[date, date]) -> Bools:
        """Mask [n] of the days from first to last, inclusive."""
        return (self.day >= days[0].toordinal()) & (self.day <= days[1].toordinal())


def read(path: Path) -> Transactions:
    """Read a CSV file (.gz or plain) with the columns of COLUMNS.

    Raises: DataError: missing, damaged, other columns, more than ROWS_MAX rows, or not in time order.

    """
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    remedy = f"Give a CSV file with the columns {', '.join(COLUMNS)}, in the order of time."
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            if not set(COLUMNS) <= set(rows.fieldnames or ()):
                msg = f"{path}: columns {', '.join(rows.fieldnames or ())}"
                raise DataError(msg, remedy=remedy)
            columns = [[row[name] for name in COLUMNS] for row, _ in zip(rows, range(ROWS_MAX), strict=False)]
        moments = [datetime.fromisoformat(row[0]).replace(tzinfo=UTC) for row in columns]
        card, terminal = (np.array([int(row[index]) for row in columns], dtype=np.int64) for index in (1, 2))
        amount = np.array([float(row[3]) for row in columns])
        fraud = np.array([int(row[4]) for row in columns]) == 1
    except (OSError, EOFError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        msg = f"{path}: {error}"
        raise DataError(msg, remedy=remedy) from error
    time_s = np.array([moment.timestamp() for moment in moments])
    if not time_s.size or (np.diff(time_s) < 0).any() or not np.isfinite(amount).all():
        msg = f"{path}: empty, not in the order of time, or an amount that is no number"
        raise DataError(msg, remedy=remedy)
    day = np.array([moment.toordinal() for moment in moments], dtype=np.int64)
    return Transactions(time_s - time_s[0], day, card, terminal, amount, fraud)


def run(
    data: Transactions,
    days: tuple[tuple[date, date], tuple[date, date]],
    names: Sequence[str],
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Return figures by detector and kind of features.

    Raises: DataError: no normal transaction on the training days, or the test days lack frauds or others.

    """
    for name in names:
        peers.make(name, seed, 2)
    train, test = data.between(days[0]), data.between(days[1])
    test &= ~np.isin(data.card, data.card[train & data.fraud])
    train &= ~data.fraud
    if not train.any() or not (test & data.fraud).any() or not (test & ~data.fraud).any():
        msg = "these days have no normal transactions to train on, or not both kinds to test on"
        raise DataError(msg, remedy="Choose other days; the test has to come after the training.")
    result: dict[str, Any] = {}
    for kind, labels in (("behaviour", None), ("with_feedback", data.fraud)):
        progress(f"features: {kind}")
        x = histories.table(data.time_s, (data.card, data.terminal), data.amount, labels)
        fitted, judged = _scaled(x[train], x[test], seed)
        result[kind] = {}
        for name in names:
            started = time.perf_counter()
            detector = peers.make(name, seed, x.shape[1])
            detector.fit(fitted)
            figures = _figures(detector.score(judged), data, test)
            result[kind][name] = figures
            progress(f"{kind}: {name} {figures}, {time.perf_counter() - started:.0f} s")
    return {
        "transactions": {"train": int(train.sum()), "test": int(test.sum()), "frauds": int((test & data.fraud).sum())},
        "feedback_delay_days": histories.FEEDBACK_DELAY_S / histories.DAY_S,
        "detectors": result["with_feedback"],
        "detectors_without_feedback": result["behaviour"],
    }


def _scaled(train: Floats, test: Floats, seed: int) -> tuple[Floats, Floats]:
    """Standardise with the training rows; of those, at most FIT_ROWS_MAX at random are fitted."""
    mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-9)
    chosen = np.random.default_rng(seed).permutation(train.shape[0])[:FIT_ROWS_MAX]
    return (train[chosen] - mean) / deviation, (test - mean) / deviation


def _figures(score: Floats, data: Transactions, test: Bools) -> dict[str, float]:
    fraud = data.fraud[test]
    return {
        "auroc": round(auroc(score, fraud), 6),
        "ap": round(average_precision(score, fraud), 6),
        f"card_precision_{CARDS_A_DAY}": round(card_precision(score, fraud, data.card[test], data.day[test]), 6),
    }


def card_precision(score: Floats, fraud: Bools, card: Ints, day: Ints, per_day: int = CARDS_A_DAY) -> float:
    """Share of truly compromised cards among the `per_day` most suspect ones of a day, mean over days.

    A card once found is off the list from the next day on, as the Handbook counts.
    """
    found: set[int] = set()
    shares = []
    for today in np.unique(day):
        left = (day == today) & ~np.isin(card, list(found))
        cards, owner = np.unique(card[left], return_inverse=True)
        worst = np.full(cards.size, -np.inf)
        np.maximum.at(worst, owner, score[left])
        guilty = np.bincount(owner, weights=fraud[left], minlength=cards.size) > 0
        first = np.argsort(-worst, kind="stable")[:per_day]
        found.update(cards[first][guilty[first]].tolist())
        shares.append(float(guilty[first].sum()) / per_day)
    return float(np.mean(shares))


def lines(report: dict[str, Any]) -> list[str]:
    """Say the report to a person."""
    result = [f"{report['transactions']}", f"{'features':<16} {'detector':<12} AUROC    AP       card precision"]
    for kind, key in (("with feedback", "detectors"), ("behaviour", "detectors_without_feedback")):
        for name, figures in report[key].items():
            result.append(f"{kind:<16} {name:<12} " + "   ".join(f"{value:.4f}" for value in figures.values()))
    return result
