"""What an analysis brings: numbers with their units, what they mean, and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Draw = Callable[[Any], None]


@dataclass(frozen=True)
class Findings:
    """Numbers by name (the unit is in the name), and how to draw them on a matplotlib figure."""

    name: str
    says: str
    numbers: Mapping[str, float]
    draw: Draw
    size_in: tuple[float, float] = (11.0, 4.0)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write NAME.json and NAME.png into a folder; where they are."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        folder.mkdir(parents=True, exist_ok=True)
        numbers, picture = folder / f"{self.name}.json", folder / f"{self.name}.png"
        numbers.write_text(json.dumps({"says": self.says, **self.numbers}, indent=2) + "\n", encoding="utf-8")
        figure = Figure(figsize=self.size_in, dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        self.draw(figure)
        figure.savefig(picture)
        return numbers, picture


def show(
    axes: Any, image: NDArray[Any], title: str, *, unit: str = "", colours: str = "viridis", limits: Any = None
) -> None:
    """An image with its colour bar, between its 2nd and 98th percentile unless limits are given."""
    low, high = np.nanpercentile(image, [2, 98]) if limits is None else limits
    drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, origin="lower")
    axes.set(title=title, xticks=[], yticks=[])
    axes.figure.colorbar(drawn, ax=axes, label=unit, shrink=0.8)


def quantiles(values: NDArray[Any], name: str) -> dict[str, float]:
    """5 %, median and 95 % of finite values, under names that begin with `name`."""
    low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95])
    return {f"{name}_q05": float(low), f"{name}_median": float(middle), f"{name}_q95": float(high)}
