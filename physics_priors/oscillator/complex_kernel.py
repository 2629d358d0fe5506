# mypy: disable-error-code="no-untyped-def"
"""Compiled least squares of complex oscillator spectra; loaded only when something is fitted.

The model is c u with u = 1 / D, D = a - f^2 + i f b, a = f0^2, b = f0 / Q and c complex. For any (a, b) the best c is
known (variable projection), so that only two numbers are searched, by Gauss-Newton steps with damping where one fails.
The two derivatives, along c u^2 and i f c u^2, are orthogonal over the reals.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "arcp", "nsz"}
CONVERGED, AT_LIMIT, EXHAUSTED, UNUSABLE = 0, 1, 2, 3
_MOST_STEPS = 40
_TOLERANCE = 1e-5


@njit(cache=True, fastmath=FAST)
def _sums(re, im, f, a, b, out):
    """All that a step needs, in one pass over the bins: products of u, u^2 and the data."""
    y1r, y1i, y2r, y2i, y3r, y3i = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    s0, s1r, s1i, s2r, s2i, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(f)):
        x = f[k]
        dr, di = a - x * x, x * b
        p = 1.0 / (dr * dr + di * di)
        ur, ui = dr * p, -di * p
        vr, vi = ur * ur - ui * ui, 2.0 * ur * ui
        y1r += ur * re[k] + ui * im[k]
        y1i += ur * im[k] - ui * re[k]
        wr, wi = vr * re[k] + vi * im[k], vr * im[k] - vi * re[k]
        y2r += wr
        y2i += wi
        y3r += x * wr
        y3i += x * wi
        s0 += p
        s1r += p * ur
        s1i += p * ui
        s2r += x * p * ur
        s2i += x * p * ui
        s3 += p * p
        s4 += x * x * p * p
    out[0], out[1], out[2], out[3], out[4], out[5] = y1r, y1i, y2r, y2i, y3r, y3i
    out[6], out[7], out[8], out[9], out[10], out[11], out[12] = s0, s1r, s1i, s2r, s2i, s3, s4


@njit(cache=True, fastmath=FAST)
def _linear_start(re, im, f):
    """(a, b) from f^2 y = a y + i f b y - c, weighted by |y|^2; exact without noise."""
    w0, ar, ai, br, bi, cr, ci = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    m0, m2 = 0.0, 0.0
    for k in range(len(f)):
        x = f[k]
        w = re[k] * re[k] + im[k] * im[k]
        wr, wi = w * re[k], w * im[k]
        w0 += w
        ar += wr
        ai += wi
        br += x * wr
        bi += x * wi
        cr += x * x * wr
        ci += x * x * wi
        m0 += w * w
        m2 += x * x * w * w
    if not w0 > 0.0:
        return 0.0, 0.0
    pp = m0 - (ar * ar + ai * ai) / w0
    qq = m2 - (br * br + bi * bi) / w0
    pq = (ar * bi - ai * br) / w0
    pt = m2 - (ar * cr + ai * ci) / w0
    qt = -(br * ci - bi * cr) / w0
    determinant = pp * qq - pq * pq
    if not determinant > 0.0:
        return 0.0, 0.0
    return (pt * qq - qt * pq) / determinant, (qt * pp - pt * pq) / determinant


@njit(cache=True, fastmath=FAST)
def _power(re, im):
    total = 0.0
    for k in range(len(re)):
        total += re[k] * re[k] + im[k] * im[k]
    return total


@njit(cache=True)
def _largest(re, im):
    where, most = 0, -1.0
    for k in range(len(re)):
        size = re[k] * re[k] + im[k] * im[k]
        if size > most:
            where, most = k, size
    return where


@njit(cache=True)
def _fits(a, b, limits):
    """Whether f0 and Q lie within limits = (f0 low, f0 high, Q low, Q high)."""
    if not (a > 0.0 and b > 0.0):
        return False
    f0 = np.sqrt(a)
    return limits[0] <= f0 <= limits[1] and limits[2] <= f0 / b <= limits[3]


@njit(cache=True)
def _clipped(a, b, limits):
    f0 = min(max(np.sqrt(max(a, 0.0)), limits[0]), limits[1])
    q = limits[3] if not b > 0.0 else min(max(f0 / b, limits[2]), limits[3])
    return f0 * f0, f0 / q


@njit(cache=True)
def _peak_start(re, im, f, limits, total, sums):
    """(a, b) at the largest bin, with the best of a few widths."""
    centre = f[_largest(re, im)]
    band = f[-1] - f[0]
    best_a, best_b, least = 0.0, 0.0, np.inf
    for part in (0.5, 0.25, 0.12, 0.06, 0.03, 0.015):
        a, b = _clipped(centre * centre, part * band, limits)
        _sums(re, im, f, a, b, sums)
        cost = total - (sums[0] ** 2 + sums[1] ** 2) / sums[6]
        if cost < least:
            best_a, best_b, least = a, b, cost
    return best_a, best_b


@njit(cache=True)
def _step(s, damping):
    """Change of (a, b) from the sums; both 0 where the equations are singular."""
    cr, ci = s[0] / s[6], s[1] / s[6]
    c2 = cr * cr + ci * ci
    vv = c2 * (s[11] - (s[7] ** 2 + s[8] ** 2) / s[6]) * (1.0 + damping)
    ww = c2 * (s[12] - (s[9] ** 2 + s[10] ** 2) / s[6]) * (1.0 + damping)
    vw = c2 * (s[7] * s[10] - s[8] * s[9]) / s[6]
    v_r, v_i = s[2] - (cr * s[7] + ci * s[8]), s[3] - (ci * s[7] - cr * s[8])
    w_r, w_i = s[4] - (cr * s[9] + ci * s[10]), s[5] - (ci * s[9] - cr * s[10])
    v = -(cr * v_r + ci * v_i)
    w = -(cr * w_i - ci * w_r)
    determinant = vv * ww - vw * vw
    if not determinant > 0.0:
        return 0.0, 0.0
    return (v * ww - w * vw) / determinant, (w * vv - v * vw) / determinant


@njit(cache=True)
def _search(re, im, f, a, b, limits, total, sums, trial):
    """Gauss-Newton from (a, b): the best (a, b), what is left of the power, steps, and how it ended."""
    _sums(re, im, f, a, b, sums)
    cost = total - (sums[0] ** 2 + sums[1] ** 2) / sums[6]
    damping, ended = 0.0, EXHAUSTED
    steps = 0
    while steps < _MOST_STEPS:
        steps += 1
        da, db = _step(sums, damping)
        small = _TOLERANCE * b
        next_a, next_b = a + da, b + db
        if not _fits(next_a, next_b, limits):
            next_a, next_b = _clipped(next_a, next_b, limits)
            da, db = next_a - a, next_b - b
        _sums(re, im, f, next_a, next_b, trial)
        next_cost = total - (trial[0] ** 2 + trial[1] ** 2) / trial[6]
        done = abs(da) <= small and abs(db) <= small
        if next_cost <= cost or done:
            a, b, cost = next_a, next_b, min(cost, next_cost)
            for k in range(len(trial)):
                sums[k] = trial[k]
            damping = 0.0 if damping < 1e-3 else damping * 0.1
        else:
            damping = max(10.0 * damping, 1e-2)
        if done:
            ended = CONVERGED
            break
    return a, b, cost, steps, ended


@njit(cache=True)
def fit_rows(spectra, f, limits, trust, found):
    """Fit spectra [rows, n] over rising f [n] into found [rows, 7]: Re c, Im c, a, b, cost, power, how it ended.

    limits [4]: f0 low, f0 high, Q low, Q high. Where less than `trust` of the power is explained, a second start at
    the largest bin is tried, and the better result kept. Rows with NaN or without signal are UNUSABLE.
    """
    rows, n = spectra.shape
    re, im = np.empty(n), np.empty(n)
    sums, trial = np.empty(13), np.empty(13)
    for row in range(rows):
        for k in range(n):
            re[k], im[k] = spectra[row, k].real, spectra[row, k].imag
        total = _power(re, im)
        if not (total > 0.0 and np.isfinite(total)):
            found[row] = np.nan
            found[row, 6] = UNUSABLE
            continue
        a, b = _linear_start(re, im, f)
        if not _fits(a, b, limits):
            a, b = _peak_start(re, im, f, limits, total, trial)
        a, b, cost, _, ended = _search(re, im, f, a, b, limits, total, sums, trial)
        if cost > (1.0 - trust) * total:
            a2, b2 = _peak_start(re, im, f, limits, total, trial)
            a2, b2, cost2, _, ended2 = _search(re, im, f, a2, b2, limits, total, sums, trial)
            if cost2 < cost:
                a, b, cost, ended = a2, b2, cost2, ended2
            _sums(re, im, f, a, b, sums)
        inside_a, inside_b = _clipped(a, b, limits)
        q = np.sqrt(a) / b
        edge = q >= limits[3] * (1.0 - 1e-9) or q <= limits[2] * (1.0 + 1e-9)
        edge = edge or a >= limits[1] ** 2 * (1.0 - 1e-12) or a <= limits[0] ** 2 * (1.0 + 1e-12)
        found[row, 0], found[row, 1] = sums[0] / sums[6], sums[1] / sums[6]
        found[row, 2], found[row, 3], found[row, 4], found[row, 5] = inside_a, inside_b, max(cost, 0.0), total
        found[row, 6] = AT_LIMIT if edge else ended
