"""How often something happens at a place, from how often it happened near it.

The rate at x is (a r + sum_i k(x, x_i) y_i) / (a + sum_i k(x, x_i)), r being the mean of all y and k a Gaussian bump:
for outcomes 0 and 1 the mean of a Beta distribution whose counts are shared with the neighbourhood (R. Goetschalckx,
P. Poupart and J. Hoey, Continuous Correlated Beta Processes, IJCAI 2011), for squares that of a variance. How wide
the bump is, and in which inputs, is what predicts every datum best from the others; as wide as everything is one of
the choices, so that where place does not matter, the rate is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import groups

Floats = NDArray[np.float64]
Kind = Literal["chance", "variance"]
_WIDTHS = (0.03, 0.06, 0.12, 0.25, 0.5)
_SHARE = 2.0
"""What the mean of all counts for, in data."""
_JUDGED, _TABLE = 500, 4_000_000
"""Data by which the width is chosen, spread evenly over all; and numbers in a table that is worked on at a time."""


def local_rates(kind: Kind, at: NDArray[np.int64], happened: Floats, inputs: Floats, names: tuple[str, ...]) -> Floats:
    """The rate [N] at inputs [N, d] of what `happened` [n] (0 or 1, or squares) at rows `at` [n] of them, n >= 1."""
    overall = _overall(kind, happened)
    columns, width = _best(kind, at, happened, inputs, names, overall)
    if width is None:
        return np.full(len(inputs), overall)
    chunk = max(1, _TABLE // len(at))
    parts = [inputs[start : start + chunk, columns] for start in range(0, len(inputs), chunk)]
    places = inputs[at][:, columns]
    return np.concatenate([_rate(_bump(part, places, width), happened, overall) for part in parts])


def _overall(kind: Kind, happened: Floats) -> float:
    """The mean of all; of chances, as if both had happened once more, so that none is ever certain."""
    if kind == "chance":
        return float((happened.sum() + 1.0) / (len(happened) + 2.0))
    return max(float(happened.mean()), 1e-12)


def _best(
    kind: Kind, at: NDArray[np.int64], happened: Floats, inputs: Floats, names: tuple[str, ...], overall: float
) -> tuple[list[int], float | None]:
    """Columns and width that predict each datum best from the others; no width: the mean of all does."""
    judged = np.unique(np.linspace(0, len(at) - 1, _JUDGED).round().astype(int))
    at, happened, every = at[judged], happened[judged], list(range(len(names)))
    best, chosen = _surprise(kind, happened, np.full(len(happened), overall)), (every, None)
    for columns in _choices(names):
        places = inputs[at][:, columns]
        for width in _WIDTHS:
            near = _bump(places, places, width)
            np.fill_diagonal(near, 0.0)
            surprise = _surprise(kind, happened, _rate(near, happened, overall))
            if surprise < best - 1e-9:
                best, chosen = surprise, (columns, width)  # type: ignore[assignment]
    return chosen


def _choices(names: tuple[str, ...]) -> Iterator[list[int]]:
    """All inputs, and each group of them where there are several."""
    yield list(range(len(names)))
    if len(groups(names)) > 1:
        yield from groups(names)


def _surprise(kind: Kind, happened: Floats, rate: Floats) -> float:
    """Minus the log likelihood."""
    if kind == "chance":
        return -float(np.log(np.where(happened > 0, rate, 1.0 - rate)).sum())
    rate = np.maximum(rate, 1e-12)
    return 0.5 * float((np.log(rate) + happened / rate).sum())


def _rate(near: Floats, happened: Floats, overall: float) -> Floats:
    return np.asarray((_SHARE * overall + near @ happened) / (_SHARE + near.sum(axis=1)))


def _bump(a: Floats, b: Floats, width: float) -> Floats:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2.0 * a @ b.T
    return np.asarray(np.exp(-0.5 * np.maximum(squares, 0.0) / width**2))
