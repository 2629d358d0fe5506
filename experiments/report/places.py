"""Where things are: images, points and fields of values drawn in the sample frame, row 0 at the smallest y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.drawing import Inks, Layout
from experiments.report.quantities import Scale
from experiments.report.samples import Picture
from experiments.report.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Frame:
    """The window of the sample frame that is shown: (x0, x1, y0, y1) [nm], and the scale of its axes."""

    window_nm: tuple[float, float, float, float]
    scale: Scale

    @property
    def aspect(self) -> float:
        """Height over width."""
        x0, x1, y0, y1 = self.window_nm
        return (y1 - y0) / (x1 - x0)

    @property
    def is_line(self) -> bool:
        """Whether the places lie along x, so that a map would be a stripe."""
        return self.aspect < 0.12

    @property
    def is_narrow(self) -> bool:
        """Whether a map is a column, narrower than its titles."""
        return self.aspect > 1.6

    @property
    def layout(self) -> Layout:
        """How panels of this frame are laid out in a figure."""
        return "constrained" if self.is_narrow else "compressed"

    def prepare(self, axes: Axes, inks: Inks) -> None:
        """Set limits, equal aspect and labels; y grows downwards, as the rows of an image do."""
        x0, x1, y0, y1 = (v * self.scale.factor for v in self.window_nm)
        axes.set(xlim=(x0, x1), ylim=(y1, y0), xlabel=f"x [{self.scale.unit}]", ylabel=f"y [{self.scale.unit}]")
        axes.set_aspect("equal")
        axes.locator_params("y", nbins=5)
        axes.locator_params("x", nbins=2 if self.is_narrow else 5)
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(inks.grid)

    def title(self, axes: Axes, text: str) -> None:
        """A title; over the middle of panels that are narrower than it."""
        axes.set_title(text, loc="center" if self.is_narrow else "left")


def frame_of(story: Story, picture: Picture | None) -> Frame | None:
    """The window around image, candidates and measured points; None where no place is known."""
    boxes = [np.asarray(picture.extent_nm, dtype=float).reshape(2, 2)] if picture is not None else []
    boxes += [_box(at) for at in (story.brief.get("positions_nm"), story.places_nm()) if at is not None]
    boxes = [box for box in boxes if np.isfinite(box).all()]
    if not boxes:
        return None
    low, high = np.min([b[:, 0] for b in boxes], 0), np.max([b[:, 1] for b in boxes], 0)
    known = story.brief.get("positions_nm")
    if picture is None and (known is None or as_pixels(known, np.zeros(len(known))) is None):  # room around dots
        margin = 0.03 * max(float((high - low).max()), 1.0)
        low, high = low - margin, high + margin
    return Frame((float(low[0]), float(high[0]), float(low[1]), float(high[1])), story.length())


def _box(places_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """((x0, x1), (y0, y1)) around places, half a step further where they are a grid; NaN where none is known."""
    known = places_nm[np.isfinite(places_nm).all(1)]
    if not len(known):
        return np.full((2, 2), np.nan)
    pixels = as_pixels(known, np.zeros(len(known)))
    if pixels is not None:
        return np.array(pixels[1]).reshape(2, 2)
    return np.stack([known.min(0), known.max(0)], axis=1)


def draw_picture(axes: Axes, picture: Picture, frame: Frame) -> None:
    """The structural image in grey, stretched between its 1st and 99th percentile."""
    finite = picture.values[np.isfinite(picture.values)]
    if not len(finite):
        return
    low, high = np.percentile(finite, (1, 99))
    x0, x1, y0, y1 = (v * frame.scale.factor for v in picture.extent_nm)
    # extent is (left, right, bottom, top): with row 0 on top, the top is the smallest y
    axes.imshow(picture.values, cmap="gray", vmin=low, vmax=high, extent=(x0, x1, y1, y0), origin="upper", zorder=0)


def draw_field(
    axes: Axes, places_nm: NDArray[np.float64], values: NDArray[np.float64], frame: Frame, **colour: Any
) -> Any:
    """Values at many places, as pixels where these are a full grid, else as dots; returns what a colour bar needs."""
    at = places_nm * frame.scale.factor
    pixels = as_pixels(at, values)
    if pixels is None:
        size = np.clip(12000 / max(len(at), 1), 2, 60)
        return axes.scatter(at[:, 0], at[:, 1], c=values, s=size, marker="s", linewidths=0, rasterized=True, **colour)
    image, (x0, x1, y0, y1) = pixels
    return axes.imshow(image, extent=(x0, x1, y1, y0), origin="upper", **colour)


def as_pixels(
    places: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]] | None:
    """Values as an image with its extent (x0, x1, y0, y1), where the places fill a regular grid."""
    tolerance = 1e-6 * max(float(np.ptp(places)), 1e-12)
    (xs, column), (ys, row) = (_levels(places[:, i], tolerance) for i in (0, 1))
    if len(xs) * len(ys) != len(places) or min(len(xs), len(ys)) < 2 or not (_even(xs) and _even(ys)):
        return None
    image = np.full((len(ys), len(xs)), np.nan)
    image[row, column] = values
    dx, dy = (xs[-1] - xs[0]) / (len(xs) - 1) / 2, (ys[-1] - ys[0]) / (len(ys) - 1) / 2
    return image, (xs[0] - dx, xs[-1] + dx, ys[0] - dy, ys[-1] + dy)


def _levels(values: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    _, first, index = np.unique(np.round(values / tolerance), return_index=True, return_inverse=True)
    return values[first], index


def _even(levels: NDArray[np.float64]) -> bool:
    steps = np.diff(levels)
    return bool(np.allclose(steps, steps.mean(), rtol=0.02))
