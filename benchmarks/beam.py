"""Do intervals of event rates hold what they say, with stamped events and with events that are only seen afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure
from physics_priors.beam import events
from physics_priors.distributions import Gamma, LogUniform
from physics_priors.posterior import Grid
from physics_priors.prior import Parameter, Parameters

DATA_SETS, DWELLS, LEVEL = 1000, 40, 0.95
BELIEF = Gamma(1.0, 4.0)
RATE = Parameters((Parameter("rate_s", "1/s", LogUniform(0.02, 2.0)),))
Floats = NDArray[np.float64]


@figure("beam.coverage_stamped", "fraction")
def stamped() -> Measured:
    """Coverage of the 95 % interval of a rate from stamped events: 1000 data sets of 40 dwells."""
    covered, naive = _coverage(_stamped, lambda u: BELIEF.quantile(u))
    return _measured(covered, naive)


@figure("beam.coverage_censored", "fraction")
def censored() -> Measured:
    """The same where only whether anything happened in a dwell is seen, afterwards."""
    covered, naive = _coverage(_censored, lambda u: RATE.sample(u[:, None])[:, 0])
    return _measured(covered, naive)


def _measured(covered: float, naive: float) -> Measured:
    inside = 0.93 <= covered <= 0.97
    return Measured(
        value=covered,
        reference=naive,
        compared="1000 rates drawn from the prior, 40 dwells of 0.5 to 6 s each; reference: events counted one a dwell",
        limit=0.93,
        limit_is_least=True,
        details={"at_most": 0.97, "inside": inside, "level": LEVEL, "data_sets": DATA_SETS, "dwells": DWELLS},
    )


def _coverage(
    interval: Callable[[Floats, Floats], tuple[float, float]], rates: Callable[[Floats], Floats]
) -> tuple[float, float]:
    """Fractions of the data sets whose interval holds the true rate: the right one's, and the naive one's."""
    rng = np.random.default_rng(2024)
    held = np.zeros(2)
    for rate in rates(rng.uniform(size=DATA_SETS)):
        seconds = rng.uniform(0.5, 6.0, DWELLS)
        counts = rng.poisson(rate * seconds).astype(np.float64)
        for index, found in enumerate((interval(seconds, counts), _naive(seconds, counts))):
            held[index] += found[0] <= rate <= found[1]
    right, naive = held / DATA_SETS
    return float(right), float(naive)


def _stamped(seconds: Floats, counts: Floats) -> tuple[float, float]:
    return _tails(events.stamped(BELIEF, counts, seconds))


def _naive(seconds: Floats, counts: Floats) -> tuple[float, float]:
    return _tails(events.stamped(BELIEF, counts > 0, seconds))


def _tails(belief: Gamma) -> tuple[float, float]:
    low, high = belief.quantile([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _censored(seconds: Floats, counts: Floats) -> tuple[float, float]:
    found = Grid(RATE, 1000).updated(events.Censored(), {"exposure": seconds}, {"event": counts > 0})
    low, high = found.interval(LEVEL)[0]
    return float(low), float(high)
