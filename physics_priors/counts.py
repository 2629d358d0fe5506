"""Counted particles: the transform that makes their noise even, and what a contrast needs to be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def anscombe(counts: ArrayLike) -> NDArray[np.float64]:
    """2 sqrt(n + 3/8): the variance is near 1 for means above about 5."""
    return np.asarray(2.0 * np.sqrt(np.asarray(counts, dtype=np.float64) + 0.375))


def from_anscombe(transformed: ArrayLike) -> NDArray[np.float64]:
    """The mean count whose transform has this mean: y^2 / 4 - 1/8, never below 0."""
    return np.maximum(np.asarray(transformed, dtype=np.float64) ** 2 / 4.0 - 0.125, 0.0)


def rose_dose_e_A2(size_A: float, contrast: float, collected: float, k: float = 5.0) -> float:
    """Dose [e/A^2] that lifts a feature k standard deviations out of the noise: k^2 / (contrast^2 size^2 collected)."""
    if not (size_A > 0 and contrast > 0 and 0 < collected <= 1):
        raise ValueError("size_A and contrast must be positive, collected in (0, 1]")
    return k**2 / (contrast**2 * size_A**2 * collected)
