"""A picture of an episode: the structural image, the measured points and their values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.task import Brief


def picture(brief: Brief, seen: NDArray[np.float64], accepted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """[height, width, 3] of points `seen` [n, 3] = (x nm, y nm, value); those not `accepted` [n] as crosses."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 4.0), dpi=100, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    if brief.images:
        name, image = next(iter(brief.images.items()))
        axes.imshow(image, extent=brief.extent_nm, origin="lower", cmap="gray")
        axes.set_title(name)
    elif brief.extent_nm is not None:
        axes.axis(brief.extent_nm)
    good = seen[accepted]
    failed = seen[~accepted]
    axes.scatter(failed[:, 0], failed[:, 1], marker="x", color="tab:red", s=20)
    points = axes.scatter(good[:, 0], good[:, 1], c=good[:, 2], cmap="viridis", edgecolors="white", s=30)
    if len(good):
        figure.colorbar(points, label=f"{brief.value_name} ({brief.value_unit})")
    axes.set(xlabel="x (nm)", ylabel="y (nm)", aspect="equal")
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
