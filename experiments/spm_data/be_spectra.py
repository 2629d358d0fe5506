"""Band-excitation spectra, 32 x 32: oscillator fits of all of them, and the whole cube from its measured 29 %.

The file holds magnitudes without phases or frequencies: 102 bins are taken as 300 to 401 kHz, on which the numbers of
resonance and quality depend. The fit allows a complex background beside the resonance (without it the median R2 is
0.976). The sparse cube is rebuilt from the measured spectra alone: principal components that carry more than a
thousandth of their variance, each a Gaussian random field over the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, quantiles, show

Floats = NDArray[np.float64]
FOLDER: Final = "be-spectra-32x32"
_FIRST_HZ, _BIN_HZ = 300e3, 1e3
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Rebuilt:
    """A cube [rows, columns, bins] from some of its pixels; `deviation` [rows, columns] is that of a bin, predicted."""

    cube: Floats
    deviation: Floats
    components: int


def analyse(data: Path) -> Findings:
    """Fit the full cube, rebuild it from the sparse one, compare."""
    from physics_priors.oscillator.magnitude import fit_magnitudes

    full, sparse = np.load(data / FOLDER / "bepfm_test_data.npy"), np.load(data / FOLDER / "bepfm_test_data_sparse.npy")
    frequency_Hz = _FIRST_HZ + _BIN_HZ * np.arange(full.shape[-1])
    found, plain = (fit_magnitudes(frequency_Hz, full, background=b) for b in (True, False))
    rebuilt = rebuild(sparse)
    missing = ~np.isfinite(sparse).all(axis=-1)
    again = fit_magnitudes(frequency_Hz, rebuilt.cube, background=True)
    numbers = {
        **quantiles(found.r2, "r2"),
        "r2_without_background_median": float(np.median(plain.r2)),
        "converged": float(found.converged.mean()),
        **quantiles(found.quality, "quality"),
        "measured_fraction": float(1 - missing.mean()),
        "components": float(rebuilt.components),
        **errors(full, sparse, rebuilt, missing),
        "resonance_error_median_bins": float(_median_of(again.resonance_Hz - found.resonance_Hz, missing) / _BIN_HZ),
    }
    says = (
        "oscillator fits of every spectrum; the unmeasured 71 % rebuilt from 29 %, held against what was measured there"
    )
    return Findings("be_spectra", says, numbers, lambda figure: _draw(figure, full, sparse, rebuilt, found))


def rebuild(sparse: Floats) -> Rebuilt:
    """A cube [rows, columns, bins] whose unmeasured pixels are NaN, everywhere."""
    from physics_priors.gaussian_field.likelihood import fit
    from physics_priors.gaussian_field.posterior import posterior

    known = np.isfinite(sparse).all(axis=-1)
    places, every = np.argwhere(known).astype(np.float64), np.argwhere(np.ones_like(known)).astype(np.float64)
    spectra = sparse[known]
    mean = spectra.mean(axis=0)
    _, size, basis = np.linalg.svd(spectra - mean, full_matrices=False)
    count = int((size**2 / (size**2).sum() > _LEAST_SHARE).sum())
    cube, variance = np.tile(mean, (len(every), 1)), np.zeros(len(every))
    for component in basis[:count]:
        scores = (spectra - mean) @ component
        expected, spread = posterior(places, scores, every, fit(places, scores))
        cube += expected[:, None] * component
        variance += spread**2
    deviation = np.sqrt(variance / sparse.shape[-1])
    return Rebuilt(cube.reshape(sparse.shape), deviation.reshape(known.shape), count)


def errors(full: Floats, sparse: Floats, rebuilt: Rebuilt, missing: NDArray[np.bool_]) -> dict[str, float]:
    """Root mean square errors over unmeasured pixels, ours and two plain interpolations', and whether sd is honest."""
    away = rebuilt.cube[missing] - full[missing]
    spread = np.sqrt(np.square(full[missing] - full[missing].mean(axis=0)).mean())
    pixel = np.sqrt(np.square(away).mean(axis=1))
    rms = float(np.sqrt(np.square(away).mean()))
    return {
        "sparse_rmse": rms,
        "sparse_rmse_over_spread": rms / float(spread),
        "nearest_rmse": interpolated(sparse, full, missing, "nearest"),
        "linear_rmse": interpolated(sparse, full, missing, "linear"),
        "error_over_predicted_deviation": float(np.sqrt(np.mean(pixel**2 / rebuilt.deviation[missing] ** 2))),
    }


def interpolated(sparse: Floats, full: Floats, missing: NDArray[np.bool_], method: Any) -> float:
    """Root mean square error of plain interpolation; nearest where the linear one does not reach."""
    from scipy.interpolate import griddata

    places, wanted = np.argwhere(~missing), np.argwhere(missing)
    made = griddata(places, sparse[~missing], wanted, method=method)
    near = griddata(places, sparse[~missing], wanted, method="nearest")
    made = np.where(np.isfinite(made), made, near)
    return float(np.sqrt(np.square(made - full[missing]).mean()))


def _median_of(away: Floats, chosen: NDArray[np.bool_]) -> float:
    return float(np.nanmedian(np.abs(away[chosen])))


def _draw(figure: Any, full: Floats, sparse: Floats, rebuilt: Rebuilt, found: Any) -> None:
    top, bottom = figure.subplots(2, 4)
    at = int(full.mean(axis=(0, 1)).argmax())
    limits = np.percentile(full[..., at], [2, 98])
    show(top[0], full[..., at], f"measured, bin {at}", limits=limits)
    show(top[1], sparse[..., at], "the 29 % used", limits=limits)
    show(top[2], rebuilt.cube[..., at], "rebuilt", limits=limits)
    show(top[3], rebuilt.deviation, "predicted sd")
    show(bottom[0], found.resonance_Hz / 1e3, "resonance (nominal)", unit="kHz")
    show(bottom[1], found.quality, "quality")
    show(bottom[2], found.r2, "R2 of the fit", limits=(0.9, 1.0))
    order = np.argsort(found.r2.ravel())
    frequency = _FIRST_HZ + _BIN_HZ * np.arange(full.shape[-1])
    fitted = found.magnitudes(frequency).reshape(-1, len(frequency))
    for rank, colour in ((0.1, "tab:red"), (0.5, "tab:blue")):
        pixel = order[int(rank * len(order))]
        bottom[3].plot(frequency / 1e3, full.reshape(-1, len(frequency))[pixel], ".", color=colour, ms=3)
        bottom[3].plot(frequency / 1e3, fitted[pixel], color=colour, label=f"R2 {found.r2.ravel()[pixel]:.3f}")
    bottom[3].set(title="10 % and median fit", xlabel="kHz (nominal)")
    bottom[3].legend()
