# mypy: disable-error-code="no-untyped-def"
"""The cantilever in the time domain, sample by sample; compiled, loaded only when a stream is made."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from instruments.twins.draws import mixed, uniform

POSITION, SPEED, DETECTED = range(3)


@njit(cache=True)
def advance(state, out, drive_re, drive_im, pixels, rate_Hz, detector, step, most, key, first):
    """Fill out [pixels, samples] with recorded deflections; state [3] goes on from one call to the next.

    pixels [n, 5]: Re and Im of the response, resonance, quality, standard deviation of the thermal displacement; they
    hold for one row of `out` each. drive [period] repeats. detector [4]: see `streaming`. The force is constant during
    a sample, for which the motion is exact.
    """
    dt = 1.0 / rate_Hz
    x, v, seen = state[POSITION], state[SPEED], state[DETECTED]
    period = len(drive_re)
    for p in range(out.shape[0]):
        re, im, f0, q, shaken = pixels[p]
        omega0 = 2.0 * math.pi * f0
        gamma = omega0 / q
        omega = omega0 * math.sqrt(max(1.0 - 0.25 / (q * q), 1e-12))
        decay = math.exp(-0.5 * gamma * dt)
        c, s = decay * math.cos(omega * dt), decay * math.sin(omega * dt)
        half = 0.5 * gamma / omega * s
        kick = shaken * omega0 * math.sqrt(2.0 * gamma * dt)
        stream = mixed(key, np.uint64(first + p))
        for i in range(out.shape[1]):
            before = x
            goal = re * drive_re[i % period] - im * drive_im[i % period]
            away = x - goal
            x = goal + away * (c + half) + v * s / omega
            v = v * (c - half) - away * omega0 * omega0 / omega * s
            radius = math.sqrt(-2.0 * math.log(uniform(stream, np.uint64(2 * i))))
            angle = 2.0 * math.pi * uniform(stream, np.uint64(2 * i + 1))
            v += kick * radius * math.cos(angle)
            seen = detector[0] * seen + detector[1] * before + detector[2] * x
            told = seen + detector[3] * radius * math.sin(angle)
            if step > 0.0:
                told = step * min(max(round(told / step), -most), most - 1.0)
            out[p, i] = told
    state[POSITION], state[SPEED], state[DETECTED] = x, v, seen
