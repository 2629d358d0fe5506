"""Fields of charges and strains all over the grid: depolarisation and elasticity in Fourier space, periodic.

Every operator is the exact derivative of a quadratic energy on the grid, so that the energy never rises by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.lgd.system import System

Array = NDArray[Any]


class Waves:
    """Wave vectors of a grid [rows, columns] for real transforms; products odd in a Nyquist component are set to 0."""

    def __init__(self, shape: tuple[int, int], spacing: tuple[float, float]) -> None:
        rows, columns = shape
        self.y = 2 * np.pi * np.fft.fftfreq(rows, spacing[0])[:, None] + np.zeros((1, columns // 2 + 1))
        self.x = 2 * np.pi * np.fft.rfftfreq(columns, spacing[1])[None, :] + np.zeros((rows, 1))
        self._even_x, self._even_y = np.ones_like(self.x), np.ones_like(self.y)
        if columns % 2 == 0:
            self._even_x[:, -1] = 0
        if rows % 2 == 0:
            self._even_y[rows // 2] = 0

    @property
    def square(self) -> Array:
        """k^2, 1 where it is 0."""
        k2 = self.x**2 + self.y**2
        k2[0, 0] = 1.0
        return k2

    @property
    def cross(self) -> Array:
        """x y, which is odd in both."""
        return self.x * self.y * self._even_x * self._even_y

    @property
    def odd_x(self) -> Array:
        """x as a derivative."""
        return self.x * self._even_x

    @property
    def odd_y(self) -> Array:
        """y as a derivative."""
        return self.y * self._even_y


class LongRange:
    """The long-range field of a System on a grid: `field(P)` for P [C, rows, columns] in the dtype given."""

    def __init__(self, system: System, shape: tuple[int, int], dtype: Any) -> None:
        self._system, self._shape, self._dtype = system, shape, np.dtype(dtype)
        self._waves = Waves(shape, system.spacing)
        self._poisson = None if system.depolarisation is None else self._charges(system.depolarisation)
        self._elastic = None if system.elastic is None else np.array(list(vars(system.elastic).values()), self._dtype)
        self._green = None if system.elastic is None else self._compliance()

    def field(self, P: Array) -> Array:
        """-dF/dP of depolarisation, strain and flexoelectricity, [C, rows, columns]."""
        from scipy import fft

        transformed = fft.rfft2(P) if self._poisson is not None or self._system.flexoelectric is not None else None
        wave = np.zeros((len(P), *self._waves.x.shape), np.result_type(self._dtype, np.complex64))
        if self._poisson is not None:
            self._from_charges(transformed, wave)
        strain, mean = self._strain(P, transformed, wave)
        out = np.zeros(P.shape, self._dtype) if transformed is None else fft.irfft2(wave, self._shape)
        if strain is not None:
            from physics_priors.lgd import kernels

            kernels.stress_field(P, strain, mean, self._elastic, out)
        return np.asarray(out)

    def _from_charges(self, transformed: Any, wave: Array) -> None:
        from physics_priors.lgd import kernels

        kernels.mix(self._poisson, np.ascontiguousarray(transformed[:2]), wave[:2])

    def _strain(self, P: Array, transformed: Any, wave: Array) -> tuple[Array | None, Array]:
        """Strain (see `_compliance`) without its mean, and the mean (6); adds the flexoelectric part to `wave`."""
        if self._elastic is None:
            return None, np.zeros(6)
        from scipy import fft

        from physics_priors.lgd import kernels

        stress = np.empty((3 if len(P) == 2 else 5, *self._shape), self._dtype)
        mean = kernels.stresses(P, stress, self._elastic)
        waves = fft.rfft2(stress)
        self._flexo_stress(transformed, waves)
        strain = np.empty_like(waves)
        kernels.mix(self._green, waves, strain)
        self._flexo_field(strain, wave)
        mean = mean if self._system.strain is None else np.array(self._system.strain)
        return fft.irfft2(strain, self._shape), mean.astype(self._dtype)

    def _charges(self, permittivity: float) -> Array:
        k = self._waves
        own = -1 / permittivity / k.square
        matrix = np.array([[k.x**2 * own, k.cross * own], [k.cross * own, k.y**2 * own]])
        matrix[..., 0, 0] = 0.0
        return np.ascontiguousarray(matrix, self._dtype)

    def _compliance(self) -> Array:
        """Strain (11, 22, 12 and, where P3 is, 13, 23) per stress at every wave vector."""
        e, k = self._system.elastic, self._waves
        assert e is not None
        xx, yy, xy = k.x**2, k.y**2, k.cross
        a, b, c = e.c11 * xx + e.c44 * yy, e.c44 * xx + e.c11 * yy, (e.c12 + e.c44) * xy
        determinant = a * b - c**2
        determinant[0, 0] = 1.0
        g11, g22, g12 = b / determinant, a / determinant, -c / determinant
        rows = [
            [xx * g11, xy * g12, xy * g11 + xx * g12],
            [xy * g12, yy * g22, xy * g22 + yy * g12],
            [
                (xy * g11 + xx * g12) / 2,
                (xy * g22 + yy * g12) / 2,
                (yy * g11 + 2 * xy * g12 + xx * g22) / 2,
            ],
        ]
        size = 3 if self._system.components == 2 else 5
        matrix = np.zeros((size, size, *xx.shape))
        matrix[:3, :3] = np.array(rows)
        if size == 5:
            own = 1 / (2 * e.c44 * k.square)
            matrix[3, 3], matrix[4, 4], matrix[3, 4] = xx * own, yy * own, xy * own
            matrix[4, 3] = matrix[3, 4]
        matrix[..., 0, 0] = 0.0
        return np.ascontiguousarray(matrix, self._dtype)

    def _flexo_stress(self, P: Any, stress: Array) -> None:
        """Take f grad P from the stress, in Fourier space: the strain answers to it too."""
        f, k = self._system.flexoelectric, self._waves
        if f is None:
            return
        x, y = (1j * k.odd_x).astype(stress.dtype), (1j * k.odd_y).astype(stress.dtype)
        if len(P) > 1:
            stress[0] -= f.f11 * x * P[0] + f.f12 * y * P[1]
            stress[1] -= f.f12 * x * P[0] + f.f11 * y * P[1]
            stress[2] -= f.f44 * (y * P[0] + x * P[1])
        if len(P) != 2:
            stress[3] -= f.f44 * x * P[-1]
            stress[4] -= f.f44 * y * P[-1]

    def _flexo_field(self, strain: Array, wave: Array) -> None:
        """Add f d(strain)/dx to the field, in Fourier space."""
        f, k = self._system.flexoelectric, self._waves
        if f is None:
            return
        x, y = (1j * k.odd_x).astype(strain.dtype), (1j * k.odd_y).astype(strain.dtype)
        if len(wave) > 1:
            wave[0] += x * (f.f11 * strain[0] + f.f12 * strain[1]) + 2 * f.f44 * y * strain[2]
            wave[1] += y * (f.f12 * strain[0] + f.f11 * strain[1]) + 2 * f.f44 * x * strain[2]
        if len(wave) != 2:
            wave[-1] += 2 * f.f44 * (x * strain[3] + y * strain[4])
