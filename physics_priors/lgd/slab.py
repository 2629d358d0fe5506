"""The electrostatics of a slab with a gap, in a plane: phi = 0 under the first row, V at a gap above the last.

The potential lives on the rows' faces, P in the cells; columns are periodic. The potential is the stationary point of
-1/2 eps E^2 - P E summed over the cells, plus the gap's part, which is exact; so E is the derivative of that energy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.lgd.system import Gap


class Slab:
    """E [2, rows, columns] of P [2, rows, columns] for a gap on a grid of spacing (dz, dx)."""

    def __init__(self, gap: Gap, shape: tuple[int, int], spacing: tuple[float, float]) -> None:
        self._shape = shape
        k = 2 * np.pi * np.fft.rfftfreq(shape[1], spacing[1])
        if shape[1] % 2 == 0:
            k[-1] = 0.0  # a derivative has no Nyquist wave
        answers = [_answer(gap, wave, shape[0], spacing[0]) for wave in k]
        self._answer = np.array([answer for answer, _ in answers])
        self._planar = gap.planar_V * answers[0][1]

    def field(self, P: NDArray[Any]) -> NDArray[Any]:
        """E at the cells' centres."""
        rows, columns = self._shape
        waves = np.fft.rfft(P, axis=2).reshape(2 * rows, -1)
        field = np.einsum("kab,bk->ak", self._answer, waves)
        field[:, 0] += self._planar * columns
        return np.fft.irfft(field.reshape(2, rows, -1), columns, axis=2).astype(P.dtype)


def _answer(gap: Gap, wave: float, rows: int, dz: float) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Field (x then z, [2 rows]) per P at one wave number, and per volt of the planar electrode."""
    up = np.eye(rows) - np.eye(rows, k=-1)
    mean = (np.eye(rows) + np.eye(rows, k=-1)) / 2
    to_field = np.concatenate([-1j * wave * mean, -up / dz])
    stiffness = gap.permittivity * to_field.conj().T @ to_field
    gap_stiffness = gap.gap_permittivity * (wave / np.tanh(wave * gap.width) if wave else 1 / gap.width) / dz
    stiffness[-1, -1] += gap_stiffness
    potential = np.linalg.solve(
        stiffness, np.concatenate([-to_field.conj().T, gap_stiffness * np.eye(rows)[:, -1:]], axis=1)
    )
    field = to_field @ potential
    return field[:, :-1], field[:, -1].real
