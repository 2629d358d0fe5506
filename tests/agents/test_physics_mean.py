"""The Gaussian process around a law: exact where a closed form is known, helped by a right prior, safe with a wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from agents.bayesian.physics_mean import PhysicsGaussianProcess
from agents.bayesian.physics_mean_hypothesis import MeanFunction
from agents.check import CHECKS, Trial
from agents.protocol import AgentError, Decision, Problem, Transition
from physics_priors.laws import FadingSignal, IsingOrder, Pair, PulseSwitching, Resonance, SchottkyEmission

V = np.linspace(0.1, 9.0, 120)[:, None]
LAW = SchottkyEmission()
RIGHT = -11.5 + 1.3 * np.sqrt(V[:, 0]) + 0.05 * np.sin(2 * V[:, 0])
WRONG, VERY_WRONG = -9.0 + 2.0 * np.sin(V[:, 0]), -9.0 + 3.0 * np.sin(1.5 * V[:, 0])
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


def played(truth, steps=14, seed=0, objective="map", **options):
    agent = PhysicsGaussianProcess(LAW, seeds=3, **options)
    agent.begin(Problem(V.min(0), V.max(0), objective, "log J", "decades", candidates=V), seed)
    rng, decision = np.random.default_rng(seed), None
    for step in range(steps):
        decision = agent.act({})
        value = float(truth[decision.candidate] + 0.1 * rng.normal())
        agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
    return agent, decision


def test_a_right_law_has_the_say():
    right, last = played(RIGHT, acquisition="integrated_variance")
    assert last.figures["prior_share"] > 0.9
    assert np.isfinite(last.figures["prior_mean"])
    assert "of the say" in last.reason
    assert np.sqrt(np.mean((right.predict().mean - RIGHT) ** 2)) < 0.1


@pytest.mark.parametrize(
    ("truth", "options"), [(WRONG, {"second": 0.0, "doubt": 0.0, "doubt_every": 3}), (VERY_WRONG, {})]
)
def test_a_wrong_law_is_set_aside(truth, options):
    wrong, last = played(truth, steps=30, acquisition="integrated_variance", **options)
    assert last.figures["prior_share"] < 0.01
    assert last.figures["prior_set_aside"] == 1.0
    assert "set aside" in last.reason
    assert "prior_mean" not in last.figures
    assert np.sqrt(np.mean((wrong.predict().mean - truth) ** 2)) < 0.1


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
    "options",
    [
        {"trust": 0.0},
        {"second": 1.0},
        {"doubt": -0.1},
        {"patch_pixels": 4},
        {"acquisition": "hope"},
        {"coordinates": "stars"},
    ],
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


def test_a_law_that_is_believed_leaves_a_say_to_none_in_the_choice():
    agent, decision = played(RIGHT, steps=9, acquisition="integrated_variance")
    assert decision.figures["prior_share"] > 0.7
    assert decision.figures["say_in_choice"] == pytest.approx(0.6)
    assert "60% in this choice" in decision.reason
    sure, undoubted = played(RIGHT, steps=9, acquisition="integrated_variance", doubt=0.0)
    assert undoubted.figures["say_in_choice"] == undoubted.figures["prior_share"]
    assert "in this choice" not in undoubted.reason
    assert not np.array_equal(agent.taken, sure.taken)


def test_every_fifth_choice_is_made_without_the_law():
    agent, _ = played(RIGHT, steps=4, acquisition="integrated_variance")
    said = []
    for step in range(4, 13):
        decision = agent.act({})
        said.append("doubting" in decision.figures)
        assert decision.figures["prior_share"] > 0.5
        assert decision.figures["say_in_choice"] < 1e-9 or not said[-1]
        value = float(RIGHT[decision.candidate])
        agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
    assert said == [step % 5 == 0 for step in range(4, 13)]
    never, _ = played(RIGHT, steps=5, acquisition="integrated_variance", doubt_every=0)
    assert "doubting" not in never.act({}).figures


def test_what_a_believed_law_would_never_look_for_is_found_with_doubt():
    """A second maximum of another form, far from the law's own, on six seeds."""
    law, f = Resonance(), np.linspace(2.5e5, 4.5e5, 201)[:, None]
    truth = law.mean(np.array([[2.9e5, 80.0, 0.5]]), f)[0] + 80.0 * np.exp(-0.5 * ((f[:, 0] - 4.1e5) / 3e3) ** 2)

    def found(seed, **options):
        agent = PhysicsGaussianProcess(law, seeds=4, noise_std=1.0, **options)
        agent.begin(Problem(f.min(0), f.max(0), "maximise", "amplitude", "nm", candidates=f), seed)
        for step in range(20):
            decision = agent.act({})
            value = float(truth[decision.candidate] + np.random.default_rng([seed, step]).normal())
            agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
        return truth[int(np.argmax(agent.predict().mean))] > 0.9 * truth.max()

    with_doubt = sum(found(seed) for seed in range(6))
    assert with_doubt >= 5
    assert with_doubt > sum(found(seed, doubt=0.0, doubt_every=0) for seed in range(6))


def test_another_of_its_kind_is_found_and_said():
    """Two modes: the pair has the say, and what it believes of both is told; one mode: the pair has less."""
    law, f = Resonance(), np.linspace(2.5e5, 4.5e5, 101)[:, None]
    modes = law.mean(np.array([[2.9e5, 60.0, 1.0], [3.9e5, 60.0, 1.2]]), f)
    shares = []
    for truth in (modes.sum(0), modes[1]):
        agent = PhysicsGaussianProcess(law, "action", acquisition="integrated_variance", seeds=4, noise_std=1.0)
        agent.begin(Problem(f.min(0), f.max(0), "map", "amplitude", "nm", candidates=f), 3)
        for step in range(22):
            decision = agent.act({})
            value = float(truth[decision.candidate] + np.random.default_rng([3, step]).normal())
            agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
        shares.append(decision.figures["second_share"] / decision.figures["prior_share"])
        said = agent.beliefs()[Pair(law).name]
    assert shares[0] > 0.9
    assert shares[1] < 0.6
    assert said["parameters"][-2:] == ["share", "total"]
    assert said["share"] == pytest.approx(agent.act({}).figures["second_share"])


def test_a_law_that_is_surely_alone_has_no_second():
    agent, decision = played(RIGHT, steps=5, second=0.0)
    assert Pair(LAW).name not in agent.beliefs()
    assert decision.figures["second_share"] == 0.0


def test_values_rejected_later_are_forgotten():
    """What was learned from a value that no longer stands is not kept: as if it had never been told."""
    kept, _ = played(RIGHT, steps=8, doubt=0.0)
    decision = kept.act({})
    accepted = np.ones(9, bool)
    accepted[5] = False
    kept.tell(Transition(9, decision, -10.0, accepted, 0.0, {}))
    fresh = PhysicsGaussianProcess(LAW, seeds=3, doubt=0.0)
    fresh.begin(kept.problem, kept.seed)
    fresh.restore(kept.state())
    np.testing.assert_array_equal(kept.predict().mean, fresh.predict().mean)


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
    (Pair(PulseSwitching()), np.stack([np.linspace(0.5, 9.0, 30), np.linspace(-4.0, 0.0, 30)], axis=-1)),
]


@pytest.mark.parametrize(("law", "x"), PLACES, ids=[law.name for law, _ in PLACES])
def test_every_law_has_a_value_and_a_spread_wherever_its_prior_leads(law, x):
    mean, rows = MeanFunction(law, x, 1.0), np.arange(len(x))
    z = 2.0 * np.random.default_rng(0).normal(size=(200, mean.count))
    assert np.isfinite(mean.at(z, rows)).all()
    assert mean.spread(rows) > 0
    np.testing.assert_array_equal(MeanFunction(law, x, -1.0).at(z, rows), -mean.at(z, rows))


def test_a_pair_adds_or_shares():
    law, x = SchottkyEmission(), np.array([[1.0], [4.0]])
    one, other = np.array([[-10.0, 1.0]]), np.array([[-12.0, 2.0]])
    pair = Pair(law)
    assert pair.parameters.names == (
        *law.parameters.names,
        *(f"{n}_second" for n in law.parameters.names),
        "share",
        "total",
    )
    added = pair.mean(np.hstack([one, other, [[0.5, 2.0]]]), x)
    np.testing.assert_allclose(added, law.mean(one, x) + law.mean(other, x))
    shared = pair.mean(np.hstack([one, other, [[0.25, 1.0]]]), x)
    np.testing.assert_allclose(shared, 0.25 * law.mean(one, x) + 0.75 * law.mean(other, x))


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


def test_intervals_hold_as_many_new_measurements_as_they_say():
    rng, within = np.random.default_rng(5), []
    for seed in range(12):
        agent, _ = played(RIGHT, seed=seed, acquisition="integrated_variance", noise_std=0.1)
        low, high = agent.interval(0.8)
        fresh = RIGHT + 0.1 * rng.normal(size=len(RIGHT))
        within.append(np.mean((low < fresh) & (fresh < high)))
    assert 0.7 < np.mean(within) < 0.9
    wide, mirrored = agent.interval(0.95), PhysicsGaussianProcess(LAW, seeds=3)
    assert (wide[0] < low).all()
    assert (wide[1] > high).all()
    mirrored.begin(Problem(V.min(0), V.max(0), "minimise", "log J", "decades", candidates=V), 0)
    assert mirrored.interval() is None
    with pytest.raises(ValueError, match="level is a probability"):
        agent.interval(1.0)


def test_intervals_of_what_is_minimised_are_the_right_way_round():
    agent, _ = played(RIGHT, objective="minimise")
    low, high = agent.interval()
    assert (low < agent.predict().mean).all()
    assert (agent.predict().mean < high).all()


@pytest.mark.parametrize("noise_std", [0.0, -1.0, np.nan])
def test_a_noise_that_is_none_is_refused(noise_std):
    with pytest.raises(ValueError, match="noise_std is above 0"):
        PhysicsGaussianProcess(LAW, noise_std=noise_std)
