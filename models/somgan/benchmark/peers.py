"""Other people's detectors behind one small interface, at their authors' settings.

`knn5`, the mean distance to the five nearest training rows, is about DTE-NP (Livernoche et al., 2024) and the peer to
beat; it keeps every training row, which a kiosk must not.
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from somgan.arrays import Floats
from somgan.errors import BenchMissingError, DataError

NEIGHBOURS = 5
CHUNK_ROWS = 256
MINISOM_SIDE, MINISOM_PASSES = 16, 10


class Detector(Protocol):
    """Fit on normal rows [n, d], then score others [m, d] -> [m]: higher is stranger."""

    def fit(self, x: Floats) -> None: ...
    def score(self, x: Floats) -> Floats: ...


class Knn5:
    """Mean distance to the five nearest training rows, by comparing with every one of them."""

    def __init__(self, _seed: int, _features: int) -> None:
        self._rows: Floats = np.empty((0, 0))

    def fit(self, x: Floats) -> None:
        """Keep the rows."""
        self._rows = x

    def score(self, x: Floats) -> Floats:
        """Mean distance, [m]."""
        squares = (self._rows**2).sum(axis=1)
        return np.concatenate([self._chunk(x[at : at + CHUNK_ROWS], squares) for at in range(0, len(x), CHUNK_ROWS)])

    def _chunk(self, x: Floats, squares: Floats) -> Floats:
        distance2 = (x**2).sum(axis=1, keepdims=True) - 2.0 * x @ self._rows.T + squares
        nearest = np.partition(distance2, min(NEIGHBOURS, squares.size) - 1, axis=1)[:, :NEIGHBOURS]
        return np.asarray(np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1), dtype=np.float64)


class PyOd:
    """A detector of PyOD (Zhao, Nasrullah and Li, 2019) at its default settings."""

    def __init__(self, detector: Any) -> None:  # noqa: ANN401 - PyOD has no types
        self._detector = detector

    def fit(self, x: Floats) -> None:
        """Fit without labels."""
        self._detector.fit(x)

    def score(self, x: Floats) -> Floats:
        """PyOD's decision function; NaN, which a diverged network gives, ranks as the strangest."""
        return np.nan_to_num(np.asarray(self._detector.decision_function(x), dtype=np.float64), nan=np.inf)


class MiniSomMap:
    """Quantisation error of MiniSom (Vettigli), the widely used map: 16 x 16 units, ten passes."""

    def __init__(self, seed: int, features: int) -> None:
        kind = module("minisom").MiniSom
        self._map: Any = kind(MINISOM_SIDE, MINISOM_SIDE, features, sigma=2.0, learning_rate=0.5, random_seed=seed)

    def fit(self, x: Floats) -> None:
        """Start on the principal plane where there is one, then train by single rows in random order."""
        if min(x.shape) > 1:
            self._map.pca_weights_init(x)
        self._map.train(x, MINISOM_PASSES * x.shape[0], random_order=True)

    def score(self, x: Floats) -> Floats:
        """Distance to the nearest unit, [m]."""
        return np.asarray(np.linalg.norm(x - self._map.quantization(x), axis=1), dtype=np.float64)


def _seeded(name: str, kind: str) -> Callable[[int, int], Detector]:
    return lambda seed, _features: PyOd(getattr(module(f"pyod.models.{name}"), kind)(random_state=seed))


def _plain(name: str, kind: str) -> Callable[[int, int], Detector]:
    return lambda _seed, _features: PyOd(getattr(module(f"pyod.models.{name}"), kind)())


def _deep_svdd(seed: int, features: int) -> Detector:
    kind = module("pyod.models.deep_svdd").DeepSVDD
    return PyOd(kind(n_features=features, random_state=seed, verbose=0))


def _somgan(seed: int, _features: int) -> Detector:
    return module("somgan.benchmark.ours").Ours(seed)  # type: ignore[no-any-return]


DETECTORS: dict[str, Callable[[int, int], Detector]] = {
    "somgan": _somgan,
    "knn5": Knn5,
    "pyod_knn": _plain("knn", "KNN"),
    "lof": _plain("lof", "LOF"),
    "iforest": _seeded("iforest", "IForest"),
    "ecod": _plain("ecod", "ECOD"),
    "deep_svdd": _deep_svdd,
    "lunar": _seeded("lunar", "LUNAR"),
    "alad": _plain("alad", "ALAD"),
    "minisom": MiniSomMap,
}
NETWORKS = ("deep_svdd", "lunar", "alad")  # these draw from torch's global generator


def make(name: str, seed: int, features: int) -> Detector:
    """Make a detector, and seed the global generators that some of them draw from.

    Raises:
        DataError: no such detector.
        BenchMissingError: the package it comes from is not installed.

    """
    known(name)
    np.random.seed(seed)  # noqa: NPY002 - PyOD's and MiniSom's own
    if name in NETWORKS:
        module("torch").manual_seed(seed)
    return DETECTORS[name](seed, features)


def known(name: str) -> str:
    """Return the name. Raises: DataError: there is no such detector."""
    if name not in DETECTORS:
        msg = f"no detector named {name!r}"
        raise DataError(msg, remedy=f"There are: {', '.join(DETECTORS)}.")
    return name


def module(name: str) -> Any:  # noqa: ANN401 - peers have no types
    """Import a package that only benchmarks need. Raises: BenchMissingError: it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        msg = f"{name} needs {error.name}, which is not installed"
        raise BenchMissingError(msg) from error
