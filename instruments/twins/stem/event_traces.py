# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The trace of a parked beam, compiled: what the detector counts sample by sample, and when that ends the dwell.

The drift moves a parked beam slowly, and events are rare. So a dwell goes on from place to place, each for as many
samples as the drift takes over `_STILL_NM`, and at a place in runs of samples in which nothing happens: all of a run
are drawn at once. A sample in which an event happens is passed by itself, up to the event and beyond. Loads Numba.

A count belongs to its sample's number, so that it can be drawn at any time. With `later` the trace gets the counts
that are expected, and only those are drawn at once that may end the dwell; `draw` draws all, for whoever reads them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.compiled_turns import next_rows
from instruments.twins.draws import mixed, poisson, poisson_each
from instruments.twins.stem.event_kernel import happening, pass_under
from instruments.twins.stem.event_tuples import BOX, HIDDEN, LEFT, MOVING, WORK
from instruments.twins.stem.event_views import tables_of
from instruments.twins.stem.world import CLOCK, CURRENT, DRIFT_X, DRIFT_Y, ELECTRONS, FULL, GROWTH

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STILL_NM = 1e-3
"""A parked beam that the drift moves by no more stands still: a fiftieth of the probe's width."""
_TINY = 1e-9
"""Of a sample: what is left of a dwell is none."""
_FAR, _LARGE = 30.0, 1000.0
"""Standard deviations that no count of a mean as large is off."""
COUNTS = np.uint64(2)
"""Of a request's key: that of the counts in its trace."""


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
    x: float, y: float, first: int, last: int, most_s: float, sample_s: float, until: Floats, noisy: bool, later: bool,
    counting: Any, keys: Any, world: Any, shared: Any, optics: Any, law: Any, detector: Any, draft: Floats,
    numbers: Ints, trace: Floats, outside: int,
) -> Any:  # fmt: skip
    """Samples first to last of a trace with the beam at a place of the material, `most_s` at most.

    The seconds that they took, the last + 1, how many in a row are outside of the levels `until`, whether to go on.
    """
    total, bright = happening(x, y, world, shared, optics, law)
    spent, k, on = 0.0, first, True
    while on and k < last and most_s - spent > _TINY * sample_s:
        run = min(last - k, int((most_s - spent) / sample_s + _TINY))
        run = min(run, int(world[WORK][LEFT] / (total * sample_s))) if total * run * sample_s > 0.0 else run
        if run > 1:
            _expected(run, bright, sample_s, detector, world, shared, trace[k:] if later else draft[0])
            done, outside, on = _taken(k, run, until, noisy, later, counting, detector, draft, numbers, trace, outside)
            _pass(done, total, sample_s, world, shared)
            spent += done * sample_s
        else:
            duration = min(sample_s, most_s - spent)
            mean, total, bright = pass_under(x, y, duration, total, bright, keys, world, shared, optics, law)
            (trace[k:] if later else draft[0])[0] = mean + detector[2] * duration
            done, outside, on = _taken(k, 1, until, noisy, later, counting, detector, draft, numbers, trace, outside)
            spent += duration
        k += done
    return spent, k, outside, on


@njit(cache=True, nogil=True, error_model="numpy")
def draw(
    thread: int, turns: Ints, expected: Floats, samples: Ints, noisy: bool, keys: NDArray[np.uint64], block: Any,
    trace: Floats,
) -> None:  # fmt: skip
    """What the detector records [B, K] in rows as their turns come: as many `samples` as are expected, then NaN."""
    detector = tables_of(block)[3]
    draft, numbers = paper(trace.shape[1])
    b, end = next_rows(turns, thread)
    while b < end:
        count = samples[b]
        draft[0, :count] = expected[b, :count]
        if noisy:
            _counted(0, count, mixed(keys[b], COUNTS), draft, numbers)
        for m in range(count):
            trace[b, m] = read_out(draft[0, m], detector)
        trace[b, count:] = np.nan
        b += 1
        if b == end:
            b, end = next_rows(turns, thread)


@njit(cache=True, forceinline=True, error_model="numpy")
def _expected(
    count: int, bright: float, sample_s: float, detector: Any, world: Any, shared: Any, counts: Floats
) -> None:
    """Counts that the detector expects of samples in which nothing happens; the contamination goes on growing."""
    hidden, moving = world[HIDDEN], world[MOVING]
    electrons, full = moving[CURRENT] * shared[BOX][3] * sample_s, hidden[FULL]
    bare = math.exp(-moving[ELECTRONS] / hidden[GROWTH]) if full != 0.0 else 0.0
    fades = math.exp(-electrons / hidden[GROWTH]) if full != 0.0 else 0.0
    dark = detector[2] * sample_s
    for m in range(count):
        counts[m] = (bright + full * (1.0 - bare)) * electrons + dark
        bare *= fades


@njit(cache=True, forceinline=True, error_model="numpy")
def _taken(
    first: int, count: int, until: Floats, noisy: bool, later: bool, counting: Any, detector: Any, draft: Floats,
    numbers: Ints, trace: Floats, outside: int,
) -> Any:  # fmt: skip
    """Samples whose expected counts `trace` has, or `draft`, until they end the dwell; as `_judged`."""
    if later:
        if until[2] == 0.0 or _inside(trace[first], trace[first + count - 1], until, noisy, detector):
            return count, 0, True
        for m in range(count):
            draft[0, m] = trace[first + m]
    if noisy:
        _counted(first, count, counting, draft, numbers)
    return _judged(first, count, until, later, detector, draft, trace, outside)


@njit(cache=True, forceinline=True, error_model="numpy")
def _inside(one: float, other: float, until: Floats, noisy: bool, detector: Any) -> bool:
    """Whether no sample can be outside of the levels whose mean is between two, whatever is drawn.

    No count is `_FAR` standard deviations off: `poisson` accepts none whose logarithm of the chance is below that of
    its smallest number, which for large means it is at ten. False where this is not known.
    """
    low, high = min(one, other), max(one, other)
    if noisy:
        if not low > _LARGE:
            return False
        low, high = low - _FAR * math.sqrt(low), high + _FAR * math.sqrt(high)
    return read_out(low, detector) >= until[0] and read_out(high, detector) <= until[1]


@njit(cache=True, forceinline=True, error_model="numpy")
def _counted(first: int, count: int, key: Any, draft: Floats, numbers: Ints) -> None:
    """Poisson counts of them, those that `poisson` draws sample by sample."""
    if count == 1:
        draft[0, 0] = float(poisson(draft[0, 0], key, np.uint64(first)))
        return
    for m in range(count):
        numbers[m] = first + m
    poisson_each(count, draft[0], key, numbers, 1, draft[1], draft[2])


@njit(cache=True, forceinline=True, error_model="numpy")
def read_out(counts: float, detector: Any) -> float:
    """What is recorded of counts: detector is (gain, offset, dark, quantised)."""
    signal = detector[0] * counts + detector[1]
    return min(max(np.rint(signal), 0.0), 65535.0) if detector[3] > 0.0 else signal


@njit(cache=True, forceinline=True, error_model="numpy")
def _judged(
    first: int, count: int, until: Floats, later: bool, detector: Any, draft: Floats, trace: Floats, outside: int
) -> Any:  # fmt: skip
    """Counts as the signal, until it ends the dwell: samples done, how many in a row are outside, whether to go on."""
    for m in range(count):
        signal = read_out(draft[0, m], detector)
        if not later:
            trace[first + m] = signal
        outside = outside + 1 if signal < until[0] or signal > until[1] else 0
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
