"""A posterior over the law of silicon's hops: exact in the rate, with particles for where to aim and the rest.

Given aim, width, offset, lean, and how often silicon becomes fourfold and threefold again, a dwell is a stretch of a
chain of two states (`hop_chain`) whose likelihood has a closed form: also for a hop of which only its having been is
known, and for dwells in vain, which may be due to silicon that is fourfold. So the largest rate lives on nodes that
are even in its logarithm, where all of it is exact and a prior may have any form; where silicon is always threefold the
posterior is the gamma distribution of a Poisson process. When few particles carry the posterior, and every so many
dwells, they are resampled and moved against all data (N. Chopin, Biometrika 89, 539, 2002), also to fresh draws of the
prior. Random numbers depend on the seed and the number of
dwells only.

Several silicon atoms obey one law; each has its own chain, and by it its own chance of being fourfold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from agents.planning.hop_chain import exposed, left
from agents.planning.hop_prior import Account, rate_nodes
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STAYED: Final = -1
ASTRAY: Final = -2
"""What stands for a neighbour where the silicon stayed, and where it went where no neighbour was."""
_EDGE: Final = 1e-9
_FAR_NM: Final = 10.0
_MOVES: Final = 3
_FEW: Final = 0.03
"""Of the particles: renewed when only as many carry the posterior."""
_LONG: Final = 50
_LONGER: Final = 0.25
"""Dwells after which the particles are renewed at any rate, or this part of all dwells: what has died out may have been
right."""
_SAME_NM: Final = 0.006
"""Dwells in vain whose beams are no farther apart are taken as one."""
_UNSEEN: Final = 0.002
"""Chance that silicon becomes fourfold between a hop and the next dwell."""
PROBE_BONDS: Final = 0.334
"""Standard deviation of the probe, FWHM 0.11 nm: the beam makes silicon fourfold by hitting the carbon beside it."""


@dataclass(frozen=True)
class Dwell:
    """What one dwell showed: beam_nm [2] and neighbours_nm [k, 2] from the silicon, how long, and which neighbour.

    `to` is `STAYED`, `ASTRAY` or a neighbour. Without `stamped`, a hop came at some instant of `seconds`. `atom` says
    which silicon it was, where there are several.
    """

    beam_nm: Floats
    neighbours_nm: Floats
    seconds: float
    to: int
    stamped: bool
    atom: int = 0

    def row(self) -> Floats:
        """As numbers [12]."""
        near = np.full((3, 2), _FAR_NM)
        near[: len(self.neighbours_nm)] = self.neighbours_nm[:3]
        return np.array(
            [*self.beam_nm, *near.ravel(), self.seconds, self.to, self.stamped, self.atom], dtype=np.float64
        )


class HopBelief:
    """See the module's text; `data` [m, 12] are the dwells so far, `shape` [n, 8] the particles: all but the rate."""

    def __init__(self, accounts: Sequence[Account], particles: int, seed: int, nodes: int = 32) -> None:
        self._accounts, self.seed = tuple(accounts), seed
        self.rate = rate_nodes(nodes)
        """[nodes] 1/s"""
        self.kind = np.repeat(np.arange(len(accounts)), -(-particles // len(accounts)))
        self.z = np.random.default_rng([seed, 0]).normal(size=(len(self.kind), 8))
        self.shape = self._shapes(self.kind, self.z)
        self.log_weight = self._prior()
        """[n, nodes], not normalised."""
        self.folded: dict[int, Floats] = {}
        """Chance [n, nodes] that each silicon that was dwelt on is fourfold now."""
        self.data = np.empty((0, 12))
        self._joined = np.empty((0, 12))
        """The same with dwells in vain taken together."""
        self._renewed = 0

    def learn(self, dwell: Dwell) -> None:
        """Take a dwell in."""
        self.take(dwell.row())

    def take(self, row: Floats) -> None:
        """The same, of a row of `data`."""
        atom = int(row[11])
        self.data = np.vstack([self.data, row])
        added = self._joining(row)
        gain, self.folded[atom] = _after(self.shape, self.rate, self._folded(atom), added)
        self.log_weight = self.log_weight + gain
        of_shape = self._of_shape()
        few = 1.0 / np.square(of_shape).sum() < _FEW * len(of_shape)
        if few or len(self.data) - self._renewed >= max(_LONG, _LONGER * self._renewed):
            self._renew(of_shape)

    def draws(self, uniforms: Floats, atom: int = 0) -> Floats:
        """Equally likely parameters [m, 9], in the order of `hop_prior.NAMES`, and last [m, 10] whether the silicon is
        fourfold, for uniforms [m]."""
        weight = _normalised(self.log_weight)
        edges = np.cumsum(weight.ravel())
        place = np.minimum(np.searchsorted(edges, uniforms), weight.size - 1)
        particle, node = np.unravel_index(place, weight.shape)
        within = (edges[place] - uniforms) / np.maximum(weight.ravel()[place], _EDGE**2)
        fourfold = np.clip(within, 0.0, 1.0) < self._folded(atom).ravel()[place]
        return np.column_stack([self.rate[node], self.shape[particle], fourfold])

    def probability(self, account: int) -> float:
        """Posterior probability of an account."""
        return float(self._of_shape()[self.kind == account].sum())

    def fourfold(self, atom: int = 0) -> float:
        """Posterior probability that the silicon is fourfold now."""
        return float((_normalised(self.log_weight) * self._folded(atom)).sum())

    def _folded(self, atom: int) -> Floats:
        return self.folded[atom] if atom in self.folded else np.full(self.log_weight.shape, _UNSEEN)

    def _joining(self, row: Floats) -> Floats:
        """Put a dwell beside the others; the row that it adds, in the place of the one that it goes on from."""
        own = np.flatnonzero(self._joined[:, 11] == row[11])
        latest = self._joined[own[-1]].copy() if len(own) else None
        if latest is None or latest[9] != STAYED or np.abs(latest[:8] - row[:8]).max() > _SAME_NM:
            self._joined = np.vstack([self._joined, row])
            return row
        added = np.concatenate([latest[:8], row[8:]])
        if row[9] == STAYED or row[10]:
            self._joined[own[-1]] = np.concatenate([latest[:8], [latest[8] + row[8]], row[9:]])
        else:
            self._joined = np.vstack([self._joined, added])
        return added

    def _prior(self) -> Floats:
        """Log weights [n, nodes] before any data: each account's probability, shared out among its particles."""
        count = np.bincount(self.kind, minlength=len(self._accounts))
        share = np.log([account.probability / n for account, n in zip(self._accounts, count, strict=True)])
        return np.asarray(self._rate_prior(self.kind) + share[self.kind][:, None])

    def _of_shape(self) -> Floats:
        return np.asarray(_normalised(self.log_weight).sum(axis=1))

    def _renew(self, weight: Floats) -> None:
        """Resample, then move by Metropolis steps against all data: first each to a fresh draw of any account, which
        brings back what had died out, then nearby.
        """
        self._renewed = len(self.data)
        rng = np.random.default_rng([self.seed, len(self.data)])
        step = 2.38 / np.sqrt(8.0) * np.sqrt(weight @ np.square(self.z - weight @ self.z) + 1e-6)
        places = (np.arange(len(weight)) + rng.uniform()) / len(weight)
        kept = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
        self.kind, self.z = self.kind[kept], self.z[kept]
        self.shape = self._shapes(self.kind, self.z)
        fit, self.folded = self._fit(self.kind, self.shape)
        kind, z = self._fresh(rng)
        self._moved(fit, kind, z, 0.0, rng)
        for _ in range(_MOVES):
            z = self.z + step * rng.normal(size=self.z.shape)
            self._moved(fit, self.kind, z, 0.5 * (np.square(self.z) - np.square(z)).sum(-1), rng)
        self.log_weight = fit - logsumexp(fit, axis=1, keepdims=True)

    def _moved(self, fit: Floats, kind: Ints, z: Floats, gain: Floats | float, rng: np.random.Generator) -> None:
        """One Metropolis step of every particle, in place with its `fit`; `gain` [n] is the prior's over the old one's
        less the proposal's, both in logarithms.
        """
        shape = self._shapes(kind, z)
        new_fit, folded = self._fit(kind, shape)
        gain = gain + logsumexp(new_fit, axis=1) - logsumexp(fit, axis=1)
        taken = np.log(rng.uniform(size=len(z))) < gain
        self.kind = np.where(taken, kind, self.kind)
        self.z[taken], self.shape[taken] = z[taken], shape[taken]
        for atom, chance in folded.items():
            self.folded[atom][taken] = chance[taken]
        fit[taken] = new_fit[taken]

    def _fresh(self, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Draws of the prior, as many as there are particles."""
        edges = np.cumsum([account.probability for account in self._accounts])
        kind = np.searchsorted(edges, rng.uniform(size=len(self.z)) * edges[-1])
        return np.minimum(kind, len(edges) - 1), rng.normal(size=self.z.shape)

    def _fit(self, kind: Ints, shape: Floats) -> tuple[Floats, dict[int, Floats]]:
        """Log posterior [n, nodes] of all data given the kinds, not normalised, and chances of being fourfold."""
        fit = self._rate_prior(kind)
        folded = {int(atom): np.full(fit.shape, _UNSEEN) for atom in np.unique(self._joined[:, 11])}
        for row in self._joined:
            atom = int(row[11])
            gain, folded[atom] = _after(shape, self.rate, folded[atom], row)
            fit += gain
        return fit, folded

    def _rate_prior(self, kind: Ints) -> Floats:
        """Log probability [n, nodes] of the rates, given the particles' accounts."""
        density = np.array([account.rate.log_density(self.rate) + np.log(self.rate) for account in self._accounts])
        return np.asarray((density - logsumexp(density, axis=1, keepdims=True))[kind])

    def _shapes(self, kind: Ints, z: Floats) -> Floats:
        uniform = np.clip(ndtr(z), _EDGE, 1 - _EDGE)
        out = np.empty_like(z)
        for number, account in enumerate(self._accounts):
            mine = kind == number
            out[mine] = account.shape.sample(uniform[mine])
        return out


def factors(shape: Floats, beam_nm: Floats, neighbours_nm: Floats) -> Floats:
    """Rates over the largest one [n, m, k] for shapes [n, 8], beams [m, 2] and neighbours [m or 1, k, 2]."""
    aim, width = shape[:, 0, None, None], shape[:, 1, None, None]
    out = np.zeros((len(shape), len(beam_nm), neighbours_nm.shape[1]))
    for axis in (0, 1):
        beam = beam_nm[None, :, None, axis] + shape[:, 2 + axis, None, None]
        out += np.square((beam - aim * neighbours_nm[None, :, :, axis]) / BOND_NM)
    lean = np.tensordot(shape[:, 4:6], neighbours_nm, axes=(1, 2)) / BOND_NM
    return np.asarray(np.exp(lean - out / (2.0 * width**2)))


def hits(shape: Floats, beam_nm: Floats, neighbours_nm: Floats) -> Floats:
    """Electrons on each carbon beside the silicon [n, m, k], in units of a beam on it; arguments as above."""
    out = np.zeros((len(shape), len(beam_nm), neighbours_nm.shape[1]))
    for axis in (0, 1):
        beam = beam_nm[None, :, None, axis] + shape[:, 2 + axis, None, None]
        out += np.square((beam - neighbours_nm[None, :, :, axis]) / (PROBE_BONDS * BOND_NM))
    return np.asarray(np.exp(-0.5 * out))


def _after(shape: Floats, rate: Floats, folded: Floats, row: Floats) -> tuple[Floats, Floats]:
    """Log likelihood [n, nodes] of a dwell [12], and the chance of being fourfold after it, from that before it."""
    near, seconds, to = row[2:8].reshape(1, 3, 2), float(row[8]), int(row[9])
    near = near[:, np.all(np.abs(near[0]) < 0.5 * _FAR_NM, axis=-1)]
    shares = factors(shape, row[None, :2], near)[:, 0]
    hop = shares.sum(-1)[:, None] * rate
    struck = hits(shape, row[None, :2], near).sum(-1)
    fold, unfold = shape[:, 6:7] * struck, shape[:, 7:8] * struck
    if to == STAYED:
        threefold, fourfold = left(hop, fold, unfold, folded, seconds)
        chance = np.maximum(threefold + fourfold, 1e-300)
        return np.log(chance), fourfold / chance
    own = hop if to == ASTRAY else shares[:, to, None] * rate
    there = left(hop, fold, unfold, folded, seconds)[0] if row[10] else exposed(hop, fold, unfold, folded, seconds)
    return np.log(np.maximum(own * there, 1e-300)), np.full_like(folded, _UNSEEN)


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())
