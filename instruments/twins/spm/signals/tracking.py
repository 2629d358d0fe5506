"""Dual-frequency resonance tracking: two drive lines beside the resonance, a loop that keeps them level.

The loop moves both so that their amplitudes stay equal: it follows the contact resonance over topography at the pace of
`bandwidth_Hz`. Two complex responses are four numbers, enough for amplitude, phase, resonance and quality, exactly
(`physics_priors.oscillator.response.from_two`); where noise makes no oscillator of them the channels are NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.lock_in import UNITS, Complexes, DriveVolts, Hertz
from instruments.twins.spm.signals.mode import channels, normals
from physics_priors.bounds import Bounds, violations
from physics_priors.oscillator.response import from_two, response

Floats = NDArray[np.float64]
_SIDES: Final = np.array([-0.5, 0.5])


@dataclass(frozen=True)
class DualFrequency:
    """Two lines `split_Hz` apart, half of `drive_V` each, that begin around `start_Hz`."""

    start_Hz: Hertz = 335e3
    split_Hz: Hertz = 4e3
    bandwidth_Hz: Annotated[float, Bounds("Hz", 0.0)] = 500.0
    """How fast the loop follows; 0 holds the lines still."""
    drive_V: DriveVolts = 1.0

    def __post_init__(self) -> None:
        said = violations(self)
        if self.split_Hz >= 2 * self.start_Hz:
            said = [*said, f"split_Hz={self.split_Hz:g} puts a line below 0 Hz"]
        if said:
            raise InvalidRequest("DualFrequency: " + "; ".join(said))

    @property
    def units(self) -> Mapping[str, str]:
        return {**UNITS, "resonance": "Hz", "quality": "", "tracked": "Hz"}

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        lines_Hz, seen = self.lines(contact, dwell_s, electronics, keys)
        resonance, quality, drive = from_two(lines_Hz, seen)
        return channels(2.0 * drive, resonance=resonance, quality=quality, tracked=lines_Hz.mean(axis=-1))

    def lines(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> tuple[Floats, Complexes]:
        """Frequencies [B, K, 2] of the lines at every pixel, and the complex deflections [B, K, 2] pm seen there."""
        rows, pixels = contact.shape
        noise = normals(keys, pixels, 4)
        follow = 1.0 - np.exp(-2 * np.pi * self.bandwidth_Hz * dwell_s)
        centre = np.full(rows, self.start_Hz)
        lines_Hz, seen = np.empty((rows, pixels, 2)), np.empty((rows, pixels, 2), np.complex128)
        for k in range(pixels):
            lines_Hz[:, k] = centre[:, None] + self.split_Hz * _SIDES
            seen[:, k] = self._seen(contact, k, lines_Hz[:, k], dwell_s, electronics, noise[:, k])
            size = np.abs(seen[:, k])
            tilt = (size[:, 0] - size[:, 1]) / np.maximum(size.sum(axis=1), 1e-300)
            centre = np.maximum(centre - follow * self.split_Hz * tilt, self.split_Hz)
        return lines_Hz, seen

    def _seen(
        self, contact: Contact, k: int, lines_Hz: Floats, dwell_s: float, electronics: Electronics, noise: Floats
    ) -> Complexes:
        f0, q = contact.resonance_Hz[:, k, None], contact.quality[:, k, None]
        unit = response(lines_Hz, 1.0, f0, q) * electronics.transfer(lines_Hz)
        spread = np.sqrt(electronics.density_pm2_Hz(lines_Hz, f0, q) / dwell_s)
        deflection = 0.5 * self.drive_V * contact.response_pm_V[:, k, None] * unit
        return np.asarray(deflection + spread * (noise[:, :2] + 1j * noise[:, 2:]))
