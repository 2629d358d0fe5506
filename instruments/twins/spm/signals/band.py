"""Band excitation: every pixel is driven with a whole band at once and answers with a spectrum.

A pulse of `pulse_s` resolves lines 1 / pulse_s apart: 1 ms and 100 bins are 100 kHz at 1 kHz pixel rate. The waveform's
phases are quadratic, so that its peak, which the amplifier and the sample see, is only 1.9 times its root mean square.
Spectra are those of a periodic steady state: what rings over from one pixel to the next is only in `streaming`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.keys import Keys, fold
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.lock_in import UNITS, Complexes, DriveVolts, Hertz
from instruments.twins.spm.signals.mode import channels, normals
from physics_priors.bounds import POSITIVE_S, Bounds, violations
from physics_priors.oscillator import drive
from physics_priors.oscillator.response import response

Floats = NDArray[np.float64]
_PIXELS = 512
_OVERSAMPLED = 32
Bins = Annotated[int, Bounds("bins", 4, 65536)]


@dataclass(frozen=True)
class BandExcitation:
    """`bins` lines from `low_Hz`, together of peak `peak_V`; channels are told as for a single line of `peak_V`."""

    low_Hz: Hertz = 285e3
    bins: Bins = 100
    pulse_s: Annotated[float, POSITIVE_S] = 1e-3
    peak_V: DriveVolts = 1.0

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("BandExcitation: " + "; ".join(said))
        if round(self.low_Hz * self.pulse_s) < 1:
            raise InvalidRequest(
                f"BandExcitation: low_Hz={self.low_Hz:g} is below the first line, {1 / self.pulse_s:g} Hz"
            )

    @property
    def units(self) -> Mapping[str, str]:
        return {**UNITS, "resonance": "Hz", "quality": "", "r2": ""}

    @cached_property
    def frequency_Hz(self) -> Floats:
        """The lines [bins]."""
        return np.asarray((round(self.low_Hz * self.pulse_s) + np.arange(self.bins)) / self.pulse_s)

    @cached_property
    def line_V(self) -> float:
        """Amplitude of every line."""
        rate_Hz = np.ceil(_OVERSAMPLED * float(self.frequency_Hz[-1]) * self.pulse_s) / self.pulse_s
        wave = drive.flat_band(self.low_Hz, self.bins, self.pulse_s, rate_Hz)
        return self.peak_V * drive.line_amplitude(self.bins, drive.crest_factor(wave))

    def waveform(self, rate_Hz: float) -> Floats:
        """One pulse [n] in V, sampled at `rate_Hz`; ValueError where the band reaches half of it."""
        wave = drive.flat_band(self.low_Hz, self.bins, self.pulse_s, rate_Hz)
        return np.asarray(wave * self.line_V / drive.line_amplitude(self.bins, drive.crest_factor(wave)))

    def spectra(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> Complexes:
        """Deflections [B, K, bins] pm, complex, of every line; as many pulses as fit into `dwell_s` are averaged."""
        pulses = int(dwell_s / self.pulse_s * (1 + 1e-9))
        if pulses < 1:
            raise InvalidRequest(
                f"BandExcitation: a dwell of {dwell_s:g} s is shorter than a pulse of {self.pulse_s:g} s"
            )
        f0, q = contact.resonance_Hz[..., None], contact.quality[..., None]
        f = self.frequency_Hz
        clean = self.line_V * contact.response_pm_V[..., None] * response(f, 1.0, f0, q) * electronics.transfer(f)
        drawn = normals(keys, contact.shape[1], 2 * self.bins)
        spread = np.sqrt(electronics.density_pm2_Hz(f, f0, q) / (pulses * self.pulse_s))
        return np.asarray(clean + spread * (drawn[..., : self.bins] + 1j * drawn[..., self.bins :]))

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        parts = []
        for block, first in enumerate(range(0, contact.shape[1], _PIXELS)):
            here = slice(first, first + _PIXELS)
            some = Contact(contact.response_pm_V[:, here], contact.resonance_Hz[:, here], contact.quality[:, here])
            parts.append(self.read(self.spectra(some, dwell_s, electronics, fold(keys, block))))
        return {name: np.concatenate([part[name] for part in parts], axis=1) for name in self.units}

    def read(self, spectra: NDArray[np.complexfloating]) -> dict[str, Floats]:
        """Channels [...] of spectra [..., bins] in pm; r2 near 0 says that there was no resonance to fit."""
        from physics_priors.oscillator.fit import fit

        found = fit(self.frequency_Hz, spectra)
        seen = self.peak_V / self.line_V * found.amplitude * np.exp(1j * found.phase_rad)
        return channels(seen, resonance=found.resonance_Hz, quality=found.quality, r2=found.r2)
