"""The covariance that a set of measurements speaks for: largest likelihood over small neighbourhoods.

Groups of near measurements, with a few far ones in each, are taken as independent of each other: a composite likelihood
that costs as much for 10,000 measurements as for 1,000.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.gaussian_field.covariance import Covariance, Smoothness, correlation

Floats = NDArray[np.float64]
_GROUPS, _NEAR, _FAR = 24, 24, 16
_NOISIEST: Final = (1e-3, 3.0)
"""Limits of the noise, in units of the field's deviation."""


def fit(
    places: Floats,
    values: Floats,
    *,
    smoothness: Smoothness = "matern32",
    scales: tuple[tuple[int, ...], ...] | None = None,
    start: Covariance | None = None,
    seed: int = 0,
) -> Covariance:
    """Covariance of values [n] at places [n, d], around their mean.

    `scales` groups coordinates that share a length (all do, by default). Raises ValueError with fewer than four values.
    """
    from scipy.optimize import minimize

    x, y = np.asarray(places, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(y) < 4 or len(x) != len(y):
        raise ValueError(f"a covariance needs four values or more, got {len(y)} at {len(x)} places")
    groups = scales or (tuple(range(x.shape[1])),)
    deviation = max(float(y.std()), 1e-300)
    chosen = _chosen(x, groups, seed)
    z = (y - y.mean()) / deviation
    extent = [max(float(np.ptp(x[:, list(g)], axis=0).max()), 1e-300) for g in groups]
    begun = _start(x, groups, extent, start, deviation)
    low = [np.log(1e-3 * e) for e in extent] + [np.log(0.2), np.log(_NOISIEST[0])]
    high = [np.log(10.0 * e) for e in extent] + [np.log(5.0), np.log(_NOISIEST[1])]

    def cost(log: Floats) -> float:
        return _minus_log_likelihood(np.clip(log, low, high), x[chosen], z[chosen], groups, smoothness)

    found = np.exp(np.clip(minimize(cost, begun, method="Nelder-Mead", options=_SHORT).x, low, high))
    lengths = _by_coordinate(found[: len(groups)], groups, x.shape[1])
    own = float(found[-2] * deviation)
    return Covariance(tuple(float(v) for v in lengths), own, float(found[-1] * own), smoothness)


_SHORT: Final[Any] = {"maxfev": 160, "xatol": 0.02, "fatol": 0.05}


def _start(
    x: Floats, groups: tuple[tuple[int, ...], ...], extent: list[float], start: Covariance | None, deviation: float
) -> Floats:
    if start is None:
        return np.asarray(np.log([*(0.15 * e for e in extent), 1.0, 0.3]))
    lengths = [start.lengths[g[0] if len(start.lengths) > 1 else 0] for g in groups]
    return np.asarray(np.log([*lengths, start.deviation / deviation, start.noise / start.deviation]))


def _chosen(x: Floats, groups: tuple[tuple[int, ...], ...], seed: int) -> NDArray[np.intp]:
    """Members [groups, near + far] of the neighbourhoods; all of them in one where there are few."""
    from scipy.spatial import KDTree

    if len(x) <= _NEAR + _FAR:
        return np.arange(len(x))[None]
    rng = np.random.default_rng([seed, len(x)])
    centres = rng.choice(len(x), min(_GROUPS, len(x)), replace=False)
    first = x[:, list(groups[0])]
    near = np.asarray(KDTree(first).query(first[centres], k=_NEAR)[1])
    far = np.stack([rng.choice(np.setdiff1d(np.arange(len(x)), own), _FAR, replace=False) for own in near])
    return np.concatenate([near, far], axis=1)


def _by_coordinate(lengths: Floats, groups: tuple[tuple[int, ...], ...], count: int) -> Floats:
    out = np.ones(count)
    for length, group in zip(lengths, groups, strict=True):
        out[list(group)] = length
    return out


def _minus_log_likelihood(
    log: Floats, x: Floats, z: Floats, groups: tuple[tuple[int, ...], ...], smoothness: Smoothness
) -> float:
    """Of unit-variance values z [g, k] at places [g, k, d]; log holds lengths, deviation, noise over deviation."""
    lengths = _by_coordinate(np.exp(log[: len(groups)]), groups, x.shape[-1])
    deviation, noise = np.exp(log[-2]), np.exp(log[-1])
    scaled = x / lengths
    distance = np.sqrt(np.square(scaled[:, :, None] - scaled[:, None, :]).sum(axis=-1))
    matrix = deviation**2 * (correlation(distance, smoothness) + (noise**2 + 1e-9) * np.eye(x.shape[1]))
    factor = np.linalg.cholesky(matrix)
    white = np.linalg.solve(factor, z[..., None])[..., 0]
    halves = np.log(np.einsum("gii->gi", factor)).sum()
    # a weak prior, worth one measurement: moderate noise
    return float(0.5 * np.square(white).sum() + halves + 0.05 * (log[-1] + 1.2) ** 2)
