"""Aberrations from a few incoherent images of one unknown object, taken with known changes of the lenses.

Phase diversity (R. A. Gonsalves, Opt. Eng. 21, 829, 1982): images d_j = h_j o of the same object o with the probe's
transfer h_j. For any aberrations the object that fits best is known, so only the aberrations, the small errors of the
known changes and the shifts between the images are searched, by damped Gauss-Newton steps on the residual with the
object taken out (variable projection). Low frequencies come first: there the transfer is nearly a Gaussian whose width
says how far the probe spreads, which leads from a hundred nanometres of defocus to where the finer frequencies count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.optics.aberrations import COUNT, INDEX, ROUND, TYPICAL_NM, Complexes, basis
from physics_priors.optics.probe import Column, source_transfer
from physics_priors.optics.pupil import aperture, frequencies

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Images [J, rows, columns] in counts over `extent_nm` (width, height), and the known changes [J, 14] nm."""

    images: Floats
    changes_nm: Complexes
    extent_nm: tuple[float, float]


@dataclass(frozen=True)
class Options:
    """What is searched and how: all lengths in nm.

    names: the aberrations that are free. sizes: what is believed of them before, as multiples of `TYPICAL_NM`.
    change_error: relative error of the known changes. misfit: relative error of the model at every frequency (edges of
    the image, scan noise), which keeps bright frequencies from counting beyond what the model can say.
    bands_1_nm: highest frequencies of the passes; in those up to `coarse_1_nm` only C1 and A1 are free.
    """

    names: tuple[str, ...] = ("C1", "A1", "B2", "A2", "C3")
    size: float = 60.0
    change_error: float = 0.05
    change_floor_nm: float = 0.5
    misfit: float = 0.05
    bands_1_nm: tuple[float, ...] = (0.35, 0.7, 1.4, 2.8, 4.5)
    coarse_1_nm: float = 0.5
    steps: int = 12


@dataclass(frozen=True)
class Estimate:
    """Aberrations [14] nm at no change, their standard deviations [14] (per part), and the misfit left per number."""

    aberrations_nm: Complexes
    deviation_nm: Floats
    misfit: float
    shifts_nm: Floats = field(default_factory=lambda: np.zeros((0, 2)))


def estimate(column: Column, series: Series, options: Options, start_nm: Complexes | None = None) -> Estimate:
    """What the images say, from `start_nm` [14] on; without it the search begins at zero and with the lowest band."""
    first = np.zeros(COUNT, dtype=np.complex128) if start_nm is None else np.asarray(start_nm, dtype=np.complex128)
    unknowns = _Unknowns(options, len(series.images))
    theta = unknowns.of(first)
    believed = theta.copy() if start_nm is not None else np.zeros_like(theta)
    fit = None
    for band in options.bands_1_nm:
        data = _Data.of(column, series, band, options.misfit)
        free = unknowns.coarse if band <= options.coarse_1_nm else unknowns.all
        fit = _Fit(column, data, unknowns, free, believed)
        theta = fit.run(theta, options.steps)
    assert fit is not None
    values = unknowns.aberrations(theta)
    return Estimate(values, fit.deviations(theta), fit.cost(theta) / fit.size, unknowns.shifts(theta))


class _Unknowns:
    """The vector that is searched: real and imaginary parts, errors of the changes of C1, shifts of the images."""

    def __init__(self, options: Options, images: int) -> None:
        self.images, self.options = images, options
        self.parts = [
            (INDEX[name], part) for name in options.names for part in ((1.0,) if ROUND[INDEX[name]] else (1.0, 1j))
        ]
        self.scale = np.array([TYPICAL_NM[index] for index, _ in self.parts])
        count, others = len(self.parts), images - 1
        self.error = slice(count, count + others)
        self.shift = slice(count + others, count + 3 * others)
        self.size = count + 3 * others
        self.all = np.ones(self.size, dtype=bool)
        self.coarse = self.all.copy()
        self.coarse[:count] = [index in (INDEX["C1"], INDEX["A1"]) for index, _ in self.parts]

    def of(self, values: Complexes) -> Floats:
        theta = np.zeros(self.size)
        for place, (index, part) in enumerate(self.parts):
            theta[place] = (values[index].real if part == 1.0 else values[index].imag) / self.scale[place]
        return theta

    def aberrations(self, theta: Floats) -> Complexes:
        values = np.zeros(COUNT, dtype=np.complex128)
        for place, (index, part) in enumerate(self.parts):
            values[index] += part * theta[place] * self.scale[place]
        return values

    def shifts(self, theta: Floats) -> Floats:
        return np.concatenate([np.zeros((1, 2)), 0.1 * theta[self.shift].reshape(-1, 2)])

    def errors_nm(self, theta: Floats) -> Floats:
        """Of C1, for every image, nothing for the first."""
        return np.concatenate([[0.0], theta[self.error]])

    def deviations(self, changes_nm: Complexes) -> Floats:
        """What is believed of every unknown before: standard deviations around the start, or around 0."""
        size = self.options.size
        change = np.abs(changes_nm[1:, INDEX["C1"]] - changes_nm[0, INDEX["C1"]])
        of_errors = np.hypot(self.options.change_floor_nm, self.options.change_error * change)
        return np.concatenate([np.full(len(self.parts), size), of_errors, np.full(2 * (self.images - 1), 20.0)])


@dataclass(frozen=True)
class _Data:
    """Spectra [J, M] at the frequencies of a band, divided by their noise, and how to compute transfers there."""

    spectra: Complexes
    weight: Floats
    signal: float
    """Power above the noise, summed over all images and frequencies."""
    changes_nm: Complexes
    optics: _Optics

    @staticmethod
    def of(column: Column, series: Series, band_1_nm: float, misfit: float) -> _Data:
        from scipy import fft

        rows, columns = series.images.shape[1:]
        optics = _optics(column, (rows, columns), series.extent_nm, band_1_nm)
        window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])
        mean = series.images.mean(axis=(1, 2), keepdims=True)
        flat = (series.images - mean) * window
        spectra = fft.rfft2(flat).reshape(len(flat), -1)[:, optics.seen]
        noise = (series.images * window**2).sum(axis=(1, 2)).mean()
        power = np.mean(np.abs(spectra) ** 2, axis=0)
        weight = 1.0 / np.sqrt(noise + misfit**2 * power)
        signal = max(float(np.sum(np.abs(spectra) ** 2) - noise * spectra.size), 1e-3 * noise * spectra.size)
        return _Data(spectra * weight, weight, signal, series.changes_nm, optics)


@dataclass(frozen=True)
class _Optics:
    """A grid with the pupil's points on it, and the frequencies [M] of a band that it gives without aliases."""

    shape: tuple[int, int]
    where: NDArray[np.int64]
    passes: NDArray[np.float32]
    parts: NDArray[np.float32]
    """Phase per nm of the real and then of the imaginary part of every coefficient, [28, P]."""
    seen: NDArray[np.int64]
    given: NDArray[np.int64]
    blur: Floats
    kx: Floats
    ky: Floats


class _Fit:
    """Damped Gauss-Newton on the residual with the object taken out."""

    def __init__(
        self, column: Column, data: _Data, unknowns: _Unknowns, free: NDArray[np.bool_], believed: Floats
    ) -> None:
        self.data, self.unknowns, self.believed = data, unknowns, believed
        self.free = np.flatnonzero(free)
        self.deviation = unknowns.deviations(data.changes_nm)
        self.size = data.spectra.size
        self.regular = np.ones(data.spectra.shape[1])

    def run(self, theta: Floats, steps: int) -> Floats:
        self.judge(theta)
        damping, cost = 1e-2, self.cost(theta)
        for _ in range(steps):
            residual, slopes, extra = self._linear(theta)
            normal, right = slopes.T @ slopes, slopes.T @ residual + extra
            for _ in range(6):
                step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), right)
                trial = theta.copy()
                trial[self.free] -= step
                trial_cost = self.cost(trial)
                if trial_cost < cost:
                    break
                damping *= 6.0
            else:
                return theta
            gained = cost - trial_cost
            theta, cost, damping = trial, trial_cost, max(damping / 6.0, 1e-6)
            if gained < 0.05:
                return theta
        return theta

    def judge(self, theta: Floats) -> None:
        """Set the power of the object, white, to what the data hold through the present transfers."""
        passed = float(np.sum(np.abs(self._transfers(theta)) ** 2))
        self.regular = passed / (self.data.signal * self.data.weight**2)

    def cost(self, theta: Floats) -> float:
        """Minus the log likelihood of the data, the object being white and unknown, and of what was believed before."""
        residual, object_, norm = self._projected(self._transfers(theta))
        before = (theta - self.believed) / self.deviation
        misfit = np.sum(np.abs(residual) ** 2) + np.sum(self.regular * np.abs(object_) ** 2)
        return float(misfit + np.sum(np.log(norm / self.regular)) + 0.5 * before @ before)

    def deviations(self, theta: Floats) -> Floats:
        """Standard deviation of the real and of the imaginary parts, the larger of the two, [14] nm."""
        _, slopes, _ = self._linear(theta)
        spread = np.sqrt(np.diag(np.linalg.pinv(slopes.T @ slopes)))
        found = np.full(COUNT, np.inf)
        for place, number in enumerate(self.free):
            if number < len(self.unknowns.parts):
                index, part = self.unknowns.parts[number]
                own = spread[place] * self.unknowns.scale[number]
                found[index] = own if part == 1.0 else max(found[index], own)
        return found

    def _linear(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Residual [n], its derivative [n, free], and half the gradient [free] of what is no square."""
        transfers = self._transfers(theta)
        residual, object_, norm = self._projected(transfers)
        root = np.sqrt(self.regular)
        columns, extra = [], []
        for number in self.free:
            slope = self._slope(theta, transfers, int(number))
            inner = np.sum(transfers.conj() * slope, axis=0) / norm
            moved = np.concatenate([-(slope - transfers * inner) * object_, (root * inner * object_)[None]])
            columns.append(_real(moved))
            extra.append(float(np.sum(inner.real)))
        rows = np.zeros((self.unknowns.size, len(self.free)))
        rows[self.free, np.arange(len(self.free))] = np.sqrt(0.5) / self.deviation[self.free]
        before = np.sqrt(0.5) * (theta - self.believed) / self.deviation
        whole = np.concatenate([residual, (-root * object_)[None]])
        return (
            np.concatenate([_real(whole), before]),
            np.concatenate([np.stack(columns, axis=1), rows]),
            np.array(extra),
        )

    def _projected(self, transfers: Complexes) -> tuple[Complexes, Complexes, Floats]:
        norm = np.sum(np.abs(transfers) ** 2, axis=0) + self.regular
        object_ = np.sum(transfers.conj() * self.data.spectra, axis=0) / norm
        return self.data.spectra - transfers * object_, object_, norm

    def _settings(self, theta: Floats) -> Complexes:
        own = self.unknowns.aberrations(theta)[None] + self.data.changes_nm
        own[:, INDEX["C1"]] += self.unknowns.errors_nm(theta)
        return own

    def _transfers(self, theta: Floats) -> Complexes:
        self._waves, clean = _transfers(self.data.optics, self._settings(theta))
        self._moved = _ramp(self.data.optics, self.unknowns.shifts(theta))
        return np.asarray(clean * self._moved)

    def _slope(self, theta: Floats, transfers: Complexes, number: int) -> Complexes:
        """Derivative [J, M] of the transfers by one unknown, at the waves of the last `_transfers`."""
        unknowns, optics = self.unknowns, self.data.optics
        slope = np.zeros_like(transfers)
        if number < len(unknowns.parts):
            index, part = unknowns.parts[number]
            phase = unknowns.scale[number] * optics.parts[index + (0 if part == 1.0 else COUNT)]
            return np.asarray(_derivative(optics, self._waves, phase) * self._moved)
        if number < unknowns.shift.start:
            image = number - unknowns.error.start + 1
            one = self._waves.only(image)
            slope[image] = (_derivative(optics, one, optics.parts[INDEX["C1"]]) * self._moved[image])[0]
            return slope
        image, axis = divmod(number - unknowns.shift.start, 2)
        slope[image + 1] = transfers[image + 1] * (-0.2j * np.pi * (optics.kx, optics.ky)[axis])
        return slope


@dataclass(frozen=True)
class _Waves:
    """Open pupil [J, P] times exp(-i chi), and the wave [J, rows, columns] of the probe."""

    open: NDArray[np.complex64]
    wave: NDArray[np.complex64]

    def only(self, image: int) -> _Waves:
        return _Waves(self.open[image : image + 1], self.wave[image : image + 1])


def _transfers(optics: _Optics, values_nm: Complexes) -> tuple[_Waves, Complexes]:
    from scipy import fft

    parts = np.concatenate([values_nm.real, values_nm.imag], axis=1).astype(np.float32)
    chi = np.einsum("jk,kp->jp", parts, optics.parts)
    open_pupil = np.empty(chi.shape, dtype=np.complex64)
    open_pupil.real, open_pupil.imag = optics.passes * np.cos(chi), -optics.passes * np.sin(chi)
    wave = fft.ifft2(_on_grid(optics, open_pupil))
    bright = wave.real**2 + wave.imag**2
    return _Waves(open_pupil, wave), _given(optics, bright)


def _derivative(optics: _Optics, waves: _Waves, phase: Floats) -> Complexes:
    from scipy import fft

    moved = fft.ifft2(_on_grid(optics, (-1j * phase * waves.open).astype(np.complex64)))
    return _given(optics, 2.0 * (waves.wave.real * moved.real + waves.wave.imag * moved.imag))


def _given(optics: _Optics, bright: NDArray[Any]) -> Complexes:
    from scipy import fft

    spectrum = fft.rfft2(bright).reshape(len(bright), -1)[:, optics.given]
    scale = optics.shape[0] * optics.shape[1] / float(np.sum(optics.passes.astype(np.float64) ** 2))
    return np.asarray(spectrum * (optics.blur * scale), dtype=np.complex128)


def _on_grid(optics: _Optics, values: NDArray[np.complex64]) -> NDArray[np.complex64]:
    grid = np.zeros((len(values), optics.shape[0] * optics.shape[1]), dtype=np.complex64)
    for row, own in zip(grid, values, strict=True):
        row[optics.where] = own
    return grid.reshape(len(values), *optics.shape)


def _ramp(optics: _Optics, shifts_nm: Floats) -> Complexes:
    return np.asarray(np.exp(-2j * np.pi * (shifts_nm[:, :1] * optics.kx + shifts_nm[:, 1:] * optics.ky)))


def _real(values: Complexes) -> Floats:
    return np.concatenate([values.real.ravel(), values.imag.ravel()])


@lru_cache(maxsize=12)
def _optics(column: Column, image: tuple[int, int], extent_nm: tuple[float, float], band_1_nm: float) -> _Optics:
    """Everything that depends on the band and not on the aberrations."""
    seen_kx, seen_ky = _half(image, extent_nm)
    inside = np.hypot(seen_kx, seen_ky) <= band_1_nm
    inside &= (np.abs(seen_kx) + np.abs(seen_ky) > 0) & ((seen_kx > 0) | (seen_ky > 0))
    kx, ky = seen_kx[inside], seen_ky[inside]
    shape = _grid_shape(column, extent_nm, band_1_nm)
    row, place = np.rint(ky * extent_nm[1]).astype(int) % shape[0], np.rint(kx * extent_nm[0]).astype(int)
    given = row * (shape[1] // 2 + 1) + place
    all_kx, all_ky = frequencies(shape, extent_nm)
    passes = aperture(all_kx, all_ky, column.wavelength_nm, column.convergence_rad, 1.0 / min(extent_nm)).ravel()
    where = np.flatnonzero(passes)
    real, imaginary = basis(all_kx.ravel()[where], all_ky.ravel()[where], column.wavelength_nm)
    return _Optics(
        shape,
        where,
        passes[where].astype(np.float32),
        np.concatenate([real, imaginary]).astype(np.float32),
        np.flatnonzero(inside.ravel()),
        given,
        source_transfer(column, kx, ky),
        kx,
        ky,
    )


def _grid_shape(column: Column, extent_nm: tuple[float, float], band_1_nm: float) -> tuple[int, int]:
    """Points (rows, columns) so that aliases of the transfer, which reaches 2 alpha / lambda, end above the band."""
    from scipy.fft import next_fast_len

    reach = column.cutoff_1_nm + min(band_1_nm, column.cutoff_1_nm)
    columns, rows = (int(next_fast_len(int(np.ceil(reach * side)) + 4)) for side in extent_nm)
    return rows, columns


def _half(image: tuple[int, int], extent_nm: tuple[float, float]) -> tuple[Floats, Floats]:
    kx, ky = frequencies(image, extent_nm)
    half = slice(0, image[1] // 2 + 1)
    return kx[:, half], ky[:, half]


def diversity(changes_C1_nm: Sequence[float]) -> Complexes:
    """Changes [J, 14] of defocus alone."""
    changes = np.zeros((len(changes_C1_nm), COUNT), dtype=np.complex128)
    changes[:, INDEX["C1"]] = changes_C1_nm
    return changes
