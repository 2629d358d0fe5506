"""Signals of scanning probes: oscillator fits at the Cramer-Rao bound, and the filter of a 10 MHz stream."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

CENTRE_HZ, QUALITY, PHASE_RAD, NOISE = 335e3, 150.0, 0.3, 0.02
"""A typical contact resonance; noise in each quadrature in units of the peak."""
BINS_HZ = np.asarray(CENTRE_HZ + (np.arange(100) - 49.5) * 1e3, dtype=np.float64)
RATE_HZ, LINE, STREAM_S = 10e6, 10_000, 60.0
Floats = NDArray[np.float64]


@figure("sho.fits_per_s", "fits/s")
def fits() -> Measured:
    """Complex oscillator fits a second, 100 bins, one thread, beside SciPy's least_squares pixel by pixel."""
    from physics_priors.oscillator.fit import fit

    spectra = _spectra(100_000)
    fit(BINS_HZ, spectra[:100])
    rate = max(len(spectra) / _seconds(lambda: fit(BINS_HZ, spectra)) for _ in range(3))
    few = spectra[:200]
    started = time.perf_counter()
    peers = np.array([_peer(spectrum) for spectrum in few])
    peer_rate = len(few) / (time.perf_counter() - started)
    mine = _estimates(fit(BINS_HZ, few))
    return Measured(
        value=rate,
        reference=peer_rate,
        compared="our compiled batch (value) and scipy.optimize.least_squares per pixel from good guesses (reference)",
        limit=100_000,
        limit_is_least=True,
        details={"largest_difference_in_deviations": float(np.abs((mine - peers) / _bound()).max()), **_accuracy()},
    )


@figure("sho.deviation_over_bound", "ratio")
def accuracy() -> Measured:
    """Largest standard deviation of the four oscillator parameters over its Cramer-Rao bound, 100,000 fits."""
    found = _accuracy()
    return Measured(
        value=max(found["deviation_over_bound"]),
        reference=1.0,
        compared="fits at 2 % noise a quadrature (value) and the bound of an unbiased estimator (reference)",
        limit=1.1,
        details=found,
    )


@figure("gmode.realtime_factor", "x real time")
def realtime() -> Measured:
    """A minute of a 10 MHz, 32-bit stream: read from disk, masked at its noise floor, transformed back; one thread."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        path = Path(name) / "stream.f4"
        samples = _write_minute(path)
        dropped = _drop_from_cache(path)
        seconds, memory, kept = _filter(path)
        plain_s = _plain(path) * samples / (RATE_HZ * 1.0)
    return Measured(
        value=samples / RATE_HZ / seconds,
        reference=samples / RATE_HZ / plain_s,
        compared="chunked filter (value) and the same steps in plain NumPy line by line, on a second of it (reference)",
        limit=10.0,
        limit_is_least=True,
        details={
            "stream_s": samples / RATE_HZ,
            "bytes": 4 * samples,
            "page_cache_dropped_before": dropped,
            "memory_growth_MiB": memory,
            "bins_kept": kept,
        },
    )


def _spectra(rows: int) -> NDArray[np.complex128]:
    from physics_priors.oscillator.response import response

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((rows, 100)) + 1j * rng.standard_normal((rows, 100))
    return response(BINS_HZ, 1.0, CENTRE_HZ, QUALITY, PHASE_RAD) + NOISE * QUALITY * noise


def _bound() -> Floats:
    from physics_priors.oscillator.cramer_rao import deviations

    return deviations(BINS_HZ, 1.0, CENTRE_HZ, QUALITY, PHASE_RAD, NOISE * QUALITY)


def _accuracy() -> dict[str, Any]:
    from physics_priors.oscillator.fit import fit

    found = fit(BINS_HZ, _spectra(100_000))
    estimates = _estimates(found)
    bias = estimates.mean(axis=0) - [1.0, CENTRE_HZ, QUALITY, PHASE_RAD]
    return {
        "deviation_over_bound": [float(v) for v in estimates.std(axis=0) / _bound()],
        "bias_over_bound": [float(v) for v in bias / _bound()],
        "parameters": ["amplitude", "resonance", "quality", "phase"],
        "converged": float(found.converged.mean()),
    }


def _estimates(found: Any) -> Floats:
    return np.stack([found.amplitude, found.resonance_Hz, found.quality, found.phase_rad], axis=-1)


def _peer(spectrum: NDArray[np.complex128]) -> Floats:
    from scipy.optimize import least_squares

    from physics_priors.oscillator.response import response

    def rest(theta: Floats) -> Floats:
        away = response(BINS_HZ, theta[0], CENTRE_HZ * theta[1], QUALITY * theta[2], theta[3]) - spectrum
        return np.concatenate([away.real, away.imag])

    start = BINS_HZ[np.abs(spectrum).argmax()] / CENTRE_HZ
    found = least_squares(rest, [np.abs(spectrum).max() / QUALITY, start, 1.0, PHASE_RAD]).x
    return np.asarray(found * [1.0, CENTRE_HZ, QUALITY, 1.0])


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write_minute(path: Path) -> int:
    """Two seconds of a twin's stream, repeated to a minute; how many samples."""
    from instruments import keys
    from instruments.twins.spm.signals.contact import Contact
    from instruments.twins.spm.signals.electronics import Electronics
    from instruments.twins.spm.signals.streaming import Streaming

    wander = CENTRE_HZ + 2e3 * np.sin(np.arange(2000) / 50)
    contact = Contact.of(np.full((1, 2000), 30.0), wander, QUALITY)
    count = Streaming().write(path, contact, 0, 1e-3, Electronics(adc_rate_Hz=RATE_HZ), keys.keys([1]))
    block = path.read_bytes()
    with open(path, "ab") as file:
        for _ in range(round(STREAM_S * RATE_HZ) // count - 1):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return path.stat().st_size // 4


def _drop_from_cache(path: Path) -> bool:
    """Ask the system to forget the file's pages, so that reading it is reading the disk; whether it can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _filter(path: Path) -> tuple[float, float, float]:
    """Seconds, growth of resident memory after the first tenth [MiB], fraction of bins kept."""
    from instruments.twins.spm.signals.mask import NoiseMask

    mask = NoiseMask(LINE, ((285e3, 384e3),), RATE_HZ, harmonics=1)
    next(iter(mask.stream(path)))
    resident, kept = [], []
    started = time.perf_counter()
    for part in mask.stream(path):
        kept.append(part.kept.mean())
        resident.append(_resident_MiB())
    seconds = time.perf_counter() - started
    settled = resident[len(resident) // 10 :]
    return seconds, max(settled) - settled[0], float(np.mean(kept))


def _resident_MiB() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _plain(path: Path) -> float:
    """Seconds for one second of stream, the same steps in plain NumPy: transform, floor beside the comb, mask, back."""
    frequency = np.fft.rfftfreq(LINE, 1.0 / RATE_HZ)
    comb = (frequency >= 285e3) & (frequency <= 384e3)
    started = time.perf_counter()
    for line in np.fromfile(path, "<f4", count=round(RATE_HZ)).reshape(-1, LINE):
        spectrum = np.fft.rfft(line)
        power = np.abs(spectrum) ** 2
        floor = np.median(power[~comb]) / np.log(2.0)
        spectrum[~comb | (power < -np.log(1e-3) * floor)] = 0.0
        np.fft.irfft(spectrum, LINE)
    return time.perf_counter() - started
