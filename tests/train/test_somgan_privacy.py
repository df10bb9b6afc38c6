"""Differential privacy: what is promised is accounted, what is released is bounded, and members cannot be told."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kiosk.appraisal.manifest import read_checked
from somgan import private, releases
from somgan.__main__ import main
from somgan.arrays import Bools, Floats
from somgan.data import read_table
from somgan.discriminator import Discriminator
from somgan.errors import DataError
from somgan.generator import Generator, GeneratorSettings
from somgan.manifest import read_manifest
from somgan.metrics import auroc
from somgan.model import shares
from somgan.privacy import Noise, Workload, plan, spent
from somgan.private import fit_private, workload
from somgan.private_networks import GRADIENT_NORM, Batches, clipped_gradients, descend
from somgan.promise import Promise
from somgan.releases import Owned, chance, maxima
from somgan.som import MapShape
from somgan.training import Settings, fit
from tests.train.conftest import Tables

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]

QUIET = Noise(0.0, 0.0, 0.0, 0.0)


def silent(_line: str) -> None:
    pass


@pytest.mark.parametrize(("epsilon", "deposits"), [(1.0, 4000), (8.0, 400)])
def test_the_least_noise_that_keeps_the_promise_is_planned(epsilon: float, deposits: int) -> None:
    work = workload(deposits, GeneratorSettings(steps=300))
    noise = plan(Promise(epsilon), work)
    assert 0.95 * epsilon < spent(noise, work, 1e-5) <= epsilon
    more = Workload(work.maps, 3 * work.epochs, work.network_steps, work.sampling)
    assert spent(noise, more, 1e-5) > 1.1 * epsilon


def test_the_accountant_agrees_with_what_is_known() -> None:
    """One Gaussian has a formula (Balle and Wang, 2018): delta = Phi(1/2s - es) - exp(e) Phi(-1/2s - es)."""
    work = Workload(maps=1, epochs=0, network_steps=0, sampling=1.0)
    noise = Noise(statistics=1e4, maps=1.5, networks=1.0, single=1e4)
    epsilon, phi = spent(noise, work, 1e-5), NormalDist().cdf
    delta = phi(0.5 / 1.5 - epsilon * 1.5) - math.exp(epsilon) * phi(-0.5 / 1.5 - epsilon * 1.5)
    assert delta == pytest.approx(1e-5, rel=0.05)
    # Sampling a twentieth of the deposits must help, composing 600 steps must cost.
    sampled = Workload(maps=1, epochs=0, network_steps=1, sampling=0.05)
    steps = Workload(maps=1, epochs=0, network_steps=600, sampling=0.05)
    quiet = Noise(statistics=1e4, maps=1e4, networks=1.5, single=1e4)
    assert spent(quiet, sampled, 1e-5) < 0.5 * epsilon < spent(quiet, steps, 1e-5)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 1e6, float("nan")])
def test_what_promises_nothing_is_refused(epsilon: float) -> None:
    with pytest.raises(DataError):
        Promise(epsilon)


@dataclass
class Spy:
    """Stands in for the noise: keeps what was to be released, and answers with what it is given, if it is."""

    given: list[Floats] | None = None
    asked: list[tuple[Floats, float]] = field(default_factory=list)
    answers: list[Floats] = field(default_factory=list)

    def __call__(self, values: Floats, sensitivity: float, _multiplier: float, rng: np.random.Generator) -> Floats:
        self.asked.append((values.copy(), sensitivity))
        answer = values + rng.normal(0.0, 0.3, values.shape) if self.given is None else self.given[len(self.asked) - 1]
        self.answers.append(answer.copy())
        return answer.copy()


class WithoutOne(Owned):
    """The same deposits, one of which says nothing."""

    @cached_property
    def weight(self) -> Floats:
        return np.where(self.deposit == self.deposit[0], 0.0, Owned(self.x, self.deposit).weight)


def world(rng: np.random.Generator, deposits: int) -> Owned:
    owner = np.repeat(np.arange(deposits), rng.integers(1, 6, deposits))
    x = rng.normal(0, 1, (owner.size, 4)) * np.array([1.0, 30.0, 0.01, 1.0])
    x[owner == 0] *= 50.0  # the deposit in question is not like the others
    return Owned(x.astype(np.float32), owner)


def test_no_release_moves_further_than_its_sensitivity_when_one_deposit_falls_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everything that reads data goes through `noisy`, with the past held fixed, as composition supposes."""
    monkeypatch.setattr(private, "train_networks", _untrained)
    rng = np.random.default_rng(3)
    rows, held = world(rng, 40), world(rng, 20)
    settings = Settings(MapShape(4, 4), GeneratorSettings(steps=1))
    first = _spied(monkeypatch, Spy(), rows, held, settings)
    for other_rows, other_held in (
        (WithoutOne(rows.x, rows.deposit), held),
        (rows, WithoutOne(held.x, held.deposit)),
    ):
        second = _spied(monkeypatch, Spy(first.answers), other_rows, other_held, settings)
        moved = [
            float(np.linalg.norm(one - other)) / bound
            for (one, bound), (other, _) in zip(first.asked, second.asked, strict=True)
        ]
        # The histograms of one release share its sensitivity: 4 features twice, then a covariance and 4 maps of
        # 11 releases, then the tails of 9 scores.
        joint = [moved[0:8:2], moved[1:8:2], *([one] for one in moved[8:53]), moved[53:]]
        assert len(moved) == 8 + 1 + 44 + 9
        assert all(np.linalg.norm(group) <= 1.0 + 1e-6 for group in joint)
        assert max(moved) > 0.2  # the deposit was in it


def _untrained(standardised: torch.Tensor, _owned: Owned, *_rest: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    features = standardised.shape[1]
    return Generator(features, 0.5), Discriminator(features)


def _spied(monkeypatch: pytest.MonkeyPatch, spy: Spy, rows: Owned, held: Owned, settings: Settings) -> Spy:
    monkeypatch.setattr(private, "noisy", spy)
    monkeypatch.setattr(releases, "noisy", spy)
    fit_private(rows, held, settings, QUIET, np.random.default_rng(0), silent)
    return spy


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(1e-3, 1e3))
@hypothesis_settings(max_examples=20, deadline=None)
def test_clipped_gradients_are_those_of_torch_func(seed: int, rows: int, size: float) -> None:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.SiLU(), torch.nn.Linear(5, 2))
    batch = size * torch.randn(rows, 2, 3)  # every row passes twice, as in the discriminator

    def loss(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return (network(x) ** 2).mean(dim=(1, 2))

    def one(parameters: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        return loss(lambda x: torch.func.functional_call(net, parameters, (x,)), row[None])[0]

    each = torch.func.vmap(torch.func.grad(one), (None, 0))(dict(net.named_parameters()), batch)
    length = torch.stack([g.flatten(1).square().sum(dim=1) for g in each.values()]).sum(dim=0).sqrt()
    shorter = (GRADIENT_NORM / length).clamp(max=1.0)
    for ours, theirs in zip(clipped_gradients(net, loss, batch), each.values(), strict=True):
        torch.testing.assert_close(ours, torch.einsum("b,b...->...", shorter, theirs), rtol=1e-3, atol=1e-5)


def test_a_step_has_its_noise_even_when_nobody_is_in_it() -> None:
    net = torch.nn.Linear(2, 1)
    before = net.weight.detach().clone()
    chance = torch.Generator().manual_seed(1)
    batches = Batches(torch.zeros(8, 2), np.arange(8), 0.0, chance)
    assert batches.draw().shape == (0, 2)
    descend(net, lambda n, x: n(x)[:, 0], batches, (1, 0.1, 1.0), chance)
    assert float((net.weight.detach() - before).abs().max()) > 0.01


def test_a_deposit_is_in_a_step_by_chance_and_then_with_one_of_its_rows() -> None:
    owner = np.repeat(np.arange(200), 3)
    chance = torch.Generator().manual_seed(1)
    batches = Batches(torch.tensor(owner / 100.0, dtype=torch.float32)[:, None], owner, 0.1, chance)
    drawn = [batches.draw()[:, 0].numpy() for _ in range(200)]
    assert all(np.unique(batch).size == batch.size for batch in drawn)
    assert np.mean([batch.size for batch in drawn]) == pytest.approx(20.0, abs=1.5)
    assert np.std([batch.size for batch in drawn]) == pytest.approx(18.0**0.5, rel=0.3)


@given(st.lists(st.floats(0.0, 900.0), min_size=1, max_size=300))
def test_released_maxima_are_as_many_and_never_too_low(scores: list[float]) -> None:
    exact = np.sort(np.array(scores))
    kept = maxima(np.array(scores), 0.0, np.random.default_rng(0))
    assert kept.size == exact.size
    assert (kept >= exact - 1e-9).all()
    assert (kept <= np.maximum(0.5, 1.2 * exact)).all()


def test_grades_from_noisy_maxima_alarm_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(30):
        kept = maxima(rng.gamma(9.0, 1.0, 1000), 3.7, rng)  # the noise of epsilon 1
        alarms.append(float((rng.gamma(9.0, 1.0, 2000) >= kept[-10]).mean()))
    assert np.mean(alarms) <= 0.01


# What follows asks of each deposit whether it was in the training. The attacker has the model, and for a threshold as
# many deposits that were in it and were not; AUROC 0.5 means that guessing is as good.

MEMBERS = 150
STEPS = 60


def attack(private_noise: Noise | None, seed: int) -> float:
    """Train on MEMBERS rows of noise around nothing and ask by the score which rows it knows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (2 * MEMBERS, 8)).astype(np.float32)
    member: Bools = np.arange(2 * MEMBERS) < MEMBERS
    held = rng.normal(0, 1, (300, 8)).astype(np.float32)
    settings = Settings(MapShape(16, 16, sigma_final=0.3), GeneratorSettings(steps=STEPS), seed)
    if private_noise is None:
        model = fit(x[member], held, settings, silent).model
    else:
        rows, tails = (Owned(part, np.arange(part.shape[0])) for part in (x[member], held))
        model = fit_private(rows, tails, settings, private_noise, np.random.default_rng(seed), silent).trained.model
    return auroc(-shares(model, x).sum(axis=1), member)


def test_members_are_known_without_privacy() -> None:
    assert attack(None, 1) > 0.75


def test_members_are_not_known_with_it() -> None:
    noise = plan(Promise(1.0), workload(MEMBERS, GeneratorSettings(steps=STEPS)))
    assert np.mean([attack(noise, seed) for seed in range(1, 4)]) < 0.56  # standard error of this mean: 0.02


def test_it_is_the_noise_that_hides_them() -> None:
    """The same private training, clipped and coarse, but with its noise taken away, gives them away again."""
    assert attack(QUIET, 1) > 0.65


@pytest.fixture(scope="module")
def artifact(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("private") / "scene"
    data = ["--data", str(tables.training), "--evaluate", str(tables.evaluation)]
    quick = ["--map", "6", "--steps", "50", "--epsilon", "8"]
    assert main(["train", *data, "--stream", "scene", "--out", str(out), *quick]) == 0
    return out


def test_manifest_and_card_say_what_is_promised(artifact: Path) -> None:
    promise = read_manifest(artifact)["privacy"]
    assert promise["epsilon"] == 8.0
    assert 7.6 < promise["epsilon_spent"] <= 8.0
    assert promise["delta"] == 1e-5
    assert promise["unit"] == "one deposit with all of its rows"
    assert "grades" in promise["covers"]
    assert promise["not_covered"]
    card = (artifact / "card.md").read_text()
    assert "Differential privacy: epsilon 8, delta 1e-05" in card
    assert "No differential privacy" not in card


def test_no_row_of_the_data_is_in_the_artifact(artifact: Path, tables: Tables) -> None:
    manifest, table = read_manifest(artifact), read_table(tables.training)
    known = {row.tobytes() for row in table.x}
    assert not any(np.array(golden["x"], np.float32).tobytes() in known for golden in manifest["golden"])
    maxima_kept = manifest["calibration"]["deposit_max_scores"]
    assert len(maxima_kept) == 120
    assert {round(value, 5) for value in maxima_kept} <= {round(float(edge), 5) for edge in releases.MAXIMA_EDGES}
    assert manifest["quality"]["discriminator_auroc"] is None


def test_the_kiosk_takes_a_private_model(artifact: Path) -> None:
    manifest, _ = read_checked(artifact, "scene")
    assert manifest.map.rows == 6


def test_noise_is_drawn_anew() -> None:
    assert chance().normal() != chance().normal()
