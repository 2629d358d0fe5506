"""How much an image of n sites says about its couplings, before it is taken.

The estimator is maximum pseudo-likelihood at fixed composition, the field being a nuisance: its covariance is the
sandwich H^-1 V H^-1 of curvature and score covariance, simulated once on a grid of couplings and compositions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from physics_priors.ising.kawasaki import Kawasaki, with_composition
from physics_priors.ising.lattice import Floats, triangular
from physics_priors.ising.model import Field, Model, Pair, Term
from physics_priors.ising.pseudo import maximised

SIDE = 18
TERMS: tuple[Term, ...] = (Field(), Pair(1), Pair(2))
"""What `alloy_estimate` estimates, the field left out."""
_REPLICAS, _SETTLE, _SAMPLES = 96, 150, 20


@dataclass(frozen=True)
class Table:
    """Information per site [..., K, K] on the product of the axes, linear between its nodes and flat outside."""

    axes: tuple[Floats, ...]
    values: Floats

    def at(self, places: Floats) -> Floats:
        """Information per site [n, K, K] at places [n, axes]."""
        from scipy.interpolate import RegularGridInterpolator

        low, high = (np.array([f(axis) for axis in self.axes]) for f in (np.min, np.max))
        inside = np.clip(places, low, high)
        return np.asarray(RegularGridInterpolator(self.axes, self.values)(inside))


ALLOY_AXES = (np.linspace(-0.3, 0.6, 13), np.linspace(-0.12, 0.12, 3), np.array([0.04, 0.12, 0.25, 0.5]))
FOLDER = Path(__file__).parent / "tables"


@lru_cache(maxsize=1)
def alloy_table() -> Table:
    """Axes: pair1, pair2 [kT] and the fraction of one species (0 to 0.5, the rest by symmetry), triangular lattice.

    Read from `tables`; `python -m physics_priors.ising.information` simulates it anew, in a minute or two.
    """
    return Table(ALLOY_AXES, np.load(FOLDER / "alloy_information.npy"))


def alloy_node(k1: float, k2: float, fraction: float) -> Floats:
    """Information per site [2, 2] on (pair1, pair2) at fixed composition."""
    model = Model(triangular(SIDE, SIDE), TERMS)
    return at_fixed_composition(
        model, np.array([0.0, k1, k2]), fraction, seed=round(1000 * (k1 + 7 * k2 + fraction)) % 997
    )


def at_fixed_composition(model: Model, theta: Floats, fraction: float, seed: int = 0) -> Floats:
    """Information per site [K - 1, K - 1] on all terms but the first, the field."""
    start = with_composition(len(model.lattice), fraction, seed)
    chain = Kawasaki(model, theta, start, replicas=_REPLICAS, seed=seed)
    chain.anywhere(_SETTLE)
    spins = []
    for _ in range(_SAMPLES):
        chain.anywhere(8)
        spins.append(chain.configurations())
    drawn = np.concatenate(spins)
    x = model.local_statistics(drawn)
    offset = x[..., 1:] @ theta[1:]
    own = theta.copy()
    own[0] = _field_of(offset.ravel(), drawn.ravel().astype(float))
    return np.asarray(np.linalg.inv(_sandwich(model, drawn, own)[1:, 1:]), np.float64)


def _field_of(offset: Floats, spins: Floats) -> float:
    """The field at which the conditional means of all spins sum up to the spins."""
    h = 0.0
    for _ in range(60):
        mean = np.tanh(h + offset)
        h += float(np.clip((spins - mean).mean() / max((1 - mean**2).mean(), 1e-9), -0.5, 0.5))
    return h


def _sandwich(model: Model, spins: np.ndarray[tuple[int, ...], np.dtype[np.int8]], theta: Floats) -> Floats:
    """Covariance [K, K] of the estimator, times the number of sites."""
    x = model.local_statistics(spins)
    mean = np.tanh(x @ theta)
    scores = np.einsum("rnk,rn->rk", x, spins - mean)
    scores = scores - scores.mean(0)
    sites = spins.shape[1]
    curvature = np.einsum("rnk,rnl,rn->kl", x, x, 1 - mean**2) / len(spins) / sites
    spread = scores.T @ scores / len(spins) / sites
    ridge = 1e-5 * np.eye(len(theta))
    inverse = np.linalg.inv(curvature + ridge)
    return np.asarray(inverse @ (spread + ridge) @ inverse)


def alloy_estimate(counts: Floats) -> tuple[Floats, float]:
    """(pair1, pair2) in kT and the number of sites, from counts [2, 7, 7] of (own, up in shell 1, up in shell 2).

    These counts are all that the pseudo-likelihood of pairs sees; a weak prior keeps images of one species in bounds.
    """
    x, s, weight = local_terms(counts)
    return maximised(x, s, weight, prior_std=2.0)[1:], float(weight.sum())


def local_terms(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Local statistics [m, 1 + shells], spins [m] and weights [m] of the cells of a histogram that are not empty.

    The histogram is over (own spin, neighbours up in shell 1, 2, ...); the first statistic is the field's.
    """
    own, *up = np.indices(counts.shape)
    kept = counts.ravel() > 0
    sums = [(2.0 * u - (size - 1)).ravel() for u, size in zip(up, counts.shape[1:], strict=True)]
    x = np.stack([np.ones(counts.size), *sums], axis=1)[kept]
    s = np.asarray((2.0 * own.ravel() - 1)[kept], np.float64)
    return np.asarray(x, np.float64), s, counts.ravel()[kept].astype(np.float64)


def main() -> None:
    """Simulate the table and write it."""
    FOLDER.mkdir(exist_ok=True)
    places = np.stack([axis.ravel() for axis in np.meshgrid(*ALLOY_AXES, indexing="ij")], axis=1)
    values = np.array([alloy_node(*place.tolist()) for place in places])
    np.save(FOLDER / "alloy_information.npy", values.reshape(*(len(axis) for axis in ALLOY_AXES), 2, 2))


if __name__ == "__main__":
    main()
