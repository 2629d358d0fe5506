"""The forward core: a batch of polarisation fields in time, compiled, with every term of a System."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.lgd.system import Diverged, System

Array = NDArray[Any]
_PREMULTIPLIED = (2, 1, 3, 1, 1, 4, 1, 1, 1)


class Forward:
    """Explicit steps of dP/dt = -L dF/dP + noise for P [B, C, rows, columns], all rows of a batch independent.

    field [B or 1, C, rows, columns] or anything that broadcasts: an applied field and what defects add to it, constant
    during a call. shift [B or 1, rows, columns]: added to a1, a local transition temperature. waves [steps, C]: a
    field that changes with time and is uniform in space. The default dtype is float64.
    """

    def __init__(self, system: System, shape: tuple[int, int], dtype: Any = np.float64) -> None:
        self.system, self.shape, self.dtype = system, (int(shape[0]), int(shape[1])), np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or min(shape) < 1:
            raise ValueError(f"a field of {dtype} on a grid {shape}: float32 or float64, one cell or more")
        self._first = np.array(system.first_coefficients, self.dtype)
        self._rest = (system.landau.vector[1:] * _PREMULTIPLIED).astype(self.dtype)
        self._gradient = self._stencil().astype(self.dtype)
        self._ratios = system.ratios().astype(self.dtype)
        self._long_range = self._nonlocal()

    def advance(
        self,
        P: ArrayLike,
        steps: int,
        *,
        step: float | None = None,
        field: ArrayLike | None = None,
        shift: ArrayLike | None = None,
        waves: ArrayLike | None = None,
        keys: ArrayLike | None = None,
        begin: int = 0,
    ) -> Array:
        """P after `steps` steps of length `step` (the system's own where None); raises UnstableStep and Diverged.

        With a Thermal, `keys` [B] of uint64 and the number `begin` of the first step fix all noise.
        """
        length = self.system.step(step)
        now, drive, local = self._padded(P, field, shift)
        wave = self._waves(waves, steps, now)
        noise, key = self._noise(length, keys, len(now))
        rate = self.dtype.type(self.system.mobility * length)
        if self._long_range is None:
            self._run(now, np.empty_like(now), drive, local, wave, rate, noise, key, begin)
        else:
            self._run_coupled(now, drive, local, wave, rate, noise, key, begin)
        if not np.all(np.isfinite(now)):
            raise Diverged(
                "the field is no number any more: P outgrew `largest`, or a field beyond what the step allows for"
            )
        return np.ascontiguousarray(now[:, :, 1:-1, 1:-1])

    def relax(
        self, P: ArrayLike, *, tolerance: float = 1e-8, most: int = 1_000_000, field: ArrayLike | None = None,
        shift: ArrayLike | None = None,
    ) -> Array:  # fmt: skip
        """P when no cell changes by more than `tolerance` in a unit of time; raises Diverged past `most` steps."""
        if self.system.thermal is not None:
            raise ValueError("with thermal noise nothing comes to rest: take advance")
        length, done = self.system.step(), 0
        while done < most:
            P = self.advance(P, 199, field=field, shift=shift)
            last = self.advance(P, 1, field=field, shift=shift)
            done += 200
            if float(np.max(np.abs(last - P))) <= tolerance * length:
                return last
            P = last
        raise Diverged(
            f"no rest after {most} steps: {float(np.max(np.abs(last - P))) / length:g} a unit of time is left"
        )

    def force(self, P: ArrayLike, *, field: ArrayLike | None = None, shift: ArrayLike | None = None) -> Array:
        """-dF/dP [B, C, rows, columns] of the energy per volume of a cell."""
        now, drive, local = self._padded(P, field, shift)
        before, other = now.copy(), np.empty_like(now)
        if self._long_range is not None:
            self._add_long_range(now, drive, drive.copy())
        one, nothing = self.dtype.type(1.0), self._noise(1.0, None, len(now), silent=True)
        self._run(now, other, drive, local, np.zeros((1, now.shape[1]), self.dtype), one, *nothing, 0)
        return np.asarray((now - before)[:, :, 1:-1, 1:-1])

    def _run(
        self,
        now: Array,
        other: Array,
        drive: Array,
        local: Array,
        wave: Array,
        rate: Any,
        noise: float,
        key: Array,
        begin: int,
    ) -> None:
        from physics_priors.lgd import kernels

        constants = self._first, self._rest, self._gradient, self._ratios
        kernels.advance(now, other, drive, local, wave, *constants, rate, noise, key, begin, 0, len(now))

    def _run_coupled(
        self, now: Array, drive: Array, local: Array, wave: Array, rate: Any, noise: float, key: Array, begin: int
    ) -> None:
        other, total = np.empty_like(now), drive.copy()
        for index in range(len(wave)):
            self._add_long_range(now, total, drive)
            self._run(now, other, total, local, wave[index : index + 1], rate, noise, key, begin + index)

    def _add_long_range(self, now: Array, total: Array, drive: Array) -> None:
        """Make `total` the drive plus the long-range field, row by row, so that a row never sees its batch."""
        assert self._long_range is not None
        for row in range(len(now)):
            inner = np.ascontiguousarray(now[row, :, 1:-1, 1:-1])
            total[row, :, 1:-1, 1:-1] = drive[row, :, 1:-1, 1:-1] + self._long_range(inner)

    def _nonlocal(self) -> Callable[[Array], Array] | None:
        if self.system.local:
            return None
        if self.system.gap is not None:
            from physics_priors.lgd.slab import Slab

            return Slab(self.system.gap, self.shape, self.system.spacing).field
        from physics_priors.lgd.long_range import LongRange

        return LongRange(self.system, self.shape, self.dtype).field

    def _stencil(self) -> Array:
        """Along x, across x, along y, across y, mixed: gradient coefficients over spacings."""
        along, across, cross = self.system.gradients
        dy, dx = self.system.spacing
        return np.array([along / dx**2, across / dx**2, along / dy**2, across / dy**2, cross / (4 * dx * dy)])

    def _padded(self, P: ArrayLike, field: ArrayLike | None, shift: ArrayLike | None) -> tuple[Array, Array, Array]:
        from physics_priors.lgd import kernels

        values = np.asarray(P, self.dtype)
        if values.ndim != 4 or values.shape[1:] != (self.system.components, *self.shape):
            raise ValueError(
                f"P must be [B, {self.system.components}, {self.shape[0]}, {self.shape[1]}], got {values.shape}"
            )
        now, drive = (np.zeros((*values.shape[:2], *(n + 2 for n in self.shape)), self.dtype) for _ in range(2))
        now[:, :, 1:-1, 1:-1] = values
        drive[:, :, 1:-1, 1:-1] = 0.0 if field is None else _finite(field, "field")
        local = np.zeros((len(values), *drive.shape[2:]), self.dtype)
        local[:, 1:-1, 1:-1] = 0.0 if shift is None else _finite(shift, "shift")
        for row in now:
            kernels.ghosts(row, self._ratios)
        return now, drive, local

    def _waves(self, waves: ArrayLike | None, steps: int, now: Array) -> Array:
        shape = (steps, now.shape[1])
        wave = (
            np.zeros(shape, self.dtype) if waves is None else np.ascontiguousarray(_finite(waves, "waves"), self.dtype)
        )
        if wave.shape != shape:
            raise ValueError(f"waves must be [steps, components] = {list(shape)}, got {list(wave.shape)}")
        return wave

    def _noise(self, length: float, keys: ArrayLike | None, rows: int, *, silent: bool = False) -> tuple[float, Array]:
        """Standard deviation of one step's kick, sqrt(2 L kT dt / cell volume), and the keys."""
        thermal = None if silent else self.system.thermal
        if thermal is None:
            return 0.0, np.zeros(rows, np.uint64)
        if keys is None or np.shape(keys) != (rows,):
            raise ValueError(f"thermal noise needs keys, one unsigned integer for each of {rows} rows")
        variance = 2 * self.system.mobility * thermal.energy * length / thermal.cell_volume
        return math.sqrt(variance), np.asarray(keys, np.uint64)


def _finite(values: ArrayLike, name: str) -> Array:
    array = np.asarray(values)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} holds something that is not a finite number")
    return array
