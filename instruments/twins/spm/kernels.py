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
def _step(old, new, force, linear, g):
    """One explicit Euler step of the inside of old [n+2, m+2] into new; the Laplacian has nine points."""
    for i in range(force.shape[0]):
        for j in range(force.shape[1]):
            m = old[i + 1, j + 1]
            sides = old[i, j + 1] + old[i + 2, j + 1] + old[i + 1, j] + old[i + 1, j + 2]
            corners = old[i, j] + old[i + 2, j] + old[i, j + 2] + old[i + 2, j + 2]
            lap = (4.0 * sides + corners - 20.0 * m) * (1.0 / 6.0)
            new[i + 1, j + 1] = m + STEP * ((linear[i, j] - m * m) * m + g * lap + force[i, j])


@njit(cache=True)
def relax(p, q, force, linear, g, steps):
    """At most `steps` steps of p [n+2, m+2] with a fixed rim; stops where nothing changes; q is room of p's shape.

    dp/dt = linear p - p^3 + g lap p + force, with force and linear [n, m].
    """
    q[:] = p
    for pair in range(steps // 2):
        _step(p, q, force, linear, g)
        _step(q, p, force, linear, g)
        if pair % 4 == 3 and np.max(np.abs(p - q)) < _STILL:
            return
    if steps % 2:
        _step(p, q, force, linear, g)
        p[:] = q


@njit(cache=True)
def _look(share, reading, off_x, off_y, d, power, sigma):
    """Share of the field [w, w] of a tip off the window's middle by (off_x, off_y), and the weights of reading."""
    half = share.shape[0] // 2
    total = 0.0
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            r2 = (j - half - off_x) ** 2 + (i - half - off_y) ** 2
            share[i, j] = (1.0 + r2 / (d * d)) ** (-power)
            reading[i, j] = np.exp(-0.5 * r2 / (sigma * sigma))
            total += reading[i, j]
    reading /= total


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
        p, q = np.empty((w + 2, w + 2)), np.empty((w + 2, w + 2))
        force, linear, share, reading = np.empty((w, w)), np.empty((w, w)), np.empty((w, w)), np.empty((w, w))
        last_x, last_y = np.nan, np.nan
        for k in range(count):
            x, y, volts, lasts = events[b, k, 0], events[b, k, 1], events[b, k, 2], events[b, k, 3]
            ci, cj = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
            if x != last_x or y != last_y:
                _look(share, reading, x - cj, y - ci, d, power, sigma)
                last_x, last_y = x, y
            parts = min(max(int(np.ceil(lasts / (_SPLIT * t_scr))), 1), 8)
            part = lasts / parts
            screened, injected = 1.0 - np.exp(-part / t_scr), 1.0 - np.exp(-part / t_inj)
            for i in range(-1, w + 1):
                for j in range(-1, w + 1):
                    p[i + 1, j + 1] = pol[b, (ci - half + i) % n, (cj - half + j) % n]
            for _ in range(parts):
                for i in range(w):
                    gi = (ci - half + i) % n
                    for j in range(w):
                        gj = (cj - half + j) % n
                        own = per_V * share[i, j] * (volts - hold * chg[b, gi, gj])
                        force[i, j] = field[b, gi, gj] + dep * scr[b, gi, gj] + own
                        linear[i, j] = 1.0 - soft[b, gi, gj] - dep
                relax(p, q, force, linear, g, int(np.ceil(part / STEP)))
                for i in range(w):
                    gi = (ci - half + i) % n
                    for j in range(w):
                        gj = (cj - half + j) % n
                        scr[b, gi, gj] += screened * (p[i + 1, j + 1] - scr[b, gi, gj])
                        if volts != 0.0:
                            chg[b, gi, gj] += injected * share[i, j] * (inject * volts - chg[b, gi, gj])
            total, held = 0.0, 0.0
            for i in range(w):
                gi = (ci - half + i) % n
                for j in range(w):
                    gj = (cj - half + j) % n
                    pol[b, gi, gj] = p[i + 1, j + 1]
                    if soft[b, gi, gj] < 1.0:
                        total += reading[i, j] * p[i + 1, j + 1]
                    held += reading[i, j] * chg[b, gi, gj]
            seen[b, k] = total
            charge_seen[b, k] = held


@njit(cache=True)
def rest(pol, scr, field, soft, lasts, tip, most):
    """Let every row lie without bias for lasts [B] time units, in place: walls move, screening follows.

    Screening is slow and polarisation quick, so they take turns: at most 8 rounds of at most `most` steps.
    """
    rows, n = pol.shape[0], pol.shape[1]
    p, q = np.empty((n + 2, n + 2)), np.empty((n + 2, n + 2))
    force, linear = np.empty((n, n)), np.empty((n, n))
    for b in range(rows):
        if lasts[b] <= 0.0:
            continue
        g, dep, t_scr = tip[b, 3], tip[b, 4], tip[b, 5]
        parts = min(max(int(np.ceil(lasts[b] / (_SPLIT * t_scr))), 1), 8)
        part = lasts[b] / parts
        screened = 1.0 - np.exp(-part / t_scr)
        for _ in range(parts):
            for i in range(n):
                for j in range(n):
                    force[i, j] = field[b, i, j] + dep * scr[b, i, j]
                    linear[i, j] = 1.0 - soft[b, i, j] - dep
            for i in range(-1, n + 1):
                for j in range(-1, n + 1):
                    p[i + 1, j + 1] = pol[b, i % n, j % n]
            relax(p, q, force, linear, g, min(int(np.ceil(part / STEP)), most))
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
