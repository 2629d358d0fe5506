"""What is believed of an alloy's pair energies after images of frozen members: one pseudo-likelihood of them all.

Composition is fixed in a member, so that its field is a nuisance with a value for every condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.ising.design import Belief
from physics_priors.ising.information import alloy_estimate, alloy_table, local_terms
from physics_priors.ising.kawasaki import KB_EV
from physics_priors.ising.lattice import Floats
from physics_priors.ising.pseudo import maximised

_FIELD_STD = 2.0


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

    def believed(self, conditions: Floats, histograms: Sequence[Floats]) -> Belief:
        """By one pseudo-likelihood of all images, with the information that the table promises."""
        centre, precision = (self.low + self.high) / 2, np.diag(12 / (self.high - self.low) ** 2)
        if not len(histograms):
            return Belief(centre, np.asarray(np.linalg.inv(precision), np.float64), 1.0, 0)
        mean = joint(self, conditions, histograms)
        scale, sites = self.scale(conditions), np.array([float(np.sum(h)) for h in histograms])
        own = sites[:, None, None] * self.information(scale * mean, conditions)
        total = precision + np.einsum("np,npq,nq->pq", scale, own, scale)
        rest = np.array([alloy_estimate(h.reshape(self.bins))[0] for h in histograms]) - scale * mean
        chi2 = float(np.einsum("np,npq,nq->", rest, own, rest))
        freedom = max(rest.size - len(mean), 1)
        return Belief(mean, np.asarray(np.linalg.inv(total), np.float64), chi2 / freedom, len(histograms))


def joint(prior: AlloyPrior, conditions: Floats, histograms: Sequence[Floats]) -> Floats:
    """The parameters [P] at the top of all images' pseudo-likelihood and the prior, with a field per condition."""
    which, group = np.unique(conditions, axis=0, return_inverse=True)
    summed = [
        np.sum([h for h, g in zip(histograms, group.ravel(), strict=True) if g == k], axis=0) for k in range(len(which))
    ]
    centre, width, scale = (prior.low + prior.high) / 2, prior.high - prior.low, prior.scale(which)
    blocks, spins, weights = [], [], []
    for k, counts in enumerate(summed):
        x, s, w = local_terms(counts.reshape(prior.bins))
        known = x[:, 1:] * scale[k] * width
        offset = np.zeros((len(s), len(which)))
        offset[:, k] = x[:, 0]
        blocks.append(np.column_stack([known, offset]))
        spins.append(s)
        weights.append(w)
    start = np.concatenate([centre / width, np.zeros(len(which))])
    spread = np.concatenate([np.full(len(centre), 12**-0.5), np.full(len(which), _FIELD_STD)])
    top = maximised(np.concatenate(blocks), np.concatenate(spins), np.concatenate(weights), spread, start)
    return np.clip(top[: len(centre)] * width, prior.low - width / 2, prior.high + width / 2)
