"""Recorded data of scanning probes: how well spectra are fitted, sparse data rebuilt and drift taken out.

Each figure needs its recorded set (PROBEWRIGHT_DATA, else shared/data beside the checkout).
"""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Measured, figure


@figure("spm.be_r2", "fraction")
def be_r2() -> Measured:
    """Median R2 of oscillator fits to 1024 recorded band-excitation spectra."""
    numbers = _numbers("be_spectra")
    return Measured(
        value=numbers["r2_median"],
        reference=numbers["r2_without_background_median"],
        compared="oscillator and complex background (value), oscillator alone (reference)",
        limit=0.98,
        limit_is_least=True,
        details=numbers,
    )


@figure("spm.sparse_error", "normalised amplitude")
def sparse_error() -> Measured:
    """Rms error of the 71 % of a spectral cube that were not measured, from the 29 % that were."""
    numbers = _numbers("be_spectra")
    return Measured(
        value=numbers["sparse_rmse"],
        reference=numbers["linear_rmse"],
        compared="Gaussian fields of principal components (value), linear interpolation (reference)",
        details=numbers,
    )


@figure("spm.spiral_error", "normalised response")
def spiral_error() -> Measured:
    """Rms error at a fifth of a spiral scan's pixels, held out at random."""
    numbers = _numbers("spiral")
    return Measured(
        value=numbers["random_rmse"],
        reference=numbers["random_linear_rmse"],
        compared="Gaussian field (value), linear interpolation (reference); two peers' results in the details",
        details=numbers,
    )


@figure("spm.drift_correlation", "correlation")
def drift() -> Measured:
    """Correlation of the heights of a sample before and after writing, once the drift between is taken out."""
    numbers = _numbers("writing")
    return Measured(
        value=numbers["frame_1_to_2_height_correlation_after"],
        reference=numbers["frame_1_to_2_height_correlation_before"],
        compared="after registration (value), before (reference)",
        details=numbers,
    )


@figure("spm.failed_loops_missed", "fraction")
def failed_loops() -> Measured:
    """Failed loops of a recorded film, a third of all, that were not flagged."""
    numbers = _numbers("beps")
    return Measured(
        value=numbers["failed_but_not_flagged"],
        reference=numbers["failed_by_size"],
        compared="failed and not flagged (value), all that failed (reference)",
        limit=0.0,
        details=numbers,
    )


def _numbers(name: str) -> Any:
    from experiments.spm_data.sets import analyse, data_folder

    return dict(analyse(name, data_folder()).numbers)
