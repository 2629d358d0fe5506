"""How alike a map is at two places: Matern covariances, with white noise on what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Smoothness = Literal["exponential", "matern32", "matern52"]


@dataclass(frozen=True)
class Covariance:
    """deviation^2 shape(distance / length); `noise` is the standard deviation of a measurement.

    `lengths` has one number for every coordinate of a place; where it has one alone, it holds for all.
    """

    lengths: tuple[float, ...]
    deviation: float
    noise: float
    smoothness: Smoothness = "matern32"

    def scaled(self, places: Floats) -> Floats:
        """Places [n, d] in units of the lengths."""
        return np.asarray(np.asarray(places, dtype=np.float64) / np.asarray(self.lengths))

    def of(self, distance: Floats) -> Floats:
        """Covariance of the map at scaled distances."""
        return np.asarray(self.deviation**2 * correlation(distance, self.smoothness))


def correlation(distance: Floats, smoothness: Smoothness) -> Floats:
    """1 at distance 0, falling; distances in units of the length."""
    if smoothness == "exponential":
        return np.exp(-distance)
    if smoothness == "matern32":
        r = np.sqrt(3.0) * distance
        return np.asarray((1.0 + r) * np.exp(-r))
    if smoothness == "matern52":
        r = np.sqrt(5.0) * distance
        return np.asarray((1.0 + r + r**2 / 3.0) * np.exp(-r))
    raise ValueError(f"smoothness {smoothness!r}: choose exponential, matern32 or matern52")
