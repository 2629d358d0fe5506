"""Draws from what is believed of a hypothesis, led from each value to the next.

Weighted draws follow the data: each value told changes their weights, and where few of them would carry all the weight
they are tempered, chosen anew and moved (N. Chopin, Biometrika 89, 539, 2002; P. Del Moral, A. Doucet and A. Jasra,
J. R. Stat. Soc. B 68, 411, 2006). Moves go along differences of other draws (C. ter Braak, Stat. Comput. 16, 239,
2006), so that several modes are kept. The product of the mean weights is the evidence.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from agents.bayesian.physics_mean_hypothesis import Floats, Hypothesis, Rows

_KEPT, _MOVES, _LEAP, _NOISE, _LEAST_STEP = 0.5, 5, 0.15, 1e-3, 1e-5


class LateError(Exception):
    """The inference does not end in time."""


@dataclass(frozen=True)
class Draws:
    """Unknowns u [K, D] with log weights [K] (normalised), and the log probability of all values so far."""

    u: Floats
    log_weights: Floats
    log_evidence: float

    def even(self, count: int, rng: np.random.Generator) -> Floats:
        """`count` equally likely ones of them, [count, D]."""
        return self.u[_systematic(self.log_weights, count, rng)]


def before_any_value(hypothesis: Hypothesis, count: int, rng: np.random.Generator) -> Draws:
    """`count` draws of the prior."""
    return Draws(hypothesis.drawn(count, rng), np.full(count, -math.log(count)), 0.0)


def after(
    draws: Draws, hypothesis: Hypothesis, rows: Rows, values: Floats, known: int, rng: np.random.Generator, ends: float
) -> Draws:
    """The draws given values [n] at candidates `rows` [n], the first `known` of which they were given already.

    Raises LateError past the time `ends` (monotonic).
    """
    u, weights, evidence, reached = draws.u, draws.log_weights, draws.log_evidence, 0.0
    old, new = _fit(hypothesis, u, rows, values, known)
    while reached < 1.0:
        step = _next_step(weights, new, 1.0 - reached)
        if step == 0.0:  # no draw has any probability left
            return Draws(u, draws.log_weights, -math.inf)
        raised = weights + step * new
        total = _log_sum(raised)
        reached, weights, evidence = reached + step, raised - total, evidence + total
        if reached >= 1.0 and _effective(weights) >= _KEPT * len(u):
            return Draws(u, weights, evidence)
        chosen = _systematic(weights, len(u), rng)
        u, old, new = u[chosen], old[chosen], new[chosen]
        weights = np.full(len(u), -math.log(len(u)))
        for _ in range(_MOVES):
            if time.monotonic() > ends:
                raise LateError
            u, old, new = _moved(u, old, new, reached, hypothesis, rows, values, known, rng)
    return Draws(u, weights, evidence)


def _fit(hypothesis: Hypothesis, u: Floats, rows: Rows, values: Floats, known: int) -> tuple[Floats, Floats]:
    """Log density of the values known [K], and of those to be learned from given these [K]."""
    found = hypothesis.log_densities(u, rows, values)
    return found[:, :known].sum(-1), found[:, known:].sum(-1)


def _moved(
    u: Floats,
    old: Floats,
    new: Floats,
    reached: float,
    hypothesis: Hypothesis,
    rows: Rows,
    values: Floats,
    known: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """One proposal for each draw: first for one half along differences of the other, then for that."""
    u, old, new = u.copy(), old.copy(), new.copy()
    order = rng.permutation(len(u))
    half = len(u) // 2
    for mine, others in ((order[:half], order[half:]), (order[half:], order[:half])):
        pairs = _pairs(len(mine), len(others), rng)
        scale = 2.38 / math.sqrt(2 * u.shape[1]) * np.exp(0.5 * rng.normal(size=len(mine)) - 0.3)
        scale = np.where(rng.random(len(mine)) < _LEAP, 1.0, scale)
        along = u[others[pairs[:, 0]]] - u[others[pairs[:, 1]]]
        tried = u[mine] + scale[:, None] * along + _NOISE * rng.normal(size=along.shape)
        known_fit, new_fit = _fit(hypothesis, tried, rows, values, known)
        gain = known_fit - old[mine] + reached * (new_fit - new[mine])
        gain += hypothesis.log_prior(tried) - hypothesis.log_prior(u[mine])
        taken = np.log(rng.random(len(mine))) < gain
        at = mine[taken]
        u[at], old[at], new[at] = tried[taken], known_fit[taken], new_fit[taken]
    return u, old, new


def _pairs(count: int, among: int, rng: np.random.Generator) -> Rows:
    """Two different ones for each, [count, 2]."""
    first = rng.integers(among, size=count)
    second = (first + rng.integers(1, among, size=count)) % among
    return np.stack([first, second], axis=-1)


def _next_step(log_weights: Floats, gains: Floats, left: float) -> float:
    """How far to temper, so that enough draws still carry weight; 0 where none would."""
    if not np.isfinite(gains[np.isfinite(log_weights)]).any():
        return 0.0
    enough = _KEPT * min(_effective(log_weights), len(gains))
    low, high = 0.0, left
    if _effective(log_weights + left * gains) >= enough:
        return left
    for _ in range(30):
        middle = 0.5 * (low + high)
        fits = _effective(log_weights + middle * gains) >= enough
        low, high = (middle, high) if fits else (low, middle)
    return max(low, min(_LEAST_STEP, left))


def _effective(log_weights: Floats) -> float:
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _log_sum(log_weights: Floats) -> float:
    top = log_weights.max()
    return float(top + math.log(np.exp(log_weights - top).sum()))


def _systematic(log_weights: Floats, count: int, rng: np.random.Generator) -> Rows:
    weights = np.exp(log_weights - log_weights.max())
    places = (np.arange(count) + rng.uniform()) / count
    return np.minimum(np.searchsorted(np.cumsum(weights / weights.sum()), places), len(weights) - 1)
