"""How long a STEM frame of 512 x 512 pixels with about 3000 atoms takes, and how exactly its atoms are placed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
_REPEATS = 41
_STAMP_NM = 0.4
"""Half width of the stamp that the reference adds for every atom."""


@dataclass(frozen=True)
class _Frame:
    """What both renderers get."""

    request: Any
    positions_nm: Floats
    strength: Floats
    thermal_nm: Floats
    column: Any
    aberrations_nm: NDArray[np.complex128]


@figure("stem.frame_ms", "ms")
def frame_ms() -> Measured:
    """One frame after a change of lenses: probe, Poisson noise, jitter, drift, settling, shear and padding included."""
    frame = _frame()
    ours = _milliseconds(lambda number: _ours(frame, number, other_lenses=True))
    stamped = _milliseconds(lambda number: _stamped(frame), repeats=5)
    return Measured(
        value=ours,
        reference=stamped,
        compared="median of frames with new aberrations each against stamping a probe atom by atom, without noise",
        limit=30.0,
        details={
            "pixels": list(frame.request.shape),
            "atoms": len(frame.positions_nm),
            "placement_error_pm": _placement_pm(frame),
            "placement_limit_pm": 0.2,
            "aberrations": "C1, A1, B2, A2, C3 not zero",
        },
    )


@figure("stem.frame_cached_ms", "ms")
def frame_cached_ms() -> Measured:
    """The same frame while no lens changes: the probe's transfer is kept, atoms, scan and noise are new."""
    frame = _frame()
    anew = _milliseconds(lambda number: _ours(frame, number, other_lenses=True))
    kept = _milliseconds(lambda number: _ours(frame, number, other_lenses=False))
    return Measured(
        value=kept,
        reference=anew,
        compared="median of frames with the probe's transfer kept against frames that compute it",
        limit=15.0,
        details={"pixels": list(frame.request.shape), "atoms": len(frame.positions_nm)},
    )


@cache
def _frame() -> _Frame:
    from instruments import keys
    from instruments.requests import ScanImage
    from instruments.twins.stem.render import scattering_nm2
    from instruments.twins.stem.samples import Graphene
    from physics_priors.optics.aberrations import aberrations
    from physics_priors.optics.probe import Column

    recipe = Graphene(9.0, 9.0, silicon=3)
    sites, species = recipe.sites(), recipe.populate(keys.keys([5]))[0]
    values = aberrations({"C1": 2.0, "A1": 1 + 1j, "B2": 20.0, "A2": 30.0, "C3": 1000.0})
    request = ScanImage((0.0, 0.0), (7.5, 7.5), (512, 512), 8e-6)
    return _Frame(
        request, sites.positions_nm[:, :2].copy(), scattering_nm2(species), sites.thermal_nm, Column(), values
    )


_KEPT: dict[Any, Any] = {}


def _ours(frame: _Frame, number: int, other_lenses: bool) -> Floats:
    """A frame of its own key, from drifted atoms to counts."""
    from instruments import keys
    from instruments.twins.stem.canvas import painted, response, spline
    from instruments.twins.stem.detector import Detector
    from instruments.twins.stem.render import Scene, canvas_for
    from instruments.twins.stem.scan import Distortions, raster

    key = keys.keys([number])
    values = frame.aberrations_nm * (1.0 + 1e-3 * number if other_lenses else 1.0)
    drift = np.array([1e-3, 2e-3]) * number
    lines = raster(frame.request, Distortions(), drift, np.array([0.004, 0.007]), 6e-5, key)
    canvas = canvas_for(lines, frame.column, values)
    same = (canvas.shape, canvas.extent_nm, canvas.turn_rad, values.tobytes())
    if same not in _KEPT:
        _KEPT.clear()
        _KEPT[same] = response(canvas, frame.column, values)
    spectrum = painted(canvas, frame.positions_nm, frame.strength, frame.thermal_nm)
    image = Scene(canvas, spline(canvas, spectrum, _KEPT[same])).along(lines)
    return Detector().signal(image, 50.0, frame.request.dwell_s, key)


def _stamped(frame: _Frame) -> Floats:
    """The usual way: for every atom a stamp of the probe, shifted by cubic interpolation, is added to the frame."""
    from scipy.ndimage import map_coordinates, spline_filter

    from physics_priors.optics.probe import intensity

    rows, columns = frame.request.shape
    pixel = frame.request.size_nm[0] / columns
    bright = intensity(frame.column, frame.aberrations_nm, (rows, columns), (rows * pixel, columns * pixel))
    table = spline_filter(bright, order=3)
    reach = round(_STAMP_NM / pixel)
    image = np.zeros((rows + 4 * reach, columns + 4 * reach))
    grid = np.arange(-reach, reach + 1)
    for (x, y), strength in zip(frame.positions_nm / pixel, frame.strength, strict=True):
        column, row = round(x), round(y)
        top, left = rows // 2 + row + reach, columns // 2 + column + reach
        if not (0 <= top < rows + 2 * reach and 0 <= left < columns + 2 * reach):
            continue
        places = np.meshgrid(grid - (y - row) + rows // 2, grid - (x - column) + columns // 2, indexing="ij")
        stamp = map_coordinates(table, places, order=3, prefilter=False)
        image[top : top + len(grid), left : left + len(grid)] += strength * stamp
    return image[2 * reach : 2 * reach + rows, 2 * reach : 2 * reach + columns]


def _placement_pm(frame: _Frame, atoms: int = 25) -> float:
    """Largest shift [pm] of a rendered atom against its exact Fourier series, random sub-pixel places."""
    from instruments.twins.stem.canvas import canvas_over, response
    from instruments.twins.stem.render import scene

    rng = np.random.default_rng(0)
    canvas = canvas_over(frame.column, np.full(2, -0.5), np.full(2, 0.5), 0.5)
    half = response(canvas, frame.column, frame.aberrations_nm)
    full = np.fft.fft2(np.fft.irfft2(half, s=canvas.shape))
    kx, ky = (np.fft.fftfreq(n, e / n) for n, e in zip(canvas.shape[::-1], canvas.extent_nm, strict=True))

    def series(offset: Floats) -> Floats:
        ex, ey = (np.exp(2j * np.pi * np.outer(offset[:, axis], k)) for axis, k in enumerate((kx, ky)))
        whole = np.einsum("pk,kl,pl->p", ey, full, ex).real
        return np.asarray(whole / (canvas.extent_nm[0] * canvas.extent_nm[1]))

    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 15), np.linspace(-0.1, 0.1, 15)), -1).reshape(-1, 2)
    base, step = series(grid), 1e-4
    slopes = np.stack([series(grid - shift) - base for shift in step * np.eye(2)], axis=1) / step
    worst = 0.0
    for _ in range(atoms):
        centre = rng.uniform(-0.3, 0.3, 2)
        drawn = scene(canvas, centre[None], np.ones(1), np.zeros(1), frame.column, frame.aberrations_nm)
        shift = np.linalg.lstsq(slopes, drawn.at(centre + grid) - base, rcond=None)[0]
        worst = max(worst, 1e3 * float(np.hypot(*shift)))
    return worst


def _milliseconds(render: Callable[[int], Any], repeats: int = _REPEATS) -> float:
    """Median wall time of a call, the compiled kernels loaded before."""
    render(0)
    taken = []
    for number in range(1, repeats + 1):
        start = time.perf_counter()
        render(number)
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))
