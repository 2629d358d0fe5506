"""Noise that is not the same for every measurement: outliers, or places that are noisier than others.

Both are fitted by expectation and maximisation around the exact Gaussian process. The first asks how large the noise of
each value is expected to be given all values; the second turns that into a factor on the noise's variance: `robust` by
the weights of a Student distribution (K. Lange, R. Little and J. Taylor, J. Am. Stat. Assoc. 84, 881, 1989), `varying`
by the mean of the neighbourhood.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import NoiseFactors
from agents.bayesian.hyperparameters import NOISE, Hyperparameters, LogNormal, prior_medians
from agents.bayesian.kernel import SignalKernel
from agents.bayesian.local_rates import local_rates

Noise = Literal["equal", "varying", "robust"]
Floats = NDArray[np.float64]
_FREEDOM, _ROUNDS, _STEPS = 4.0, 2, 5
"""Degrees of freedom of the Student distribution; fits of the hyper-parameters, and steps between two of them."""


def fit_with_noise(
    noise: Noise,
    inputs: Floats,
    targets: Floats,
    names: tuple[str, ...],
    timeout_s: float | None = None,
    believed: LogNormal = NOISE,
    last: Hyperparameters | None = None,
) -> Hyperparameters | None:
    """Most probable hyper-parameters of standardised targets [n] at inputs [n, d]; None where the fit ran out of time.

    Unless all noise is equal, they carry the `excess` [n]: the square of each value's noise that is to be expected,
    over the noise's variance. `believed` is the prior of that. Where all noise is equal
    the `last` fit may be what this one starts from.
    """
    from agents.bayesian.fitting import fit

    if noise == "equal":
        return fit(inputs, targets, names, timeout_s, noise=believed, last=last)
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    given, factors = None, np.ones(len(targets))
    if noise == "robust":  # from the smooth side: a first fit might explain outliers by a field that is rough
        factors = student_factors(_settled(noise, inputs, targets, names, prior_medians(names), factors))
    for _ in range(_ROUNDS):
        left = None if ends is None else ends - time.monotonic()
        given = fit(inputs, targets, names, left, factors, believed)
        if given is None:
            return None
        excess = _settled(noise, inputs, targets, names, given, factors)
        given, factors = replace(given, excess=excess), _factors(noise, excess, inputs, names)
    return given


def _settled(
    noise: Noise, inputs: Floats, targets: Floats, names: tuple[str, ...], given: Hyperparameters, factors: Floats
) -> Floats:
    """The excess [n] after some steps of expectation and maximisation with the hyper-parameters held."""
    excess = expected_excess(inputs, targets, names, given, factors)
    for _ in range(_STEPS - 1):
        excess = expected_excess(inputs, targets, names, given, _factors(noise, excess, inputs, names))
    return excess


def expected_excess(
    inputs: Floats, targets: Floats, names: tuple[str, ...], given: Hyperparameters, factors: Floats
) -> Floats:
    """E[noise_i^2 | targets] / noise variance, [n], where the noise of each has its variance times its factor [n]."""
    import torch

    kernel, rows = SignalKernel(inputs, names, given), torch.arange(len(targets))
    own = given.noise * factors
    covariance = kernel.between(rows, rows).numpy() + np.diag(own)
    inverse = np.linalg.inv(covariance)
    mean = own * (inverse @ (targets - given.mean))
    variance = own - own**2 * np.diag(inverse)
    return np.asarray((mean**2 + np.maximum(variance, 0.0)) / given.noise)


def noise_factors(
    noise: Noise,
    excess: Floats,
    told: NDArray[np.int64],
    usable: NDArray[np.bool_],
    inputs: Floats,
    names: tuple[str, ...],
) -> NoiseFactors:
    """Factors of the usable values and of coming ones at inputs [N, d].

    excess [m] is of the first m values told, NaN where one was of no use; `told` [n] are the candidates of all values.
    Values told since then are taken to be as noisy as coming ones at their places.
    """  # fmt: skip
    known = np.flatnonzero(np.isfinite(excess))
    ahead = np.ones(1)
    if noise == "varying":
        ahead = local_rates("variance", told[known], excess[known], inputs, names)
    factors = np.broadcast_to(ahead, len(inputs))[told].copy()
    if noise == "robust":
        factors[known] = student_factors(excess[known])
    return NoiseFactors(factors[usable], ahead)


def student_factors(excess: Floats) -> Floats:
    """By what a value's noise is larger where it is drawn from a Student distribution, [n]."""
    return np.asarray((_FREEDOM + excess) / (_FREEDOM + 1.0))


def _factors(noise: Noise, excess: Floats, inputs: Floats, names: tuple[str, ...]) -> Floats:
    if noise == "robust":
        return student_factors(excess)
    return local_rates("variance", np.arange(len(excess)), excess, inputs, names)
