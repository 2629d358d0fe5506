"""The hidden sample of the ferroelectric film: domains, walls and smooth fields made by filtering counter-based noise.

Everything is [B, N, N] on a square grid that repeats outside of the field, so that drift never leaves the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys

Floats = NDArray[np.float64]

# name: (typical value, standard deviation); those in SCALES are lognormal, deviation relative
HIDDEN: Final = {
    "period_nm": (420.0, 0.10),
    "smooth_nm": (150.0, 0.10),
    "coercive_V": (2.2, 0.08),
    "amplitude_pm": (30.0, 0.10),
    "imprint_V": (0.3, 0.10),
    "slope_pm_V": (0.3, 0.10),
    "hardening": (0.30, 0.03),
    "wall_softening": (0.40, 0.08),
    "wall_closing": (0.35, 0.05),
}
SCALES: Final = frozenset({"period_nm", "smooth_nm", "coercive_V", "amplitude_pm"})
_OUTSIDE_SD: Final = 3.0
_WALL_REACH_NM: Final = 45.0


@dataclass(frozen=True)
class Sample:
    """One film per row: polarisation -1 .. 1, closeness to a wall 0 .. 1, and fields of unit variance.

    `hidden` drives the loops, `visible` the image's amplitude (correlated with it), `rough` the topography;
    charge and grains [0 .. 1] are zero unless misspecified.
    """

    polarisation: Floats
    wall: Floats
    hidden: Floats
    visible: Floats
    rough: Floats
    charge: Floats
    grains: Floats
    parameters: dict[str, Floats]


def draw(keys: Keys, grid: int, field_nm: float, likeness: float, scenario: str) -> Sample:
    """Films [B] on a grid of `grid` pixels a side; `likeness` is the correlation of visible with hidden."""
    own = [random.fold(keys, word) for word in range(8)]
    theta = _parameters(own[0], shifted=scenario == "shifted")
    waves = Waves(grid, field_nm)
    level = waves.noise(own[1], waves.ring(theta["period_nm"], random.uniform(own[2], 1)[:, 0] * np.pi))
    smooth = waves.hump(theta["smooth_nm"])
    hidden, other = waves.noise(own[3], smooth), waves.noise(own[4], smooth)
    from_wall = waves.signed_distance(level, theta["period_nm"])
    none = np.zeros_like(level)
    charge = grains = none
    if scenario == "misspecified":
        charge = np.exp(0.4 * waves.noise(own[6], smooth))
        edges = waves.noise(own[7], waves.ring(1.5 * theta["period_nm"], None))
        grains = np.exp(-0.5 * (waves.signed_distance(edges, 1.5 * theta["period_nm"]) / 30.0) ** 2)
    return Sample(
        polarisation=np.tanh(from_wall / (0.3 * _WALL_REACH_NM)),
        wall=np.exp(-0.5 * (from_wall / _WALL_REACH_NM) ** 2),
        hidden=hidden,
        visible=likeness * hidden + np.sqrt(1.0 - likeness**2) * other,
        rough=waves.noise(own[5], waves.hump(theta["smooth_nm"] / 3)),
        charge=charge,
        grains=grains,
        parameters=theta,
    )


def _parameters(keys: Keys, shifted: bool) -> dict[str, Floats]:
    """Hidden parameters [B] by name; shifted ones lie more than three standard deviations out."""
    z = random.normal(keys, len(HIDDEN))
    if shifted:
        z = z + _OUTSIDE_SD * np.sign(z)
    found = {}
    for column, (name, (typical, sd)) in enumerate(HIDDEN.items()):
        found[name] = typical * np.exp(sd * z[:, column]) if name in SCALES else typical + sd * z[:, column]
    return found


class Waves:
    """Fourier filters on a periodic grid; every field made with them has unit variance in expectation."""

    def __init__(self, grid: int, field_nm: float) -> None:
        self.grid, self.pixel_nm = grid, field_nm / grid
        self._ky = np.fft.fftfreq(grid, self.pixel_nm)[:, None]
        self._kx = np.fft.rfftfreq(grid, self.pixel_nm)[None, :]
        self._k = np.sqrt(self._kx**2 + self._ky**2)
        inner = np.full(self._k.shape, 2.0)  # columns that stand for their mirror image too
        inner[:, 0] = 1.0
        if grid % 2 == 0:
            inner[:, -1] = 1.0
        self._weight = inner / grid**2

    def hump(self, length_nm: Floats) -> Floats:
        """Filter [B, N, N/2+1] for a correlation exp(-r^2 / (4 length^2))."""
        return np.exp(-0.5 * (2 * np.pi * self._k * length_nm[:, None, None]) ** 2)

    def ring(self, period_nm: Floats, angle_rad: Floats | None) -> Floats:
        """Filter for a labyrinth of a period; with an angle, its stripes prefer a direction."""
        pitch = 1.0 / period_nm[:, None, None]
        ring = np.exp(-0.5 * ((self._k - pitch) / (0.22 * pitch)) ** 2)
        if angle_rad is None:
            return np.asarray(ring)
        across = np.arctan2(self._ky, self._kx) - angle_rad[:, None, None]
        return np.asarray(ring * (1.0 + 0.7 * np.cos(2 * across)))

    def noise(self, keys: Keys, filter: Floats) -> Floats:
        """A field [B, N, N] of unit variance with the given filter."""
        white = random.normal(keys, self.grid**2).reshape(-1, self.grid, self.grid)
        power = np.sum((filter**2 * self._weight).reshape(len(filter), -1), axis=1)
        return self.apply(white, filter / np.sqrt(power)[:, None, None])

    def apply(self, field: Floats, filter: Floats) -> Floats:
        """A field [B, N, N] filtered."""
        return np.fft.irfft2(np.fft.rfft2(field) * filter, s=(self.grid, self.grid))

    def signed_distance(self, level: Floats, period_nm: Floats) -> Floats:
        """Distance [nm] from the zero lines of a level function, to first order, with its sign."""
        right = np.roll(level, -1, axis=2) - np.roll(level, 1, axis=2)
        down = np.roll(level, -1, axis=1) - np.roll(level, 1, axis=1)
        slope = np.sqrt(right**2 + down**2) / (2 * self.pixel_nm)
        floor = 0.5 * 2 * np.pi / period_nm[:, None, None]
        return np.asarray(level / np.sqrt(slope**2 + floor**2))
