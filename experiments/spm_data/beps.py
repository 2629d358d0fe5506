"""Hysteresis loops of a PbTiO3 film, 50 x 50, a third of them failed fits that must not be averaged in.

Loops are judged by the project's own rule for failed curves (`environments.outliers`), all against all, then fitted.
The set's README counts as failed what exceeds 1e-3; the rule does not know that number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, quantiles, show

Floats = NDArray[np.float64]
FOLDER: Final = "beps-loops-pto"
_TOO_LARGE, _LEAST_R2 = 1e-3, 0.8


def analyse(data: Path) -> Findings:
    """Flag, fit, and say what averaging over everything would have claimed."""
    from environments.outliers import Outliers
    from physics_priors.loops.fit import fit

    loops, bias_V = _read(data / FOLDER / "BEPS_PTO_50x50.h5")
    rows = loops.reshape(-1, len(bias_V))
    rule = Outliers()
    stands = rule.accept(rule.traits(rows)[None], np.ones((1, len(rows)), dtype=bool))[0]
    found = fit(bias_V, rows, "sloped")
    read = found.read()
    good = stands & found.converged & (found.r2 >= _LEAST_R2)
    failed = np.abs(rows).max(axis=1) > _TOO_LARGE
    numbers = {
        "failed_by_size": float(failed.mean()),
        "flagged": float((~stands).mean()),
        "failed_but_not_flagged": float((failed & stands).mean()),
        "fitted_and_kept": float(good.mean()),
        **quantiles(found.r2[stands], "r2_of_unflagged"),
        **quantiles(read.coercive_V[good], "coercive_V"),
        **quantiles(read.imprint_V[good], "imprint_V"),
        **quantiles(read.work[good], "work_V"),
        "mean_work_of_kept_V": float(read.work[good].mean()),
        "mean_work_of_everything_V": float(np.nanmean(read.work)),
        "mean_loop_extent_of_kept": float(np.ptp(rows[good].mean(axis=0))),
        "mean_loop_extent_of_everything": float(np.ptp(rows.mean(axis=0))),
    }
    says = "every failed loop is flagged and left out; a mean over everything is wrong by the factor shown"
    shape = loops.shape[:2]
    return Findings("beps", says, numbers, lambda f: _draw(f, bias_V, rows, good, stands, read, shape), (12.5, 3.8))


def _read(path: Path) -> tuple[Floats, Floats]:
    """Loops [rows (y), columns (x), 64], and the bias."""
    import h5py

    with h5py.File(path) as file:
        group = file["Channel_000/generic"]
        return np.swapaxes(group["generic"][()], 0, 1), group["Voltage"][()].astype(np.float64)


def _draw(
    figure: Any,
    bias_V: Floats,
    rows: Floats,
    good: NDArray[np.bool_],
    stands: NDArray[np.bool_],
    read: Any,
    shape: tuple[int, int],
) -> None:
    one, two, three, four = figure.subplots(1, 4)
    show(one, np.where(stands, 1.0, 0.0).reshape(shape), "which loops stand", limits=(0, 1), colours="gray")
    work = np.where(good, read.work, np.nan).reshape(shape)
    show(two, 1e3 * work, "work of switching", unit="V x 1e-3")
    show(three, np.where(good, read.imprint_V, np.nan).reshape(shape), "imprint", unit="V", colours="coolwarm")
    four.plot(bias_V, 1e4 * rows[good].mean(axis=0), label="mean of those kept")
    four.plot(bias_V, 1e4 * np.median(rows[good], axis=0), label="their median")
    four.plot(bias_V, 1e4 * rows.mean(axis=0), color="tab:red", lw=0.8, label="mean of everything")
    four.set(title="mean loop", xlabel="bias (V)", ylabel="response (1e-4)", ylim=(-6, 6))
    four.legend(fontsize=7)
