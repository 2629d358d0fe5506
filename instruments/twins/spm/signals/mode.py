"""What every mode of detection can do, and how it draws its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics

Floats = NDArray[np.float64]
_BLOCK = 512


class Mode(Protocol):
    """A mode of detection: frozen, without state of its own."""

    @property
    def units(self) -> Mapping[str, str]:
        """The channels that `measure` gives, and their units."""
        ...

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        """Channels [B, K] of contacts [B, K] visited one after the other, `dwell_s` on each.

        Lengths are those at the mode's full drive. Raises InvalidRequest where `dwell_s` is too short for the mode.
        """
        ...


def normals(keys: Keys, pixels: int, each: int) -> Floats:
    """Standard normal numbers [B, pixels, each]; those of a pixel do not depend on how many pixels there are."""
    out = np.empty((len(keys), pixels, each))
    for block, first in enumerate(range(0, pixels, _BLOCK)):
        count = min(_BLOCK, pixels - first)
        drawn = random.normal(random.fold(keys, block), count * each)
        out[:, first : first + count] = drawn.reshape(len(keys), count, each)
    return out


def channels(drive_pm: NDArray[np.complex128], **more: Floats) -> dict[str, Floats]:
    """amplitude, phase and piezoresponse of complex responses [B, K], and further channels."""
    phase = np.angle(drive_pm)
    wrapped = np.where(phase < -np.pi / 2, phase + 2 * np.pi, phase)
    return {"amplitude": np.abs(drive_pm), "phase": wrapped, "piezoresponse": drive_pm.real.copy(), **more}
