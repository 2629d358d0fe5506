"""A particle posterior made afresh when a reading surprises all particles: from the prior, by a rising likelihood.

Reweighting fails where no particle explains the data, and the moves that follow have nothing to spread from. Here the
power of the whole likelihood rises from 0 to 1 in parts that leave half of the particles of use (Del Moral, Doucet and
Jasra, J. R. Stat. Soc. B 68 411, 2006).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.posterior import Particles
from physics_priors.prior import Model

Floats = NDArray[np.float64]
_LEFT = 0.5
_LONGEST = 100


def annealed(posterior: Particles, model: Model[Any, Any]) -> Particles:
    """Equally weighted particles of the prior and all data that `posterior` holds; its particles are forgotten."""
    rng = np.random.default_rng([posterior.seed, posterior.updates, 1])
    z = rng.normal(size=(posterior.count, len(posterior.prior)))
    fit, power = _fit(posterior, model, z), 0.0
    for _ in range(_LONGEST):
        step = _next(fit, 1.0 - power)
        weight = _weights(step * fit)
        power += step
        root = _root(z, weight)
        pick = np.minimum(np.searchsorted(np.cumsum(weight), _places(len(z), rng)), len(z) - 1)
        z, fit = z[pick], fit[pick]
        for scale in np.geomspace(1.0, 0.2, posterior.moves):
            z, fit = _moved(posterior, model, z, fit, power, scale * root, rng)
        if power >= 1.0:
            break
    return replace(posterior, z=z, log_weight=np.full(len(z), -np.log(len(z))))


def _moved(
    posterior: Particles, model: Model[Any, Any], z: Floats, fit: Floats, power: float, root: Floats, rng: Any
) -> tuple[Floats, Floats]:
    """One Metropolis step of every particle at a power of the likelihood."""
    tried = z + rng.normal(size=z.shape) @ root.T
    new = _fit(posterior, model, tried)
    gain = power * (new - fit) - 0.5 * (np.square(tried).sum(-1) - np.square(z).sum(-1))
    taken = np.log(rng.uniform(size=len(z))) < gain
    return np.where(taken[:, None], tried, z), np.where(taken, new, fit)


def _fit(posterior: Particles, model: Model[Any, Any], z: Floats) -> Floats:
    from scipy.special import ndtr

    theta = posterior.prior.sample(np.clip(ndtr(z), 1e-12, 1 - 1e-12))
    return model.log_likelihood(theta, posterior.design, posterior.outcome)


def _next(fit: Floats, most: float) -> float:
    """The largest step in the power, up to `most`, that leaves a share _LEFT of the particles of use; by bisection."""
    if _effective(most * fit) >= _LEFT * len(fit):
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _effective(middle * fit) >= _LEFT * len(fit) else (low, middle)
    return max(low, 1e-12)


def _effective(log_weight: Floats) -> float:
    return float(1.0 / np.square(_weights(log_weight)).sum())


def _weights(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _root(z: Floats, weight: Floats) -> Floats:
    away = z - weight @ z
    covariance = (weight[:, None] * away).T @ away + 1e-6 * np.eye(z.shape[1])
    return np.asarray(np.linalg.cholesky(covariance) * 2.38 / np.sqrt(z.shape[1]))


def _places(count: int, rng: Any) -> Floats:
    return np.asarray((np.arange(count) + rng.uniform()) / count)
