"""A spiral scan of which a quarter of the pixels were measured: rebuilt with uncertainty, beside two peers' results.

There is no truth. Two questions can be answered: how well is a fifth of the measured pixels predicted that the model
did not see, at random and as whole turns of the spiral; and how far is the result from the peers', who had all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, show

Floats = NDArray[np.float64]
FOLDER: Final = "spiral-scan-gp"
_HELD, _TURNS_PX = 0.2, 6.0


def analyse(data: Path) -> Findings:
    """Rebuild, hold out, compare."""
    from physics_priors.gaussian_field.likelihood import fit
    from physics_priors.gaussian_field.posterior import posterior

    folder = data / FOLDER
    sparse = np.load(folder / "sparse_2D_input.npy")
    peers = {n: np.load(folder / f"peer_reconstruction_{n}.npy").reshape(sparse.shape) for n in ("gpr", "skgpr")}
    known = np.isfinite(sparse)
    places, values = np.argwhere(known).astype(np.float64), sparse[known]
    every = np.argwhere(np.ones_like(known)).astype(np.float64)
    mean, spread = posterior(places, values, every, fit(places, values))
    rebuilt, deviation = mean.reshape(sparse.shape), spread.reshape(sparse.shape)
    inside = _inside(every, places).reshape(sparse.shape)
    numbers = {"measured_fraction": float(known.mean())}
    for name, held in _held_out(places).items():
        numbers |= {f"{name}_{k}": v for k, v in held_out_errors(places, values, held).items()}
    for name, peer in peers.items():
        numbers[f"peer_{name}_rms_at_measured"] = _rms(peer[known] - values)
        numbers[f"peer_{name}_correlation_with_ours"] = float(np.corrcoef(peer[inside], rebuilt[inside])[0, 1])
        numbers[f"peer_{name}_rms_difference"] = _rms((peer - rebuilt)[inside])
    numbers["peers_correlation_with_each_other"] = float(np.corrcoef(*(p[inside] for p in peers.values()))[0, 1])
    numbers["ours_rms_at_measured"] = _rms(rebuilt[known] - values)
    says = "held-out pixels of the spiral predicted; peers saw all pixels, so theirs is a residual and no prediction"
    return Findings(
        "spiral", says, numbers, lambda figure: _draw(figure, sparse, rebuilt, deviation, peers), (13.5, 3.2)
    )


def held_out_errors(places: Floats, values: Floats, held: NDArray[np.bool_]) -> dict[str, float]:
    """Errors of the values held out: ours, two plain interpolations', and ours over its own standard deviation."""
    from scipy.interpolate import griddata

    from physics_priors.gaussian_field.likelihood import fit
    from physics_priors.gaussian_field.posterior import posterior

    covariance = fit(places[~held], values[~held])
    mean, spread = posterior(places[~held], values[~held], places[held], covariance)
    away = mean - values[held]
    near = griddata(places[~held], values[~held], places[held], method="nearest")
    linear = griddata(places[~held], values[~held], places[held], method="linear")
    return {
        "rmse": _rms(away),
        "linear_rmse": _rms(np.where(np.isfinite(linear), linear, near) - values[held]),
        "nearest_rmse": _rms(near - values[held]),
        "error_over_predicted": _rms(away / np.sqrt(spread**2 + covariance.noise**2)),
    }


def _held_out(places: Floats) -> dict[str, NDArray[np.bool_]]:
    """A fifth at random, and every fifth ring around the centre (whole turns are missing then)."""
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(places - places.mean(axis=0), axis=1)
    return {"random": rng.random(len(places)) < _HELD, "rings": (radius / _TURNS_PX).astype(int) % 5 == 2}


def _inside(every: Floats, places: Floats) -> NDArray[np.bool_]:
    """Which pixels lie within the spiral's outermost turn: outside, all reconstructions only guess."""
    centre = places.mean(axis=0)
    outermost = np.quantile(np.linalg.norm(places - centre, axis=1), 0.99)
    return np.asarray(np.linalg.norm(every - centre, axis=1) <= outermost)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _draw(figure: Any, sparse: Floats, rebuilt: Floats, deviation: Floats, peers: dict[str, Floats]) -> None:
    axes = figure.subplots(1, 5)
    limits = np.nanpercentile(sparse, [2, 98])
    show(axes[0], sparse, "measured", limits=limits)
    show(axes[1], rebuilt, "ours", limits=limits)
    show(axes[2], deviation, "ours, sd")
    show(axes[3], peers["gpr"], "peer, GP", limits=limits)
    show(axes[4], peers["skgpr"], "peer, structured GP", limits=limits)
