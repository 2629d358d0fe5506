"""Single frequency: a lock-in amplifier compresses the deflection to two numbers at about 1 kHz.

Output = low pass of 2 s(t) exp(-i w t) with one pole of `time_constant_s`: its bandwidth is 1 / (2 pi tau), its noise
bandwidth 1 / (4 tau), and a pixel shorter than a few tau remembers its neighbours. At a fixed frequency near the
contact resonance, a resonance that shifts with topography appears as amplitude and phase: that artefact is what the
other modes avoid. The drive is at steady state (the lever's own ring-down is not modelled here; `streaming` has it).
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
from instruments.twins.spm.signals.mode import channels, normals
from physics_priors.bounds import Bounds, violations
from physics_priors.oscillator.response import response

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Hertz = Annotated[float, Bounds("Hz", 0.0, open_low=True)]
DriveVolts = Annotated[float, Bounds("V", 0.0, 100.0, open_low=True)]
UNITS: Final = {"amplitude": "pm", "phase": "rad", "piezoresponse": "pm"}


@dataclass(frozen=True)
class SingleFrequency:
    """A lock-in at `drive_Hz`; `reference_rad` is taken off the phase (-pi/2 undoes that of a lever at resonance)."""

    drive_Hz: Hertz = 30e3
    drive_V: DriveVolts = 1.0
    time_constant_s: Annotated[float, Bounds("s", 0.0, 10.0, open_low=True)] = 1.6e-4
    reference_rad: Annotated[float, Bounds("rad")] = 0.0

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("SingleFrequency: " + "; ".join(said))

    @property
    def units(self) -> Mapping[str, str]:
        return UNITS

    @property
    def bandwidth_Hz(self) -> float:
        """Where the output has fallen by 3 dB."""
        return 1.0 / (2 * np.pi * self.time_constant_s)

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        clean = deflection_pm(contact, self.drive_Hz, self.drive_V, electronics)
        density = electronics.density_pm2_Hz(self.drive_Hz, contact.resonance_Hz, contact.quality)
        return self._out(clean, density, dwell_s, electronics, keys)

    def _out(
        self, clean_pm: Complexes, density: Floats, dwell_s: float, electronics: Electronics, keys: Keys
    ) -> dict[str, Floats]:
        drawn = normals(keys, clean_pm.shape[1], 2)
        noise = np.sqrt(density / (2 * self.time_constant_s)) * (drawn[..., 0] + 1j * drawn[..., 1])
        seen = _low_pass(clean_pm, noise, dwell_s / self.time_constant_s)
        held = seen * np.minimum(1.0, electronics.adc_range_pm / np.maximum(np.abs(seen), 1e-300))
        return channels(held * np.exp(-1j * self.reference_rad))


@dataclass(frozen=True)
class Heterodyne(SingleFrequency):
    """A lock-in behind a mixer: the signal is moved to `intermediate_Hz` before it is demodulated.

    Without a filter before the mixer, noise at the image frequency, `drive_Hz` - 2 `intermediate_Hz`, is folded in;
    `image_rejection` is the fraction of its amplitude that the filter takes away.
    """

    intermediate_Hz: Hertz = 10e3
    image_rejection: Annotated[float, Bounds("", 0.0, 1.0)] = 0.0

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        clean = deflection_pm(contact, self.drive_Hz, self.drive_V, electronics)
        image_Hz = abs(self.drive_Hz - 2 * self.intermediate_Hz)
        own, image = (
            electronics.density_pm2_Hz(f, contact.resonance_Hz, contact.quality) for f in (self.drive_Hz, image_Hz)
        )
        density = own + image * (1.0 - self.image_rejection) ** 2
        return self._out(clean, density, dwell_s, electronics, keys)


def deflection_pm(contact: Contact, drive_Hz: float | Floats, drive_V: float, electronics: Electronics) -> Complexes:
    """Steady deflection [B, K], complex, of contacts driven at a frequency, as the photodetector sees it."""
    unit = response(drive_Hz, 1.0, contact.resonance_Hz, contact.quality)
    return np.asarray(drive_V * contact.response_pm_V * unit * electronics.transfer(drive_Hz))


def demodulate(samples: NDArray[np.float64], rate_Hz: float, frequency_Hz: float, time_constant_s: float) -> Complexes:
    """The lock-in's output along samples [..., n] of a deflection, from rest, [..., n]: multiply, then one pole."""
    from scipy.signal import lfilter

    turn = np.exp(-2j * np.pi * frequency_Hz / rate_Hz * np.arange(np.shape(samples)[-1]))
    keep = np.exp(-1.0 / (rate_Hz * time_constant_s))
    return np.asarray(lfilter([1.0 - keep], [1.0, -keep], 2.0 * np.asarray(samples) * turn, axis=-1))


def _low_pass(clean: Complexes, noise: Complexes, dwells: float) -> Complexes:
    """One-pole memory along pixels that last `dwells` time constants; the noise stays at its stationary size."""
    from scipy.signal import lfilter

    keep = np.exp(-dwells)
    start = clean[:, :1] * keep
    smeared = lfilter([1.0 - keep], [1.0, -keep], clean, axis=1, zi=start)[0]
    fresh = np.sqrt(1.0 - keep**2)
    wander = lfilter([fresh], [1.0, -keep], noise, axis=1, zi=(1.0 - fresh) * noise[:, :1])[0]
    return np.asarray(smeared + wander)
