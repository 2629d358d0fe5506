"""The planner of dopant moves: its belief against closed forms, the honest plan of a known law, save and restore."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.planning.hop_belief import Dwell, HopBelief
from agents.planning.hop_plan import best, bonds_per_s, gains
from agents.planning.hop_prior import Account, accounts, rate_nodes
from agents.planning.hops import Situation
from agents.planning.learning_hops import LearningHops
from agents.protocol import AgentError, Problem, Transition
from physics_priors.beam.hop import BOND_NM, HopLaw, hop_probability
from physics_priors.distributions import LogUniform, Normal
from physics_priors.prior import Parameter, Parameters

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
LAW = HopLaw()
PROBLEM = Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds")
SURE = Parameters(
    tuple(
        Parameter(name, "", Normal(value, 1e-6), "known")
        for name, value in (("aim", 0.85), ("width", LAW.width), ("x", 0.0), ("y", 0.0), ("u", 0.0), ("v", 0.0))
    )
)


def belief(nodes: int = 400) -> HopBelief:
    rate = LogUniform(LAW.largest_rate_s / 30.0, LAW.largest_rate_s * 30.0)
    return HopBelief([Account(1.0, rate, SURE)], 30, 0, nodes)


def test_with_the_rest_known_the_rate_has_the_gamma_posterior_of_stamped_hops() -> None:
    found = belief()
    beam, seconds = 0.85 * WAYS[0], (3.0, 1.0, 4.0, 2.0)
    for spent in seconds:
        found.learn(Dwell(beam, WAYS, spent, 0, True))
    found.learn(Dwell(beam, WAYS, 5.0, -1, True))
    exposure = (sum(seconds) + 5.0) * float(LAW.rates_per_s(beam, WAYS).sum() / LAW.largest_rate_s)
    rate = found.draws((np.arange(4000) + 0.5) / 4000)[:, 0]
    assert rate.mean() == pytest.approx(4.0 / exposure, rel=0.01)
    assert rate.std() == pytest.approx(2.0 / exposure, rel=0.03)


def test_a_hop_that_was_not_stamped_is_censored() -> None:
    found = belief()
    found.learn(Dwell(0.85 * WAYS[0], WAYS, 4.0, 1, False))
    rates = rate_nodes(400)
    shares = LAW.rates_per_s(0.85 * WAYS[0], WAYS) / LAW.largest_rate_s
    exact = hop_probability(rates[:, None] * shares, np.full(400, 4.0))[:, 1]
    weight = np.exp(found.log_weight - found.log_weight.max()).sum(0)
    inside = slice(1, -1)  # the ends of the prior's range may round to outside
    np.testing.assert_allclose((weight / weight.sum())[inside], (exact / exact.sum())[inside], rtol=1e-3)


def test_intervals_cover_rates_and_aims_drawn_from_the_prior() -> None:
    rng, covered = np.random.default_rng(5), np.zeros(2)
    prior = accounts(0.5)
    for trial in range(40):
        account = prior[int(rng.choice(3, p=[a.probability for a in prior]))]
        shape = account.shape.sample(rng.uniform(size=6))
        rate = float(account.rate.quantile(rng.uniform()))
        found = HopBelief(prior, 300, trial)
        for step in range(12):
            way = WAYS[step % 3]
            beam = rng.uniform(0.5, 1.1) * way
            away = (beam + shape[2:4] - shape[0] * WAYS) / BOND_NM
            rates = rate * np.exp(WAYS @ shape[4:6] / BOND_NM - np.square(away).sum(-1) / (2.0 * shape[1] ** 2))
            waited = rng.exponential(1.0 / rates.sum())
            to = int(rng.choice(3, p=rates / rates.sum())) if waited < 20.0 else -1
            found.learn(Dwell(beam, WAYS, min(waited, 20.0), to, to >= 0))
        theta = found.draws((np.arange(2000) + 0.5) / 2000)[:, :2]
        low, high = np.quantile(theta, [0.05, 0.95], axis=0)
        covered += (low <= (rate, shape[0])) & ((rate, shape[0]) <= high)
    assert (covered >= 30).all()  # 36 expected; 30 or fewer have a chance of 1 in 250


def test_progress_per_second_is_that_of_played_dwells() -> None:
    rng, rates, seconds = np.random.default_rng(0), np.array([0.2, 0.05, 0.03]), 6.0
    gain = np.array([1.0, -1.0, -1.0])
    waited = rng.exponential(1.0 / rates.sum(), 200_000)
    to = rng.choice(3, size=len(waited), p=rates / rates.sum())
    hopped = waited < seconds
    lasted = np.where(hopped & (to == 0), waited, seconds)
    played = (hopped * gain[to]).sum() / (1.5 + lasted).sum()
    own, total, progress = np.array([0.2]), np.array([0.28]), np.array([rates @ gain / 0.28])
    assert bonds_per_s(own, total, progress, seconds, 1.5, True)[0] == pytest.approx(played, rel=0.01)


def test_hops_that_shorten_the_way_are_those_of_a_search() -> None:
    for first, second in ((0, 1), (1, 2), (2, 0)):
        target = WAYS[first] - WAYS[second] + WAYS[first]
        expected = np.where(np.arange(3) == first, 1.0, -1.0)
        np.testing.assert_array_equal(gains(Situation(WAYS, target, 0.2)), expected)
    both = gains(Situation(WAYS, WAYS[0] - WAYS[2] + WAYS[1] - WAYS[2], 0.2))
    np.testing.assert_array_equal(both, [1.0, 1.0, -1.0])


def test_a_plan_for_a_known_law_aims_against_the_offset_and_waits_longer_where_waits_cost() -> None:
    now = Situation(WAYS, 3.0 * WAYS[0], 0.2)
    theta = np.array([[10.0 * LAW.largest_rate_s, 0.6, LAW.width, 0.0284, 0.0, 0.0, 0.0]])
    dwells = 0.15 * 100.0 ** np.linspace(0.0, 1.0, 6)
    slow, fast = (best(now, theta, dwells, lost, True) for lost in (5.0, 0.0))
    assert 0.3 * BOND_NM <= slow.beam_nm[0] <= 0.75 * BOND_NM - 0.02
    assert slow.dwell > fast.dwell == 0


def observation(target: Any, seconds: float, moved: bool) -> dict[str, Any]:
    ways = np.ravel(WAYS) / 0.2
    return {"neighbours": ways, "target": np.asarray(target), "last": np.array([seconds, float(moved)])}


def taught(agent: LearningHops, steps: int, first: int = 0) -> None:
    """Dwells with and without a hop, as a function of the step."""
    for step in range(first, first + steps):
        decision = agent.act(observation([3.0, 0.0], 0.0, False))
        moved = step % 3 == 0
        spent = 0.5 * decision.figures["longest_s"] if moved else decision.figures["longest_s"]
        after = observation([2.0, 0.0] if moved else [3.0, 0.0], spent, moved)
        agent.tell(Transition(step, decision, 2.0, np.ones(step + 1, bool), 0.0, after, seconds=spent + 1.5))


def test_save_restore_and_continue_is_the_unbroken_run_bit_for_bit() -> None:
    unbroken, broken = LearningHops(particles=90), LearningHops(particles=90)
    for agent in (unbroken, broken):
        agent.begin(PROBLEM, 4)
        taught(agent, 12)
    again = LearningHops(particles=90)
    again.begin(PROBLEM, 4)
    again.restore(broken.state())
    for agent in (unbroken, again):
        taught(agent, 12, first=12)
    np.testing.assert_array_equal(unbroken.belief.log_weight, again.belief.log_weight)
    np.testing.assert_array_equal(unbroken.actions, again.actions)
    other = LearningHops(particles=90)
    other.begin(PROBLEM, 5)
    taught(other, 24)
    assert not np.array_equal(unbroken.actions, other.actions)


def test_dwells_in_vain_where_the_published_law_says_so_cost_it_its_credit() -> None:
    agent = LearningHops()
    agent.begin(PROBLEM, 0)
    before = agent.belief.probability(0)
    for step in range(12):
        decision = agent.act(observation([3.0, 0.0], 0.0, False))
        spent = decision.figures["longest_s"]
        after = observation([3.0, 0.0], spent, False)
        agent.tell(Transition(step, decision, 3.0, np.ones(step + 1, bool), 0.0, after, seconds=spent))
    assert before == pytest.approx(0.7)
    assert agent.belief.probability(0) < 0.1


def test_a_range_of_dwells_that_is_not_the_tasks_is_refused() -> None:
    with pytest.raises(AgentError, match="below longest_s"):
        LearningHops(shortest_s=2.0, longest_s=1.0)
    agent = LearningHops(longest_s=2.0)
    agent.begin(PROBLEM, 0)
    decision = agent.act(observation([3.0, 0.0], 0.0, False))
    after = observation([3.0, 0.0], 15.0, False)
    with pytest.raises(AgentError, match="set the agent's shortest_s"):
        agent.tell(Transition(0, decision, 3.0, np.ones(1, bool), 0.0, after, seconds=15.0))
