"""The common form of priors: distributions invert, densities integrate to one, parameters keep their order."""

import numpy as np
import pytest

from physics_priors.distributions import Distribution, Gamma, LogNormal, LogUniform, Normal, Uniform
from physics_priors.prior import Parameter, Parameters, Prior

KINDS: list[Distribution] = [
    Normal(3.0, 2.0),
    LogNormal(0.1, 3.0),
    Uniform(-1.0, 4.0),
    LogUniform(0.01, 10.0),
    Gamma(2.5, 0.5),
]


@pytest.mark.parametrize("kind", KINDS)
def test_quantile_and_cumulative_are_inverse_and_the_density_is_the_slope(kind: Distribution) -> None:
    u = np.linspace(1e-4, 1 - 1e-4, 20001)
    x = kind.quantile(u)
    np.testing.assert_allclose(kind.cumulative(x), u, rtol=1e-9, atol=1e-9)
    middle = (x[1:] + x[:-1]) / 2
    inside = slice(200, -200)
    np.testing.assert_allclose(np.exp(kind.log_density(middle))[inside], (np.diff(u) / np.diff(x))[inside], rtol=1e-3)


@pytest.mark.parametrize("kind", [k for k in KINDS if not isinstance(k, Normal)])
def test_what_cannot_be_has_no_density(kind: Distribution) -> None:
    assert kind.log_density(-5.0) == -np.inf


def test_parameters_keep_names_units_and_order() -> None:
    items = (Parameter("rate_s", "1/s", LogUniform(0.01, 1.0)), Parameter("shift_nm", "nm", Normal(0.0, 0.02)))
    prior = Parameters(items)
    assert isinstance(prior, Prior)
    uniforms = np.random.default_rng(0).uniform(size=(4000, 2))
    theta = prior.sample(uniforms)
    np.testing.assert_allclose(prior.cumulative(theta), uniforms, atol=1e-12)
    assert prior.named(theta)["shift_nm"].std() == pytest.approx(0.02, rel=0.05)
    expected = LogUniform(0.01, 1.0).log_density(theta[:, 0]) + Normal(0.0, 0.02).log_density(theta[:, 1])
    np.testing.assert_allclose(prior.log_density(theta), expected)
    assert prior.ordered({"shift_nm": 0.5}).tolist() == pytest.approx([0.1, 0.5])
    with pytest.raises(KeyError, match="shift_nm"):
        prior.ordered({"shift": 0.5})
    with pytest.raises(ValueError, match="share a name"):
        Parameters((items[0], items[0]))
    with pytest.raises(ValueError, match="last axis"):
        prior.sample(uniforms[:, :1])


@pytest.mark.parametrize(
    "wrong", [lambda: Normal(0, 0), lambda: LogNormal(1, 1), lambda: Uniform(2, 1), lambda: LogUniform(0, 1)]
)
def test_a_distribution_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()
