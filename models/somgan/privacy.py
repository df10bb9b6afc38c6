"""Differential privacy: how much noise a promise of (epsilon, delta) asks for, and how it is accounted.

The unit is one deposit with all of its rows, against a deposit in the same place that says nothing (zero-out
neighbours: Kairouz et al., "Practical and private (deep) learning without sampling or shuffling", 2021; so how many
deposits there are is public). Deposits are split into three sets that share none: a deposit is in one of them only,
and each set has the whole promise to itself (parallel composition). The layers are fitted to the first, the tails of
the fusion are counted on the second, the grades on the third. What is released of the first is a composition of
Gaussian mechanisms: two histograms of each feature (scales and views), a covariance, per map and epoch the counts and
sums of its units, their squared residuals, and every step of the networks (DP-SGD, Poisson-sampled). It is accounted
with privacy loss distributions (Koskela et al., "Computing tight differential privacy guarantees using FFT", 2020; the
library dp-accounting). All else - smoothing, shrinking, export, figures of quality, golden rows - reads only what was
released.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from dp_accounting import NeighboringRelation, dp_event, mechanism_calibration
from dp_accounting.pld import PLDAccountant

from somgan.promise import Promise

STATISTICS = 3  # two histograms of all features, one covariance
STATISTICS_SHARE = 0.3  # of the maps' noise: everything else rests on the scales
NETWORKS_SHARE = 0.3  # of what the maps spend
INTERVAL = 1e-3  # grid of the privacy losses; rounding is upwards, so a coarse one only wastes a little
NOT_COVERED = (
    "how many deposits and rows there are",
    "a depositor's several deposits together (k deposits: k times epsilon)",
    "labelled tables that the model is evaluated on",
    "noise drawn in floating point from a generator that is not cryptographic",
    "settings that a person chose after looking at the data",
)


@dataclass(frozen=True)
class Workload:
    """What will be released of the deposits that fit the layers."""

    maps: int
    epochs: int
    network_steps: int  # of both networks together
    sampling: float  # share of the deposits in a step, on average

    @property
    def map_releases(self) -> int:
        """Every epoch of every map, and its residuals in the end."""
        return self.maps * (self.epochs + 1)


@dataclass(frozen=True)
class Noise:
    """Noise multipliers: standard deviation over sensitivity, of each kind of release."""

    statistics: float
    maps: float
    networks: float
    single: float  # of the one histogram that tails and grades release


def plan(promise: Promise, work: Workload) -> Noise:
    """Return the least noise that keeps the promise."""
    single = _single(promise)
    # What Gaussian releases need together if the networks cost nothing; with them it is a little more.
    alone = single * float(np.sqrt(STATISTICS / STATISTICS_SHARE**2 + work.map_releases))
    scale = _calibrated(promise, lambda value: _event(_layers(value, work), work), (0.8 * alone, 4.0 * alone))
    chosen = _layers(scale, work)
    return Noise(chosen.statistics, chosen.maps, chosen.networks, single)


def spent(noise: Noise, work: Workload, delta: float) -> float:
    """Return the epsilon that these releases spend at `delta`: the larger of the layers' and the single histogram's."""
    both = []
    for event in (_event(noise, work), dp_event.GaussianDpEvent(noise.single)):
        accountant = _accountant()
        accountant.compose(event)
        both.append(float(accountant.get_epsilon(delta)))
    return max(both)


def statement(promise: Promise, noise: Noise, work: Workload) -> dict[str, Any]:
    """Say in the manifest what is promised, of what, and what is not."""
    return {
        "epsilon": promise.epsilon,
        "delta": promise.delta,
        "epsilon_spent": round(spent(noise, work, promise.delta), 4),
        "unit": "one deposit with all of its rows",
        "neighbours": "zero-out: the deposit against one that says nothing",
        "accountant": "privacy loss distributions (dp-accounting), rounded upwards",
        "covers": ["scales and views", "maps", "generator and discriminator (DP-SGD)", "tails of the fusion", "grades"],
        "not_covered": list(NOT_COVERED),
        "noise_multipliers": {
            "statistics": round(noise.statistics, 4),
            "maps": round(noise.maps, 4),
            "networks": round(noise.networks, 4),
            "tails_and_grades": round(noise.single, 4),
        },
        "releases": {"statistics": STATISTICS, "maps": work.map_releases, "network_steps": work.network_steps},
        "sampling": round(work.sampling, 6),
    }


def _layers(scale: float, work: Workload) -> Noise:
    """Share the promise out: statistics are few and everything rests on them; networks get a share of the maps' part.

    The share is reckoned by the central limit of sampled Gaussians (Bu et al., "Deep learning with Gaussian
    differential privacy", 2020), which is good enough to divide by; what is spent is accounted exactly.
    """
    networks = scale
    if work.network_steps:
        part = NETWORKS_SHARE * work.map_releases / scale**2
        networks = 1.0 / float(np.sqrt(np.log1p(part / (work.sampling**2 * work.network_steps))))
    return Noise(statistics=STATISTICS_SHARE * scale, maps=scale, networks=networks, single=scale)


def _event(noise: Noise, work: Workload) -> dp_event.DpEvent:
    gaussian, repeated = dp_event.GaussianDpEvent, dp_event.SelfComposedDpEvent
    step = dp_event.PoissonSampledDpEvent(work.sampling, gaussian(noise.networks))
    events = [
        repeated(gaussian(noise.statistics), STATISTICS),
        repeated(gaussian(noise.maps), work.map_releases),
        *([repeated(step, work.network_steps)] if work.network_steps else []),
    ]
    return dp_event.ComposedDpEvent(events)


def _single(promise: Promise) -> float:
    # Zero-concentrated privacy (Bun and Steinke, 2016) gives a multiplier a little too large, which bounds the search.
    bound = np.log(1.0 / promise.delta)
    enough = float(1.0 / (2**0.5 * (np.sqrt(bound + promise.epsilon) - np.sqrt(bound))))
    return _calibrated(promise, dp_event.GaussianDpEvent, (0.4 * enough, 1.1 * enough))


def _accountant() -> PLDAccountant:
    return PLDAccountant(NeighboringRelation.REPLACE_SPECIAL, value_discretization_interval=INTERVAL)


def _calibrated(promise: Promise, event: Callable[[float], dp_event.DpEvent], bracket: tuple[float, float]) -> float:
    found = mechanism_calibration.calibrate_dp_mechanism(
        _accountant,
        event,
        promise.epsilon,
        promise.delta,
        mechanism_calibration.ExplicitBracketInterval(*bracket),
        tol=2e-3 * bracket[0],
    )
    return float(found) * 1.003  # the search may stop on either side
