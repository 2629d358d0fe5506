"""General mode: the whole deflection is recorded, sample by sample, and looked at afterwards.

The oscillator is integrated in time, so that ring-down from pixel to pixel, Brownian motion in its own spectrum, the
photodetector's pole and the converter's steps are in the record. A 10 MHz stream of 32-bit numbers is 40 MB a second:
it is made, written and read in chunks, and never as a whole. `mask` filters such records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.spm.signals.band import BandExcitation
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from physics_priors.oscillator import thermal
from physics_priors.oscillator.drive import phases_rad

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]
_CHUNK = 64
"""Pixels made at once."""


@dataclass(frozen=True)
class Streaming(BandExcitation):
    """A full stream under the drive of band excitation, sampled at the converter's rate."""

    @property
    def units(self) -> Mapping[str, str]:
        return BandExcitation.units.fget(self)  # type: ignore[attr-defined,no-any-return]

    def chunks(
        self, contact: Contact, row: int, dwell_s: float, electronics: Electronics, keys: Keys, pixels: int = _CHUNK
    ) -> Iterator[Samples]:
        """The stream of one row of contacts, [at most `pixels`, samples] at a time; chunking changes no number."""
        from instruments.twins.spm.signals import streaming_kernel as kernel

        rate_Hz = electronics.adc_rate_Hz
        samples = self._samples(dwell_s, rate_Hz)
        drive_re, drive_im = self._held(rate_Hz)
        table = _table(contact, row, electronics)
        detector = _detector(electronics)
        most = 2.0 ** max(electronics.adc_bits - 1, 0)
        state = np.zeros(3)
        for first in range(0, len(table), pixels):
            out = np.empty((len(table[first : first + pixels]), samples), dtype=np.float32)
            here = np.ascontiguousarray(table[first : first + pixels])
            kernel.advance(
                state, out, drive_re, drive_im, here, rate_Hz, detector, electronics.step_pm, most, keys[row], first
            )
            yield out

    def write(
        self, path: Path, contact: Contact, row: int, dwell_s: float, electronics: Electronics, keys: Keys
    ) -> int:
        """Write the stream as little-endian 32-bit floats; how many samples."""
        count = 0
        with open(path, "wb") as file:
            for chunk in self.chunks(contact, row, dwell_s, electronics, keys):
                file.write(chunk.astype("<f4", copy=False).tobytes())
                count += chunk.size
        return count

    def lines_of(self, samples: Samples, rate_Hz: float) -> NDArray[np.complex128]:
        """Complex deflection [pixels, bins] of the lines in samples [pixels, n] of whole pulses, drive phase off."""
        from scipy.fft import rfft

        pulses = samples.shape[1] / (self.pulse_s * rate_Hz)
        at = np.rint(self.frequency_Hz * samples.shape[1] / rate_Hz).astype(np.intp)
        if abs(pulses - round(pulses)) > 1e-9:
            raise InvalidRequest(f"Streaming: {pulses:g} pulses in a pixel; it must be a whole number")
        found = rfft(samples, axis=1)[:, at].astype(np.complex128) * (2.0 / samples.shape[1])
        return np.asarray(found * np.exp(-1j * phases_rad(self.bins)))

    def measure(self, contact: Contact, dwell_s: float, electronics: Electronics, keys: Keys) -> dict[str, Floats]:
        rows = []
        for row in range(contact.shape[0]):
            made = self.chunks(contact, row, dwell_s, electronics, keys)
            rows.append(np.concatenate([self.lines_of(chunk, electronics.adc_rate_Hz) for chunk in made]))
        return self.read(np.stack(rows))

    def _samples(self, dwell_s: float, rate_Hz: float) -> int:
        pulses = dwell_s / self.pulse_s
        if round(pulses) < 1 or abs(pulses - round(pulses)) > 1e-6:
            raise InvalidRequest(f"Streaming: a dwell of {dwell_s:g} s must be whole pulses of {self.pulse_s:g} s")
        return round(dwell_s * rate_Hz)

    def _held(self, rate_Hz: float) -> tuple[Floats, Floats]:
        """The drive [V] and its quadrature, to be held during the sample before each instant; lines keep their size."""
        wave = self.waveform(rate_Hz)
        spectrum, n = np.fft.rfft(wave), len(wave)
        f = np.fft.rfftfreq(n, 1.0 / rate_Hz)
        spectrum = spectrum * np.exp(-1j * np.pi * f / rate_Hz) / np.sinc(f / rate_Hz)
        return np.fft.irfft(spectrum, n), np.fft.irfft(-1j * spectrum, n)


def _table(contact: Contact, row: int, electronics: Electronics) -> Floats:
    shaken = float(thermal.rms_pm(electronics.stiffness_N_m, electronics.temperature_K))
    drive = contact.response_pm_V[row]
    columns = (drive.real, drive.imag, contact.resonance_Hz[row], contact.quality[row], np.full(len(drive), shaken))
    return np.stack(columns, axis=1)


def _detector(electronics: Electronics) -> Floats:
    """What a sample keeps of the last one, weights of the old and the new position, noise of the right density.

    Exact for one pole and a position that moves in a straight line during a sample.
    """
    rate_Hz, edge_Hz = electronics.adc_rate_Hz, electronics.detector_bandwidth_Hz
    noise_pm = electronics.detector_pm_rtHz * np.sqrt(rate_Hz / 2)
    if not edge_Hz:
        return np.array([0.0, 0.0, 1.0, noise_pm])
    turns = 2 * np.pi * edge_Hz / rate_Hz
    keep = np.exp(-turns)
    new = 1.0 - (1.0 - keep) / turns
    return np.array([keep, 1.0 - keep - new, new, noise_pm])
