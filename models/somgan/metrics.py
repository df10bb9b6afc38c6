"""Ranking metrics, computed as scikit-learn defines them (ties included) without depending on it."""

import numpy as np

from somgan.arrays import Bools, Floats


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    result: Floats = (ends - (counts - 1) / 2.0)[inverse]
    return result


def auroc(score: Floats, positive: Bools) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative (NaN without both kinds)."""
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(_ranks(score)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def average_precision(score: Floats, positive: Bools) -> float:
    """Sum over thresholds of precision times gain in recall; ties form one threshold. NaN without positives."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = positive[order]
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    found = np.cumsum(hits)[last]
    precision = found / (last + 1.0)
    return float((np.diff(found, prepend=0) / found[-1] * precision).sum())
