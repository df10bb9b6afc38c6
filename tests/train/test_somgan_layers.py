"""Each layer does what its name says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from somgan.arrays import Floats, Floats32
from somgan.export import export, probe_rows, relative
from somgan.fusion import tail_curve
from somgan.generator import GeneratorSettings, synthetic_rows
from somgan.model import batched
from somgan.piecewise import Curve, PiecewiseLinear
from somgan.quality import measure, topographic_error
from somgan.runtime import OnnxModel
from somgan.som import CompetitionLayer, MapShape, best_units, fit_map
from somgan.training import Settings, Trained, fit
from somgan.views import LIMIT, Views, fit_views

pytestmark = pytest.mark.train

SMALL = Settings(MapShape(8, 8, epochs=15), GeneratorSettings(steps=400))


def ring(rows: int, seed: int) -> Floats32:
    """Rows on a noisy circle with a third, dependent column: a normal world with a hole in it."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, rows)
    x = np.stack([np.cos(angle), np.sin(angle), np.cos(angle) * 50 + 200], axis=1)
    return (x + rng.normal(0, 0.05, x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(ring(2000, 1), ring(500, 2), SMALL, lambda _line: None)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3, width=16), min_size=2, max_size=20, unique=True),
    st.floats(-2e3, 2e3, width=16),
)
def test_piecewise_equals_numpy_between_and_lines_beyond(knots: list[float], x: float) -> None:
    places: Floats = np.sort(np.array(knots, dtype=np.float64))
    heights = np.arange(places.size, dtype=np.float64)
    curve = PiecewiseLinear([Curve(places, heights, 0.0, 2.0)])
    expected = np.interp(x, places, heights) + 2.0 * max(0.0, x - places[-1])
    got = float(curve(torch.tensor([[x]], dtype=torch.float32))[0, 0])
    assert got == pytest.approx(expected, abs=2e-3 * max(1.0, abs(expected)))


def test_views_scale_whiten_rank_and_limit() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(5000, 1))
    x = np.concatenate([base, base + 0.5 * rng.normal(size=base.shape), np.exp(rng.normal(size=base.shape))], axis=1)
    layer = Views(fit_views(x))
    z = layer.standardise(torch.tensor(x, dtype=torch.float32))
    standardised, ranged, whitened, rank = (view.numpy() for view in layer.views(z))
    np.testing.assert_allclose(standardised.std(axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(np.ptp(ranged, axis=0), 1.0, atol=0.01)
    assert np.corrcoef(standardised.T)[0, 1] > 0.85
    assert abs(np.corrcoef(whitened.T)[0, 1]) < 0.15
    assert abs(float((rank[:, 2] ** 3).mean())) < 0.3  # a lognormal column has lost its skew
    far = layer.standardise(torch.tensor([[1e30, -1e30, 0.0]]))
    assert far.abs().max() == LIMIT
    np.testing.assert_allclose(layer.raw(z).numpy()[:, :2], x[:, :2], atol=1e-4)


def test_a_constant_feature_that_moves_is_far_away() -> None:
    x = np.stack([np.zeros(100), np.random.default_rng(0).normal(size=100)], axis=1)
    moved = Views(fit_views(x)).standardise(torch.tensor([[1.0, 0.0]]))
    assert moved[0, 0] == LIMIT


def test_a_feature_that_is_nearly_always_zero_is_measured_by_its_resolution_in_every_view() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3))
    x[:, 0] = 0.0  # never anything else
    x[:, 1] = 0.02 * (rng.random(2000) < 0.01)  # seldom
    row = torch.tensor([[0.15, 0.15, 0.0]])
    moved = []
    for resolution in ((), (0.1, 0.1, 0.1)):
        layer = Views(fit_views(x, resolution))
        usual, here = layer.standardise(torch.zeros(1, 3)), layer.standardise(row)
        moved.append([(a - b)[0] for a, b in zip(layer.views(here), layer.views(usual), strict=True)])
    unbounded, bounded = moved
    assert all(view[0] > 5 for view in unbounded)
    standardised, ranged, whitened, rank = bounded
    for view in (standardised, whitened, rank):
        assert 1.0 < view[0] < 2.0
    for view in (standardised, whitened):
        assert 1.0 < view[1] < 2.0
    assert rank[1] < 6.0  # rarer than the hundredth row, and a little more
    assert 0.2 < ranged[0] < 0.3
    # A feature that varies by more than its resolution keeps its own scale.
    assert fit_views(x, (0.1, 0.1, 0.1)).deviation[2] == fit_views(x).deviation[2]


def test_map_is_ordered_and_has_no_dead_corner() -> None:
    plane = np.random.default_rng(3).uniform(-1, 1, (4000, 2))
    parameters = fit_map(plane, MapShape(8, 8, sigma_final=0.6))
    assert topographic_error(plane, parameters) < 0.05
    assert np.unique(best_units(plane, parameters.weights)[0]).size == 64
    assert parameters.mass.sum() == pytest.approx(1.0)
    layer = CompetitionLayer(parameters)
    view = torch.tensor(plane[:50], dtype=torch.float32)
    assert torch.argmin(layer(view), dim=1).tolist() == best_units(plane[:50], parameters.weights)[0][:, 0].tolist()


def test_tail_is_empirical_then_exponential() -> None:
    scores = np.random.default_rng(4).exponential(2.0, 20000)
    layer = PiecewiseLinear([tail_curve(scores)])
    at = torch.tensor([[np.quantile(scores, q)] for q in (0.5, 0.9, 0.99, 0.999)], dtype=torch.float32)
    np.testing.assert_allclose(layer(at).numpy()[:, 0], -np.log([0.5, 0.1, 0.01, 0.001]), rtol=0.1)


def test_constant_scores_still_give_finite_growing_surprise() -> None:
    layer = PiecewiseLinear([tail_curve(np.full(100, 3.0))])
    low, high = layer(torch.tensor([[3.0], [3.1]])).numpy()[:, 0]
    assert np.isfinite([low, high]).all()
    assert low < high


def test_hole_and_outside_are_stranger_than_the_ring(trained: Trained) -> None:
    score = batched(trained.model, np.concatenate([ring(200, 5), [[0, 0, 200], [3, 0, 350]]]).astype(np.float32))[0]
    assert score[200:].min() > np.quantile(score[:200], 0.99)


def test_generator_walks_back_to_the_ring(trained: Trained) -> None:
    x = ring(300, 6)
    outputs = batched(trained.model, (x + np.array([0.5, 0.0, 0.0])).astype(np.float32))
    radius = np.hypot(outputs[2][:, 0], outputs[2][:, 1])
    assert np.abs(radius - 1.0).mean() < 0.15
    rows = trained.model.input_layer.raw(synthetic_rows(trained.model.generator, trained.maps[0], 500, 1)).numpy()
    assert np.abs(np.hypot(rows[:, 0], rows[:, 1]) - 1.0).mean() < 0.2


def test_quality_is_measured_within_its_bounds(trained: Trained) -> None:
    quality = measure(trained, ring(2000, 1), ring(500, 2), seed=1)
    assert 0.0 < quality.quantisation_error < 0.5
    assert 0.0 <= quality.topographic_error <= 1.0
    assert quality.trustworthiness > 0.9
    assert 0.0 <= quality.dead_units < 1.0
    assert 0.3 < quality.discriminator_auroc < 0.95


def test_graph_equals_torch_on_extreme_rows(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export(trained.model, 3, path)
    rows = np.concatenate([probe_rows(ring(500, 8), 300, 1), np.full((1, 3), 3e38), np.full((1, 3), -3e38)])
    expected, got = batched(trained.model, rows.astype(np.float32)), OnnxModel(path).run(rows.astype(np.float32))
    assert relative(expected[0], got.score) < 1e-3
    assert np.isfinite(got.score).all()
    assert (expected[1] == got.bmu).mean() > 0.999
