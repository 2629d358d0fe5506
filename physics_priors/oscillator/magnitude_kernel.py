# mypy: disable-error-code="no-untyped-def"
"""Compiled least squares of oscillator magnitudes; loaded only when something is fitted.

m(f) = |A f0^2 / D + x + i y|, D = f0^2 - f^2 + i f f0 / Q, in theta = (A, f0, 1 / Q, x, y): Levenberg-Marquardt.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SIZE = 5
_MOST_STEPS = 100
_TOLERANCE = 1e-6


@njit(cache=True)
def _model(f, theta, k, gradient):
    """Magnitude at f[k], and its derivatives by theta."""
    amplitude, f0, damping = theta[0], theta[1], theta[2]
    x = f[k]
    below = complex(f0 * f0 - x * x, x * f0 * damping)
    u = f0 * f0 / below
    z = amplitude * u + complex(theta[3], theta[4])
    size = abs(z)
    turn = z.conjugate() / max(size, 1e-300)
    gradient[0] = (turn * u).real
    gradient[1] = (turn * amplitude * u * (2.0 / f0 - complex(2.0 * f0, x * damping) / below)).real
    gradient[2] = (turn * amplitude * u * complex(0.0, -x * f0) / below).real
    gradient[3], gradient[4] = turn.real, -turn.imag
    return size


@njit(cache=True)
def _normal(f, y, theta, free, matrix, right, gradient):
    """Sum of squares; fills the normal equations of the first `free` parameters."""
    matrix[:, :] = 0.0
    right[:] = 0.0
    cost = 0.0
    for k in range(len(f)):
        rest = y[k] - _model(f, theta, k, gradient)
        cost += rest * rest
        for i in range(free):
            right[i] += gradient[i] * rest
            for j in range(i + 1):
                matrix[i, j] += gradient[i] * gradient[j]
    for i in range(free):
        for j in range(i):
            matrix[j, i] = matrix[i, j]
    return cost


@njit(cache=True)
def _inside(theta, limits):
    return limits[0] <= theta[1] <= limits[1] and limits[2] * theta[2] <= 1.0 <= limits[3] * theta[2]


@njit(cache=True)
def _search(f, y, theta, free, limits):
    """Levenberg-Marquardt in place; the sum of squares that is left, and whether it converged."""
    matrix, right = np.zeros((SIZE, SIZE)), np.zeros(SIZE)
    next_matrix, next_right, gradient = np.zeros((SIZE, SIZE)), np.zeros(SIZE), np.zeros(SIZE)
    cost = _normal(f, y, theta, free, matrix, right, gradient)
    damping, trial = 1e-3, theta.copy()
    for _ in range(_MOST_STEPS):
        damped = matrix[:free, :free].copy()
        for i in range(free):
            damped[i, i] = damped[i, i] * (1.0 + damping) + 1e-30
        step = np.linalg.solve(damped, right[:free])
        for i in range(free):
            trial[i] = theta[i] + step[i]
        legal = _inside(trial, limits)
        next_cost = np.inf
        if legal:
            next_cost = _normal(f, y, trial, free, next_matrix, next_right, gradient)
        if next_cost <= cost:
            gain = cost - next_cost
            theta[:] = trial
            matrix[:, :] = next_matrix
            right[:] = next_right
            cost = next_cost
            damping = max(damping * 0.2, 1e-9)
            if gain <= _TOLERANCE * cost:
                return cost, True
        else:
            trial[:] = theta
            damping *= 5.0
            if damping > 1e9:
                return cost, True
    return cost, False


@njit(cache=True)
def fit_rows(magnitudes, f, limits, background, found):
    """Fit [rows, n] over rising f [n] into found [rows, 7]: theta, sum of squares, 1 where it converged.

    Three widths are tried around the largest bin without a background, then the background (two numbers) is freed
    from the best of them, once for either sign of its quadrature.
    """
    rows, n = magnitudes.shape
    for row in range(rows):
        y = magnitudes[row]
        found[row] = np.nan
        found[row, 6] = 0.0
        if not np.isfinite(y.sum()) or not y.max() > 0.0:
            continue
        best, least, good = np.zeros(SIZE), np.inf, False
        for part in (0.03, 0.1, 0.3):
            theta = np.zeros(SIZE)
            theta[1] = min(max(f[np.argmax(y)], limits[0]), limits[1])
            theta[2] = min(max(part * (f[n - 1] - f[0]) / theta[1], 1.0 / limits[3]), 1.0 / limits[2])
            theta[0] = y.max() * theta[2]
            cost, done = _search(f, y, theta, 3, limits)
            if cost < least:
                best, least, good = theta, cost, done
        if background:
            start = best.copy()
            for sign in (-1.0, 1.0):
                theta = start.copy()
                theta[3], theta[4] = 0.02 * y.max(), 0.05 * sign * y.max()
                cost, done = _search(f, y, theta, SIZE, limits)
                if cost < least:
                    best, least, good = theta, cost, done
        found[row, :SIZE], found[row, 5], found[row, 6] = best, least, 1.0 if good else 0.0
