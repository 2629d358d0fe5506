"""What a parked beam does to silicon that hops, or becomes fourfold and then does not until it is threefold again.

Two states under constant rates [1/s]: threefold silicon hops at the rate T or becomes fourfold at F, fourfold silicon
becomes threefold at U. The chain ends with the hop; all that is asked of it has a closed form in its two decay rates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SMALL = 1e-5
_TINY = 1e-150


class Stay(NamedTuple):
    """After so many seconds: chances that no hop came and the silicon is threefold or fourfold; the seconds that it
    was threefold until then, on average, and those integrated over time."""

    threefold: Floats
    fourfold: Floats
    seconds: Floats
    integral: Floats


def decays(hop: Floats, fold: Floats, unfold: Floats) -> tuple[Floats, Floats]:
    """The slow and the fast decay rate [1/s]."""
    half = 0.5 * (hop + fold + unfold)
    root = np.sqrt(np.square(0.5 * (hop + fold - unfold)) + fold * unfold)
    fast = half + root + _TINY
    return np.asarray(hop * unfold / fast), np.asarray(fast)


def left(hop: Floats, fold: Floats, unfold: Floats, folded: Floats, seconds: Floats | float) -> tuple[Floats, Floats]:
    """Chances that no hop came and the silicon is threefold, fourfold, begun fourfold with the chance `folded`."""
    slow, fast = decays(hop, fold, unfold)
    return _states(hop, fold, unfold, folded, slow, fast, np.exp(-slow * seconds), np.exp(-fast * seconds))


def exposed(hop: Floats, fold: Floats, unfold: Floats, folded: Floats, seconds: Floats | float) -> Floats:
    """The seconds that the silicon is threefold before it hops, on average, of a dwell of `seconds`."""
    slow, fast = decays(hop, fold, unfold)
    return _states(hop, fold, unfold, folded, slow, fast, _once(slow, seconds), _once(fast, seconds))[0]


def stay(hop: Floats, fold: Floats, unfold: Floats, folded: Floats, seconds: Floats | float) -> Stay:
    """All of it."""
    slow, fast = decays(hop, fold, unfold)
    parts = hop, fold, unfold, folded, slow, fast
    threefold, fourfold = _states(*parts, np.exp(-slow * seconds), np.exp(-fast * seconds))
    spent = _states(*parts, _once(slow, seconds), _once(fast, seconds))[0]
    return Stay(threefold, fourfold, spent, _states(*parts, _twice(slow, seconds), _twice(fast, seconds))[0])


def _states(
    hop: Floats, fold: Floats, unfold: Floats, folded: Floats, slow: Floats, fast: Floats, late: Floats, early: Floats
) -> tuple[Floats, Floats]:
    """Row (1 - folded, folded) times a function of the generator, which is `late` and `early` of its two decays."""
    there = 1.0 - folded
    turn = fold * there - unfold * folded
    flow = -hop * there - turn
    over = 1.0 / (fast - slow + _TINY)
    threefold = (late * (flow + fast * there) - early * (flow + slow * there)) * over
    fourfold = (late * (turn + fast * folded) - early * (turn + slow * folded)) * over
    return np.maximum(threefold, 0.0), np.maximum(fourfold, 0.0)


def _once(rate: Floats, seconds: Floats | float) -> Floats:
    """The integral of exp(-rate t)."""
    x = rate * seconds
    return np.asarray(np.where(x < _SMALL, seconds * (1.0 - 0.5 * x), -np.expm1(-x) / np.maximum(rate, _TINY)))


def _twice(rate: Floats, seconds: Floats | float) -> Floats:
    """The integral of `_once`."""
    x = rate * seconds
    exact = (x + np.expm1(-x)) / np.maximum(np.square(rate), _TINY)
    return np.asarray(np.where(x < 1e-3, np.square(seconds) * (0.5 - x / 6.0), exact))
