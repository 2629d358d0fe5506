# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Compiled steps of the lattice model; loaded only when it is run."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def run(p, field, waves, alpha, beta, coupling, own, depolarisation, rate, periodic, seen):
    """Let every row of p [B, C, n, m] take waves.shape[0] steps in place; seen [B, steps, C] gets the mean of P."""
    rows, components, n, m = p.shape
    q = np.empty((n, m))
    for b in range(rows):
        for s in range(waves.shape[0]):
            for c in range(components):
                held = depolarisation * p[b, c].sum()
                total = 0.0
                for i in range(n):
                    for j in range(m):
                        near = 0.0
                        for up in (-1, 1):
                            if periodic or 0 <= i + up < n:
                                near += p[b, c, (i + up) % n, j]
                            if periodic or 0 <= j + up < m:
                                near += p[b, c, i, (j + up) % m]
                        x = p[b, c, i, j]
                        slope = beta * x**3 + alpha * x + coupling * (own * x - near)
                        q[i, j] = x - rate * (slope - field[b, c, i, j] - waves[s, c] + held)
                        total += q[i, j]
                p[b, c] = q
                seen[b, s, c] = total / (n * m)
