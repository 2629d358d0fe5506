"""Bright columns: atoms as peaks of a dark-field frame, for any microscope that takes one.

The frame is smoothed with a Gaussian as wide as an atom's image, which is the matched filter for it; a peak that stands
out of the counting noise is an atom, its place is the top of the parabola through the pixels beside it. What is found
is taken out, and what is left is searched again, once for every species, so that dim columns beside bright ones are
seen. Brightness is the height that is taken out, in counts per incident electron of the smoothed frame: about half of
what a probe parked on the column gives, and without its neighbours' tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from environments.perception import Atoms
from instruments.errors import DataInvalid
from instruments.measurement import Measurement
from physics_priors.bounds import POSITIVE_NM, Bounds

Floats = NDArray[np.float64]
_GROUND = 3.0
"""Width of the neighbourhood whose counts say how noisy a place is, in widths of an atom."""


@dataclass(frozen=True)
class _Found:
    """Places [n, 2] (row, column) in pixels and heights [n] in counts of the smoothed frame."""

    places: Floats
    heights: Floats


@dataclass(frozen=True)
class BrightColumns:
    """The finder; `species` are the sample's atomic numbers from dim to bright, none for "not known".

    Peaks nearer to each other than `apart_nm` count as one. Where there are several species, brightnesses are split at
    their widest gaps, on a logarithmic scale.
    """

    width_nm: Annotated[float, POSITIVE_NM] = 0.05
    """Standard deviation of an atom's image."""
    apart_nm: Annotated[float, POSITIVE_NM] = 0.12
    certainty: Annotated[float, Bounds("sd", 0.0, 100.0)] = 4.0
    """Standard deviations of the counting noise that a peak must stand out by."""
    species: tuple[int, ...] = ()
    channel: str = "haadf"

    name = "bright_columns"
    unit = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "species", tuple(int(z) for z in self.species))

    def find(self, image: Measurement) -> Atoms:
        """The atoms of one frame; raises DataInvalid where it has no such channel, or pixels too coarse to find any."""
        counts, pixel_nm = self._counts(image)
        sd_px = (self.width_nm / pixel_nm[0], self.width_nm / pixel_nm[1])
        left, found = _smoothed(counts, sd_px), _Found(np.empty((0, 2)), np.empty(0))
        noise = np.sqrt(_smoothed(counts, (_GROUND * sd_px[0], _GROUND * sd_px[1])) / (4.0 * np.pi * _area(sd_px)))
        for _ in range(max(len(self.species), 1)):
            new = self._peaks(left, noise, pixel_nm, found)
            found = _Found(np.concatenate([found.places, new.places]), np.concatenate([found.heights, new.heights]))
            left = left - _painted(new, sd_px, left.shape)
        found = _inside(found, counts.shape, sd_px)
        electrons = image.cost.electrons / counts.size
        bright = found.heights / electrons if electrons > 0 else found.heights
        return Atoms(_places_nm(image, found.places, pixel_nm), bright, self._species_of(bright))

    def _peaks(self, left: Floats, noise: Floats, pixel_nm: tuple[float, float], found: _Found) -> _Found:
        """Peaks of what the atoms found before leave over, not nearer to them than `apart_nm`."""
        from scipy.ndimage import maximum_filter
        from scipy.spatial import cKDTree

        size = [2 * max(1, round(self.apart_nm / side / 2)) + 1 for side in pixel_nm]
        high = left > np.median(left) + self.certainty * noise
        rows, columns = np.nonzero(((left == maximum_filter(left, size)) & high)[1:-1, 1:-1])
        places, heights = _tops(left, rows + 1, columns + 1)
        if len(found.places) and len(places):
            away = cKDTree(found.places * pixel_nm).query(places * pixel_nm)[0]
            places, heights = places[away > self.apart_nm], heights[away > self.apart_nm]
        return _Found(places, heights)

    def _counts(self, image: Measurement) -> tuple[Floats, tuple[float, float]]:
        """The channel [rows, columns], what was not reached as 0, and the sides of a pixel (y, x) [nm]."""
        if self.channel not in image.channels:
            raise DataInvalid(f"{self.name}: the image has no channel {self.channel!r}: {sorted(image.channels)}")
        frame: Any = image.request
        counts = np.nan_to_num(np.asarray(image.channels[self.channel].values, dtype=np.float64))
        if counts.ndim != 2 or min(counts.shape) < 5:
            raise DataInvalid(f"{self.name}: a frame of {counts.shape} is too small to find atoms in")
        pixel_nm = frame.size_nm[1] / counts.shape[0], frame.size_nm[0] / counts.shape[1]
        if max(pixel_nm) > 2.0 * self.width_nm:
            raise DataInvalid(f"{self.name}: pixels of {max(pixel_nm):.3g} nm are too coarse for {self.width_nm:g} nm")
        return counts, pixel_nm

    def _species_of(self, bright: Floats) -> Floats:
        if not self.species or len(bright) <= len(self.species):
            return np.full(len(bright), float(self.species[0]) if len(self.species) == 1 else np.nan)
        order = np.argsort(bright)
        gaps = np.diff(np.log(np.maximum(bright[order], 1e-12)))
        margin = max(1, len(bright) // 20)  # a gap that splits off a few is an outlier's
        gaps[:margin] = gaps[len(gaps) - margin :] = 0.0
        cuts = np.sort(np.argsort(gaps)[len(gaps) - len(self.species) + 1 :]) + 1
        rank = np.empty(len(bright), dtype=np.int64)
        rank[order] = np.searchsorted(cuts, np.arange(len(bright)), side="right")
        return np.asarray(np.array(self.species, dtype=np.float64)[rank])


def _inside(found: _Found, shape: tuple[int, ...], sd_px: tuple[float, float]) -> _Found:
    """Without the atoms at the border, half of which is missing."""
    away = np.minimum(found.places, np.array(shape) - 1 - found.places)
    kept = (away >= 1.5 * np.array(sd_px)).all(axis=1)
    return _Found(found.places[kept], found.heights[kept])


def _smoothed(counts: Floats, sd_px: tuple[float, float]) -> Floats:
    from scipy.ndimage import gaussian_filter

    return np.maximum(np.asarray(gaussian_filter(counts, sd_px, mode="nearest"), dtype=np.float64), 1e-9)


def _area(sd_px: tuple[float, float]) -> float:
    """Of the smoothing, in pixels; less than a pixel smooths nothing."""
    return max(sd_px[0] * sd_px[1], 1.0 / (4.0 * np.pi))


def _painted(found: _Found, sd_px: tuple[float, float], shape: tuple[int, ...]) -> Floats:
    """The atoms' images after the smoothing, which makes a Gaussian wider by the root of two."""
    image, reach = np.zeros(shape), [int(np.ceil(5.0 * sd)) for sd in sd_px]
    for (row, column), height in zip(found.places, found.heights, strict=True):
        rows = np.arange(max(0, int(row) - reach[0]), min(shape[0], int(row) + reach[0] + 1))
        columns = np.arange(max(0, int(column) - reach[1]), min(shape[1], int(column) + reach[1] + 1))
        y, x = (rows - row) / sd_px[0], (columns - column) / sd_px[1]
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += height * np.outer(
            np.exp(-0.25 * y**2), np.exp(-0.25 * x**2)
        )
    return image


def _tops(smooth: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Places [n, 2] (row, column) and heights [n] of the parabolas through peaks and the pixels beside them."""
    middle = smooth[rows, columns]
    moved, height = [], middle.copy()
    for axis in (0, 1):
        step = (1, 0) if axis == 0 else (0, 1)
        before, after = smooth[rows - step[0], columns - step[1]], smooth[rows + step[0], columns + step[1]]
        bend = before - 2.0 * middle + after
        shift = np.divide(0.5 * (before - after), bend, out=np.zeros_like(middle), where=bend < 0)
        shift = np.clip(shift, -0.5, 0.5)
        moved.append(shift)
        height = height - 0.25 * (before - after) * shift
    return np.stack([rows + moved[0], columns + moved[1]], axis=-1), height


def _places_nm(image: Measurement, place_px: Floats, pixel_nm: tuple[float, float]) -> Floats:
    """Positions [n, 2] (x, y) in the sample frame of places (row, column) in pixels of a frame."""
    frame: Any = image.request
    shape = next(iter(image.channels.values())).values.shape
    y = (place_px[:, 0] + 0.5 - shape[0] / 2) * pixel_nm[0]
    x = (place_px[:, 1] + 0.5 - shape[1] / 2) * pixel_nm[1]
    cos, sin = np.cos(frame.rotation_rad), np.sin(frame.rotation_rad)
    turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    return np.asarray(turned + np.array(frame.center_nm))
