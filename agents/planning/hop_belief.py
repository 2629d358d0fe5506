"""A posterior over the law of silicon's hops: exact in the rate, with particles for where to aim and the rest.

Given aim, width, offset and lean, a dwell multiplies the likelihood of the largest rate R by exp(-R e) for its exposure
e = seconds times the sum of the law's factors, and by R times a factor for a stamped hop: the Poisson process whose
conjugate is a gamma distribution. A hop that is only known to have been (censored) has 1 - exp(-R e) instead, which
has no conjugate. So the rate lives on nodes that are even in its logarithm, where both are exact, and a prior may have
any form. When few particles carry the posterior they are resampled and moved against all data (N. Chopin, Biometrika
89, 539, 2002). Random numbers depend on the seed and on the number of updates only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from agents.planning.hop_prior import Account, rate_nodes
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
_EDGE: Final = 1e-9
_FAR_NM: Final = 10.0
_MOVES: Final = 3
_FEW: Final = 0.03
"""Of the particles: renewed when only as many carry the posterior."""


@dataclass(frozen=True)
class Dwell:
    """What one dwell showed: beam_nm [2] and neighbours_nm [k, 2] from the silicon, how long, and which neighbour.

    `to` is -1 where the silicon stayed and -2 where it went where no neighbour was. Without `stamped`, a hop came at
    some instant of `seconds`.
    """

    beam_nm: Floats
    neighbours_nm: Floats
    seconds: float
    to: int
    stamped: bool

    def row(self) -> Floats:
        """As numbers [11]."""
        near = np.full((3, 2), _FAR_NM)
        near[: len(self.neighbours_nm)] = self.neighbours_nm[:3]
        return np.array([*self.beam_nm, *near.ravel(), self.seconds, self.to, self.stamped], dtype=np.float64)


class HopBelief:
    """See the module's text; `data` [m, 11] are the dwells so far, `shape` [n, 6] the particles: all but the rate."""

    def __init__(self, accounts: Sequence[Account], particles: int, seed: int, nodes: int = 32) -> None:
        self._accounts, self.seed = tuple(accounts), seed
        self.rate = rate_nodes(nodes)
        """[nodes] 1/s"""
        self.kind = np.repeat(np.arange(len(accounts)), -(-particles // len(accounts)))
        self.z = np.random.default_rng([seed, 0]).normal(size=(len(self.kind), 6))
        self.shape = self._shapes(self.z)
        self.log_weight = self._prior()
        """[n, nodes], not normalised."""
        self.data = np.empty((0, 11))

    def learn(self, dwell: Dwell) -> None:
        """Take a dwell in."""
        self.take(dwell.row())

    def take(self, row: Floats) -> None:
        """The same, of a row of `data`."""
        self.data = np.vstack([self.data, row])
        self.log_weight = self.log_weight + _log_likelihood(self.shape, self.rate, row[None])
        of_shape = self._of_shape()
        if 1.0 / np.square(of_shape).sum() < _FEW * len(of_shape):
            self._renew(of_shape)

    def draws(self, uniforms: Floats) -> Floats:
        """Equally likely parameters [m, 7], in the order of `hop_prior.NAMES`, for uniforms [m]."""
        weight = _normalised(self.log_weight)
        place = np.searchsorted(np.cumsum(weight.ravel()), uniforms)
        particle, node = np.unravel_index(np.minimum(place, weight.size - 1), weight.shape)
        return np.column_stack([self.rate[node], self.shape[particle]])

    def probability(self, account: int) -> float:
        """Posterior probability of an account."""
        return float(self._of_shape()[self.kind == account].sum())

    def _prior(self) -> Floats:
        """Log weights [n, nodes] before any data: each account's probability, shared out among its particles."""
        count = np.bincount(self.kind, minlength=len(self._accounts))
        share = np.log([account.probability / n for account, n in zip(self._accounts, count, strict=True)])
        return np.asarray(self._rate_prior() + share[self.kind][:, None])

    def _of_shape(self) -> Floats:
        return np.asarray(_normalised(self.log_weight).sum(axis=1))

    def _renew(self, weight: Floats) -> None:
        """Resample, then move by Metropolis steps against all data; a particle keeps its kind."""
        rng = np.random.default_rng([self.seed, len(self.data)])
        step = 2.38 / np.sqrt(6.0) * np.sqrt(weight @ np.square(self.z - weight @ self.z) + 1e-6)
        places = (np.arange(len(weight)) + rng.uniform()) / len(weight)
        kept = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
        self.kind, self.z = self.kind[kept], self.z[kept]
        self.shape = self._shapes(self.z)
        prior = self._rate_prior()
        fit = prior + _log_likelihood(self.shape, self.rate, self.data)
        score = logsumexp(fit, axis=1) - 0.5 * np.square(self.z).sum(-1)
        for _ in range(_MOVES):
            tried = self.z + step * rng.normal(size=self.z.shape)
            shape = self._shapes(tried)
            new_fit = prior + _log_likelihood(shape, self.rate, self.data)
            new = logsumexp(new_fit, axis=1) - 0.5 * np.square(tried).sum(-1)
            taken = np.log(rng.uniform(size=len(new))) < new - score
            self.z[taken], self.shape[taken] = tried[taken], shape[taken]
            fit[taken], score[taken] = new_fit[taken], new[taken]
        self.log_weight = fit - logsumexp(fit, axis=1, keepdims=True)

    def _rate_prior(self) -> Floats:
        """Log probability [n, nodes] of the rates, given the particles' accounts."""
        density = np.array([account.rate.log_density(self.rate) + np.log(self.rate) for account in self._accounts])
        return np.asarray((density - logsumexp(density, axis=1, keepdims=True))[self.kind])

    def _shapes(self, z: Floats) -> Floats:
        uniform = np.clip(ndtr(z), _EDGE, 1 - _EDGE)
        out = np.empty_like(z)
        for number, account in enumerate(self._accounts):
            mine = self.kind == number
            out[mine] = account.shape.sample(uniform[mine])
        return out


def factors(shape: Floats, beam_nm: Floats, neighbours_nm: Floats) -> Floats:
    """Rates over the largest one [n, m, k] for shapes [n, 6], beams [m, 2] and neighbours [m or 1, k, 2]."""
    aim, width = shape[:, 0, None, None], shape[:, 1, None, None]
    out = np.zeros((len(shape), len(beam_nm), neighbours_nm.shape[1]))
    for axis in (0, 1):
        beam = beam_nm[None, :, None, axis] + shape[:, 2 + axis, None, None]
        out += np.square((beam - aim * neighbours_nm[None, :, :, axis]) / BOND_NM)
    lean = np.tensordot(shape[:, 4:6], neighbours_nm, axes=(1, 2)) / BOND_NM
    return np.asarray(np.exp(lean - out / (2.0 * width**2)))


def _log_likelihood(shape: Floats, rate: Floats, data: Floats) -> Floats:
    """[n, nodes] of dwells [m, 11]."""
    near, seconds = data[:, 2:8].reshape(-1, 3, 2), data[:, 8]
    to, stamped = data[:, 9].astype(np.int64), np.greater(data[:, 10], 0.0)
    near_there = np.all(np.abs(near) < 0.5 * _FAR_NM, axis=-1)
    rates = factors(shape, data[:, :2], np.where(near_there[..., None], near, 0.0)) * near_there
    total = rates.sum(-1)
    seen = np.flatnonzero(np.logical_or(to == -1, stamped))
    out = -(total[:, seen] @ seconds[seen])[:, None] * rate
    named = np.flatnonzero(to >= 0)
    own = np.take_along_axis(rates[:, named], to[None, named, None], axis=2)[..., 0]
    score = np.log(np.maximum(own, 1e-300))
    late = np.flatnonzero(np.logical_not(stamped)[named])
    score[:, late] -= np.log(np.maximum(total[:, named][:, late], 1e-300))
    out += score.sum(1)[:, None] + np.count_nonzero(stamped[named]) * np.log(rate)
    for m in np.flatnonzero(np.logical_and(to != -1, np.logical_not(stamped))):
        out += np.log(-np.expm1(-np.maximum(total[:, m, None] * rate * seconds[m], 1e-300)))
    return np.asarray(out)


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())
