# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The trace of a parked beam, compiled: what the detector counts sample by sample, and when that ends the dwell.

The drift moves a parked beam slowly, and events are rare. So a dwell goes on from place to place, each for as many
samples as the drift takes over `_STILL_NM`, and at a place in runs of samples in which nothing happens: all of a run
are drawn at once. A sample in which an event happens is passed by itself, up to the event and beyond. Loads Numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import poisson, poisson_each
from instruments.twins.stem.event_kernel import happening, pass_under
from instruments.twins.stem.event_tuples import BOX, HIDDEN, LEFT, MOVING, WORK
from instruments.twins.stem.world import CLOCK, CURRENT, DRIFT_X, DRIFT_Y, ELECTRONS, FULL, GROWTH

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STILL_NM = 1e-3
"""A parked beam that the drift moves by no more stands still: a fiftieth of the probe's width."""
_TINY = 1e-9
"""Of a sample: what is left of a dwell is none."""


@njit(cache=True)
def paper(samples: int) -> Any:
    """Room for runs of a trace of as many samples."""
    return np.empty((3, samples)), np.empty(samples, np.int64)


@njit(cache=True, forceinline=True, error_model="numpy")
def together(world: Any, sample_s: float, most: int) -> int:
    """How many samples of a dwell, at most `most`, are taken at one place."""
    way = math.hypot(world[HIDDEN][DRIFT_X], world[HIDDEN][DRIFT_Y]) * sample_s
    return max(int(_STILL_NM / way), 1) if way * most > _STILL_NM else most


@njit(cache=True, forceinline=True, error_model="numpy")
def record(
    x: float, y: float, first: int, last: int, most_s: float, sample_s: float, until: Floats, noisy: bool,
    counting: Any, keys: Any, world: Any, shared: Any, optics: Any, law: Any, detector: Any, draft: Floats,
    numbers: Ints, trace: Floats, outside: int,
) -> Any:  # fmt: skip
    """Samples first to last of a trace with the beam at a place of the material, `most_s` at most.

    The seconds that they took, how many samples in a row are outside of the levels `until`, and whether to go on.
    """
    total, bright = happening(x, y, world, shared, optics, law)
    spent, k, on = 0.0, first, True
    while on and k < last and most_s - spent > _TINY * sample_s:
        run = min(last - k, int((most_s - spent) / sample_s + _TINY))
        run = min(run, int(world[WORK][LEFT] / (total * sample_s))) if total * run * sample_s > 0.0 else run
        if run > 1:
            _expected(run, bright, sample_s, detector, world, shared, draft)
            if noisy:
                _counted(k, run, counting, draft, numbers)
            done, outside, on = _read_out(k, run, until, detector, draft, trace, outside)
            _pass(done, total, sample_s, world, shared)
            spent += done * sample_s
            k += done
        else:
            duration = min(sample_s, most_s - spent)
            mean, total, bright = pass_under(x, y, duration, total, bright, keys, world, shared, optics, law)
            draft[0, 0] = mean + detector[2] * duration
            if noisy:
                draft[0, 0] = float(poisson(draft[0, 0], counting, np.uint64(k)))
            done, outside, on = _read_out(k, 1, until, detector, draft, trace, outside)
            spent += duration
            k += 1
    return spent, outside, on


@njit(cache=True, forceinline=True, error_model="numpy")
def _expected(
    count: int, bright: float, sample_s: float, detector: Any, world: Any, shared: Any, draft: Floats
) -> None:
    """Counts that the detector expects of samples in which nothing happens; the contamination goes on growing."""
    hidden, moving = world[HIDDEN], world[MOVING]
    electrons, full = moving[CURRENT] * shared[BOX][3] * sample_s, hidden[FULL]
    bare = math.exp(-moving[ELECTRONS] / hidden[GROWTH]) if full != 0.0 else 0.0
    fades = math.exp(-electrons / hidden[GROWTH]) if full != 0.0 else 0.0
    dark = detector[2] * sample_s
    for m in range(count):
        draft[0, m] = (bright + full * (1.0 - bare)) * electrons + dark
        bare *= fades


@njit(cache=True, forceinline=True, error_model="numpy")
def _counted(first: int, count: int, key: Any, draft: Floats, numbers: Ints) -> None:
    """Poisson counts of them, those that `poisson` draws sample by sample."""
    for m in range(count):
        numbers[m] = first + m
    poisson_each(count, draft[0], key, numbers, 1, draft[1], draft[2])


@njit(cache=True, forceinline=True, error_model="numpy")
def _read_out(first: int, count: int, until: Floats, detector: Any, draft: Floats, trace: Floats, outside: int) -> Any:
    """Counts as the signal, until it ends the dwell: samples done, how many in a row are outside, whether to go on."""
    for m in range(count):
        signal = detector[0] * draft[0, m] + detector[1]
        trace[first + m] = min(max(np.rint(signal), 0.0), 65535.0) if detector[3] > 0.0 else signal
        outside = outside + 1 if trace[first + m] < until[0] or trace[first + m] > until[1] else 0
        if until[2] > 0.0 and outside >= until[2]:
            return m + 1, outside, False
    return count, outside, True


@njit(cache=True, forceinline=True, error_model="numpy")
def _pass(samples: int, total: float, sample_s: float, world: Any, shared: Any) -> None:
    """Time, electrons and the exponential number after samples in which nothing happened."""
    moving, seconds = world[MOVING], samples * sample_s
    moving[CLOCK] += seconds
    moving[ELECTRONS] += moving[CURRENT] * shared[BOX][3] * seconds
    world[WORK][LEFT] -= total * seconds
