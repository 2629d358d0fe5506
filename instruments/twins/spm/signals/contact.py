"""What is under the tip, in the words of a cantilever."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class Contact:
    """Contacts [B, K].

    `response_pm_V` is complex: the static response per volt of the drive, everything local added up (the signed
    piezoresponse and what `background` makes), which the contact resonance then amplifies.
    """

    response_pm_V: Complexes
    resonance_Hz: Floats
    quality: Floats

    @staticmethod
    def of(response_pm_V: ArrayLike, resonance_Hz: ArrayLike, quality: ArrayLike) -> Contact:
        """Contacts from anything that broadcasts to [B, K]."""
        made = np.broadcast_arrays(np.asarray(response_pm_V, dtype=np.complex128), resonance_Hz, quality)
        if made[0].ndim != 2:
            raise ValueError(f"contacts are [rows, pixels], got {made[0].shape}")
        return Contact(made[0], made[1].astype(np.float64), made[2].astype(np.float64))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, pixels)."""
        return self.response_pm_V.shape[0], self.response_pm_V.shape[1]
