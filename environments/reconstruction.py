"""An image rebuilt from samples along a path, with an uncertainty that knows where the image is rough.

A Gaussian field gives mean and standard deviation; one covariance for the whole image would make the path's geometry
all that counts, so the deviation is scaled with the local size of the steps between neighbouring samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.gaussian_field.covariance import Covariance
from physics_priors.gaussian_field.likelihood import fit
from physics_priors.gaussian_field.posterior import posterior

Floats = NDArray[np.float64]
_NEIGHBOURS = 40
_FIRST_LENGTH = 0.1
"""Of the field's side, until there are enough strokes to learn it."""
_LEAST_STROKES = 3
_LOCAL, _SHRINK, _STEPS = 1.0, 4.0, 64
"""Roughness is averaged over so many lengths, with so many average steps mixed in, of the nearest steps only."""


@dataclass(frozen=True)
class Track:
    """What was recorded along a path: places [N, 2] nm, values [N], and the stroke [N] that each belongs to."""

    places: Floats
    values: Floats
    stroke: NDArray[np.int64]

    @staticmethod
    def empty() -> Track:
        """Nothing yet."""
        return Track(np.empty((0, 2)), np.empty(0), np.empty(0, np.int64))

    @property
    def strokes(self) -> int:
        """How many strokes gave something."""
        return len(np.unique(self.stroke))

    def extended(self, places: Floats, values: Floats, stroke: int) -> Track:
        """With the finite samples of one more stroke."""
        good = np.isfinite(values)
        return Track(
            np.concatenate([self.places, places[good]]),
            np.concatenate([self.values, values[good]]),
            np.concatenate([self.stroke, np.full(int(good.sum()), stroke)]),
        )


def covariance(track: Track, side: float) -> Covariance:
    """The covariance that a track speaks for; a guess of its length while there are few strokes."""
    deviation = max(float(track.values.std()) if len(track.values) else 1.0, 1e-12)
    if track.strokes < _LEAST_STROKES or deviation <= 1e-12:
        return Covariance((_FIRST_LENGTH * side,), deviation, 0.2 * deviation)
    return fit(track.places, track.values)


def rebuilt(track: Track, known: Covariance, targets: Floats) -> tuple[Floats, Floats]:
    """Mean [m] and standard deviation [m] at targets [m, 2]."""
    mean, spread = posterior(track.places, track.values, targets, known, neighbours=_NEIGHBOURS)
    return mean, spread * roughness(track, known, targets)


def roughness(track: Track, known: Covariance, targets: Floats) -> Floats:
    """Local over mean size [m] of the steps along strokes, beyond their noise; 1 where nothing is known."""
    from scipy.spatial import KDTree

    same = np.diff(track.stroke) == 0
    if same.sum() < 2:
        return np.ones(len(targets))
    middle = ((track.places[1:] + track.places[:-1]) / 2)[same]
    step = np.maximum(np.square(np.diff(track.values)[same]) - 2 * known.noise**2, 0.0)
    average = max(float(step.mean()), 1e-300)
    count = min(_STEPS, len(step))
    away, which = KDTree(known.scaled(middle)).query(known.scaled(targets), k=count)
    near = np.exp(-0.5 * np.square(np.asarray(away).reshape(len(targets), count) / _LOCAL))
    own = step[np.asarray(which).reshape(len(targets), count)]
    local = ((near * own).sum(axis=1) + _SHRINK * average) / (near.sum(axis=1) + _SHRINK)
    return np.asarray(np.sqrt(local / average))
