"""The planner of dopant moves: its belief against closed forms, the honest plan of a known law, save and restore."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from agents.planning.hop_belief import PROBE_BONDS, STAYED, Dwell, HopBelief
from agents.planning.hop_chain import exposed, left, stay
from agents.planning.hop_plan import FILL, TURN_BACK, Beams, Clock, best, decide, worth
from agents.planning.hop_prior import Account, accounts, rate_nodes
from agents.planning.hop_routes import Surroundings, gains, routes
from agents.planning.hops import Situation
from agents.planning.learning_hops import LearningHops
from agents.protocol import AgentError, Problem, Transition
from physics_priors.beam.hop import BOND_NM, HopLaw, hop_probability
from physics_priors.distributions import LogNormal, LogUniform, Normal
from physics_priors.prior import Parameter, Parameters

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
LAW = HopLaw()
PROBLEM = Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds")
SURE = Parameters(
    tuple(
        Parameter(name, "", Normal(value, 1e-6), "known")
        for name, value in (("aim", 0.85), ("width", LAW.width), ("x", 0.0), ("y", 0.0), ("u", 0.0), ("v", 0.0))
    )
    + tuple(Parameter(name, "1/s", LogNormal(1e-9, 1.0001), "never fourfold") for name in ("fold", "unfold"))
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
        shape = account.shape.sample(rng.uniform(size=8))
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


def test_the_chain_is_that_of_the_matrix_exponential() -> None:
    hop, fold, unfold, folded, seconds = 0.2, 0.03, 0.05, 0.3, 7.0
    generator = np.array([[-(hop + fold), fold], [unfold, -unfold]])
    ages = np.linspace(0.0, seconds, 4001)
    states = np.array([np.array([1.0 - folded, folded]) @ expm(generator * age) for age in ages])
    found = stay(np.array(hop), np.array(fold), np.array(unfold), np.array(folded), seconds)
    spent = np.append(0.0, np.cumsum(0.5 * (states[1:, 0] + states[:-1, 0]) * np.diff(ages)))
    np.testing.assert_allclose((found.threefold, found.fourfold), states[-1], rtol=1e-6)
    np.testing.assert_allclose((found.seconds, found.integral), (spent[-1], np.trapezoid(spent, ages)), rtol=1e-5)


def test_without_fourfold_silicon_the_chain_is_a_poisson_process() -> None:
    hop, none = np.array([1e-9, 0.3, 50.0]), np.zeros(3)
    there = left(hop, none, none, none, 4.0)[0]
    np.testing.assert_allclose(there, np.exp(-4.0 * hop), rtol=1e-9)
    np.testing.assert_allclose(exposed(hop, none, none, none, 4.0), -np.expm1(-4.0 * hop) / hop, rtol=1e-6)


def theta_of(rate: float, aim: float, fold: float, unfold: float, folded: float) -> Any:
    return np.array([[rate, aim, LAW.width, 0.0, 0.0, 0.0, 0.0, fold, unfold, folded]])


@pytest.mark.parametrize("begun", [False, True])
def test_progress_per_second_is_that_of_played_dwells(begun: bool) -> None:
    rate, fold, unfold, seconds = 0.3, 0.06, 0.1, 6.0
    rng, gain = np.random.default_rng(0), np.array([1.0, -1.0, -1.0])
    beam = 0.85 * WAYS[0]
    rates = rate * np.exp(-np.square(beam - 0.85 * WAYS).sum(-1) / BOND_NM**2 / (2.0 * LAW.width**2))
    hit = np.exp(-np.square(beam - WAYS).sum(-1) / (2.0 * (PROBE_BONDS * BOND_NM) ** 2)).sum()
    bonds_gained, spent, ended_fourfold, played = 0.0, 0.0, 0, 20_000
    for _ in range(played):
        age, fourfold = 0.0, begun
        while True:
            out = np.array([unfold * hit]) if fourfold else np.append(rates, fold * hit)
            age += rng.exponential(1.0 / out.sum())
            if age > seconds:
                spent, ended_fourfold = spent + seconds, ended_fourfold + fourfold
                break
            to = int(rng.choice(len(out), p=out / out.sum()))
            if fourfold or to == 3:
                fourfold = not fourfold
                continue
            bonds_gained += gain[to]
            spent += age if to == 0 else seconds
            break
    clock = Clock(np.array([seconds]), 1.5, True)
    now = Situation(WAYS, 3.0 * WAYS[0], 0.2)
    threefold, asked = theta_of(rate, 0.85, fold, unfold, 0.0), theta_of(rate, 0.85, fold, unfold, float(begun))
    found = float(worth(Beams.at(beam[None], now, asked, True), gain, np.zeros(3), asked, clock)[0, 0, 0])
    back_s = (1.0 + 1.5 / seconds) / (unfold * hit)
    if not begun:
        expected = bonds_gained / (1.5 * played + spent + back_s * ended_fourfold)
    else:
        value = back_s * float(
            worth(Beams.at(beam[None], now, threefold, True), gain, np.zeros(3), threefold, clock)[0, 0, 0]
        )
        expected = (bonds_gained + value * (played - ended_fourfold)) / (1.5 * played + spent)
    assert found == pytest.approx(expected, rel=0.03)


def test_dwells_in_vain_after_quick_hops_are_fourfold_silicon() -> None:
    found = HopBelief(accounts(0.7), 300, 0)
    for step in range(8):
        found.learn(Dwell(0.85 * WAYS[step % 3], WAYS, 1.5, step % 3, True))
    before = found.fourfold()
    for _ in range(3):
        found.learn(Dwell(0.85 * WAYS[0], WAYS, 15.0, STAYED, False))
    assert before < 0.05 < 0.8 < found.fourfold()
    found.learn(Dwell(0.85 * WAYS[0], WAYS, 3.0, 0, True))
    assert found.fourfold() < 0.05


def test_dwells_in_vain_at_one_place_count_as_one() -> None:
    one, two = HopBelief(accounts(0.7), 90, 0), HopBelief(accounts(0.7), 90, 0)
    one.learn(Dwell(0.85 * WAYS[0], WAYS, 5.0, STAYED, False))
    for _ in range(2):
        two.learn(Dwell(0.85 * WAYS[0], WAYS, 2.5, STAYED, False))
    np.testing.assert_allclose(one.log_weight, two.log_weight, rtol=1e-9)
    np.testing.assert_allclose(one.folded[0], two.folded[0], rtol=1e-7)


def test_hops_that_shorten_the_way_are_those_of_a_search() -> None:
    for first, second in ((0, 1), (1, 2), (2, 0)):
        target = WAYS[first] - WAYS[second] + WAYS[first]
        expected = np.where(np.arange(3) == first, 1.0, -1.0)
        np.testing.assert_array_equal(gains(Situation(WAYS, target, 0.2)), expected)
    both = gains(Situation(WAYS, WAYS[0] - WAYS[2] + WAYS[1] - WAYS[2], 0.2))
    np.testing.assert_array_equal(both, [1.0, 1.0, -1.0])


def test_a_vacancy_is_walked_around_or_filled() -> None:
    ahead = Situation(WAYS[1:], 3.0 * WAYS[0], 0.2)
    for filling, fills in ((100.0, False), (1.0, True)):
        way = routes(ahead, WAYS, WAYS[:1], filling)
        assert bool(len(way.filling_nm)) == fills
        if not fills:
            assert way.gain.max() == 1.0
    there = routes(Situation(WAYS[1:], WAYS[0], 0.2), WAYS, WAYS[:1], 4.0)
    assert np.hypot(*(there.filling_nm[0] - WAYS[0])) == pytest.approx(BOND_NM, rel=1e-6)
    assert np.hypot(*there.filling_nm[0]) == pytest.approx(3.0**0.5 * BOND_NM, rel=1e-6)


def test_the_beam_stands_on_the_carbon_that_fills_and_on_the_silicon_beside_a_turned_bond() -> None:
    clock, theta = Clock(0.15 * 100.0 ** np.linspace(0.0, 1.0, 6), 1.5, True), theta_of(0.2, 0.85, 1e-3, 1e-2, 0.0)
    at_target = Situation(WAYS[1:], WAYS[0], 0.2)
    plan = decide(at_target, Surroundings(WAYS, WAYS[:1]), theta, clock)
    assert plan.towards == FILL
    assert np.hypot(*(plan.beam_nm - WAYS[0])) == pytest.approx(BOND_NM, rel=1e-6)
    turned = decide(at_target, Surroundings(WAYS, WAYS[:1], False), theta, clock)
    assert turned.towards == TURN_BACK
    np.testing.assert_array_equal(turned.beam_nm, [0.0, 0.0])


def test_vacancies_are_remembered_by_the_lattice_and_forgotten_when_they_are_filled() -> None:
    three = observation([3.0, 0.0], 0.0, False)
    two = {**three, "neighbours": np.array([*np.ravel(WAYS[:2]), 0.0, 0.0]) / 0.2}
    missing = Surroundings().looked(two)
    np.testing.assert_allclose(missing.vacant_nm, WAYS[2:], atol=1e-12)
    other = {**three, "neighbours": -np.ravel(WAYS) / 0.2}
    gone = missing.looked(other, WAYS[0])
    np.testing.assert_allclose(gone.vacant_nm, WAYS[2:] - WAYS[0], atol=1e-12)
    np.testing.assert_allclose(np.sort(gone.bonds_nm, axis=0), np.sort(-WAYS, axis=0), atol=1e-12)
    assert not len(missing.looked(three).vacant_nm)
    tilted = {**three, "neighbours": np.ravel(WAYS + np.array([[0.0, 0.08], [0.05, 0.0], [0.0, 0.0]])) / 0.2}
    assert not missing.looked(tilted).regular


def test_a_carbon_that_does_not_jump_is_not_there_and_one_that_did_left_its_site_vacant() -> None:
    around = Surroundings(WAYS, WAYS[:1])
    carbon = WAYS[0] - WAYS[1]
    for _ in range(6):
        around = around.waited_for(carbon, 6.0, around, 10.0)
    assert not any(np.allclose(place, carbon) for place in around.vacant_nm)
    around = around.waited_for(carbon, 6.0, around, 10.0)
    assert any(np.allclose(place, carbon) for place in around.vacant_nm)
    filled = Surroundings(WAYS).waited_for(carbon, 6.0, Surroundings(WAYS, WAYS[:1]), 10.0)
    np.testing.assert_allclose(filled.vacant_nm, [carbon], atol=1e-12)


def test_a_plan_for_a_known_law_aims_against_the_offset_and_waits_longer_where_waits_cost() -> None:
    now, gain = Situation(WAYS, 3.0 * WAYS[0], 0.2), np.array([1.0, -1.0, -1.0])
    theta = theta_of(10.0 * LAW.largest_rate_s, 0.8, 1e-9, 1.0, 0.0)
    theta[0, 3] = 0.0142
    dwells = 0.15 * 100.0 ** np.linspace(0.0, 1.0, 6)
    slow, fast = (best(now, gain, np.zeros(3), theta, Clock(dwells, lost, True)) for lost in (5.0, 0.0))
    assert 0.6 * BOND_NM <= slow.beam_nm[0] <= 0.9 * BOND_NM
    assert slow.dwell > fast.dwell == 0


def test_silicon_that_becomes_fourfold_makes_the_beam_keep_off_the_carbon() -> None:
    now, gain = Situation(WAYS, 3.0 * WAYS[0], 0.2), np.array([1.0, -1.0, -1.0])
    clock = Clock(0.15 * 100.0 ** np.linspace(0.0, 1.0, 6), 1.5, True)
    never, often = (theta_of(0.05, 0.7, fold, 0.002, 0.0) for fold in (1e-9, 0.02))
    far, near = (best(now, gain, np.zeros(3), theta, clock).beam_nm[0] for theta in (never, often))
    on_carbon = best(now, gain, np.zeros(3), theta_of(0.05, 0.7, 0.02, 0.002, 1.0), clock).beam_nm[0]
    assert near < far < on_carbon


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
    assert agent.belief.probability(0) < 0.2 * before


def test_a_range_of_dwells_that_is_not_the_tasks_is_refused() -> None:
    with pytest.raises(AgentError, match="below longest_s"):
        LearningHops(shortest_s=2.0, longest_s=1.0)
    agent = LearningHops(longest_s=2.0)
    agent.begin(PROBLEM, 0)
    decision = agent.act(observation([3.0, 0.0], 0.0, False))
    after = observation([3.0, 0.0], 15.0, False)
    with pytest.raises(AgentError, match="set the agent's shortest_s"):
        agent.tell(Transition(0, decision, 3.0, np.ones(1, bool), 0.0, after, seconds=15.0))


def test_an_account_that_died_out_comes_back_when_the_data_speak_for_it() -> None:
    found = HopBelief(accounts(0.7), 90, 0)
    found.kind[:] = 0  # as if early data had left the published law alone
    found.z[:, 0], found.shape = 0.0, found._shapes(found.kind, found.z)
    found.log_weight = found._rate_prior(found.kind)
    for number in range(60):  # hops to the neighbour under a beam at 0.4 bonds, many in vain at the published 0.85
        way = WAYS[number % 3]
        found.learn(Dwell(0.4 * way, WAYS, 1.0, number % 3, True))
        found.learn(Dwell(0.85 * way, WAYS, 15.0, STAYED, False))
    assert found.probability(1) + found.probability(2) > 0.95
    aims = found.draws((np.arange(100) + 0.5) / 100)[:, 1]
    assert 0.3 < np.median(aims) < 0.5
