"""The Gaussian process around a law: exact where a closed form is known, helped by a right prior, safe with a wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from agents.bayesian.physics_mean import PhysicsGaussianProcess
from agents.bayesian.physics_mean_belief import Data, Predicting, Rival, believed
from agents.bayesian.physics_mean_fit import JointPosterior, MeanFunction, Mode, modes
from agents.check import CHECKS, Trial
from agents.protocol import AgentError, Decision, Problem, Transition
from physics_priors.laws import FadingSignal, IsingOrder, PulseSwitching, Resonance, SchottkyEmission

V = np.linspace(0.1, 9.0, 120)[:, None]
UNIT = (V - V.min()) / np.ptp(V)
NAMES = ("position_0",)
LAW = SchottkyEmission()
RIGHT = -11.5 + 1.3 * np.sqrt(V[:, 0]) + 0.05 * np.sin(2 * V[:, 0])
WRONG = -9.0 + 2.0 * np.sin(V[:, 0])
TRIALS = {
    "physics": Trial(partial(PhysicsGaussianProcess, SchottkyEmission(), seeds=4), steps=9),
    "physics_map": Trial(
        partial(PhysicsGaussianProcess, SchottkyEmission(), acquisition="integrated_variance", seeds=4, refit_every=3),
        steps=8,
    ),
}


@pytest.mark.parametrize("one", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", TRIALS)
def test_it_passes_the_public_suite(name, one):
    one(TRIALS[name])


def data(count: int, truth=RIGHT, seed=0) -> Data:
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(V), count, replace=False)
    values = truth[rows] + 0.1 * rng.normal(size=count)
    return Data(UNIT, NAMES, rows, values, float(values.mean()), float(values.std()))


def joint(given: Data) -> JointPosterior:
    mean = MeanFunction(LAW, V, 1.0)
    inputs = given.inputs[given.rows]
    return JointPosterior(inputs, given.values / given.scale, NAMES, mean, given.rows, given.scale)


def test_the_gradient_is_that_of_the_value():
    posterior = joint(data(12))
    at = posterior.start.copy()
    at = np.concatenate([at, [0.3, -0.2]]) + 0.1
    gradient = posterior(at)[1]
    numeric = [(posterior(at + 1e-5 * e)[0] - posterior(at - 1e-5 * e)[0]) / 2e-5 for e in np.eye(len(at))]
    np.testing.assert_allclose(gradient, numeric, rtol=2e-4, atol=1e-7)


def test_the_likelihood_is_that_of_a_normal_distribution():
    from scipy.stats import multivariate_normal

    given = data(9)
    posterior = joint(given)
    at = np.concatenate([posterior.start, [0.3, -0.2]])
    mode = Mode(np.exp(at[:1]), np.exp(at[1]), np.exp(at[2]), at[3], at[4:], 0.0)
    model = Predicting(given, Rival(MeanFunction(LAW, V, 1.0), mode, 1.0))
    covariance = model._signal(given.rows, given.rows) + mode.noise * np.eye(9)
    left = given.values / given.scale - MeanFunction(LAW, V, 1.0).at(at[None, 4:], given.rows)[0] / given.scale
    expected = multivariate_normal(np.zeros(9), covariance).logpdf(left)
    prior = 0.5 * (at[4:] @ at[4:])
    assert -9 * posterior(at)[0] == pytest.approx(expected - prior, rel=1e-6)


def curvature_of(posterior: JointPosterior, at: np.ndarray) -> np.ndarray:
    """Second derivatives of minus the log posterior by z."""
    count, steps = len(posterior.values), 1e-4 * np.eye(len(at))[-2:]
    return np.array([(posterior(at + e)[1] - posterior(at - e)[1])[-2:] * count / 2e-4 for e in steps])


def test_laplace_is_the_evidence_of_what_is_nearly_normal():
    """With process and constant held by narrow priors, the evidence over z is an integral that can be done."""
    posterior = joint(data(25))
    (mode, *_) = modes(posterior, np.random.default_rng(0))
    own = np.log([*mode.lengthscales, mode.signal, mode.noise])
    at = np.concatenate([own, [mode.constant], mode.z])
    count, size = len(posterior.values), 2

    def density(a: float, b: float) -> float:
        return float(np.exp(-count * (posterior(np.concatenate([at[:-2], [a, b]]))[0] - posterior(at)[0])))

    widths = np.sqrt(np.diag(np.linalg.inv(curvature_of(posterior, at))))
    axes = [z + 5 * width * np.linspace(-1, 1, 21) for z, width in zip(mode.z, widths, strict=True)]
    exact = sum(density(a, b) for a in axes[0] for b in axes[1]) * np.prod([axis[1] - axis[0] for axis in axes])
    laplace = (2 * np.pi) ** (size / 2) / np.sqrt(np.linalg.det(curvature_of(posterior, at)))
    assert laplace == pytest.approx(exact, rel=0.1)


def test_a_linear_law_is_predicted_as_by_bayesian_regression():
    """Schottky's law is linear in z: law and residual together are one Gaussian process with a known kernel."""
    given, mean = data(14), MeanFunction(LAW, V, 1.0)
    mode = Mode(np.array([0.3]), 0.05, 0.02, 0.0, np.zeros(2), 0.0)
    model = Predicting(given, Rival(mean, mode, 1.0))
    everywhere = np.arange(len(V))
    said, slope = mean.linear(np.zeros(2), everywhere)
    kernel = given.scale**2 * model._signal(everywhere, everywhere) + slope @ slope.T
    noisy = kernel[np.ix_(given.rows, given.rows)] + given.scale**2 * mode.noise * np.eye(14)
    gain = np.linalg.solve(noisy, kernel[given.rows]).T
    expected = said + gain @ (given.values - said[given.rows])
    variance = np.diag(kernel - gain @ kernel[given.rows])
    found = model.at(everywhere)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], variance, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(np.diag(model.between(everywhere, everywhere)), found[1], rtol=1e-6, atol=1e-9)


def test_pending_measurements_keep_the_mean_and_take_variance():
    given = data(10)
    mode = Mode(np.array([0.3]), 0.05, 0.02, 0.0, np.zeros(2), 0.0)
    rival = Rival(MeanFunction(LAW, V, 1.0), mode, 1.0)
    everywhere = np.arange(len(V))
    before, after = Predicting(given, rival), Predicting(given, rival).ahead(np.array([5, 90]))
    np.testing.assert_allclose(after.at(everywhere)[0], before.at(everywhere)[0], rtol=1e-5)
    assert np.all(after.at(everywhere)[1] <= before.at(everywhere)[1] + 1e-9)
    assert after.at(np.array([5]))[1] < 0.9 * before.at(np.array([5]))[1]


def played(truth, steps=14, seed=0, objective="map", **options):
    agent = PhysicsGaussianProcess(LAW, seeds=3, **options)
    agent.begin(Problem(V.min(0), V.max(0), objective, "log J", "decades", candidates=V), seed)
    rng, decision = np.random.default_rng(seed), None
    for step in range(steps):
        decision = agent.act({})
        value = float(truth[decision.candidate] + 0.1 * rng.normal())
        agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
    return agent, decision


def test_a_right_law_has_the_say_and_a_wrong_one_is_set_aside():
    right, last = played(RIGHT, acquisition="integrated_variance")
    assert last.figures["prior_share"] > 0.9
    assert np.isfinite(last.figures["prior_mean"])
    assert "of the say" in last.reason
    assert np.sqrt(np.mean((right.predict().mean - RIGHT) ** 2)) < 0.1
    wrong, last = played(WRONG, steps=30, acquisition="integrated_variance")
    assert last.figures["prior_share"] < 0.01
    assert last.figures["prior_set_aside"] == 1.0
    assert "set aside" in last.reason
    assert "prior_mean" not in last.figures
    assert np.sqrt(np.mean((wrong.predict().mean - WRONG) ** 2)) < 0.1


def test_parameters_are_inferred_with_intervals():
    said = played(RIGHT)[0].beliefs()
    low, high = said[LAW.name]["interval"][:, 1]
    assert low < 1.3 < high
    assert high - low < 1.0


def test_the_smallest_is_the_mirror_of_the_largest():
    up, down = (played(sign * RIGHT, objective=o, acquisition="upper_confidence_bound")[0]
                for sign, o in ((1, "maximise"), (1, "minimise")))  # fmt: skip
    assert np.mean(up.values[3:]) > np.mean(down.values[3:])


def test_a_deadline_that_is_missed_is_said():
    agent, _ = played(RIGHT, steps=5)
    agent._held = None
    late = agent.act({}, deadline_s=1e-9)
    assert late.figures["fallback"] == 1.0
    assert "deadline" in late.reason


@pytest.mark.parametrize(
    "options", [{"trust": 0.0}, {"patch_pixels": 4}, {"acquisition": "hope"}, {"coordinates": "stars"}]
)
def test_words_that_are_not_known_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        PhysicsGaussianProcess(LAW, **options)


def test_a_task_without_candidates_is_refused():
    agent = PhysicsGaussianProcess(LAW)
    with pytest.raises(AgentError, match="candidates"):
        agent.begin(Problem(np.zeros(2), np.ones(2), "map", "y", ""), 0)


@dataclass(frozen=True)
class OnlyAboveZero(SchottkyEmission):
    """Has no value below zero."""

    def mean(self, theta, x):
        return theta[:, :1] + theta[:, 1:] * np.sqrt(x[None, :, self.axis])


def test_a_law_without_a_value_at_some_candidates_is_refused():
    agent = PhysicsGaussianProcess(OnlyAboveZero())
    x = np.linspace(-1.0, 1.0, 10)[:, None]
    with pytest.raises(AgentError, match="no value at 5 of 10 candidates"):
        agent.begin(Problem(x.min(0), x.max(0), "map", "y", "", candidates=x), 0)


def test_values_that_nothing_fits_are_refused_in_one_line():
    given = data(5)
    given = Data(given.inputs, given.names, given.rows, given.values * np.nan, 0.0, 1.0)
    with pytest.raises(AgentError, match="neither a law nor a plain"):
        believed(given, (MeanFunction(LAW, V, 1.0), None), np.array([0.5, 0.5]), np.random.default_rng(0))


def test_values_all_alike_and_absurd_scales_are_survived():
    for truth in (np.full(len(V), 3.0), 1e-12 * RIGHT, 1e9 * RIGHT):
        agent, decision = played(truth, steps=6)
        assert isinstance(decision, Decision)
        assert np.isfinite(agent.predict().mean).all()


PLACES = [
    (FadingSignal(), np.linspace(-1.0, 4.0, 30)[:, None]),
    (IsingOrder(), np.linspace(200.0, 1200.0, 30)[:, None]),
    (PulseSwitching(), np.stack([np.linspace(0.5, 9.0, 30), np.linspace(-4.0, 0.0, 30)], axis=-1)),
    (Resonance(), np.linspace(2.5e5, 4.5e5, 30)[:, None]),
    (SchottkyEmission(), V[:30]),
]


@pytest.mark.parametrize(("law", "x"), PLACES, ids=[law.name for law, _ in PLACES])
def test_the_slope_of_every_law_is_that_of_its_values(law, x):
    mean, rows = MeanFunction(law, x, 1.0), np.arange(len(x))
    z = np.random.default_rng(0).normal(size=(50, mean.count))
    assert np.isfinite(mean.at(z, rows)).all()
    for one in z[:5]:
        said, slope = mean.linear(one, rows)
        step = 1e-3 * np.ones(mean.count)
        moved = (mean.at((one + step)[None], rows) - mean.at((one - step)[None], rows))[0] / 2
        np.testing.assert_allclose(moved, slope @ step, atol=2e-4 * max(1.0, np.abs(said).max()))


def test_laws_in_closed_form():
    assert Resonance().mean(np.array([[3e5, 80.0, 2.0]]), np.array([[3e5]]))[0, 0] == pytest.approx(160.0)
    fluence = np.linspace(0.0, 3.0, 3001)[:, None]
    fading = FadingSignal().mean(np.array([[60.0, 10.0]]), fluence)[0]
    assert 10 ** fluence[np.argmax(fading), 0] == pytest.approx(30.0, rel=0.01)
    sharp = IsingOrder().mean(np.array([[600.0, 1.0, 1e-4]]), np.array([[300.0], [599.0], [601.0]]))[0]
    assert sharp[0] == pytest.approx((1 - np.sinh(4 / 2.269185) ** -4) ** 0.125, rel=1e-4)
    assert sharp[1] > 0.4
    assert sharp[2] < 1e-12
    half = PulseSwitching().mean(np.array([[3.0, 0.5, 0.4, 0.0]]), np.array([[3.5, -2.0]]))
    assert half[0, 0] == pytest.approx(0.5)
