"""A Gaussian field given measurements: mean and standard deviation anywhere.

Every target is conditioned on its `neighbours` nearest measurements, which is exact where there are no more than that,
and for a field with noise and a length of some neighbours' spacing differs little from the whole (Vecchia 1988).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physics_priors.gaussian_field.covariance import Covariance

Floats = NDArray[np.float64]
_TARGETS = 1024


def posterior(
    places: Floats,
    values: Floats,
    targets: Floats,
    covariance: Covariance,
    *,
    mean: float | None = None,
    neighbours: int = 32,
) -> tuple[Floats, Floats]:
    """Mean [m] or [m, c] and standard deviation [m] of the noise-free field at targets [m, d].

    Measured were values [n] or [n, c] at places [n, d]; fields in columns share the covariance. `mean` is what the
    field returns to far away, by default the values' own. Without measurements that is all there is: mean 0 then.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    level = np.full(table.shape[1], mean if mean is not None else 0.0)
    if mean is None and len(table):
        level = table.mean(axis=0)
    out = np.tile(level, (len(targets), 1))
    spread = np.full(len(targets), covariance.deviation)
    if len(table):
        own, asked = covariance.scaled(places), covariance.scaled(targets)
        near = _nearest(own, asked, neighbours)
        for first in range(0, len(targets), _TARGETS):
            here = slice(first, first + _TARGETS)
            weights, spread[here] = _weights(own[near[here]], asked[here], covariance)
            out[here] += np.einsum("mk,mkc->mc", weights, (table - level)[near[here]])
    return np.asarray(out if np.ndim(values) > 1 else out[:, 0]), spread


def _nearest(places: Floats, targets: Floats, neighbours: int) -> NDArray[np.intp]:
    from scipy.spatial import KDTree

    count = min(neighbours, len(places))
    found = KDTree(places).query(targets, k=count)[1]
    return np.asarray(found, dtype=np.intp).reshape(len(targets), count)


def _weights(near: Floats, targets: Floats, covariance: Covariance) -> tuple[Floats, Floats]:
    """Weights [m, k] of the neighbours [m, k, d], and the standard deviation [m]."""
    between = np.sqrt(np.square(near[:, :, None] - near[:, None, :]).sum(axis=-1))
    across = np.sqrt(np.square(near - targets[:, None]).sum(axis=-1))
    matrix = covariance.of(between) + (covariance.noise**2 + 1e-9 * covariance.deviation**2) * np.eye(near.shape[1])
    right = covariance.of(across)
    weights = np.linalg.solve(matrix, right[..., None])[..., 0]
    variance = covariance.deviation**2 - (weights * right).sum(axis=1)
    return np.asarray(weights), np.asarray(np.sqrt(np.maximum(variance, 0.0)))
