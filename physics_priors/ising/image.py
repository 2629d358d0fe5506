"""An image of a lattice: what is known of every site's spin, certain or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats, Lattice
from physics_priors.ising.model import Spins, checked_spins, two_classes

Confusion = NDArray[np.float64]
"""[2, 2] probabilities of the label (-1, 1) by column, given the spin (-1, 1) by row."""


@dataclass(frozen=True)
class SpinImage:
    """Log odds [N] that the data of each site say for up against down: infinite for certain, 0 where it is missing."""

    lattice: Lattice
    log_odds: Floats

    def __post_init__(self) -> None:
        values = np.array(self.log_odds, dtype=np.float64)
        if values.shape != (len(self.lattice),):
            raise LatticeError(f"log odds {values.shape} for a lattice of {len(self.lattice)} sites")
        if np.isnan(values).any():
            raise LatticeError("log odds must be numbers: say 0 where nothing is known of a site")
        object.__setattr__(self, "log_odds", values)

    @property
    def certain(self) -> bool:
        """Whether every spin is known."""
        return bool(np.isinf(self.log_odds).all())

    @property
    def spins(self) -> Spins:
        """The most probable spins [N]; up where nothing is known and most others are."""
        common = 1 if np.sign(self.log_odds).sum() >= 0 else -1
        return np.where(self.log_odds == 0, common, np.sign(self.log_odds)).astype(np.int8)


def certain(lattice: Lattice, spins: NDArray[np.generic] | Sequence[float], *, both: bool = True) -> SpinImage:
    """An image whose labels are true; raises LatticeError on non-spin labels and (`both`) on an empty class."""
    known = checked_spins(spins, len(lattice))
    if both:
        two_classes(known)
    return SpinImage(lattice, known.astype(np.float64) * np.inf)


def labelled(lattice: Lattice, labels: NDArray[np.generic] | Sequence[float], confusion: Confusion) -> SpinImage:
    """An image whose labels (-1, 1, or 0 where the site is missing) are wrong as often as `confusion` says."""
    wrong = checked_confusion(confusion)
    values = np.asarray(labels)
    if not np.isin(values, (-1, 0, 1)).all():
        raise LatticeError(f"labels must be -1, 0 (missing) and 1, got {np.unique(values)[:5].tolist()}")
    with np.errstate(divide="ignore"):
        odds = np.log(wrong[1]) - np.log(wrong[0])
    return SpinImage(lattice, np.select([values < 0, values > 0], [odds[0], odds[1]], 0.0))


def checked_confusion(confusion: Confusion) -> Confusion:
    """The matrix; raises LatticeError where rows do not sum to one, or a label says the opposite of its spin."""
    matrix = np.asarray(confusion, np.float64)
    if matrix.shape != (2, 2) or matrix.min() < 0 or not np.allclose(matrix.sum(1), 1):
        raise LatticeError("a confusion matrix is [2, 2], its rows (spin -1, spin 1) sum to one")
    if matrix[0, 0] * matrix[1, 1] <= matrix[0, 1] * matrix[1, 0]:
        raise LatticeError("these labels say nothing of the spins, or the opposite: exchange the two labels")
    return matrix


def symmetric_errors(rate: float) -> Confusion:
    """The confusion matrix of labels that are wrong with probability `rate` whatever the spin."""
    return np.array([[1 - rate, rate], [rate, 1 - rate]])


def from_intensity(lattice: Lattice, intensity: Floats, means: tuple[float, float], deviation: float) -> SpinImage:
    """Soft labels of intensities [N], NaN where missing, normal around the means of the species (-1, 1)."""
    low, high = means
    if not deviation > 0 or low == high:
        raise LatticeError("soft labels need two different mean intensities and a deviation above zero")
    odds = (np.square(intensity - low) - np.square(intensity - high)) / (2 * deviation**2)
    return SpinImage(lattice, np.where(np.isfinite(odds), odds, 0.0))
