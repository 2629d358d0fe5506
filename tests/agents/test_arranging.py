"""Arranging several dopants: who goes where, ways that keep off other silicon, one belief for all, save and restore."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from agents.planning.arranging_hops import ArrangingHops
from agents.planning.arranging_in_order import ArrangingInOrder, in_order
from agents.planning.hop_belief import STAYED, Dwell, HopBelief
from agents.planning.hop_lattice import patch
from agents.planning.hop_prior import accounts
from agents.planning.hop_routes import BESIDE_SILICON, cost_of, routes
from agents.planning.hops import Situation
from agents.planning.pattern import assigned, for_atom, hops_to
from agents.protocol import AgentError, Problem, Transition
from physics_priors.beam.hop import BOND_NM

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
SIDE_NM = 5.0
EXTENT = (-2.5, 2.5, -2.5, 2.5)
PROBLEM = Problem(-np.ones(4), np.ones(4), "minimise", "distance to the targets", "bonds", extent_nm=EXTENT)
NONE = np.empty((0, 2))


def observation(places: Any, targets: Any, last: Any = (0.0, 0.0, 0.0, 0.0), turned: Any = ()) -> dict[str, Any]:
    """Dopants and targets in nm from the middle; those in `turned` are on the other sublattice."""
    signs = [-1.0 if atom in turned else 1.0 for atom in range(len(places))]
    near = [sign * np.ravel(WAYS) / 0.2 for sign in signs]
    whole = {"dopants": np.ravel(places), "targets": np.ravel(targets)}
    shown = {name: np.asarray(nm) / (0.5 * SIDE_NM) for name, nm in whole.items()}
    return {**shown, "neighbours": np.concatenate(near), "last": np.asarray(last, dtype=float)}


def test_the_assignment_is_the_best_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        hops = rng.integers(0, 12, (4, 4)).astype(float)
        least = min(hops[np.arange(4), list(order)].sum() for order in permutations(range(4)))
        assert hops[np.arange(4), assigned(hops)].sum() == least


def test_of_two_assignments_as_long_an_atom_on_a_target_stays() -> None:
    """Three in a row: the first could push on the second, or pass it, in as many hops."""
    np.testing.assert_array_equal(assigned(np.array([[4.0, 8.0], [0.0, 4.0]])), [1, 0])


def test_a_person_takes_the_nearest_target_that_is_left() -> None:
    away = np.array([[1.0, 2.0, 9.0], [0.5, 5.0, 3.0], [9.0, 1.0, 1.0]])
    np.testing.assert_array_equal(in_order(away), [0, 2, 1])
    assert away[np.arange(3), assigned(away)].sum() < away[np.arange(3), in_order(away)].sum()


def test_hops_are_those_of_the_honeycomb() -> None:
    ring = [WAYS[0] - WAYS[1], WAYS[0] - WAYS[1] + WAYS[2], 2 * (WAYS[0] - WAYS[1])]
    np.testing.assert_array_equal(hops_to(np.array([np.zeros(2), WAYS[0], *ring]), WAYS), [0, 1, 2, 3, 4])
    far = hops_to(np.array([[3.0, 0.0]]), WAYS)[0]
    assert 1.0 < far / (3.0 / BOND_NM) < 1.35


def walked(now: Situation, bonds_nm: Any) -> list[Any]:
    """The places of a dopant that always takes a hop that gains most."""
    place, bonds, target, others = np.zeros(2), bonds_nm, now.target_nm, now.others_nm
    places = [place]
    while np.hypot(*(target - place)) > 0.5 * BOND_NM:
        here = Situation(bonds, target - place, 0.2, others_nm=others - place)
        hop = bonds[int(routes(here, bonds).gain.argmax())]
        place, bonds = place + hop, -bonds
        places.append(place)
        assert len(places) < 40
    return places


@pytest.mark.parametrize("steps", [3, 4, 5, 6])
def test_ways_keep_off_sites_beside_other_silicon(steps: int) -> None:
    """Silicon stands in the middle of the straight way; every way around it is longer."""
    sites = patch().whole @ WAYS
    away = hops_to(sites, WAYS)
    checked = 0
    for target in np.flatnonzero(away == 2 * steps):
        straight = sites[target]
        other = sites[int(np.hypot(*(sites - 0.5 * straight).T).argmin())]
        beside = [np.hypot(*(place - other)) / BOND_NM for place in (np.zeros(2), straight)]
        if min(beside) < 1.1:
            continue
        now = Situation(WAYS, straight, 0.2, others_nm=other[None])
        places = walked(now, WAYS)
        nearest = min(np.hypot(*(place - other)) for place in places) / BOND_NM
        assert nearest > 1.1
        assert cost_of(now, WAYS) == len(places) - 1 < BESIDE_SILICON
        checked += 1
    assert checked > 3


def test_a_way_goes_past_other_silicon_only_where_there_is_no_other() -> None:
    target = 2 * (WAYS[0] - WAYS[1])
    now = Situation(WAYS, target, 0.2, others_nm=(target + WAYS[0])[None])
    places = walked(now, WAYS)
    beside = [np.hypot(*(place - now.others_nm[0])) / BOND_NM < 1.1 for place in places]
    assert beside[-1]
    assert sum(beside) == 1
    assert cost_of(now, WAYS) >= BESIDE_SILICON


def test_silicon_never_hops_onto_silicon_and_without_others_nothing_changes() -> None:
    taken = Situation(WAYS, 3.0 * WAYS[0], 0.2, others_nm=WAYS[:1])
    assert routes(taken, WAYS).gain[0] == -1.0
    target = WAYS[0] - WAYS[1] + WAYS[0]
    far = Situation(WAYS, target, 0.2, others_nm=np.array([[-1.2, 0.0]]))
    np.testing.assert_array_equal(routes(far, WAYS).gain, routes(Situation(WAYS, target, 0.2), WAYS).gain)


def test_ways_around_vacancies_keep_off_other_silicon_too() -> None:
    """A vacancy ahead: of the two ways around it, one passes other silicon."""
    target = WAYS[0] - WAYS[1] + WAYS[0] - WAYS[2]
    both = routes(Situation(WAYS[1:], target, 0.2), WAYS, WAYS[:1], 100.0).gain
    assert both[0] == both[1] == 1.0
    other = WAYS[1] - WAYS[0]
    one = routes(Situation(WAYS[1:], target, 0.2, others_nm=other[None]), WAYS, WAYS[:1], 100.0).gain
    assert one[0] < 0.0 < one[1]


def test_the_atom_whose_way_is_free_comes_first() -> None:
    """The first atom's target lies beside the second, which has to leave before."""
    step = WAYS[0] - WAYS[1]
    places = np.array([[0.0, 0.0], 3 * step + WAYS[0]])
    targets = np.array([3 * step, 8 * step])
    agent = ArrangingHops(particles=90)
    agent.begin(PROBLEM, 0)
    decision = agent.act(observation(places, targets, turned=(1,)))
    assert decision.figures["atom"] == 1.0
    assert decision.figures["free"] == 1.0
    assert decision.action[0] == 0.5
    alone = agent.act(observation(places, [targets[0], places[1]], turned=(1,)))
    assert alone.figures["atom"] == 0.0
    assert alone.figures["free"] == 0.0
    assert "past other silicon" in alone.reason


def test_one_belief_learns_from_all_atoms_and_keeps_their_chances_of_being_fourfold_apart() -> None:
    found = HopBelief(accounts(0.7), 300, 0)
    for step in range(12):
        found.learn(Dwell(0.85 * WAYS[step % 3], WAYS, 1.5, step % 3, True, atom=step % 2))
    for _ in range(3):
        found.learn(Dwell(0.85 * WAYS[0], WAYS, 15.0, STAYED, False, atom=1))
        found.learn(Dwell(0.85 * WAYS[0], WAYS, 1.5, 0, True, atom=0))
    assert found.fourfold(0) < 0.05 < 0.8 < found.fourfold(1)
    assert found.fourfold(2) == pytest.approx(0.002)


def test_the_order_in_which_atoms_are_dwelt_on_does_not_matter() -> None:
    dwells = [(0, 4.0, STAYED), (1, 3.0, STAYED), (0, 2.0, STAYED), (1, 1.0, 2), (0, 1.5, 1)]
    beliefs = HopBelief(accounts(0.7), 90, 0), HopBelief(accounts(0.7), 90, 0)
    for found, order in zip(beliefs, (dwells, sorted(dwells, key=lambda d: d[0])), strict=True):
        for atom, seconds, to in order:
            found.learn(Dwell(0.85 * WAYS[0], WAYS, seconds, to, to >= 0, atom=atom))
    one, two = beliefs
    np.testing.assert_allclose(one.log_weight, two.log_weight, rtol=1e-9)
    for atom in (0, 1):
        np.testing.assert_allclose(one.folded[atom], two.folded[atom], rtol=1e-7)


def taught(agent: ArrangingHops, steps: int, first: int = 0) -> None:
    """Dwells with and without a hop, as a function of the step."""
    stays, targets = np.array([[0.0, 0.0], [1.2, 0.6]]), np.array([[0.6, 0.2], [1.4, -0.5]])
    for step in range(first, first + steps):
        decision = agent.act(observation(stays, targets))
        atom, moved = int(decision.figures["atom"]), step % 3 == 0
        spent = (0.5 if moved else 1.0) * decision.figures["longest_s"]
        after = stays.copy()
        after[atom] += WAYS[0] * moved
        seen = observation(after, targets, (spent, moved, atom, 0.0), (atom,) if moved else ())
        agent.tell(Transition(step, decision, 6.0, np.ones(step + 1, bool), 0.0, seen, seconds=spent + 1.5))


def test_save_restore_and_continue_is_the_unbroken_run_bit_for_bit() -> None:
    unbroken, broken, again = (ArrangingHops(particles=90) for _ in range(3))
    for agent in (unbroken, broken):
        agent.begin(PROBLEM, 4)
        taught(agent, 12)
    again.begin(PROBLEM, 4)
    again.restore(broken.state())
    for agent in (unbroken, again):
        taught(agent, 12, first=12)
    np.testing.assert_array_equal(unbroken.mover.belief.log_weight, again.mover.belief.log_weight)
    np.testing.assert_array_equal(unbroken.actions, again.actions)
    assert unbroken.state().keys() == again.state().keys()
    for name, value in unbroken.state().items():
        np.testing.assert_array_equal(value, again.state()[name])
    other = ArrangingHops(particles=90)
    other.begin(PROBLEM, 5)
    taught(other, 24)
    assert not np.array_equal(unbroken.actions, other.actions)


def test_to_decide_changes_nothing() -> None:
    agent = ArrangingHops(particles=90)
    agent.begin(PROBLEM, 4)
    taught(agent, 5)
    before = agent.state()
    asked = observation([[0.0, 0.0], [1.2, 0.6]], [[0.6, 0.2], [1.4, -0.5]])
    first, second = agent.act(asked), agent.act(asked)
    np.testing.assert_array_equal(first.action, second.action)
    for name, value in agent.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_of_an_atom_that_moved_by_itself_what_was_around_it_is_forgotten() -> None:
    agent = ArrangingHops(particles=90)
    agent.begin(PROBLEM, 4)
    places, targets = np.array([[0.0, 0.0], [1.2, 0.6]]), np.array([[0.6, 0.2], [1.4, -0.5]])
    for step, (atom, moved) in enumerate(((0, 0), (1, 0), (1, 1))):
        decision = agent.act(observation(places, targets))
        decision = type(decision)(for_atom(atom, 2, decision.action[1:]), "a person's", None, {})
        after = places + np.array([WAYS[0], [0.0, 0.0]]) * moved
        seen = observation(after, targets, (1.0, 0.0, atom, 0.0), (0,) if moved else ())
        agent.tell(Transition(step, decision, 6.0, np.ones(step + 1, bool), 0.0, seen, seconds=2.5))
        assert set(agent.around) == ({0}, {0, 1}, {1})[step]


@pytest.mark.parametrize("kind", [ArrangingHops, ArrangingInOrder])
def test_while_an_atom_is_out_of_sight_an_agent_waits_and_what_is_of_another_task_is_refused(kind: Any) -> None:
    agent = kind()
    agent.begin(PROBLEM, 0)
    hidden = observation([[0.0, 0.0], [1.2, 0.6]], [[0.6, 0.2], [1.4, -0.5]], (0.0, 0.0, 0.0, 1.0))
    assert "out of sight" in agent.act(hidden).reason
    with pytest.raises(AgentError, match="use it with the task arrange_dopants"):
        agent.act({"target": np.zeros(2)})
    with pytest.raises(AgentError, match="which, x, y, dwell"):
        agent.begin(Problem(-np.ones(3), np.ones(3), "minimise", "d", "bonds"), 0)
