"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Return with its standard error, and the share of completed episodes, against environment steps."""
    from matplotlib.figure import Figure

    steps = [row["steps"] for row in rows]
    mean, error = ([row[name] for row in rows] for name in ("return", "return_error"))
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.fill_between(
        steps,
        [m - e for m, e in zip(mean, error, strict=True)],
        [m + e for m, e in zip(mean, error, strict=True)],
        alpha=0.25,
        lw=0,
    )
    left.plot(steps, mean, "o-", ms=3)
    left.set(xlabel="environment steps", ylabel="return ± standard error", title="Held-out seeds")
    right.plot(steps, [row["complete"] for row in rows], "o-", ms=3, color="tab:orange")
    right.set(xlabel="environment steps", ylabel="episodes complete", ylim=(-0.03, 1.03), title="Task completed")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
