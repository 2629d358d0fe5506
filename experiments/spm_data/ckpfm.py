"""Contact Kelvin-probe loops: 10 x 10 places, 64 write steps, read at five biases, as fitted by their authors.

Each place's response A cos(phase) at each read bias is a loop in the write bias. Steps whose oscillator fit was poor
(the authors' R2 below 0.8) are replaced from their neighbours in the sweep; loops with more than a quarter of such
steps are left out, and so are loops that the loop function does not explain (R2 below 0.8). At every write step, the
line through the responses at the read biases crosses zero at the contact potential difference; while the material
switches the line is nearly level, and nothing is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, quantiles, show

Floats = NDArray[np.float64]
FOLDER: Final = "ckpfm-sho-fits"
_LEAST_R2, _MOST_BAD, _LEVEL = 0.8, 0.25, 0.5
_ZERO = 2
"""Index of the read bias of 0 V."""


def analyse(data: Path) -> Findings:
    """Fit the loops of the second state (read after the pulse) at every read bias."""
    from physics_priors.loops.fit import fit

    file = np.load(data / FOLDER / "cKPFM_10x10.npz")
    write_V, read_V = file["bias_vec_w"].astype(np.float64), file["bias_vec_r"][0].astype(np.float64)
    cells = file["Nd_mat"][:, :, 1]
    response, usable = _cleaned(cells)
    loops = np.moveaxis(response, -1, -2)
    found = fit(write_V, loops, "sloped")
    good = usable & found.converged & (found.r2 >= _LEAST_R2)
    read = found.read()
    numbers = {
        **quantiles(cells["Frequency [Hz]"], "resonance_Hz"),
        **quantiles(cells["Quality Factor"], "quality"),
        "steps_with_poor_fit": float((cells["R2 Criterion"] < _LEAST_R2).mean()),
        **{f"usable_loops_at_{v:g}_V": float(good[..., i].mean()) for i, v in enumerate(read_V)},
        **quantiles(found.r2[..., _ZERO], "r2_at_0_V"),
        **_of(read.coercive_V[..., _ZERO], good[..., _ZERO], "coercive_V"),
        **_of(read.imprint_V[..., _ZERO], good[..., _ZERO], "imprint_V"),
        **_of(read.switchable[..., _ZERO], good[..., _ZERO], "switchable_V"),
    }
    potential_V, gain = potentials(read_V, np.median(loops.reshape(-1, len(read_V), len(write_V)), axis=0))
    numbers |= {"contact_potential_swing_V": float(np.ptp(potential_V[np.isfinite(potential_V)]))}
    numbers |= {"contact_potential_steps": float(np.isfinite(potential_V).mean()), "gain": float(np.median(gain))}
    says = "loops at five read biases, poor fits left out; contact potential along the write loop"
    return Findings(
        "ckpfm", says, numbers, lambda f: _draw(f, write_V, read_V, loops, found, good, potential_V, read), (12.0, 4.0)
    )


def potentials(read_V: Floats, responses: Floats) -> tuple[Floats, Floats]:
    """Bias [n] where the line through responses [reads, n] crosses zero, NaN where nearly level; its slope [n]."""
    slope, offset = np.polyfit(read_V, responses, 1)
    steep = np.abs(slope) > _LEVEL * np.median(np.abs(slope))
    return np.where(steep, -offset / np.where(steep, slope, 1.0), np.nan), np.asarray(slope)


def _cleaned(cells: NDArray[Any]) -> tuple[Floats, NDArray[np.bool_]]:
    """Responses [rows, columns, steps, reads], poor steps interpolated; which loops [rows, columns, reads] may stay."""
    response = (cells["Amplitude [V]"] * np.cos(cells["Phase [rad]"])).astype(np.float64)
    poor = ~(cells["R2 Criterion"] >= _LEAST_R2) | ~np.isfinite(response)
    steps = np.arange(response.shape[2])
    out = response.copy()
    for place in np.ndindex(*response.shape[:2], response.shape[3]):
        one = (place[0], place[1], slice(None), place[2])
        bad = poor[one]
        if 0 < bad.sum() < len(steps):
            out[one] = np.where(bad, np.interp(steps, steps[~bad], response[one][~bad]), response[one])
    return out, np.asarray(poor.mean(axis=2) <= _MOST_BAD)


def _of(values: Floats, good: NDArray[np.bool_], name: str) -> dict[str, float]:
    return quantiles(values[good], name)


def _draw(
    figure: Any,
    write_V: Floats,
    read_V: Floats,
    loops: Floats,
    found: Any,
    good: NDArray[np.bool_],
    potential_V: Floats,
    read: Any,
) -> None:
    one, two, three, four = figure.subplots(1, 4)
    best = np.unravel_index(np.where(good[..., _ZERO], found.r2[..., _ZERO], 0).argmax(), good.shape[:2])
    one.plot(write_V, 1e3 * loops[*best, _ZERO], ".", ms=4)
    one.plot(write_V, 1e3 * found.responses(write_V)[*best, _ZERO])
    one.set(title=f"loop at {best[0]}, {best[1]}, read at 0 V", xlabel="write bias (V)", ylabel="A cos(phase) (mV)")
    for i, v in enumerate(read_V):
        two.plot(write_V, 1e3 * np.nanmedian(loops[..., i, :], axis=(0, 1)), label=f"{v:g} V")
    two.set(title="median loops by read bias", xlabel="write bias (V)")
    two.legend(fontsize=7)
    three.plot(write_V, potential_V)
    three.set(title="contact potential", xlabel="write bias (V)", ylabel="V")
    show(four, np.where(good[..., _ZERO], read.coercive_V[..., _ZERO], np.nan), "coercive bias", unit="V")
