# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Compiled steps of dP/dt = -L dF/dP with the terms that act on a cell and its neighbours, for one to three components.

Fields are padded by one ghost cell on every side, [B, C, rows + 2, columns + 2], float32 or float64. Loaded only when
something is simulated. Every row of a batch is computed alone and in the same order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

PERIODIC = 2.0


@njit(inline="always")
def _per_square(a1, c, x, y, z):
    """Derivative of the Landau polynomial by the square x; c as `coefficients` has it, without the first."""
    yz = y * z
    second = y * y + z * z
    low = a1 + c[0] * x + c[1] * (y + z)
    sixth = c[2] * x * x + c[3] * ((x + x) * (y + z) + second) + c[4] * yz
    cubes = y * y * y + z * z * z
    eighth = c[5] * x * x * x + c[6] * (cubes + (x + x + x) * x * (y + z))
    return low + sixth + eighth + c[7] * (x + x) * second + c[8] * yz * (x + x + y + z)


@njit(inline="always")
def _along(left, right, middle):
    return left + right - middle - middle


@njit(fastmath=True, cache=True)
def _row_one(o, a, up, dn, e, h, wave, first, c, g, rate, n):
    gx, gy = g[1], g[3]
    none = e[0] - e[0]
    for i in range(1, n + 1):
        p = a[i]
        f = _per_square(first[0] + h[i], c, p * p, none, none)
        lap = gx * _along(a[i - 1], a[i + 1], p) + gy * _along(up[i], dn[i], p)
        o[i] = p + rate * (lap - (p + p) * f + e[i] + wave[0])


@njit(fastmath=True, cache=True)
def _row_two(o1, o2, a, aup, adn, b, bup, bdn, e1, e2, h, wave, first, c, g, rate, n):
    none = e1[0] - e1[0]
    for i in range(1, n + 1):
        p, q = a[i], b[i]
        x, y = p * p, q * q
        f1 = _per_square(first[0] + h[i], c, x, y, none)
        f2 = _per_square(first[1] + h[i], c, y, x, none)
        d1 = g[0] * _along(a[i - 1], a[i + 1], p) + g[3] * _along(aup[i], adn[i], p)
        d2 = g[1] * _along(b[i - 1], b[i + 1], q) + g[2] * _along(bup[i], bdn[i], q)
        m1 = bdn[i + 1] + bup[i - 1] - bdn[i - 1] - bup[i + 1]
        m2 = adn[i + 1] + aup[i - 1] - adn[i - 1] - aup[i + 1]
        o1[i] = p + rate * (d1 + g[4] * m1 - (p + p) * f1 + e1[i] + wave[0])
        o2[i] = q + rate * (d2 + g[4] * m2 - (q + q) * f2 + e2[i] + wave[1])


@njit(fastmath=True, cache=True)
def _row_three(o, p, k, j, e, h, wave, first, c, g, rate, n):
    for i in range(1, n + 1):
        p1, p2, p3 = p[k, 0, j, i], p[k, 1, j, i], p[k, 2, j, i]
        x, y, z = p1 * p1, p2 * p2, p3 * p3
        f1 = _per_square(first[0] + h[i], c, x, y, z)
        f2 = _per_square(first[1] + h[i], c, y, z, x)
        f3 = _per_square(first[2] + h[i], c, z, x, y)
        d1 = g[0] * _along(p[k, 0, j, i - 1], p[k, 0, j, i + 1], p1)
        d1 += g[3] * _along(p[k, 0, j - 1, i], p[k, 0, j + 1, i], p1)
        d2 = g[1] * _along(p[k, 1, j, i - 1], p[k, 1, j, i + 1], p2)
        d2 += g[2] * _along(p[k, 1, j - 1, i], p[k, 1, j + 1, i], p2)
        d3 = g[1] * _along(p[k, 2, j, i - 1], p[k, 2, j, i + 1], p3)
        d3 += g[3] * _along(p[k, 2, j - 1, i], p[k, 2, j + 1, i], p3)
        m1 = p[k, 1, j + 1, i + 1] + p[k, 1, j - 1, i - 1] - p[k, 1, j + 1, i - 1] - p[k, 1, j - 1, i + 1]
        m2 = p[k, 0, j + 1, i + 1] + p[k, 0, j - 1, i - 1] - p[k, 0, j + 1, i - 1] - p[k, 0, j - 1, i + 1]
        o[k, 0, j, i] = p1 + rate * (d1 + g[4] * m1 - (p1 + p1) * f1 + e[k, 0, j, i] + wave[0])
        o[k, 1, j, i] = p2 + rate * (d2 + g[4] * m2 - (p2 + p2) * f2 + e[k, 1, j, i] + wave[1])
        o[k, 2, j, i] = p3 + rate * (d3 - (p3 + p3) * f3 + e[k, 2, j, i] + wave[2])


@njit(fastmath=True, cache=True)
def ghosts(p, ratios):
    """Fill the ghost cells of one field [C, rows + 2, columns + 2]: columns first, then rows with the corners."""
    rows, columns = p.shape[1] - 2, p.shape[2] - 2
    for c in range(p.shape[0]):
        for j in range(1, rows + 1):
            p[c, j, 0] = p[c, j, columns] if ratios[2] == PERIODIC else ratios[2] * p[c, j, 1]
            p[c, j, columns + 1] = p[c, j, 1] if ratios[3] == PERIODIC else ratios[3] * p[c, j, columns]
        for i in range(columns + 2):
            p[c, 0, i] = p[c, rows, i] if ratios[0] == PERIODIC else ratios[0] * p[c, 1, i]
            p[c, rows + 1, i] = p[c, 1, i] if ratios[1] == PERIODIC else ratios[1] * p[c, rows, i]


@njit(fastmath=True, cache=True)
def _step(p, q, k, drive, shift, wave, first, c, g, ratios, rate):
    rows, columns = p.shape[2] - 2, p.shape[3] - 2
    for j in range(1, rows + 1):
        h = shift[k, j]
        if p.shape[1] == 1:
            _row_one(
                q[k, 0, j],
                p[k, 0, j],
                p[k, 0, j - 1],
                p[k, 0, j + 1],
                drive[k, 0, j],
                h,
                wave,
                first,
                c,
                g,
                rate,
                columns,
            )
        elif p.shape[1] == 2:
            _row_two(
                q[k, 0, j], q[k, 1, j], p[k, 0, j], p[k, 0, j - 1], p[k, 0, j + 1],
                p[k, 1, j], p[k, 1, j - 1], p[k, 1, j + 1], drive[k, 0, j], drive[k, 1, j],
                h, wave, first, c, g, rate, columns,
            )  # fmt: skip
        else:
            _row_three(q, p, k, j, drive, h, wave, first, c, g, rate, columns)
    ghosts(q[k], ratios)


@njit(cache=True)
def advance(p, q, drive, shift, waves, first, c, g, ratios, rate, noise, keys, begin, row_from, row_to):
    """Take waves.shape[0] steps of the rows of a batch from row_from to row_to; the end state lies in p again.

    waves [steps, C] is a field that is uniform in space; noise is the standard deviation of a step's thermal kick; a
    kick is fixed by the row's key, the step's number (from `begin`), the component and the cell.
    """
    steps = waves.shape[0]
    for k in range(row_from, row_to):
        for s in range(steps):
            if s % 2 == 0:
                _step(p, q, k, drive, shift, waves[s], first, c, g, ratios, rate)
                if noise > 0:
                    kick(q[k], noise, keys[k], begin + s)
                    ghosts(q[k], ratios)
            else:
                _step(q, p, k, drive, shift, waves[s], first, c, g, ratios, rate)
                if noise > 0:
                    kick(p[k], noise, keys[k], begin + s)
                    ghosts(p[k], ratios)
        if steps % 2 == 1:
            p[k] = q[k]


@njit(cache=True)
def _mixed(word):
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True)
def kick(p, deviation, key, step):
    """Add independent normal numbers to the inner cells of [C, rows + 2, columns + 2], by Box and Muller."""
    rows, columns = p.shape[1] - 2, p.shape[2] - 2
    stream = _mixed(key + np.uint64(step + 1) * np.uint64(0x9E3779B97F4A7C15))
    cell = np.uint64(0)
    for c in range(p.shape[0]):
        for j in range(1, rows + 1):
            for i in range(1, columns + 1):
                cell += np.uint64(1)
                bits = _mixed(stream + cell * np.uint64(0xD1342543DE82EF95))
                u = (float(bits >> np.uint64(32)) + 0.5) * 2.0**-32
                v = float(bits & np.uint64(0xFFFFFFFF)) * 2.0**-32
                p[c, j, i] += deviation * math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


@njit(fastmath=True, cache=True)
def stresses(p, out, e):
    """C eigenstrain (11, 22, 12 and, where P3 is, 13, 23) of P [C, rows, columns].

    e: c11, c12, c44, q11, q12, q44. Returns the six means of the eigenstrain (11, 22, 33, 12, 13, 23).
    """
    c11, c12, shear, q11, q12, q44 = e[0], e[1], e[2] + e[2], e[3], e[4], e[5]
    components, rows, columns = p.shape
    means = np.zeros(6)
    for j in range(rows):
        sums = np.zeros(6)
        for i in range(columns):
            x, y, z = _vector(p, components, j, i)
            xx, yy, zz = x * x, y * y, z * z
            s1, s2, s3 = q11 * xx + q12 * (yy + zz), q11 * yy + q12 * (xx + zz), q11 * zz + q12 * (xx + yy)
            s12, s13, s23 = q44 * x * y, q44 * x * z, q44 * y * z
            out[0, j, i] = c11 * s1 + c12 * (s2 + s3)
            out[1, j, i] = c11 * s2 + c12 * (s1 + s3)
            out[2, j, i] = shear * s12
            if components != 2:
                out[3, j, i], out[4, j, i] = shear * s13, shear * s23
            sums[0] += s1
            sums[1] += s2
            sums[2] += s3
            sums[3] += s12
            sums[4] += s13
            sums[5] += s23
        means += sums
    return means / (rows * columns)


@njit(inline="always")
def _vector(p, components, j, i):
    none = p[0, j, i] - p[0, j, i]
    if components == 1:
        return none, none, p[0, j, i]
    if components == 2:
        return p[0, j, i], p[1, j, i], none
    return p[0, j, i], p[1, j, i], p[2, j, i]


@njit(fastmath=True, cache=True)
def stress_field(p, strain, mean, e, out):
    """Add stress * d eigenstrain / dP to out [C, rows, columns]; strain as `stresses`' out, without its mean (6)."""
    c11, c12, shear, q11, q12, q44 = e[0], e[1], e[2] + e[2], e[3], e[4], e[5]
    components, rows, columns = p.shape
    for j in range(rows):
        for i in range(columns):
            x, y, z = _vector(p, components, j, i)
            xx, yy, zz = x * x, y * y, z * z
            s1 = strain[0, j, i] + mean[0] - q11 * xx - q12 * (yy + zz)
            s2 = strain[1, j, i] + mean[1] - q11 * yy - q12 * (xx + zz)
            s3 = mean[2] - q11 * zz - q12 * (xx + yy)
            t1, t2, t3 = c11 * s1 + c12 * (s2 + s3), c11 * s2 + c12 * (s1 + s3), c11 * s3 + c12 * (s1 + s2)
            t12 = shear * (strain[2, j, i] + mean[3] - q44 * x * y)
            if components == 3:
                t13 = shear * (strain[3, j, i] + mean[4] - q44 * x * z)
                t23 = shear * (strain[4, j, i] + mean[5] - q44 * y * z)
                out[0, j, i] += (x + x) * (q11 * t1 + q12 * (t2 + t3)) + (q44 + q44) * (t12 * y + t13 * z)
                out[1, j, i] += (y + y) * (q11 * t2 + q12 * (t1 + t3)) + (q44 + q44) * (t12 * x + t23 * z)
                out[2, j, i] += (z + z) * (q11 * t3 + q12 * (t1 + t2)) + (q44 + q44) * (t13 * x + t23 * y)
            elif components == 2:
                out[0, j, i] += (x + x) * (q11 * t1 + q12 * (t2 + t3)) + (q44 + q44) * t12 * y
                out[1, j, i] += (y + y) * (q11 * t2 + q12 * (t1 + t3)) + (q44 + q44) * t12 * x
            else:
                out[0, j, i] += (z + z) * (q11 * t3 + q12 * (t1 + t2))


@njit(fastmath=True, cache=True)
def mix(matrix, s, out):
    """out_a(k) = sum_b matrix_ab(k) s_b(k): matrix [n, n, rows, columns] real, s and out [n, rows, columns] complex."""
    n, rows, columns = s.shape
    for j in range(rows):
        for a in range(n):
            for i in range(columns):
                out[a, j, i] = matrix[a, 0, j, i] * s[0, j, i]
            for b in range(1, n):
                for i in range(columns):
                    out[a, j, i] += matrix[a, b, j, i] * s[b, j, i]
