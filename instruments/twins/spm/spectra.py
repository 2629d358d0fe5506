"""Requests that are read as spectra or as a raw stream, whatever mode the instrument scans with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from instruments.batch import RequestBatch
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.domains import Floats
from instruments.twins.reach import shared
from instruments.twins.spm.signals.band import BandExcitation
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.streaming import Streaming
from instruments.twins.spm.world import AMPLITUDE_V

COMPLEX: Final = {"real": "pm", "imaginary": "pm"}
CHANNELS: Final = {
    "BandExcitationSpectrum": COMPLEX,
    "BandExcitationImage": COMPLEX,
    "StreamLine": {"deflection": "pm"},
}


def read(
    batch: RequestBatch, contact: Contact, dwell_s: Floats, drive: Floats, electronics: Electronics, keys: Keys
) -> dict[str, Any]:
    """Channels [B, K, n] of contacts [B, K], row by row; drive [B, 2] says the peak of the waveform."""
    rows = []
    for b in range(batch.rows):
        own = Contact(*(getattr(contact, n)[b : b + 1] for n in ("response_pm_V", "resonance_Hz", "quality")))
        peak_V, dwell, key = float(drive[b, AMPLITUDE_V]), float(dwell_s[b]), keys[b : b + 1]
        if batch.kind == "StreamLine":
            rate = _digitised(batch, electronics)
            stream = Streaming(*_band(batch), peak_V)
            rows.append([np.concatenate(list(stream.chunks(own, 0, dwell, rate, key)))])
        else:
            found = BandExcitation(*_band(batch), peak_V).spectra(own, dwell, electronics, key)[0]
            rows.append([found.real, found.imag])
    return {name: np.stack(made) for name, made in zip(CHANNELS[batch.kind], zip(*rows, strict=True), strict=True)}


def axis(batch: RequestBatch) -> Axis:
    """The last axis of the channels: frequency [Hz], or time within a point [s]."""
    if batch.kind == "StreamLine":
        rate_Hz, dwell_s = float(shared(batch, "sample_rate_Hz")), float(shared(batch, "dwell_s"))
        return Axis("time", "s", np.arange(round(rate_Hz * dwell_s)) / rate_Hz)
    return Axis("frequency", "Hz", BandExcitation(*_band(batch)).frequency_Hz)


def _band(batch: RequestBatch) -> tuple[float, int, float]:
    """Lowest line [Hz], lines, and the pulse [s] that resolves them."""
    center, width, bins = (shared(batch, name) for name in ("center_Hz", "band_Hz", "bins"))
    return float(center) - float(width) / 2, int(bins), int(bins) / float(width)


def _digitised(batch: RequestBatch, electronics: Electronics) -> Electronics:
    return replace(electronics, adc_rate_Hz=float(shared(batch, "sample_rate_Hz")))
