# mypy: disable-error-code="untyped-decorator"
"""Normal numbers of kernels are those of the inverse distribution function."""

import numpy as np
from numba import njit
from scipy.special import ndtri
from scipy.stats import kstest

from instruments.twins import normals


@njit
def inverted(draws: np.ndarray) -> np.ndarray:
    out = np.empty(len(draws))
    normals.invert(draws, out, len(draws))
    return out


@njit
def drawn(count: int) -> np.ndarray:
    return np.array([normals.normal(np.uint64(7), np.uint64(i)) for i in range(count)])


def test_inversion_agrees_with_scipy_in_the_middle_and_in_the_tails() -> None:
    tails = 10.0 ** -np.arange(1.0, 15.0, 0.1)
    draws = np.concatenate([np.linspace(1e-4, 1 - 1e-4, 2001), [0.075, 0.925, np.exp(-25.0)], tails])
    np.testing.assert_allclose(inverted(draws), ndtri(draws), rtol=1e-13, atol=1e-15)


def test_numbers_of_keys_are_normal() -> None:
    assert kstest(drawn(20_000), "norm").pvalue > 0.001
