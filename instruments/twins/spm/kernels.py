# mypy: disable-error-code="no-untyped-def"
"""Compiled loops over a batch of samples: polarisation under a moving, biased tip; retention; the feedback loop.

Loaded only when a sample is used. Each row is computed alone and in the same order, so that a batch of one and a batch
of many agree bit for bit. Polarisation is in units of P0, time in units of 1 / (L |a|), field in units of |a| P0, where
the coercive field of the homogeneous crystal is 0.3849 (physics sheet 5.2), lengths in pixels of the grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STEP = 0.2
"""Time step; stable while STEP * (16 g / 3 + 3) < 2, that is for walls of g < 1.3 pixels^2."""
_STILL = 2e-6
_SPLIT = 0.5
REACH_NM = 1000.0
"""How far the height piezo reaches, up and down."""


@njit(cache=True)
def _relax(p, q, still, bias, steps):
    """Explicit Euler on p [n+2, n+2] with a fixed rim, at most `steps`; q is room to write; field = still + bias.

    still [3, n, n]: constant field, 1 - softness - depolarisation, gradient coefficient g. The Laplacian has nine
    points, so that domains are round.
    """
    size, across = p.shape[0] - 2, p.shape[1] - 2
    for _ in range(steps):
        largest = 0.0
        for i in range(size):
            for j in range(across):
                m = p[i + 1, j + 1]
                g = still[2, i, j]
                sides = p[i, j + 1] + p[i + 2, j + 1] + p[i + 1, j] + p[i + 1, j + 2]
                corners = p[i, j] + p[i + 2, j] + p[i, j + 2] + p[i + 2, j + 2]
                lap = (4.0 * sides + corners - 20.0 * m) / 6.0
                change = STEP * (still[1, i, j] * m - m * m * m + g * lap + still[0, i, j] + bias[i, j])
                q[i, j] = m + change
                largest = max(largest, abs(change))
        for i in range(size):
            for j in range(across):
                p[i + 1, j + 1] = q[i, j]
        if largest < _STILL:
            break


@njit(cache=True)
def drive(pol, scr, chg, field, soft, events, count, tip, seen, charge_seen):
    """Let the tip do `count` events on every row, in place; what it sees at the end of each goes to seen, charge_seen.

    pol, scr, chg, field, soft [B, N, N]; events [B, K, 4]: x, y [px], bias [V], duration [time units].
    tip [B, 10]: field per volt, d [px], exponent, g [px^2], depolarisation, screening time, injected share, injection
    time, read sigma [px], charge's hold on the bias.
    """
    rows, n = pol.shape[0], pol.shape[1]
    for b in range(rows):
        per_V, d, power, g, dep = tip[b, 0], tip[b, 1], tip[b, 2], tip[b, 3], tip[b, 4]
        t_scr, inject, t_inj, sigma, hold = tip[b, 5], tip[b, 6], tip[b, 7], tip[b, 8], tip[b, 9]
        half = min(int(np.ceil(3.5 * d)) + 3, (n - 3) // 2)
        w = 2 * half + 1
        p, q = np.empty((w + 2, w + 2)), np.empty((w, w))
        still, bias = np.empty((3, w, w)), np.empty((w, w))
        for k in range(count):
            x, y, volts, lasts = events[b, k, 0], events[b, k, 1], events[b, k, 2], events[b, k, 3]
            ci, cj = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
            parts = min(max(int(np.ceil(lasts / (_SPLIT * t_scr))), 1), 8)
            for _ in range(parts):
                part = lasts / parts
                for i in range(-1, w + 1):
                    gi = (ci - half + i) % n
                    for j in range(-1, w + 1):
                        p[i + 1, j + 1] = pol[b, gi, (cj - half + j) % n]
                for i in range(w):
                    gi = (ci - half + i) % n
                    dy = ci - half + i - y
                    for j in range(w):
                        gj = (cj - half + j) % n
                        dx = cj - half + j - x
                        share = (1.0 + (dx * dx + dy * dy) / (d * d)) ** (-power)
                        still[0, i, j] = field[b, gi, gj] + dep * scr[b, gi, gj]
                        still[1, i, j] = 1.0 - soft[b, gi, gj] - dep
                        still[2, i, j] = g
                        bias[i, j] = per_V * share * (volts - hold * chg[b, gi, gj])
                _relax(p, q, still, bias, int(np.ceil(part / STEP)))
                screened = 1.0 - np.exp(-part / t_scr)
                injected = 1.0 - np.exp(-part / t_inj)
                for i in range(w):
                    gi = (ci - half + i) % n
                    dy = ci - half + i - y
                    for j in range(w):
                        gj = (cj - half + j) % n
                        dx = cj - half + j - x
                        share = (1.0 + (dx * dx + dy * dy) / (d * d)) ** (-power)
                        new = p[i + 1, j + 1]
                        pol[b, gi, gj] = new
                        scr[b, gi, gj] += screened * (new - scr[b, gi, gj])
                        if volts != 0.0:
                            chg[b, gi, gj] += injected * share * (inject * volts - chg[b, gi, gj])
            total, weight, held = 0.0, 0.0, 0.0
            for i in range(w):
                dy = ci - half + i - y
                for j in range(w):
                    dx = cj - half + j - x
                    a = np.exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma))
                    total += (
                        a * p[i + 1, j + 1] * (1.0 if soft[b, (ci - half + i) % n, (cj - half + j) % n] < 1.0 else 0.0)
                    )
                    held += a * chg[b, (ci - half + i) % n, (cj - half + j) % n]
                    weight += a
            seen[b, k] = total / weight
            charge_seen[b, k] = held / weight


@njit(cache=True)
def rest(pol, scr, field, soft, lasts, tip, most):
    """Let every row lie without bias for lasts [B] time units, in place: walls move, screening follows.

    Screening is slow and polarisation quick, so they take turns: at most 8 rounds of at most `most` steps.
    """
    rows, n = pol.shape[0], pol.shape[1]
    p, q = np.empty((n + 2, n + 2)), np.empty((n, n))
    still, bias = np.empty((3, n, n)), np.zeros((n, n))
    for b in range(rows):
        if lasts[b] <= 0.0:
            continue
        g, dep, t_scr = tip[b, 3], tip[b, 4], tip[b, 5]
        parts = min(max(int(np.ceil(lasts[b] / (_SPLIT * t_scr))), 1), 8)
        part = lasts[b] / parts
        screened = 1.0 - np.exp(-part / t_scr)
        steps = min(int(np.ceil(part / STEP)), most)
        for _ in range(parts):
            for i in range(n):
                for j in range(n):
                    still[0, i, j] = field[b, i, j] + dep * scr[b, i, j]
                    still[1, i, j] = 1.0 - soft[b, i, j] - dep
                    still[2, i, j] = g
            for i in range(-1, n + 1):
                for j in range(-1, n + 1):
                    p[i + 1, j + 1] = pol[b, i % n, j % n]
            _relax(p, q, still, bias, steps)
            for i in range(n):
                for j in range(n):
                    pol[b, i, j] = p[i + 1, j + 1]
                    scr[b, i, j] += screened * (p[i + 1, j + 1] - scr[b, i, j])


@njit(cache=True)
def track(surface, noise, loop, dwell, plant, found):
    """The height loop along surface [B, lines, points] nm in scanning order.

    noise: what the detector adds to the deflection [nm], same shape; loop [B, 4]: on, proportional gain, integral gain
    [1/s], set-point deflection [nm]; dwell [B] s; plant: resonance of the height piezo [rad/s], its quality, and the
    detector's time [s]; found [3, B, lines, points]: height, mean deflection from the set-point, and the largest one.
    A PI controller on the detected deflection drives the piezo, so that too much gain rings and then oscillates. A tip
    that falls off the surface (the deflection cannot be less than none) comes down only as fast as the set-point and
    the gains let it.
    """
    omega, quality, detector_s = plant
    for b in range(surface.shape[0]):
        on, kp, ki, setpoint = loop[b, 0], loop[b, 1], loop[b, 2], loop[b, 3]
        sub = max(int(np.ceil(dwell[b] * max(8.0 * omega / (2.0 * np.pi), 4.0 / detector_s))), 1)
        dt = dwell[b] / sub
        lag_e = 1.0 - np.exp(-dt / detector_s)
        z = surface[b, 0, 0]
        if on == 0.0:
            z = surface[b].mean()
        speed, summed, felt, last = 0.0, z, 0.0, surface[b, 0, 0]
        for line in range(surface.shape[1]):
            for point in range(surface.shape[2]):
                now = surface[b, line, point]
                height_sum, error_sum, most = 0.0, 0.0, -setpoint
                for s in range(sub):
                    here = last + (now - last) * (s + 1) / sub
                    bent = max(here - z, -setpoint)
                    felt += lag_e * (bent + noise[b, line, point] - felt)
                    summed += on * ki * felt * dt
                    summed = min(max(summed, -REACH_NM), REACH_NM)
                    asked = min(max(summed + on * kp * felt, -REACH_NM), REACH_NM)
                    speed += dt * omega * (omega * (asked - z) - speed / quality)
                    z += dt * speed
                    if abs(z) > REACH_NM:
                        z, speed = min(max(z, -REACH_NM), REACH_NM), 0.0
                    height_sum += z
                    error_sum += bent
                    most = max(most, bent)
                found[0, b, line, point] = height_sum / sub
                found[1, b, line, point] = error_sum / sub
                found[2, b, line, point] = most
                last = now
