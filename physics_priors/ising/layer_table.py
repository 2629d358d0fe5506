"""What an image shows of an antiferromagnetic layer that was brought to a temperature and a field a while ago.

The sum of the spins and the sum over bonds of an image are all that its field and pair coupling are told by. Their
mean and covariance are simulated on a grid of both, from layers that start at random and relax for as long as a change
of temperature takes. So they hold what large lattices in equilibrium would not: the walls between domains that the
ordered phase keeps, the critical fluctuations of a layer of this size, and how few exceptions a saturated one shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.histograms import by_likes
from physics_priors.ising.lattice import Floats, square
from physics_priors.ising.model import Field, Model, Pair
from physics_priors.ising.sampling import Sampler

SIDE: Final = 32
PAIRS: Final = np.concatenate([0.12 + 0.02 * np.arange(24), 0.62 + 0.05 * np.arange(8), 1.05 + 0.15 * np.arange(9)])
"""J / kT of the table's nodes."""
BEYOND: Final = np.concatenate([[-9.0, -7.0, -5.5, -4.6], -4 + 0.2 * np.arange(36), [3.5, 4.0, 5.0, 6.5]])
"""Field / kT of the nodes less four J / kT, where the ordered phase ends at T = 0."""
_FILE: Final = Path(__file__).parent / "tables" / "layer_moments.npy"
_LOWEST_FIELD: Final = -1.2
_MEAN, _COVARIANCE = slice(0, 2), np.array([[2, 3], [3, 4]])


@dataclass(frozen=True)
class Moments:
    """Per site [pairs, beyond, 5]: mean (spin, bond), variance of spin, covariance, variance of bond."""

    values: Floats

    def at(self, pair: Floats, field: Floats) -> tuple[Floats, Floats]:
        """Mean [..., 2] and covariance [..., 2, 2] of the statistics per site, at J / kT and field / kT."""
        found = self._between(self.values, pair, field)
        return found[..., _MEAN], found[..., _COVARIANCE]

    def information(self, pair: Floats, field: Floats) -> Floats:
        """Information per site [..., 2, 2] that the statistics hold on (field, -J) / kT."""
        return self._between(self._informations, pair, field)

    @cached_property
    def _informations(self) -> Floats:
        mean = self.values[..., _MEAN]
        by_field = np.gradient(mean, BEYOND, axis=1)
        by_pair = 4 * by_field - np.gradient(mean, PAIRS, axis=0)  # pairs change at fixed field, and -J counts
        slope = np.stack([by_field, by_pair], axis=-1)
        covariance = self.values[..., _COVARIANCE] + np.eye(2) / SIDE**2
        return np.asarray(np.einsum("abki,abkj->abij", slope, np.linalg.solve(covariance, slope)))

    @staticmethod
    def _between(values: Floats, pair: Floats, field: Floats) -> Floats:
        from scipy.interpolate import RegularGridInterpolator

        beyond = np.clip(field - 4 * pair, BEYOND[0], BEYOND[-1])
        places = np.stack([np.clip(pair, PAIRS[0], PAIRS[-1]), beyond], axis=-1)
        return np.asarray(RegularGridInterpolator((PAIRS, BEYOND), values)(places))


@lru_cache(maxsize=1)
def layer_table() -> Moments:
    """The table of `tables`; `python -m physics_priors.ising.layer_table` simulates it anew, in half an hour."""
    return Moments(np.load(_FILE).astype(np.float64))


def node(pair: float, field: float) -> Floats:
    """One row of five of the table; slow layers, near or in the ordered phase, are followed for 800 sweeps and more."""
    slow = pair > 0.36 and field - 4 * pair < 0.9
    settle, samples, every = (800, 5, 200) if slow else (120, 8, 20)
    model = Model(square(SIDE, SIDE), (Field(), Pair(1)))
    chain = Sampler(model, np.array([field, -pair]), replicas=64, seed=round(1000 * (7 * field - 21 * pair)) + 200_000)
    chain.run(settle)
    seen = []
    for _ in range(samples):
        seen.append(statistics(by_likes(square(SIDE, SIDE, periodic=False), chain.configurations())))
        chain.run(every)
    drawn, sites = np.concatenate(seen), (SIDE - 2) ** 2
    spread = np.cov(drawn.T) / sites
    return np.array([*drawn.mean(0) / sites, spread[0, 0], spread[0, 1], spread[1, 1]])


def statistics(histograms: NDArray[np.generic]) -> Floats:
    """Sum of spins and over bonds [..., 2] from counts [..., 2, 5] of (own, up among four neighbours)."""
    counts = np.asarray(histograms, np.float64)
    neighbours = (2.0 * np.arange(5) - 4) / 2
    return np.stack([(counts[..., 1, :] - counts[..., 0, :]) @ part for part in (np.ones(5), neighbours)], axis=-1)


def main() -> None:
    """Simulate the table and write it; where a field lies far below zero, the nearest node's values stand."""
    table = np.empty((len(PAIRS), len(BEYOND), 5), np.float32)
    for i, pair in enumerate(PAIRS):
        first = int(np.argmax(BEYOND + 4 * pair > _LOWEST_FIELD))
        for j in range(first, len(BEYOND)):
            table[i, j] = node(float(pair), float(BEYOND[j] + 4 * pair))
        table[i, :first] = table[i, first]
    np.save(_FILE, table)


if __name__ == "__main__":
    main()
