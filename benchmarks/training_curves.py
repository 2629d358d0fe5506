"""Learning curves of two trainings over five seeds, as numbers and as the picture docs/images/training.png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PICTURE: Final = Path(__file__).parents[1] / "docs" / "images" / "training.png"
_LEVEL: Final = 0.95


def averaged(curves: Sequence[Sequence[tuple[float, float]]]) -> tuple[Floats, Floats, Floats]:
    """Steps, mean return and half of its 95 % interval over seeds (Student's t), of curves with the same steps.

    ValueError where steps differ, or where there are fewer than two curves.
    """
    from scipy.stats import t

    values = np.array(curves, dtype=np.float64)
    if len(values) < 2 or not np.array_equal(values[..., 0], np.broadcast_to(values[0, :, 0], values.shape[:2])):
        raise ValueError("an interval wants two curves or more, of the same steps")
    count = len(values)
    error = values[..., 1].std(axis=0, ddof=1) / np.sqrt(count)
    return values[0, :, 0], values[..., 1].mean(axis=0), float(t.ppf(0.5 + 0.5 * _LEVEL, count - 1)) * error


def told(curves: Sequence[Sequence[tuple[float, float]]]) -> dict[str, list[Any]]:
    """A set of curves as plain numbers."""
    steps, mean, half = averaged(curves)
    return {
        "steps": steps.tolist(),
        "mean_return": mean.tolist(),
        "half_interval_95": half.tolist(),
        "seeds": [[value for _, value in curve] for curve in curves],
    }


def draw(
    panels: Mapping[str, Sequence[Sequence[tuple[float, float]]]], untrained: Mapping[str, float], to: Path
) -> None:
    """A panel for each training: its seeds, their mean with its interval, and the network before any training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    row: Any = figure.subplots(1, len(panels), sharey=True)
    for axes, (name, curves) in zip(row, panels.items(), strict=True):
        steps, mean, half = averaged(curves)
        for curve in curves:
            axes.plot(*np.transpose(curve) / [[1000.0], [1.0]], color="0.65", lw=0.8)
        axes.fill_between(steps / 1000.0, mean - half, mean + half, alpha=0.25, lw=0, color="tab:blue")
        axes.plot(steps / 1000.0, mean, "o-", ms=3, color="tab:blue", label=f"mean of {len(curves)} seeds, 95 %")
        axes.axhline(untrained[name], color="tab:orange", ls="--", lw=1.2, label="before training")
        axes.set(xlabel="thousands of environment steps", title=name, xlim=(0.0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    row[0].set_ylabel("return on held-out samples")
    row[0].legend(frameon=False, loc="lower right")
    figure.savefig(to, dpi=130)
