"""How far the class of a place says something about its surroundings: chosen by leaving one place out at a time.

Places that an agent crowds along a border would make every field look short-ranged: each place counts with the area
that it stands for.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.gaussian_field.covariance import Covariance

Floats = NDArray[np.float64]
_LENGTHS: Final = (0.04, 0.06, 0.09, 0.13, 0.2, 0.3)
"""Of positions, in units of the field's larger side."""
_FEATURES: Final = (0.5, 1.5, 1e3)
"""Of what an image shows, in its standard deviations; the last one ignores it."""
_NOISE: Final = 0.3
_SMALL: Final = 1e-6


def reach(verdicts: Floats, places: Floats, share: Floats, side: float) -> Covariance:
    """Covariance of verdicts [n, classes] at places [n, d], two coordinates of position first, then image features."""
    deviation = max(float(np.sqrt(np.mean(np.square(verdicts - share)))), 1e-3)
    weight = _areas(places[:, :2])
    image = places.shape[1] > 2
    best, most = None, -np.inf
    for length, feature in product(_LENGTHS, _FEATURES if image else (1.0,)):
        scales = (length * side, length * side, *([feature] * (places.shape[1] - 2)))
        covariance = Covariance(scales, deviation, _NOISE * deviation)
        score = _left_out(verdicts, places, share, covariance, weight)
        if score > most:
            best, most = covariance, score
    assert best is not None
    return best


def probable(share: Floats, excess: Floats) -> Floats:
    """Probabilities [..., classes] from frequencies and what a field adds to them."""
    positive = np.clip(share + excess, _SMALL, None)
    return np.asarray(positive / positive.sum(axis=-1, keepdims=True))


def _left_out(verdicts: Floats, places: Floats, share: Floats, covariance: Covariance, weight: Floats) -> float:
    """Weighted mean log probability of each verdict, foretold from all others."""
    scaled = covariance.scaled(places)
    distance = np.sqrt(np.square(scaled[:, None] - scaled[None]).sum(axis=-1))
    inverse = np.linalg.inv(covariance.of(distance) + covariance.noise**2 * np.eye(len(places)))
    over = verdicts - share
    foretold = over - (inverse @ over) / np.diag(inverse)[:, None]
    gained = (verdicts * np.log(probable(share, foretold) + 0.01)).sum(axis=1)
    return float((weight * gained).sum() / weight.sum())


def _areas(positions: Floats) -> Floats:
    """What area each place stands for: the square of the distance to its nearest neighbour."""
    from scipy.spatial import KDTree

    near = np.asarray(KDTree(positions).query(positions, k=2)[0])[:, 1]
    return np.asarray(np.square(np.maximum(near, 1e-9)))
