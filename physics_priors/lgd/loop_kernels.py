# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Compiled histories of ensembles of switching units; loaded only when a loop is computed.

An ensemble with independent thresholds up (u) and down (d) is a staircase of pairs (F, G): of the units whose u lies in
the part F_k to F_(k+1) of the distribution of u, those with d in the part below G_k of the distribution of d are up.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

DEEPEST = 32
"""Reversals that an ensemble can remember; the smallest ones are forgotten beyond that."""
_ROOT_HALF = math.sqrt(0.5)


@njit(inline="always")
def _below(x):
    """The normal distribution; to the last digit beyond 6 it is 0 or 1, and not worth computing."""
    if x > 6.0:
        return 1.0
    return 0.0 if x < -6.0 else 0.5 * math.erfc(-x * _ROOT_HALF)


@njit(cache=True)
def _apply(F, G, count, f, g):
    """One bias with parts f of all u and g of all d below it; returns how many pairs there are now."""
    while count > 1 and F[count - 1] <= f:
        count -= 1
    if count == DEEPEST:
        count -= 1
    F[count], G[count] = f, 1.0
    count += 1
    first = count - 1
    while first > 0 and G[first - 1] >= g:
        first -= 1
    if G[first] > g:
        G[first] = g
        count = first + 1
    return count


@njit(cache=True)
def _up(F, G, count):
    total = 0.0
    for k in range(count):
        total += (F[k] - (F[k + 1] if k + 1 < count else 0.0)) * G[k]
    return total


@njit(cache=True)
def begin(theta, F, G, count):
    """Fresh ensembles: as if the last of a long history had been a minimum that left the part theta[:, 7] up."""
    for i in range(theta.shape[0]):
        for k in range(F.shape[1]):
            F[i, k, 0], G[i, k, 0], count[i, k] = 1.0, theta[i, 7], 1


@njit(cache=True)
def drive(theta, F, G, count, bias, read_V, log_dwell, during, after):
    """Pulses bias [n or 1, T] on ensembles [n, shells, DEEPEST] in place; the part up goes to during, after [n, T].

    theta [n, 8]: coercive and imprint voltage, width, amplitude, offset, rate, least share, part up at first.
    """
    shells = F.shape[1]
    for i in range(theta.shape[0]):
        row = min(i, bias.shape[0] - 1)
        up_V = theta[i, 1] + theta[i, 0] * (1.0 - theta[i, 5] * log_dwell)
        down_V = theta[i, 1] - theta[i, 0] * (1.0 - theta[i, 5] * log_dwell)
        width = theta[i, 2]
        during[i], after[i] = 0.0, 0.0
        for k in range(shells):
            share = theta[i, 6] + (1.0 - theta[i, 6]) * (k + 0.5) / shells
            f0, g0 = _below((share * read_V - up_V) / width), _below((share * read_V - down_V) / width)
            f, g, n = F[i, k], G[i, k], count[i, k]
            for t in range(bias.shape[1]):
                felt = share * bias[row, t]
                n = _apply(f, g, n, _below((felt - up_V) / width), _below((felt - down_V) / width))
                during[i, t] += _up(f, g, n) / shells
                n = _apply(f, g, n, f0, g0)
                after[i, t] += _up(f, g, n) / shells
            count[i, k] = n


@njit(cache=True)
def ahead(theta, F, G, count, waveforms, read_V, log_dwell, after):
    """What each of several waveforms [C, T] would leave up, after [C, n, T]; the ensembles stay as they are."""
    n, shells = F.shape[0], F.shape[1]
    f, g, c = np.empty((1, shells, DEEPEST)), np.empty((1, shells, DEEPEST)), np.empty((1, shells), np.int64)
    during = np.empty((1, waveforms.shape[1]))
    for w in range(waveforms.shape[0]):
        for i in range(n):
            f[0], g[0], c[0] = F[i], G[i], count[i]
            drive(theta[i : i + 1], f, g, c, waveforms[w : w + 1], read_V, log_dwell, during, after[w, i : i + 1])
