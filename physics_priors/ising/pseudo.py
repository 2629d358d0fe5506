"""Maximum pseudo-likelihood: every site given its neighbours (J. Besag, The Statistician 24, 179, 1975).

Unbiased for large images, quick, and less precise than the full likelihood; its covariance is the sandwich of
curvature and of the scores' own covariance, which neighbouring sites share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.image import SpinImage
from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model, Term

_STEPS = 50
_FAR = 3.0
_HALVINGS, _ROUNDING = 40, 1e-11


@dataclass(frozen=True)
class Estimate:
    """Parameters with their covariance and the log (pseudo-)likelihood at them."""

    names: tuple[str, ...]
    theta: Floats
    covariance: Floats
    log_likelihood: float

    @property
    def std(self) -> Floats:
        """Standard deviations [K]."""
        return np.sqrt(np.diag(self.covariance))


def pseudo_likelihood(terms: Sequence[Term], images: Sequence[SpinImage], prior_std: float = np.inf) -> Estimate:
    """The estimate from the most probable spins; label errors are not modelled here, see `likelihood`.

    Sites without all of their neighbours serve as neighbours only.
    """
    models = [Model(image.lattice, tuple(terms)) for image in images]
    parts = [_local(model, image) for model, image in zip(models, images, strict=True)]
    x, s = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    if len(s) == 0:
        raise LatticeError("no site has all of its neighbours: the image is too small for these terms")
    theta = maximised(x, s, prior_std=prior_std)
    residual = s - np.tanh(x @ theta)
    curvature = (x * (1 - np.tanh(x @ theta) ** 2)[:, None]).T @ x + np.eye(len(theta)) / prior_std**2
    scores = sum(_grouped(x_, residual_) for x_, residual_ in _split(parts, x, residual))
    inverse = np.linalg.pinv(curvature)
    log = float(-np.logaddexp(0, -2 * s * (x @ theta)).sum())
    return Estimate(models[0].names, theta, inverse @ np.asarray(scores) @ inverse, log)


def maximised(
    x: Floats, s: Floats, weight: Floats | None = None, prior_std: Floats | float = np.inf, centre: Floats | float = 0.0
) -> Floats:
    """The top of sum weight log sigma(2 s x theta) minus a normal prior; raises LatticeError where it diverges.

    It is concave, so there is one maximum; without a prior it lies at infinity where a term separates the spins.
    Newton's steps are halved until they climb: where most spins are saturated, full ones go round in circles.
    """
    w, start = np.ones(len(s)) if weight is None else weight, np.broadcast_to(centre, x.shape[1:])
    precision = np.broadcast_to(np.asarray(prior_std, np.float64) ** -2.0, x.shape[1:])
    theta, height, free = np.array(start, np.float64), -np.inf, not precision.any()
    for _ in range(_STEPS):
        mean = np.tanh(x @ theta)
        gradient = x.T @ (w * (s - mean)) - (theta - start) * precision
        curvature = (x * (w * (1 - mean**2))[:, None]).T @ x + np.diag(precision)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        if np.abs(step).max() < 1e-10:
            return theta
        theta, height = _climbed(lambda t: _height(x, s, w, t, start, precision), theta, step, height)
        if free and np.abs(theta).max() > _FAR:
            break
    if free:
        raise LatticeError("the spins are too ordered to say how strong interactions are: give a prior, or use another")
    return theta


def _height(x: Floats, s: Floats, w: Floats, theta: Floats, centre: Floats, precision: Floats) -> float:
    """log pseudo-likelihood and log prior."""
    return float(-w @ np.logaddexp(0, -2 * s * (x @ theta)) - 0.5 * precision @ np.square(theta - centre))


def _climbed(rises: Callable[[Floats], float], theta: Floats, step: Floats, height: float) -> tuple[Floats, float]:
    """theta after the longest of halved steps that does not descend, and the height there."""
    height = rises(theta) if np.isneginf(height) else height
    size = 1.0 / max(1.0, float(np.abs(step).max()) / 0.5)
    for _ in range(_HALVINGS):
        found = rises(theta + size * step)
        if found >= height - _ROUNDING * abs(height):
            return theta + size * step, found
        size /= 2
    return theta, height


def _local(model: Model, image: SpinImage) -> tuple[Floats, Floats, Floats]:
    """Local statistics [n, K], spins [n] and positions [n, 2] of the sites that have all neighbours."""
    spins, kept = image.spins, model.complete()
    x = model.local_statistics(spins)[kept]
    return x, spins[kept].astype(float), image.lattice.positions[kept]


def _split(parts: Sequence[tuple[Floats, Floats, Floats]], x: Floats, residual: Floats) -> list[tuple[Floats, Floats]]:
    """Local statistics and residuals, image by image, sorted into square patches."""
    out, first = [], 0
    for own, _, places in parts:
        rows = slice(first, first + len(own))
        order, edges = _patches(places)
        out += [(x[rows][order][a:b], residual[rows][order][a:b]) for a, b in edges]
        first += len(own)
    return out


def _patches(places: Floats) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[tuple[int, int]]]:
    """Sites ordered by patches of some 64 neighbours, and where each patch begins and ends."""
    low, high = places.min(0), places.max(0)
    sides = np.maximum(1, np.round((high - low) / np.sqrt(64 * np.prod(high - low + 1e-9) / len(places) + 1e-9)))
    cell = np.minimum(((places - low) / (high - low + 1e-9) * sides).astype(int), (sides - 1).astype(int))
    number = cell[:, 0] * int(sides[1]) + cell[:, 1]
    order = np.argsort(number, kind="stable")
    edges = np.flatnonzero(np.diff(number[order], prepend=-1, append=-1))
    return order, list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _grouped(x: Floats, residual: Floats) -> Floats:
    """The outer product of a patch's summed scores."""
    total = x.T @ residual
    return np.outer(total, total)
