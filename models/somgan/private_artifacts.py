"""The artifact under differential privacy: whatever the manifest and the card show is made of what was released."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from somgan.arrays import Ints
from somgan.artifacts import Fitted
from somgan.conformal import Split
from somgan.data import Table
from somgan.privacy import plan, statement
from somgan.private import fit_private, workload
from somgan.promise import Promise
from somgan.quality import measure
from somgan.releases import Owned, chance, maxima
from somgan.training import Settings

SHOWN_ROWS = 2000


def fitted_privately(
    table: Table, split: Split, settings: Settings, promise: Promise, progress: Callable[[str], None]
) -> Fitted:
    """Fit with the least noise that keeps the promise; quality, ranges and golden rows come of synthetic rows.

    The discriminator's AUROC of real against generated rows would need real ones: it is not measured.
    """
    fit, tails = (_owned(table, part) for part in (split.fit, split.tails))
    work = workload(fit.deposits, settings.generator)
    noise = plan(promise, work)
    progress(
        f"epsilon {promise.epsilon:g}, delta {promise.delta:g} for each deposit: noise multipliers {noise.maps:.1f} of"
        f" maps, {noise.networks:.1f} of networks; {fit.deposits} deposits to fit, {tails.deposits} for tails"
    )
    rng = chance()
    private = fit_private(fit, tails, settings, noise, rng, progress)
    rows, unseen = (private.synthetic(SHOWN_ROWS, settings.seed + part) for part in range(2))
    quality = replace(measure(private.trained, rows, unseen, settings.seed), discriminator_auroc=float("nan"))
    return Fitted(
        private.trained,
        private.columns,
        rows,
        unseen,
        quality,
        lambda scores: maxima(scores, noise.single, rng),
        statement(promise, noise, work),
    )


def _owned(table: Table, deposits: Ints) -> Owned:
    mine = table.rows(deposits)
    return Owned(table.x[mine], np.asarray(table.deposit[mine], dtype=np.int64))
