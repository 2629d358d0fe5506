"""Atoms as peaks: local maxima, then a least-squares fit of all Gaussians of an image together.

Neighbours overlap in every image of a lattice, so each peak is fitted with all others in place: positions, heights, one
common width and a constant background, by Gauss-Newton steps on a sparse problem, each pixel weighted by its shot
noise. Nothing is known of a lattice, so nothing is pulled towards one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from environments.perception import Atoms
from instruments.errors import DataInvalid
from instruments.measurement import Measurement
from instruments.requests import ScanImage
from physics_priors.bounds import Bounds, violations
from physics_priors.contrast import relative

Floats = NDArray[np.float64]
_ROUNDS = 3
"""Fits, each after a look for peaks in what the fit before left."""
_SMOOTHING = 0.55
"""Of the image before maxima are sought, in standard deviations of a peak: more would join neighbours."""
_SQUARE = 0.03
"""How far the sides of a pixel may differ: peaks are round in pixels."""
_REACH = 3.5
"""Standard deviations of a peak that are fitted."""


@dataclass(frozen=True)
class Peaks:
    """A finder of peaks of about one width.

    `species` are the atomic numbers that may be there; each atom gets the one whose Z^gamma is nearest to its
    intensity, where atoms of middle intensity are the most common of them, `common`. Empty: species are not known.
    Intensities are counts of the whole peak; with `parked` they are what a beam parked there would count in a second.
    """

    width_nm: Annotated[float, Bounds("nm", 0.0, 10.0, open_low=True)] = 0.12
    """Full width at half maximum that is expected; the fit finds its own."""
    apart_nm: Annotated[float, Bounds("nm", 0.0, 10.0, open_low=True)] = 0.09
    """Peaks nearer than this are one."""
    threshold: Annotated[float, Bounds("", 0.0, 100.0)] = 3.0
    """Least height of a peak, in standard deviations of the smoothed shot noise."""
    faintest: Annotated[float, Bounds("", 0.0, 1.0)] = 0.3
    """Peaks lower than this share of the median height are tails of others, and dropped."""
    border_nm: Annotated[float, Bounds("nm", 0.0, 10.0)] = 0.0
    """Peaks nearer than this to the border, or beyond it, are dropped: half of their image is missing."""
    parked: bool = False
    iterations: Annotated[int, Bounds("iterations", 0, 100)] = 6
    channel: str = ""
    species: tuple[int, ...] = ()
    common: int = 6
    gamma: Annotated[float, Bounds("", 1.0, 2.5)] = 1.64

    name = "gaussian peaks"

    def __post_init__(self) -> None:
        object.__setattr__(self, "species", tuple(self.species))
        said = violations(self)
        if self.species and self.common not in self.species:
            said.append(f"common={self.common} is not among species={list(self.species)}")
        if said:
            raise ValueError("Peaks: " + "; ".join(said))

    @property
    def unit(self) -> str:
        """Of the intensities."""
        return "counts/s" if self.parked else ""

    def find(self, image: Measurement) -> Atoms:
        """The atoms; raises DataInvalid where the image has gaps or cannot be read."""
        (pixels, pixel_nm, frame), ground = self._read(image), 0.0
        sd_px, apart_px = self.width_nm / 2.3548 / pixel_nm, self.apart_nm / pixel_nm
        places, heights = maxima(pixels, sd_px, apart_px, self.threshold), np.zeros(0)
        for round_ in range(_ROUNDS if len(places) else 0):
            places, heights, sd_px, left, ground = fitted(pixels, places, sd_px, self.iterations)
            if round_ + 1 < _ROUNDS:
                places = _joined(places, maxima(left, sd_px, apart_px, self.threshold, pixels), apart_px)
        kept = heights > self.faintest * np.median(heights) if len(heights) else np.zeros(0, dtype=bool)
        under = ground + _with_tails(places, heights, sd_px) if self.parked else heights
        kept &= _deep(places, pixels.shape, self.border_nm / pixel_nm)
        places, heights = places[kept], heights[kept]
        whole = 2.0 * np.pi * heights * sd_px**2
        intensity = under[kept] / frame.dwell_s if self.parked else whole
        return Atoms(_in_sample(frame, places, pixels.shape), intensity, self._species(whole))

    def _read(self, image: Measurement) -> tuple[Floats, float, ScanImage]:
        frame = getattr(image.request, "frame", image.request)
        if not isinstance(frame, ScanImage):
            raise DataInvalid(f"{type(frame).__name__} is no image in which atoms could be found")
        name = self.channel or next((n for n, c in image.channels.items() if c.values.shape == frame.shape), "")
        if name not in image.channels:
            raise DataInvalid(f"the image has no channel {name!r}; it has: {', '.join(image.channels)}")
        pixels = np.asarray(image.channels[name].values, dtype=np.float64)
        if not np.isfinite(pixels).all():
            raise DataInvalid("the image has gaps: it was ended early")
        pixel_nm = np.array([frame.size_nm[0] / frame.shape[1], frame.size_nm[1] / frame.shape[0]])
        if abs(pixel_nm[0] / pixel_nm[1] - 1.0) > _SQUARE:
            raise DataInvalid(f"pixels of {pixel_nm[0]:.4g} x {pixel_nm[1]:.4g} nm are not square")
        return pixels, float(pixel_nm.mean()), frame

    def _species(self, intensity: Floats) -> Floats:
        if not self.species or not len(intensity):
            return np.full(len(intensity), np.nan)
        known = np.array(self.species)
        expected = np.log(relative(known, self.gamma) / relative(self.common, self.gamma))
        seen = np.log(np.maximum(intensity, 1e-12) / max(float(np.median(intensity)), 1e-12))
        return np.asarray(known[np.argmin(np.abs(seen[:, None] - expected), axis=1)], dtype=np.float64)


def maxima(pixels: Floats, sd_px: float, apart_px: float, threshold: float, noisy: Floats | None = None) -> Floats:
    """Places (x, y) [n, 2] in pixels of local maxima of the smoothed image that stand out of its noise.

    Where `pixels` is what a fit left, `noisy` is the image that it was taken from.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter

    fine = _SMOOTHING * sd_px
    smooth = gaussian_filter(pixels, fine) - gaussian_filter(pixels, 4.0 * sd_px)
    noise = np.sqrt(max(float(np.median(pixels if noisy is None else noisy)), 1e-9) / (4.0 * np.pi * fine**2))
    reach = max(1, round(apart_px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    highest = maximum_filter(smooth, footprint=np.hypot(x, y) <= max(apart_px, 1.0))
    row, column = np.nonzero((smooth == highest) & (smooth > threshold * noise))
    return np.asarray(np.stack([column, row], axis=1), dtype=np.float64)


def _joined(places: Floats, more: Floats, apart_px: float) -> Floats:
    """Places, those of `more` that are not near any of them, and no two that have run together."""
    from scipy.spatial import cKDTree

    if len(more):
        away, _ = cKDTree(places).query(more)
        places = np.concatenate([places, more[away > 0.6 * apart_px]])
    close = cKDTree(places).query_pairs(0.5 * apart_px, output_type="ndarray")
    return np.asarray(np.delete(places, np.unique(close[:, 1]), axis=0), dtype=np.float64)


def _with_tails(places: Floats, heights: Floats, sd_px: float) -> Floats:
    """What all peaks together are at the top of each [n]."""
    apart2 = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-0.5 * apart2 / sd_px**2) @ heights)


def _deep(places: Floats, shape: tuple[int, ...], border_px: float) -> NDArray[np.bool_]:
    """Which places [n, 2] are no nearer to the border than so many pixels; all where that is 0."""
    if not border_px:
        return np.ones(len(places), dtype=bool)
    away = np.minimum(places + 0.5, np.array([shape[1], shape[0]]) - 0.5 - places)
    return np.asarray((away >= border_px).all(axis=1))


def fitted(
    pixels: Floats, places: Floats, sd_px: float, iterations: int
) -> tuple[Floats, Floats, float, Floats, float]:
    """Places [n, 2], heights [n] and the common standard deviation, what is left, and the background of the fit."""
    from scipy.sparse.linalg import lsqr

    weight = 1.0 / np.sqrt(np.maximum(pixels, 1.0)).ravel()
    heights, background = _heights(pixels, places, sd_px, weight)
    for _ in range(iterations):
        model, slopes = _slopes(pixels.shape, places, heights, sd_px, weight)
        residual = (pixels.ravel() - background) * weight - model
        step = lsqr(slopes, residual, damp=1e-3, iter_lim=60)[0].reshape(-1)
        moved = np.clip(step[: 2 * len(places)].reshape(-1, 2), -0.5 * sd_px, 0.5 * sd_px)
        places = places + moved
        heights = np.maximum(heights + step[2 * len(places) : 3 * len(places)], 1e-9)
        background += float(step[-2])
        sd_px *= float(np.clip(1.0 + step[-1] / sd_px, 0.9, 1.1))
    model, _ = _slopes(pixels.shape, places, heights, sd_px, np.ones(pixels.size))
    return places, heights, sd_px, pixels - background - model.reshape(pixels.shape), background


def _heights(pixels: Floats, places: Floats, sd_px: float, weight: Floats) -> tuple[Floats, float]:
    """First heights: linear least squares at the places, with a background."""
    from scipy.sparse import csc_matrix, hstack
    from scipy.sparse.linalg import lsqr

    rows, atoms, _, _, unit = _stamps(pixels.shape, places, sd_px)
    stamps = csc_matrix((unit, (rows, atoms)), shape=(pixels.size, len(places)))
    parts: Any = [stamps, np.ones((pixels.size, 1))]
    whole: Any = hstack(parts).multiply(weight[:, None]).tocsr()
    found = lsqr(whole, pixels.ravel() * weight, iter_lim=200)[0]
    return np.maximum(found[:-1], 1e-9), float(found[-1])


def _slopes(
    shape: tuple[int, ...], places: Floats, heights: Floats, sd_px: float, weight: Floats
) -> tuple[Floats, Any]:
    """Weighted model [pixels] without its background, and its derivatives by places, heights, background and width."""
    from scipy.sparse import csc_matrix, hstack

    rows, atoms, dx, dy, unit = _stamps(shape, places, sd_px)
    values = heights[atoms] * unit
    size, count = shape[0] * shape[1], len(places)

    def columns(data: Floats, first: int, stride: int, many: int) -> Any:
        return csc_matrix((data * weight[rows], (rows, first + stride * atoms)), shape=(size, many))

    by_place = columns(values * dx / sd_px**2, 0, 2, 2 * count) + columns(values * dy / sd_px**2, 1, 2, 2 * count)
    by_height = columns(unit, 0, 1, count)
    wider = np.bincount(rows, values * (dx**2 + dy**2) / sd_px**3 * weight[rows], minlength=size)
    model = np.bincount(rows, values * weight[rows], minlength=size)
    parts: Any = [by_place, by_height, weight[:, None], wider[:, None]]
    slopes: Any = hstack(parts)
    return np.asarray(model, dtype=np.float64), slopes.tocsr()


def _stamps(
    shape: tuple[int, ...], places: Floats, sd_px: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats, Floats]:
    """All pixels of all atoms' stamps: the flat pixel, the atom, dx, dy, and the Gaussian of height 1 there."""
    reach = int(np.ceil(_REACH * sd_px))
    offset = np.arange(-reach, reach + 1)
    column = np.rint(places[:, 0]).astype(int)[:, None, None] + offset[None, None, :]
    row = np.rint(places[:, 1]).astype(int)[:, None, None] + offset[None, :, None]
    column, row = np.broadcast_arrays(column, row)
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    atom = np.broadcast_to(np.arange(len(places))[:, None, None], inside.shape)[inside]
    dx, dy = column[inside] - places[atom, 0], row[inside] - places[atom, 1]
    data = np.exp(-0.5 * (dx**2 + dy**2) / sd_px**2)
    return row[inside] * shape[1] + column[inside], atom, dx, dy, data


def _in_sample(frame: ScanImage, places_px: Floats, shape: tuple[int, ...]) -> Floats:
    """Places in pixels (centres at whole numbers) in the sample frame, [n, 2] nm."""
    size, count = np.array(frame.size_nm), np.array([shape[1], shape[0]])
    offset = ((places_px.reshape(-1, 2) + 0.5) / count - 0.5) * size
    cos, sin = np.cos(frame.rotation_rad), np.sin(frame.rotation_rad)
    return np.asarray(offset @ np.array([[cos, sin], [-sin, cos]]) + np.array(frame.center_nm))
