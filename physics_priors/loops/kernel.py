# mypy: disable-error-code="no-untyped-def"
"""Compiled Levenberg-Marquardt fits of loops; loaded only when something is fitted."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SIZE = 9
_MOST_STEPS = 300
_TOLERANCE = 1e-9
_ROOT = 2.0 / math.sqrt(math.pi)


@njit(cache=True)
def _model(v, up, theta, gradient):
    """Response at bias v, and its derivatives by theta."""
    centre, low, high, first = (theta[2], theta[5], theta[6], 5) if up else (theta[3], theta[7], theta[8], 7)
    total = low + high
    width = low if v < centre else high
    z = (v - centre) / width
    error, slope = math.erf(z), _ROOT * math.exp(-z * z)
    y = (width * error + low) / total
    gradient[:] = 0.0
    gradient[0], gradient[1], gradient[4] = 1.0, y, v
    gradient[2 if up else 3] = -theta[1] * slope / total
    of_width = (error - z * slope) / total
    gradient[first] = theta[1] * ((1.0 - y) / total + (of_width if v < centre else 0.0))
    gradient[first + 1] = theta[1] * (-y / total + (0.0 if v < centre else of_width))
    return theta[0] + theta[1] * y + theta[4] * v


@njit(cache=True)
def _normal(v, up, data, form, free, matrix, right, room):
    """Sum of squares at theta = form @ free; fills the normal equations."""
    theta, by_theta, by_free = room[0], room[1], room[2]
    m = len(free)
    for i in range(SIZE):
        theta[i] = 0.0
        for j in range(m):
            theta[i] += form[i, j] * free[j]
    matrix[:, :] = 0.0
    right[:] = 0.0
    cost = 0.0
    for k in range(len(v)):
        rest = data[k] - _model(v[k], up[k], theta, by_theta)
        cost += rest * rest
        for j in range(m):
            by_free[j] = 0.0
            for i in range(SIZE):
                by_free[j] += form[i, j] * by_theta[i]
            right[j] += by_free[j] * rest
            for i in range(j + 1):
                matrix[j, i] += by_free[j] * by_free[i]
    for j in range(m):
        for i in range(j):
            matrix[i, j] = matrix[j, i]
    return cost


@njit(cache=True)
def _search(v, up, data, form, free, lowest, highest):
    """Levenberg-Marquardt in place, each number kept in its limits: sum of squares, whether it converged, matrix."""
    m = len(free)
    matrix, right, room = np.zeros((m, m)), np.zeros(m), np.zeros((3, SIZE))
    next_matrix, next_right = np.zeros((m, m)), np.zeros(m)
    cost = _normal(v, up, data, form, free, matrix, right, room)
    damping, trial = 1e-2, free.copy()
    for _ in range(_MOST_STEPS):
        damped = matrix.copy()
        for i in range(m):
            damped[i, i] = damped[i, i] * (1.0 + damping) + 1e-30
        step = np.linalg.solve(damped, right)
        for i in range(m):
            trial[i] = min(max(free[i] + step[i], lowest[i]), highest[i])
        next_cost = _normal(v, up, data, form, trial, next_matrix, next_right, room)
        if next_cost <= cost:
            gain = cost - next_cost
            free[:], matrix[:, :], right[:] = trial, next_matrix, next_right
            cost = next_cost
            damping = max(0.3 * damping, 1e-9)
            if gain <= _TOLERANCE * cost:
                return cost, True, matrix
        else:
            damping *= 4.0
            if damping > 1e10:
                return cost, True, matrix
    return cost, False, matrix


@njit(cache=True)
def fit_rows(data, v, up, form, starts, lowest, highest, found, matrices):
    """Fit data [rows, n] from starts [tries, rows, m] into found [rows, m + 2]: numbers, sum of squares, converged.

    matrices [rows, m, m] are the normal equations at the end; rows that are not finite are left NaN.
    """
    m = form.shape[1]
    for row in range(len(data)):
        found[row] = np.nan
        found[row, m + 1] = 0.0
        matrices[row] = np.nan
        if not np.isfinite(data[row].sum()):
            continue
        least = np.inf
        for attempt in range(len(starts)):
            free = starts[attempt, row].copy()
            cost, done, matrix = _search(v, up, data[row], form, free, lowest[row], highest[row])
            if cost < least:
                least = cost
                found[row, :m], found[row, m], found[row, m + 1] = free, cost, 1.0 if done else 0.0
                matrices[row] = matrix
