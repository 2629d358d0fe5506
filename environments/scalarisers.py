"""Scalarisers: the one number that a campaign reads from a measured curve.

Each is called with values [B, n] and their axis [n] and returns [B], in `unit(channel_unit, axis_unit)`; NaN where
a curve cannot give it (samples that it needs are missing, or the feature is not there). Lone spikes are replaced
by their neighbours' median first; whether a spiky curve counts at all is decided in `environments.outliers`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments import loops
from environments.outliers import Outliers, despike
from instruments.errors import DataInvalid
from physics_priors.bounds import ANY, Bounds

Curves = NDArray[np.float64]
_SPIKES = Outliers()


@runtime_checkable
class Scalariser(Protocol):
    """From curves to one number each."""

    @property
    def name(self) -> str:
        """What the number is, for plots and logs."""
        ...

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        """The number's unit."""
        ...

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values [B, n] on `axis` [n] to [B]; raises DataInvalid where the axis does not suit."""
        ...


@dataclass(frozen=True)
class LoopArea:
    """The area that a closed loop encloses: the integral of y dx around the mean cycle.

    signed: positive where the falling branch lies above the rising one, as in a ferroelectric; else its magnitude.
    """

    signed: bool = False
    name = "loop area"

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return _product(channel_unit, axis_unit)

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        y, x = loops.one_cycle(despike(values, _SPIKES), axis)
        steps = np.roll(x, -1) - x
        area = -_sum(0.5 * (y + np.roll(y, -1, axis=1)) * steps)
        return area if self.signed else np.abs(area)


@dataclass(frozen=True)
class Remanence:
    """Half the opening of a loop at x = 0: |falling branch - rising branch| / 2."""

    signed: bool = False
    name = "remanence"

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return channel_unit

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        b = loops.branches(despike(values, _SPIKES), axis)
        half = 0.5 * (loops.at(b.falling, b.falling_axis, 0.0) - loops.at(b.rising, b.rising_axis, 0.0))
        return half if self.signed else np.abs(half)


@dataclass(frozen=True)
class CoerciveVoltage:
    """Half the distance between the places where the two branches cross the middle of the loop.

    The middle is half-way between the 5th and the 95th percentile of the curve, so that an offset does no harm.
    """

    name = "coercive voltage"

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return axis_unit

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        y = despike(values, _SPIKES)
        b = loops.branches(y, axis)
        level = np.quantile(y, [0.05, 0.95], axis=-1).mean(0)
        up = loops.crossing(b.rising, b.rising_axis, level)
        down = loops.crossing(b.falling, b.falling_axis, level)
        return np.where(np.isfinite(values).all(-1), 0.5 * np.abs(up - down), np.nan)


@dataclass(frozen=True)
class PeakHeight:
    """Height of the highest point in the window [low, high] above a local background, all in axis units.

    The background is the straight line through the medians of the two margins beside the window.
    """

    low: Annotated[float, ANY]
    high: Annotated[float, ANY]
    margin: Annotated[float, Bounds("", 0.0, open_low=True)]
    name = "peak height"

    def __post_init__(self) -> None:
        _require_window(self.low, self.high)

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return channel_unit

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        _, above = _above_background(values, axis, self.low, self.high, self.margin)
        return np.asarray(above.max(-1))


@dataclass(frozen=True)
class PeakEnergy:
    """Axis position of the peak in the window [low, high], background as for `PeakHeight`.

    The highest sample, refined by the parabola through its neighbours; NaN where nothing rises above the background.
    """

    low: Annotated[float, ANY]
    high: Annotated[float, ANY]
    margin: Annotated[float, Bounds("", 0.0, open_low=True)]
    name = "peak energy"

    def __post_init__(self) -> None:
        _require_window(self.low, self.high)

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return axis_unit

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        x, above = _above_background(values, axis, self.low, self.high, self.margin)
        rows, i = np.arange(len(above)), np.clip(np.argmax(above, axis=-1), 1, max(len(x) - 2, 1))
        left, middle, right = (above[rows, i + k] for k in (-1, 0, 1))
        bend = left - 2 * middle + right
        shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
        step = np.where(shift < 0, x[i] - x[i - 1], x[i + 1] - x[i])
        found = np.isfinite(above).all(-1) & (above.max(-1) > 0)
        return np.where(found, x[i] + np.clip(shift, -1.0, 1.0) * step, np.nan)


@dataclass(frozen=True)
class ValueAt:
    """The value at one place of the axis, linearly interpolated; the mean over all passes of a sweep."""

    place: Annotated[float, ANY]

    @property
    def name(self) -> str:
        return f"value at {self.place:g}"

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return channel_unit

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        if not axis.min() <= self.place <= axis.max():
            raise DataInvalid(f"ValueAt: {self.place:g} is outside the axis, {axis.min():g} to {axis.max():g}")
        y = despike(values, _SPIKES)
        inside = [i for i in range(len(axis) - 1) if _between(self.place, axis[i], axis[i + 1])]
        passes = [loops.at(y[:, i : i + 2], axis[i : i + 2], self.place) for i in inside]
        return _sum(np.stack(passes, axis=-1)) / len(passes)


@dataclass(frozen=True)
class Slope:
    """Least-squares slope over the window [low, high] of the axis."""

    low: Annotated[float, ANY]
    high: Annotated[float, ANY]
    name = "slope"

    def __post_init__(self) -> None:
        _require_window(self.low, self.high)

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        parts = (f"({u})" if "/" in u or " " in u else u for u in (channel_unit, axis_unit))
        return "/".join(parts)

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = _window(axis, self.low, self.high, 2)
        x = axis[inside] - axis[inside].mean()
        if not np.any(x):
            raise DataInvalid(f"Slope: the window {self.low:g} to {self.high:g} holds a single place")
        return _sum(despike(values, _SPIKES)[:, inside] * x) / float((x * x).sum())


@dataclass(frozen=True)
class Function:
    """Any function `f(values [B, n], axis [n]) -> [B]`, named as "module:function"; `units` is what it returns."""

    path: str
    units: str = ""

    def __post_init__(self) -> None:
        self._load()

    @property
    def name(self) -> str:
        return self.path.partition(":")[2]

    def unit(self, channel_unit: str, axis_unit: str) -> str:
        return self.units

    def __call__(self, values: Curves, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        result = np.asarray(self._load()(values, axis), dtype=np.float64)
        if result.shape != (len(values),):
            raise DataInvalid(f"{self.path} returned shape {result.shape} for {len(values)} curves; expected one each")
        return result

    def _load(self) -> Callable[..., Any]:
        module, _, function = self.path.partition(":")
        if not module or not function:
            raise ValueError(f"scalariser path {self.path!r}: write it as my_module:my_function")
        try:
            loaded = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"scalariser {self.path!r}: {error}") from None
        if not callable(loaded):
            raise ValueError(f"scalariser {self.path!r} is not a function")
        return loaded  # type: ignore[no-any-return]


def _above_background(
    values: Curves, axis: NDArray[np.float64], low: float, high: float, margin: float
) -> tuple[NDArray[np.float64], Curves]:
    y = despike(values, _SPIKES)
    left, right = _window(axis, low - margin, low, 1), _window(axis, high, high + margin, 1)
    inside = _window(axis, low, high, 3)
    x0, x1 = float(np.median(axis[left])), float(np.median(axis[right]))
    y0, y1 = np.median(y[:, left], axis=-1), np.median(y[:, right], axis=-1)
    x = axis[inside]
    line = y0[:, None] + (y1 - y0)[:, None] * (x - x0) / (x1 - x0)
    return x, y[:, inside] - line


def _window(axis: NDArray[np.float64], low: float, high: float, least: int) -> NDArray[np.intp]:
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    if len(inside) < least:
        raise DataInvalid(
            f"the window {low:g} to {high:g} holds {len(inside)} samples, {least} are needed; "
            f"the axis runs from {axis.min():g} to {axis.max():g}"
        )
    return inside


def _require_window(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"the window's low={low:g} must be below its high={high:g}")


def _between(place: float, a: float, b: float) -> bool:
    return min(a, b) <= place < max(a, b) or (place == b and a != b)


def _sum(terms: Curves) -> NDArray[np.float64]:
    """Sum over the last axis, contiguous, so that a row's result does not depend on how many rows there are."""
    return np.asarray(np.ascontiguousarray(terms).sum(-1))


def _product(a: str, b: str) -> str:
    return " ".join(part for part in (b, a) if part)
