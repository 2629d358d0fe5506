"""How much data each mode of detection makes."""

from __future__ import annotations


def streamed_bytes_s(rate_Hz: float = 10e6, bits: int = 32, channels: int = 1) -> float:
    """Bytes a second of a full stream."""
    return rate_Hz * bits / 8 * channels


def band_bytes_s(bins: int = 100, pixel_rate_Hz: float = 1e3) -> float:
    """Bytes a second of complex single-precision spectra."""
    return bins * 8 * pixel_rate_Hz


def lock_in_bytes_s(pixel_rate_Hz: float = 1e3, channels: int = 2) -> float:
    """Bytes a second of single-precision channels."""
    return pixel_rate_Hz * 4 * channels


def bins(band_Hz: float, pulse_s: float) -> int:
    """Lines that a pulse resolves in a band, BW T."""
    return round(band_Hz * pulse_s)
