"""How good a probe is: Strehl ratio and rms phase over the aperture, with piston and image shift taken out.

A probe that is only displaced is as good as one in its place, so the plane that fits the phase best over the aperture
is removed first. Nothing here looks at a single coefficient: where there is C3, the best focus is not C1 = 0.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.optics.aberrations import COUNT, basis, checked
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
_RADII, _TURNS = 48, 96


def strehl(column: Column, aberrations_nm: ArrayLike) -> Floats:
    """Peak over that of the perfect probe, [...] from coefficients [..., 14]; the source's size does not enter."""
    chi, weight = _flat_phase(column, aberrations_nm)
    return np.asarray(np.abs(np.exp(-1j * chi) @ weight) ** 2)


def rms_phase_rad(column: Column, aberrations_nm: ArrayLike) -> Floats:
    """Root mean square [rad] of the phase over the aperture, [...]."""
    chi, weight = _flat_phase(column, aberrations_nm)
    return np.asarray(np.sqrt(chi**2 @ weight))


def rms_basis(column: Column) -> Floats:
    """Square root of the quadratic form of `rms_phase_rad`: [points, 28] over real and then imaginary parts [nm].

    rms = |basis @ parts|: who wants the least phase has a linear least-squares problem.
    """
    parts, weight = _basis(column)
    return np.asarray(parts.T * np.sqrt(weight)[:, None])


def _flat_phase(column: Column, aberrations_nm: ArrayLike) -> tuple[Floats, Floats]:
    values = checked(aberrations_nm)
    parts, weight = _basis(column)
    both = np.concatenate([values.real, values.imag], axis=-1)
    return np.asarray(both @ parts), weight


@cache
def _basis(column: Column) -> tuple[Floats, Floats]:
    """Phase per nm [28, points] of every coefficient, piston and plane removed, and weights [points] that sum to 1."""
    nodes, radial = np.polynomial.legendre.leggauss(_RADII)
    radius = 0.5 * (nodes + 1.0)
    turn = 2.0 * np.pi * (np.arange(_TURNS) + 0.5) / _TURNS
    edge = column.convergence_rad / column.wavelength_nm
    kx, ky = (edge * (radius[:, None] * side(turn)).ravel() for side in (np.cos, np.sin))
    weight = np.repeat(radial * radius / _TURNS, _TURNS)
    weight = weight / weight.sum()
    parts = np.stack(basis(kx, ky, column.wavelength_nm)).reshape(2 * COUNT, -1)
    plane = np.stack([np.ones_like(kx), kx / edge, ky / edge])
    scaled = plane * weight
    shares = np.linalg.solve(scaled @ plane.T, scaled @ parts.T)
    return parts - shares.T @ plane, weight
