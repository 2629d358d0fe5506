"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Return with its standard error, and the share of completed episodes or the losses, against steps."""
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
    left.set(xlabel=_along(rows), ylabel="return ± standard error", title="Held-out seeds")
    _beside(right, rows)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _beside(axes: Any, rows: Sequence[Mapping[str, float]]) -> None:
    """The losses of what learns from recordings, the share of completed episodes of all others."""
    steps = [row["steps"] for row in rows]
    if "validation_loss" in rows[0]:
        axes.plot(steps, [row["loss"] for row in rows], "o-", ms=3, color="tab:gray", label="last epoch")
        axes.plot(steps, [row["validation_loss"] for row in rows], "o-", ms=3, label="least on what is held back")
        axes.set(xlabel=_along(rows), ylabel="loss", title="Recorded steps")
        axes.legend(frameon=False)
        return
    axes.plot(steps, [row["complete"] for row in rows], "o-", ms=3, color="tab:orange")
    axes.set(xlabel=_along(rows), ylabel="episodes complete", ylim=(-0.03, 1.03), title="Task completed")


def _along(rows: Sequence[Mapping[str, float]]) -> str:
    return "recorded steps gone over" if "validation_loss" in rows[0] else "environment steps"
