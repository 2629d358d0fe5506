"""The parts of deep kernels: probability and gradient, chains, the mixture, features that do not turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.deep_kernel.ensemble import Ensemble
from agents.bayesian.deep_kernel.likelihood import LogPosterior
from agents.bayesian.deep_kernel.networks import Prior, Shape, hyperparameters, latents
from agents.bayesian.deep_kernel.sampling import Chains, moved
from agents.bayesian.deep_kernel.seeing import rings, seen
from agents.bayesian.kernel import SignalKernel
from agents.options import Options, options_of
from agents.protocol import Problem

Floats = NDArray[np.float64]


def data(count: int = 14, axes: int = 2) -> tuple[Floats, Floats, Floats]:
    """Positions, features and standardised values."""
    rng = np.random.default_rng(5)
    positions, features = rng.uniform(size=(count, axes)), rng.normal(size=(count, 5))
    values = np.sin(2.0 * features[:, 0]) + 0.3 * rng.normal(size=count)
    return positions, features, (values - values.mean()) / values.std(ddof=1)


def target(axes: int = 2, count: int = 14, hidden: int = 6) -> LogPosterior:
    prior = Prior(Shape(5, axes, hidden, 3))
    return LogPosterior(prior, *(torch.from_numpy(table) for table in data(count, axes)))


def members(of: LogPosterior, count: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(6).normal(size=(count, of.prior.shape.size)))


@pytest.mark.parametrize("axes", [0, 2])
def test_the_gradient_is_right(axes: int) -> None:
    objective = target(axes)
    xi = members(objective)
    _, slope = objective(xi)
    for i, step in enumerate(1e-6 * torch.eye(objective.prior.shape.size, dtype=torch.float64)):
        numeric = (objective(xi + step)[0] - objective(xi - step)[0]) / 2e-6
        assert slope[:, i].numpy() == pytest.approx(numeric.numpy(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("axes", [0, 2])
def test_the_probability_is_that_of_a_gaussian_with_the_kernel_of_the_plain_process(axes: int) -> None:
    objective = target(axes)
    shape, (positions, features, values) = objective.prior.shape, data(axes=axes)
    rows = objective.prior.rows(members(objective))
    part, found = shape.split(rows), objective.log_likelihood(rows)[0]
    for i, z in enumerate(latents(part, torch.from_numpy(features))[0].numpy()):
        given = hyperparameters(part, i)
        everyone = torch.arange(len(values))
        covariance = SignalKernel(np.hstack([positions, z]), shape.names, given).between(everyone, everyone)
        covariance += given.noise * torch.eye(len(values), dtype=torch.float64)
        mean = torch.full((len(values),), given.mean, dtype=torch.float64)
        expected = multivariate_normal(mean.numpy(), covariance.numpy()).logpdf(values)
        assert found[i].item() == pytest.approx(expected, rel=1e-8)


def test_a_network_is_what_its_formula_says() -> None:
    shape = Shape(5, 2, 6, 3)
    part = shape.split(Prior(shape).rows(members(target())))
    features = data()[1]
    z, _ = latents(part, torch.from_numpy(features))
    for i in range(3):
        a, v, w, b = (part[name][i].numpy() for name in ("linear", "outer", "inner", "bias"))
        length = math.exp(part["lengthscale"][i, -1].item())
        assert z[i].numpy() == pytest.approx((features @ a.T + np.tanh(features @ w.T + b) @ v.T) / length)


def test_the_middle_of_the_prior_is_a_plain_process_of_the_leading_features() -> None:
    shape = Shape(5, 2, 6, 3)
    prior = Prior(shape)
    features = data()[1]
    z, _ = latents(shape.split(prior.rows(torch.zeros(1, shape.size, dtype=torch.float64))), torch.from_numpy(features))
    assert z[0].numpy() == pytest.approx(features[:, :3] / 3.0)


def test_chains_without_data_draw_from_the_prior() -> None:
    """Given nothing, every number is standard normal: mean 0 and variance 1, over many members and proposals."""
    prior = Prior(Shape(1, 0, 1, 1))
    none = torch.zeros((0, 0), dtype=torch.float64)
    nothing = LogPosterior(prior, none, torch.zeros((0, 1), dtype=torch.float64), none[:, :0].sum(1))
    rng = np.random.default_rng(0)
    drawn = moved(Chains.begun(400, prior.shape.size, rng), nothing, 30, rng).xi
    assert np.abs(drawn.mean(0)).max() < 4 / 20
    assert np.abs(drawn.var(0) - 1.0).max() < 4 * math.sqrt(2 / 400)


def test_chains_recover_the_noise_that_the_data_have() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(80, 5))
    clean = np.sin(features[:, 0])
    values = clean + 0.2 * rng.normal(size=80)
    scaled = (values - values.mean()) / values.std()
    prior = Prior(Shape(5, 0, 4, 1))
    objective = LogPosterior(prior, *(torch.from_numpy(t) for t in (np.zeros((80, 0)), features, scaled)))
    chains = moved(Chains.begun(4, prior.shape.size, rng), objective, 25, rng)
    noise = prior.shape.split(prior.rows(torch.from_numpy(chains.xi)))["noise"].exp().sqrt().numpy()
    assert np.mean(noise) * values.std() == pytest.approx(0.2, rel=0.25)


def test_a_member_that_cannot_be_computed_is_not_moved_to() -> None:
    objective = target()
    far = Chains(np.full((1, objective.prior.shape.size), 1e200), np.array([0.1]))
    with np.errstate(over="ignore", invalid="ignore"):
        after = moved(far, objective, 2, np.random.default_rng(0))
    assert np.array_equal(after.xi, far.xi)
    assert after.step[0] < far.step[0]


def test_the_ensemble_is_the_mixture_of_its_members() -> None:
    objective = target(count=40)
    shape, (positions, features, values) = objective.prior.shape, data(40)
    xi = members(objective).numpy()
    taken, pending, tested = np.arange(12), np.array([20, 30]), np.array([25, 35])
    told = Ensemble(objective.prior, xi, positions, features, cache_bytes=2**24, seed=0, tested=tested)
    told.follow(taken, values[:12], 5)
    part = shape.split(objective.prior.rows(torch.from_numpy(xi)))
    singles = []
    for i, z in enumerate(latents(part, torch.from_numpy(features))[0].numpy()):
        single = CandidatePosterior(np.hstack([positions, z]), shape.names, tested=tested)
        singles.append(single.follow(taken, values[:12], 12, hyperparameters(part, i)))
    means = np.array([single.mean().numpy() for single in singles])
    for found, within in (
        (told.variance(), [single.variance().numpy() for single in singles]),
        (told.ahead(pending), [single.ahead(pending).numpy() for single in singles]),
        (told.everywhere()[1], [single.variance().numpy() for single in singles]),
    ):
        assert found.numpy() == pytest.approx(np.mean(within, axis=0) + means.var(axis=0), rel=1e-6)
    assert told.mean().numpy() == pytest.approx(means.mean(0), abs=1e-9)
    assert told.highest(taken) == pytest.approx(means.mean(0)[taken].max())
    assert told.gain(pending).numpy() == pytest.approx(np.mean([s.gain(pending).numpy() for s in singles], axis=0))
    assert told.tested_variance() == pytest.approx(np.mean([s.tested_variance() for s in singles]))
    assert told.noise == pytest.approx(np.mean([hyperparameters(part, i).noise for i in range(3)]))


def problem(image: Floats) -> Problem:
    y, x = np.mgrid[-1 : 1 : len(image) * 1j, -1 : 1 : image.shape[1] * 1j]
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    pixels = np.stack(np.unravel_index(np.arange(image.size), image.shape), axis=-1)
    bounds = np.full(2, -1.0), np.full(2, 1.0)
    return Problem(*bounds, "map", "v", "", candidates=grid, pixels=pixels, images={"i": image})


def of_patches(image: Floats, invariant: bool) -> Floats:
    asked = problem(image)
    options = options_of(asked)
    assert isinstance(options, Options)
    found = seen(asked, options, "patch", 5, 6, (), invariant)
    assert found.positions.shape == (image.size, 0)
    return found.features.reshape(*image.shape, -1)


@pytest.mark.parametrize("turned", [np.rot90, np.fliplr, np.transpose], ids=lambda f: f.__name__)
def test_a_place_and_the_same_turned_look_alike_if_wanted_and_not_otherwise(turned: Any) -> None:
    """The same neighbourhood stands twice in an image, upright and turned or mirrored."""
    motif = np.random.default_rng(3).normal(size=(9, 9))
    image = np.hstack([motif, turned(motif)])
    for invariant in (True, False):
        features = of_patches(image, invariant)
        alike = np.allclose(features[4, 4], features[4, 13], atol=1e-9)
        assert alike is invariant
        assert not np.allclose(features[4, 4], features[4, 5], atol=0.01)


def test_rings_are_the_same_for_a_mirrored_image_and_tell_edges_from_plains() -> None:
    image = np.random.default_rng(4).normal(size=(9, 11))
    image[2, 3] = np.nan
    plain, mirrored = rings({"i": image}, 5), rings({"i": image[:, ::-1]}, 5)
    assert plain.keys() == mirrored.keys()
    for name, ring in plain.items():
        assert mirrored[name][:, ::-1] == pytest.approx(ring, abs=1e-12)
    edge = rings({"i": np.repeat([0.0, 1.0], 6)[None].repeat(9, 0)}, 5)
    assert edge["i r1 m1"][4, 5] > 0.3
    assert edge["i r1 m1"][4, 0] == pytest.approx(0.0, abs=1e-12)


def test_features_are_scaled_by_the_strongest() -> None:
    asked = problem(np.random.default_rng(5).normal(size=(12, 12)))
    options = options_of(asked)
    assert isinstance(options, Options)
    found = seen(asked, options, "position_and_patch", 3, 6, (), False)
    spread = found.features.std(0)
    assert found.positions.shape == (144, 2)
    assert spread[0] == pytest.approx(1.0)
    assert np.all(np.diff(spread) <= 1e-12)
    assert found.features.shape == (144, 6)
