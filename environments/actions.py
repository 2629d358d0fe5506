"""Checks that an action, or a batch of them, is one of its space's: nothing is measured for one that is not."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-6
_FEW = 16


def checked(space: gymnasium.Space[Any], action: ArrayLike) -> NDArray[Any]:
    """The action as an array; ValueError on a wrong shape, NaN, infinity or a value outside the space."""
    if isinstance(space, gymnasium.spaces.Box):
        array = _numbers(action)
        if array.shape == space.shape and _within(array, space):
            return array.copy()
    return np.asarray(checked_rows(space, _numbers(action)[None], np.ones(1, dtype=bool))[0])


def _within(array: NDArray[np.float64], space: gymnasium.spaces.Box) -> bool:
    """Whether every number lies within its bounds; few numbers are compared one by one, which is faster."""
    if array.size > _FEW:
        return bool(((array >= space.low) & (array <= space.high)).all())
    bounds = zip(array.ravel().tolist(), space.low.ravel().tolist(), space.high.ravel().tolist(), strict=True)
    return all(low <= value <= high for value, low, high in bounds)


def _deep_within(array: NDArray[np.float64], space: gymnasium.spaces.Box) -> bool:
    """Whether every number lies within the narrowest bounds: no array of bounds is needed, False says nothing."""
    return bool(array.size and array.min() >= space.low.max() and array.max() <= space.high.min())


def checked_rows(space: gymnasium.Space[Any], actions: ArrayLike, live: NDArray[np.bool_]) -> NDArray[Any]:
    """Actions [B, ...] checked; those of rows that are not `live` are ignored and replaced by a legal one."""
    array = _numbers(actions)
    shape = (len(live), *(space.shape or ()))
    if array.shape != shape:
        raise ValueError(f"action has shape {array.shape[1:]}, expected {shape[1:]} (and {len(live)} of them)")
    if isinstance(space, gymnasium.spaces.Box):
        if live.all() and _deep_within(array, space):
            return array.copy()
        return _checked_box(space, np.where(live.reshape(-1, *[1] * (array.ndim - 1)), array, space.low))
    for row in array[live]:
        if not np.isfinite(row).all() or not space.contains(np.asarray(row, dtype=space.dtype)) or np.any(row % 1):
            raise ValueError(f"action {row.tolist()} is not in {space}")
    return np.where(live.reshape(-1, *[1] * (array.ndim - 1)), array, 0).astype(np.int64)


def _numbers(action: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(action, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"action {action!r} is not an array of numbers: {error}") from None


def _checked_box(space: gymnasium.spaces.Box, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(array).all():
        raise ValueError(f"action {array.tolist()} holds NaN or infinity")
    if np.any(array < space.low - _ROUNDING) or np.any(array > space.high + _ROUNDING):
        raise ValueError(f"action {array.tolist()} lies outside {space.low.tolist()} to {space.high.tolist()}")
    return np.clip(array, space.low, space.high)
