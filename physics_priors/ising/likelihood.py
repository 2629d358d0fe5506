"""The full likelihood of images, with uncertain labels: Newton's method on simulated averages.

log p(data | theta) = log Z(theta, clamped by the labels) - log Z(theta). Its gradient is the mean of phi under the
labels minus the free mean, its curvature the free covariance minus the clamped one (A. Gelman and X.-L. Meng,
Statist. Sci. 13, 163, 1998; C. Geyer, Markov chain Monte Carlo maximum likelihood, 1991). Open edges are conditioned
upon: sites that lack a neighbour keep their most probable label in both averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.equilibration import autocorrelation_time, standard_error
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.image import SpinImage
from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model, Term, two_classes
from physics_priors.ising.pseudo import Estimate, pseudo_likelihood
from physics_priors.ising.sampling import Sampler
from physics_priors.ising.tempering import Ladder

Free = NDArray[np.bool_]
_FARTHEST_STEP = 0.3
_START_STD = 1.0


@dataclass(frozen=True)
class Effort:
    """How much is simulated: replicas, sweeps to settle and to average over in every Newton step, steps."""

    replicas: int = 48
    settle: int = 60
    samples: int = 60
    steps: int = 5
    threads: int = 1


@dataclass(frozen=True)
class Posterior:
    """A normal posterior of theta with the simulated averages that it rests on."""

    terms: tuple[Term, ...]
    names: tuple[str, ...]
    theta: Floats
    covariance: Floats
    curvature: Floats
    """Minus the second derivative of the log likelihood, [K, K]."""
    gradient: Floats
    """Of the log likelihood at theta: how far the last step was from the top."""
    simulation_std: Floats
    """[K] standard deviation that the simulation adds to theta."""
    prior_std: float

    @property
    def std(self) -> Floats:
        """Standard deviations [K]."""
        return np.sqrt(np.diag(self.covariance))

    def interval(self, level: float = 0.95) -> Floats:
        """Equal-tailed intervals [K, 2]."""
        from scipy.special import ndtri

        half = float(ndtri((1 + level) / 2)) * self.std
        return np.stack([self.theta - half, self.theta + half], axis=-1)

    def draws(self, count: int, seed: int = 0) -> Floats:
        """Parameters [count, K]."""
        return np.random.default_rng([seed, 3]).multivariate_normal(self.theta, self.covariance, count)


def fit(
    terms: Sequence[Term],
    images: Sequence[SpinImage],
    *,
    prior_std: float = 1.0,
    effort: Effort = Effort(),
    seed: int = 0,
    start: Floats | None = None,
    free: Sequence[Free] | None = None,
) -> Posterior:
    """The posterior of theta from one image or many, with a normal prior around zero, in kT.

    `free` [N] by image are the sites to explain, given all others; by default those that have all their partners.
    """
    models = [Model(image.lattice, tuple(terms)) for image in images]
    masks = [free_sites(m) for m in models] if free is None else free
    pairs = [
        Averages(model, image, mask, effort, seed * 7919 + number)
        for number, (model, image, mask) in enumerate(zip(models, images, masks, strict=True))
    ]
    if not any(pair.free.any() for pair in pairs):
        raise LatticeError("no site has all of its neighbours: the images are too small for these terms")
    for image in images:
        if image.certain:
            two_classes(image.spins)
    theta = first_guess(terms, images) if start is None else np.asarray(start, np.float64)
    precision = np.eye(len(theta)) / prior_std**2
    for step in range(effort.steps + 1):
        found = [pair.at(theta, long=step == effort.steps) for pair in pairs]
        gradient = np.sum([f[0] for f in found], axis=0)
        curvature = _positive(np.sum([f[1] for f in found], axis=0) + precision)
        noise = np.sum([f[2] for f in found], axis=0)
        move = np.linalg.solve(curvature, gradient - precision @ theta)
        theta = theta + move / max(1.0, np.abs(move).max() / _FARTHEST_STEP)
    inverse = np.linalg.inv(curvature)
    extra = inverse @ noise @ inverse
    names = pairs[0].model.names
    return Posterior(
        tuple(terms), names, theta, inverse + extra, curvature - precision, gradient,
        np.sqrt(np.diag(extra)), prior_std,
    )  # fmt: skip


def first_guess(terms: Sequence[Term], images: Sequence[SpinImage]) -> Floats:
    """Where to start: maximum pseudo-likelihood of the most probable spins, held back by a prior."""
    guess: Estimate = pseudo_likelihood(terms, images, prior_std=_START_STD)
    return guess.theta


class Averages:
    """Free and clamped chains of one image; they go on from step to step as theta changes."""

    def __init__(self, model: Model, image: SpinImage, free: Free, effort: Effort, seed: int) -> None:
        self.model, self.effort, self.free = model, effort, free
        unknown = self.free & np.isfinite(image.log_odds)
        start = image.spins
        zero = np.zeros(len(model.terms))
        options = {"replicas": effort.replicas, "start": start, "threads": effort.threads}
        self._free = Sampler(model, zero, seed=2 * seed, free=self.free, **options)  # type: ignore[arg-type]
        self._clamped = None
        self._phi = model.statistics(start)
        if unknown.any():
            own = np.where(unknown, image.log_odds, 0.0)
            self._clamped = Sampler(model, zero, seed=2 * seed + 1, free=unknown, own=own, **options)  # type: ignore[arg-type]

    def at(self, theta: Floats, long: bool = False) -> tuple[Floats, Floats, Floats]:
        """Gradient [K], curvature [K, K], and covariance [K, K] of the gradient's simulation error."""
        free = self._run(self._free, theta, long)
        mean, spread, error = _summed(free)
        if self._clamped is None:
            return self._phi - mean, spread, error
        own_mean, own_spread, own_error = _summed(self._run(self._clamped, theta, long))
        return own_mean - mean, spread - own_spread, error + own_error

    def _run(self, chain: Sampler, theta: Floats, long: bool) -> Floats:
        chain.theta = theta
        chain.run(self.effort.settle)
        return chain.record(self.effort.samples * (2 if long else 1), 2)


def free_sites(model: Model) -> Free:
    """All sites of a periodic lattice, else those that have all their partners."""
    return np.ones(len(model.lattice), bool) if model.lattice.periodic else model.complete()


def log_likelihood(
    terms: Sequence[Term],
    images: Sequence[SpinImage],
    theta: Floats,
    *,
    effort: Effort = Effort(),
    seed: int = 0,
    free: Sequence[Free] | None = None,
) -> tuple[float, float]:
    """log p(data | theta) - log p(data | 0) and its simulation error, by integrating along the line from 0 to theta.

    Both averages run on a tempered ladder along that line (Gauss-Legendre nodes), so that they cross transitions.
    """
    nodes, weights = np.polynomial.legendre.leggauss(10)
    ladder = ((nodes + 1) / 2)[:, None] * theta
    total, variance = 0.0, 0.0
    for number, image in enumerate(images):
        model = Model(image.lattice, tuple(terms))
        own_free = free_sites(model) if free is None else free[number]
        unknown = own_free & np.isfinite(image.log_odds)
        slope, error = _ladder_mean(model, ladder, theta, image, own_free, None, effort, seed + 2 * number)
        if unknown.any():
            own = np.where(unknown, image.log_odds, 0.0)
            up, more = _ladder_mean(model, ladder, theta, image, unknown, own, effort, seed + 2 * number + 1)
        else:
            up, more = np.full(len(ladder), float(model.statistics(image.spins) @ theta)), np.zeros(len(ladder))
        total += float(weights @ (up - slope)) / 2
        variance += float(np.square(weights / 2) @ (error**2 + more**2))
    return total, float(np.sqrt(variance))


def _ladder_mean(
    model: Model, ladder: Floats, theta: Floats, image: SpinImage, free: Free,
    own: Floats | None, effort: Effort, seed: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Mean of theta phi [L] on every rung, and its error."""
    replicas = max(effort.replicas // 2, 4)
    chain = Ladder(model, ladder, replicas=replicas, seed=seed, start=image.spins, free=free, own=own)
    chain.record(effort.settle)
    values = chain.record(effort.samples * 2, 2) @ theta
    errors = np.array([standard_error(values[:, rung]) for rung in range(len(ladder))])
    return values.mean((0, 2)), errors


def _summed(record: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean [K], covariance [K, K], and covariance of the mean, of a record [n, R, K]."""
    flat = record.reshape(-1, record.shape[-1])
    spread = np.cov(flat.T, bias=True).reshape(record.shape[-1], -1)
    tau = max(autocorrelation_time(record[..., k]) for k in range(record.shape[-1]))
    return flat.mean(0), spread, spread * 2 * tau / len(flat)


def _positive(matrix: Floats) -> Floats:
    """The matrix with its eigenvalues kept above a ten-thousandth of the largest."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 1e-4 * values.max())) @ vectors.T)
