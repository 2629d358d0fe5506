# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Follow a dopant from look to look, compiled: where it is, its neighbours, and how the lattice moved meanwhile.

Importing this loads Numba. Lengths in nm.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.compiled_keys import child, first_uniform
from instruments.compiled_turns import next_rows, turns_of
from instruments.crew import in_threads

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


DISTANCE, MOVED, LOST, REACHED, SECONDS, ELECTRONS, LAST_S, COUNT = range(8)
"""Columns of a state's numbers: distance in bonds, flags, goals reached, seconds since the goal was set, and so on."""
NUMBERS = 8
ELEMENT, BOND, DISCOUNT, PRICE_S, PRICE_ME, GOALS, TRIES = range(7)
"""Of the settings."""
_EARLY, _RAISED = 0.9, 1.05
"""Of a dwell: what is shorter was ended by the trace. By what the level goes up that ended it in vain."""


def follow(
    threads: int, position: Floats, species: Floats, done: NDArray[np.bool_], settings: Floats, before: Floats,
    dopant: Floats, near: Floats, target: Floats, home: Floats, numbers: Floats,
) -> bool:  # fmt: skip
    """Take looks [B, n] in, in place, in so many threads; whether all of them show the dopant.

    `before` [B, n, 2] are the atoms of the last look. `dopant` [B, 2], `near` [B, 3, 2] its neighbours (NaN beyond),
    `target` [B, 2] and `home` [B, 2], how far the lattice is from where the survey saw it, become those of this look.
    """
    given = position, species, done, settings, before, dopant, near, target, home, numbers
    if threads == 1:
        return _follow_rows(0, turns_of(0, len(position), 1), *given)
    in_threads(threads, 0, len(position), _follow_rows, *given)
    return bool(done.all()) and not numbers[:, LOST].any()


@njit(cache=True, nogil=True, error_model="numpy")
def _follow_rows(
    thread: int, turns: Ints, position: Floats, species: Floats, done: NDArray[np.bool_], settings: Floats,
    before: Floats, dopant: Floats, near: Floats, target: Floats, home: Floats, numbers: Floats,
) -> bool:  # fmt: skip
    all_show = True
    b, end = next_rows(turns, thread)
    while b < end:
        _follow(b, position, species, done, settings, before, dopant, near, target, home, numbers)
        all_show = all_show and done[b] and numbers[b, LOST] == 0.0
        b += 1
        if b == end:
            b, end = next_rows(turns, thread)
    return all_show


@njit(cache=True, forceinline=True, error_model="numpy")
def _follow(
    b: int, position: Floats, species: Floats, done: NDArray[np.bool_], settings: Floats, before: Floats,
    dopant: Floats, near: Floats, target: Floats, home: Floats, numbers: Floats,
) -> None:  # fmt: skip
    bond = settings[BOND]
    reach2 = (0.35 * bond) ** 2
    numbers[b, MOVED] = numbers[b, LOST] = 0.0
    if not done[b]:
        return
    count = _count(b, position)
    place = _nearest(b, count, position, species, settings[ELEMENT], dopant)
    if place < 0:
        numbers[b, LOST] = 1.0
        return
    x, y = position[b, place, 0], position[b, place, 1]
    sx, sy = _shift(b, count, position, before, reach2)
    way = math.sqrt((x - dopant[b, 0] - sx) ** 2 + (y - dopant[b, 1] - sy) ** 2)
    numbers[b, MOVED] = 1.0 if way > 0.5 * bond else 0.0
    tx, ty = target[b, 0], target[b, 1]
    target[b, 0] += sx
    target[b, 1] += sy
    _snap(b, count, position, reach2, target)
    home[b, 0] += target[b, 0] - tx
    home[b, 1] += target[b, 1] - ty
    dopant[b, 0], dopant[b, 1] = x, y
    numbers[b, DISTANCE] = math.sqrt((target[b, 0] - x) ** 2 + (target[b, 1] - y) ** 2) / bond
    _neighbours(b, count, position, place, (1.35 * bond) ** 2, near)


@njit(cache=True, error_model="numpy")
def judge(
    dwelt: NDArray[np.bool_], looked: NDArray[np.bool_], dwell_s: Floats, look_s: Floats, dwell_e: Floats,
    look_e: Floats, settings: Floats, target: Floats, low: Floats, high: Floats, numbers: Floats, reward: Floats,
    value: Floats, ended: NDArray[np.bool_], more: NDArray[np.bool_],
) -> Any:  # fmt: skip
    """Count an action, after `follow`: reward, value and ended [B], and who needs another goal.

    That is who reached it, and whose target [B, 2] the drift has carried out of the field, as soon as nothing moves.

    The most actions of any row, whether all requests were done, whether any row needs another goal.
    """
    most, fine, any_more = 0, True, False
    for b in range(len(numbers)):
        spent, electrons = dwell_s[b] + look_s[b], dwell_e[b] + look_e[b]
        numbers[b, SECONDS] += spent
        numbers[b, ELECTRONS] += electrons
        numbers[b, LAST_S] = dwell_s[b]
        numbers[b, COUNT] += 1.0
        usable = dwelt[b] and looked[b] and numbers[b, LOST] == 0.0
        arrived = usable and numbers[b, DISTANCE] < 0.5
        gain = -settings[PRICE_S] * spent - 1e-6 * settings[PRICE_ME] * electrons - numbers[b, LOST]
        if arrived:
            gain += settings[DISCOUNT] ** numbers[b, SECONDS]
            numbers[b, REACHED] += 1.0
            numbers[b, SECONDS] = 0.0
        over = numbers[b, REACHED] >= settings[GOALS] or numbers[b, COUNT] >= settings[TRIES]
        reward[b], value[b] = gain, numbers[b, DISTANCE] if usable else np.nan
        ended[b] = over or numbers[b, LOST] > 0.0
        gone = usable and numbers[b, MOVED] == 0.0 and not _inside(b, target, low, high)
        more[b] = (arrived or gone) and not ended[b]
        most, fine, any_more = max(most, int(numbers[b, COUNT])), fine and dwelt[b] and looked[b], any_more or more[b]
    return most, fine, any_more


@njit(cache=True, forceinline=True)
def _inside(b: int, place: Floats, low: Floats, high: Floats) -> bool:
    return low[0] <= place[b, 0] <= high[0] and low[1] <= place[b, 1] <= high[1]


@njit(cache=True, error_model="numpy")
def forgive(
    actions: Floats, shortest: float, longest: float, dwell_s: Floats, numbers: Floats, rise: Floats, bands: Floats
) -> bool:  # fmt: skip
    """Watch at a higher level after dwells that the trace ended although nothing moved, and at `rise` [B] after moves.

    Whether any row of the bands [B, 3] was changed; in place.
    """
    changed = False
    for b in range(len(bands)):
        if numbers[b, MOVED] > 0.0:
            changed = changed or bands[b, 1] != rise[b]
            bands[b, 1] = rise[b]
        elif numbers[b, LOST] == 0.0 and 0.0 < dwell_s[b] < _EARLY * _longest(actions[b, 2], shortest, longest):
            changed = True
            bands[b, 1] *= _RAISED
    return changed


@njit(cache=True, forceinline=True)
def _longest(action: float, shortest: float, longest: float) -> float:
    """Seconds of a dwell that nothing ends."""
    return shortest * (longest / shortest) ** (0.5 * (action + 1.0))


@njit(cache=True, forceinline=True)
def _count(b: int, position: Floats) -> int:
    """Atoms of a look."""
    count = 0
    while count < position.shape[1] and not np.isnan(position[b, count, 0]):
        count += 1
    return count


@njit(cache=True, forceinline=True)
def _nearest(b: int, count: int, position: Floats, species: Floats, element: float, last: Floats) -> int:
    best, nearest = -1, np.inf
    for i in range(count):
        if species[b, i] == element:
            away = (position[b, i, 0] - last[b, 0]) ** 2 + (position[b, i, 1] - last[b, 1]) ** 2
            if away < nearest:
                best, nearest = i, away
    return best


@njit(cache=True, forceinline=True)
def _shift(b: int, count: int, now: Floats, before: Floats, reach2: float) -> Any:
    """Mean way of the atoms that are near an atom of the last look."""
    x, y, found, j, size = 0.0, 0.0, 0, 0, before.shape[1]
    for i in range(count):
        for _ in range(size):
            if j == size:
                j = 0
            dx, dy = now[b, i, 0] - before[b, j, 0], now[b, i, 1] - before[b, j, 1]
            j += 1
            if dx * dx + dy * dy < reach2:
                x, y, found = x + dx, y + dy, found + 1
                break
    return (x / found, y / found) if found > 0 else (0.0, 0.0)


@njit(cache=True, forceinline=True)
def _snap(b: int, count: int, position: Floats, reach2: float, place: Floats) -> None:
    """Move a place onto the atom that is near it, if there is one."""
    for i in range(count):
        dx, dy = position[b, i, 0] - place[b, 0], position[b, i, 1] - place[b, 1]
        if dx * dx + dy * dy < reach2:
            place[b, 0], place[b, 1] = position[b, i, 0], position[b, i, 1]
            return


@njit(cache=True, forceinline=True)
def _neighbours(b: int, count: int, position: Floats, own: int, reach2: float, near: Floats) -> None:
    """The atoms within reach of one, in the order of the look; NaN where there are fewer."""
    found, size = 0, near.shape[1]
    for i in range(count):
        dx, dy = position[b, i, 0] - position[b, own, 0], position[b, i, 1] - position[b, own, 1]
        if i != own and dx * dx + dy * dy < reach2 and found < size:
            near[b, found, 0], near[b, found, 1] = position[b, i, 0], position[b, i, 1]
            found += 1
    for n in range(found, size):
        near[b, n, 0] = near[b, n, 1] = np.nan


@njit(cache=True)
def choose(
    wanted: NDArray[np.bool_], keys: NDArray[np.uint64], lattice: Floats, home: Floats, dopant: Floats, low: Floats,
    high: Floats, margin: float, nearest: float, farthest: float, bond: float, target: Floats, numbers: Floats,
) -> None:  # fmt: skip
    """A target in the wanted rows, at random for each goal reached, and how far it is; in place.

    One of the atoms [B, C] of the survey, moved by `home`, that are deep enough and as far as wanted. Where none is,
    any other atom that is deep enough; where there is none, the dopant's own place.
    """
    found = np.empty(lattice.shape[1], np.int64)
    for b in range(len(wanted)):
        if not wanted[b]:
            continue
        draw = first_uniform(child(keys[b], np.uint64(numbers[b, REACHED] + 1.0)))
        target[b, 0], target[b, 1] = dopant[b, 0], dopant[b, 1]
        if not _choose(b, draw, lattice, home, dopant, low, high, margin, nearest, farthest, found, target):
            _choose(b, draw, lattice, home, dopant, low, high, margin, 0.25 * nearest, np.inf, found, target)
        away = (target[b, 0] - dopant[b, 0]) ** 2 + (target[b, 1] - dopant[b, 1]) ** 2
        numbers[b, DISTANCE] = math.sqrt(away) / bond


@njit(cache=True)
def _choose(
    b: int, draw: float, lattice: Floats, home: Floats, dopant: Floats, low: Floats, high: Floats, margin: float,
    least: float, most: float, found: Ints, target: Floats,
) -> bool:  # fmt: skip
    """Whether there is an atom from least to most away; one of them, chosen by the draw, as the target."""
    own, count = lattice[b], 0
    hx, hy, dx, dy = home[b, 0], home[b, 1], dopant[b, 0], dopant[b, 1]
    left, right, bottom, top = low[0] + margin, high[0] - margin, low[1] + margin, high[1] - margin
    least2, most2 = least * least, most * most
    for i in range(len(own)):
        x, y = own[i, 0] + hx, own[i, 1] + hy
        away = (x - dx) * (x - dx) + (y - dy) * (y - dy)
        deep = (left < x) & (x < right) & (bottom < y) & (y < top)
        found[count] = i
        count += deep & (least2 <= away) & (away <= most2)
    if count == 0:
        return False
    chosen = found[int(draw * count)]
    target[b, 0], target[b, 1] = lattice[b, chosen, 0] + home[b, 0], lattice[b, chosen, 1] + home[b, 1]
    return True


@njit(cache=True, error_model="numpy")
def aimed(
    actions: Floats, dopant: Floats, reach: float, shortest: float, longest: float, low: Floats, high: Floats,
    half: float, place: Floats, seconds: Floats, centers: Floats,
) -> None:  # fmt: skip
    """Places [B, 2] and seconds [B] of actions [B, 3], and centers [B, 2] of looks, kept between low and high [2]."""
    for b in range(len(actions)):
        for axis in range(2):
            wanted = dopant[b, axis] + reach * actions[b, axis]
            place[b, axis] = min(max(wanted, low[axis]), high[axis])
            centers[b, axis] = min(max(dopant[b, axis], low[axis] + half), high[axis] - half)
        seconds[b] = _longest(actions[b, 2], shortest, longest)


@njit(cache=True, error_model="numpy")
def shown(
    dopant: Floats, near: Floats, target: Floats, numbers: Floats, low: Floats, high: Floats, reach: float,
    settings: Floats, out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Observations [B, 14]: dopant in the field, neighbours in units of the reach, target in bonds, last, progress."""
    for b in range(len(dopant)):
        for axis in range(2):
            middle, half = 0.5 * (low[axis] + high[axis]), 0.5 * (high[axis] - low[axis])
            out[b, axis] = min(max((dopant[b, axis] - middle) / half, -1.0), 1.0)
            out[b, 8 + axis] = min(max((target[b, axis] - dopant[b, axis]) / settings[BOND], -1000.0), 1000.0)
            for n in range(3):
                way = (near[b, n, axis] - dopant[b, axis]) / reach
                out[b, 2 + 2 * n + axis] = 0.0 if np.isnan(way) else min(max(way, -1.0), 1.0)
        out[b, 10], out[b, 11] = min(numbers[b, LAST_S], 1000.0), numbers[b, MOVED]
        out[b, 12] = min(numbers[b, COUNT] / settings[TRIES], 1.0)
        out[b, 13] = min(numbers[b, REACHED] / settings[GOALS], 1.0)
