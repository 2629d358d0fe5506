"""Which image to take next: what a lattice prior believes after some images, and what another would tell.

A prior has energies as parameters; under given conditions they are couplings in kT, theta = scale x parameters. Every
image gives an estimate of its couplings; images are joined with the information that the simulated tables promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.ising.information import alloy_estimate, alloy_table, field_table, local_terms, square_estimate
from physics_priors.ising.kawasaki import KB_EV
from physics_priors.ising.lattice import Floats

_FIELD_STD = 2.0


class LatticePrior(Protocol):
    """Independent uniform parameters, and how conditions turn them into couplings; conditions are arrays [n, 2]."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters [P]."""
        ...

    @property
    def context(self) -> tuple[str, str]:
        """Which of the problem's images hold the two conditions."""
        ...

    @property
    def bins(self) -> tuple[int, ...]:
        """Shape of an image's histogram."""
        ...

    @property
    def low(self) -> Floats:
        """Lower ends [P]."""
        ...

    @property
    def high(self) -> Floats:
        """Upper ends [P]."""
        ...

    def scale(self, conditions: Floats) -> Floats:
        """theta = scale x parameters, [n, P]."""
        ...

    def information(self, theta: Floats, conditions: Floats) -> Floats:
        """Information per site [n, P, P] on theta [n, P]."""
        ...

    def estimate(self, counts: Floats) -> tuple[Floats, float]:
        """theta [P] and the number of sites of one image's histogram."""
        ...


@dataclass(frozen=True)
class AlloyPrior:
    """Energies of nearest and second pairs [eV] of a frozen alloy; conditions: fraction, frozen-in temperature [K]."""

    pair_low_eV: Annotated[float, Bounds("eV", -1.0, 1.0)] = 0.004
    pair_high_eV: Annotated[float, Bounds("eV", -1.0, 1.0)] = 0.026
    second_low_eV: Annotated[float, Bounds("eV", -1.0, 1.0)] = -0.004
    second_high_eV: Annotated[float, Bounds("eV", -1.0, 1.0)] = 0.004

    names = ("pair_eV", "second_eV")
    context = ("fraction", "temperature_K")
    bins = (2, 7, 7)

    @property
    def low(self) -> Floats:
        return np.array([self.pair_low_eV, self.second_low_eV])

    @property
    def high(self) -> Floats:
        return np.array([self.pair_high_eV, self.second_high_eV])

    def scale(self, conditions: Floats) -> Floats:
        inverse = 1 / (KB_EV * conditions[:, 1])
        return np.stack([inverse, inverse], axis=1)

    def information(self, theta: Floats, conditions: Floats) -> Floats:
        minor = np.minimum(conditions[:, 0], 1 - conditions[:, 0])
        return alloy_table().at(np.column_stack([theta, minor]))

    def estimate(self, counts: Floats) -> tuple[Floats, float]:
        return alloy_estimate(counts.reshape(self.bins))


@dataclass(frozen=True)
class FieldPrior:
    """Moment [K/T] and coupling [K] of a layer that orders antiferromagnetically; conditions: temperature, field."""

    moment_low_K_T: Annotated[float, Bounds("K/T", 0.0)] = 20.0
    moment_high_K_T: Annotated[float, Bounds("K/T", 0.0)] = 50.0
    coupling_low_K: Annotated[float, Bounds("K", 0.0)] = 50.0
    coupling_high_K: Annotated[float, Bounds("K", 0.0)] = 130.0

    names = ("moment_K_T", "coupling_K")
    context = ("temperature_K", "field_T")
    bins = (2, 5)

    @property
    def low(self) -> Floats:
        return np.array([self.moment_low_K_T, self.coupling_low_K])

    @property
    def high(self) -> Floats:
        return np.array([self.moment_high_K_T, self.coupling_high_K])

    def scale(self, conditions: Floats) -> Floats:
        return np.stack([conditions[:, 1], -np.ones(len(conditions))], axis=1) / conditions[:, :1]

    def information(self, theta: Floats, conditions: Floats) -> Floats:
        """As promised by the table in the disordered phase; in the ordered one a hundredth of it.

        A layer that was cooled into its ordered phase keeps walls between domains, so that it need not be in
        equilibrium, and what is saturated shows too few exceptions to estimate anything from.
        """
        field, k = np.abs(theta[:, 0]), -theta[:, 1]
        ordered = (field < 4 * k) & (np.log(np.cosh(field)) < 2 * np.log(np.sinh(2 * np.maximum(k, 1e-9))))
        lost = ordered | (k > 0.9) | (field > 4.0)
        return field_table().at(np.column_stack([-k, field])) * np.where(lost, 0.01, 1.0)[:, None, None]

    def estimate(self, counts: Floats) -> tuple[Floats, float]:
        return square_estimate(counts.reshape(self.bins))


@dataclass(frozen=True)
class Belief:
    """A normal belief about the parameters; `misfit` is chi^2 per degree of freedom of the images around it."""

    mean: Floats
    covariance: Floats
    misfit: float
    images: int

    def draws(self, prior: LatticePrior, count: int, seed: int) -> Floats:
        """Parameters [count, P], kept inside a range somewhat wider than the prior's."""
        margin = 0.25 * (prior.high - prior.low)
        drawn = np.random.default_rng([seed, self.images]).multivariate_normal(self.mean, self.covariance, count)
        return np.clip(drawn, prior.low - margin, prior.high + margin)


def believed(prior: LatticePrior, conditions: Floats, histograms: Sequence[Floats]) -> Belief:
    """What is believed after images with these histograms, taken under conditions [n, 2]."""
    centre, width = (prior.low + prior.high) / 2, prior.high - prior.low
    precision = np.diag(12 / width**2)
    if not len(histograms):
        return Belief(centre, np.asarray(np.linalg.inv(precision), np.float64), 1.0, 0)
    mean = joint(prior, conditions, histograms)
    scale, sites = prior.scale(conditions), np.array([float(np.sum(h)) for h in histograms])
    own = sites[:, None, None] * prior.information(scale * mean, conditions)
    total = precision + np.einsum("np,npq,nq->pq", scale, own, scale)
    rest = np.array([prior.estimate(counts)[0] for counts in histograms]) - scale * mean
    chi2 = float(np.einsum("np,npq,nq->", rest, own, rest))
    freedom = max(rest.size - len(mean), 1)
    return Belief(mean, np.asarray(np.linalg.inv(total), np.float64), chi2 / freedom, len(histograms))


def joint(prior: LatticePrior, conditions: Floats, histograms: Sequence[Floats]) -> Floats:
    """The parameters [P] at the top of all images' pseudo-likelihood and the prior, with a field per condition."""
    which, group = np.unique(conditions, axis=0, return_inverse=True)
    summed = [
        np.sum([h for h, g in zip(histograms, group.ravel(), strict=True) if g == k], axis=0) for k in range(len(which))
    ]
    centre, width, scale = (prior.low + prior.high) / 2, prior.high - prior.low, prior.scale(which)
    blocks, spins, weights = [], [], []
    for k, counts in enumerate(summed):
        x, s, w = local_terms(counts.reshape(prior.bins))
        known = x[:, -len(centre) :] * scale[k] * width
        offset = np.zeros((len(s), len(which)))
        offset[:, k] = 0.0 if x.shape[1] == len(centre) else x[:, 0]
        blocks.append(np.column_stack([known, offset]))
        spins.append(s)
        weights.append(w)
    start = np.concatenate([centre / width, np.zeros(len(which))])
    spread = np.concatenate([np.full(len(centre), 12**-0.5), np.full(len(which), _FIELD_STD)])
    top = _top(np.concatenate(blocks), np.concatenate(spins), np.concatenate(weights), start, spread)
    return np.clip(top[: len(centre)] * width, prior.low - width / 2, prior.high + width / 2)


def _top(x: Floats, s: Floats, weight: Floats, centre: Floats, spread: Floats) -> Floats:
    """Newton's method for a weighted pseudo-likelihood with a normal prior: it is concave."""
    theta = centre
    for _ in range(60):
        mean = np.tanh(x @ theta)
        gradient = x.T @ (weight * (s - mean)) - (theta - centre) / spread**2
        curvature = (x * (weight * (1 - mean**2))[:, None]).T @ x + np.diag(spread**-2.0)
        step = np.linalg.solve(curvature, gradient)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return theta


def expected_gain(
    prior: LatticePrior, belief: Belief, conditions: Floats, sites: float, *, draws: Floats | None = None, seed: int = 0
) -> Floats:
    """Expected information [nats] of an image of so many sites under each of the conditions [n, 2].

    The mean over the belief of half the log determinant of 1 + covariance x information; `draws` [D, P] say where.
    """
    drawn = belief.draws(prior, 24, seed) if draws is None else draws
    scale = prior.scale(conditions)
    gains = []
    for parameters in drawn:
        own = sites * prior.information(scale * parameters, conditions)
        told = scale[:, :, None] * own * scale[:, None, :]
        gains.append(0.5 * np.linalg.slogdet(np.eye(len(parameters)) + belief.covariance @ told)[1])
    return np.asarray(np.mean(gains, axis=0))
