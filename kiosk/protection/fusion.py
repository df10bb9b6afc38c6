"""Six algorithms into one verdict: each kind's sum over them of what the algorithm says, weighed by its F-measure.

`checks` and `patterns` name kinds or nothing; the four networks give probabilities. An algorithm's F-measure per kind,
from its own confusion matrix on validation data, says how far it is believed about that kind: a check digit that a
13-digit card and a 13-digit OGRN both pass is worth what it was worth on validation, and the column decides.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from kiosk.protection.encoding import Floats
from kiosk.protection.kinds import KINDS
from kiosk.protection.opinions import INDEX

_SURE: Final = 0.999  # no algorithm is believed more than this
_FREE_TEXT: Final = INDEX["free_text"]


def votes(opinions: Floats) -> tuple[Floats, Floats]:
    """Of opinions [n, 3 K]: what check digits and what patterns vote for, each [n, K], rows of sum 1 or 0."""
    kinds = len(KINDS)
    checked, shaped = opinions[:, :kinds].copy(), opinions[:, kinds : 2 * kinds].copy()
    shaped[:, _FREE_TEXT] += opinions[:, 2 * kinds :].any(axis=1)
    return _shared(checked), _shared(shaped)


def _shared(votes: Floats) -> Floats:
    shares: Floats = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1.0)
    return shares


def fuse(said: Floats, weights: Floats) -> Floats:
    """`said` [A, n, K] and `weights` [A, K] (F-measures) -> scores [n, K] between 0 and 1."""
    believed = np.minimum(weights, _SURE)
    # The odds of F: one that is right 99 times of 100 outweighs ten that are right nine times of ten.
    strength = (believed / (1.0 - believed)).astype(np.float32)
    total = np.einsum("ank,ak->nk", said, strength)
    heard = said.sum(axis=2) > 0  # [A, n]: an algorithm that says nothing does not lower a score
    possible = np.einsum("an,ak->nk", heard.astype(np.float32), strength)
    scores: Floats = (total / np.maximum(possible, 1e-6)).astype(np.float32)
    return scores


def f_measures(truth: npt.NDArray[np.int64], said: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """F-measure per kind [K] and confusion matrix [K, K + 1] (truth, said; last: nothing) of one algorithm."""
    kinds = len(KINDS)
    chosen = np.where(said.sum(axis=1) > 0, said.argmax(axis=1), kinds)
    matrix = np.zeros((kinds, kinds + 1), dtype=np.int64)
    np.add.at(matrix, (truth, chosen), 1)
    hits = np.diag(matrix[:, :kinds]).astype(np.float64)
    both = matrix.sum(axis=1) + matrix[:, :kinds].sum(axis=0)
    return (2 * hits / np.maximum(both, 1)).astype(np.float32), matrix
