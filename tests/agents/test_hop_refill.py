"""Fourfold silicon among vacancies: what is known of them after a jump, and what is filled from outside first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.planning.hop_lattice import bonds, patch
from agents.planning.hop_plan import CLOSE, FILL, Clock, decide
from agents.planning.hop_refill import carbon_outside
from agents.planning.hop_routes import Surroundings
from agents.planning.hops import Situation
from agents.planning.learning_hops import LearningHops
from agents.protocol import AgentError, Problem, Transition
from physics_priors.beam.hop import BOND_NM, HopLaw

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
BEHIND = WAYS[0] - WAYS[1]
"""A site two bonds away, behind the first neighbour."""
OUTSIDE = BEHIND + WAYS[2]
"""A site behind that one, which is two bond lengths from the silicon."""
CLOCK = Clock(0.15 * 100.0 ** np.linspace(0.0, 1.0, 6), 1.5, True)
PROBLEM = Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds")


def island() -> Any:
    """The nearest and next-nearest sites of a silicon atom."""
    sites = patch().whole @ bonds(WAYS) / BOND_NM
    away = np.hypot(*sites.T)
    return BOND_NM * sites[(away > 0.5) & (away < 1.8)]


def theta(fourfold: float) -> Any:
    law = HopLaw()
    return np.array([[law.largest_rate_s, law.aim, law.width, 0.0, 0.0, 0.0, 0.0, 1e-3, 5e-3, fourfold]])


def seen(*neighbours: int) -> dict[str, Any]:
    """An observation with some of the three neighbours."""
    ways = np.zeros((3, 2))
    ways[: len(neighbours)] = WAYS[list(neighbours)] / 0.2
    return {"neighbours": np.ravel(ways), "target": np.array([3.0, 0.0]), "last": np.array([6.0, 0.0])}


def test_a_carbon_that_is_gone_has_jumped_into_the_vacancy_beside_it() -> None:
    around = Surroundings(WAYS, np.vstack([WAYS[1:], BEHIND]))
    after = around.looked(seen())
    assert len(after.vacant_nm) == 3
    assert not any(np.allclose(place, BEHIND, atol=1e-9) for place in after.vacant_nm)
    two_ways = Surroundings(WAYS, np.vstack([WAYS[1:], BEHIND, WAYS[0] - WAYS[2]]))
    assert len(two_ways.looked(seen()).vacant_nm) == 5, "which of the two it took is not known"
    without = Surroundings(WAYS, WAYS[1:])
    assert len(without.looked(seen()).vacant_nm) == 3


@pytest.mark.parametrize("fourfold", [0.0, 1.0])
def test_an_island_of_silicon_gets_carbon_from_across_its_hexagons(fourfold) -> None:
    now, vacant = Situation(np.empty((0, 2)), 3.0 * WAYS[0], 0.2), island()
    assert len(vacant) == 9
    plan = decide(now, Surroundings(bonds(WAYS), vacant), theta(fourfold), CLOCK)
    assert plan.towards == CLOSE
    assert np.hypot(*plan.beam_nm) == pytest.approx(2.0 * BOND_NM, rel=1e-6)
    jumped = np.vstack([vacant[np.hypot(*(vacant - plan.beam_nm).T).argsort()[1:]], plan.beam_nm])
    then = decide(now, Surroundings(bonds(WAYS), jumped), theta(fourfold), CLOCK)
    assert then.towards == FILL
    assert np.hypot(*then.beam_nm) == pytest.approx(3.0**0.5 * BOND_NM, rel=1e-6)
    assert np.hypot(*(jumped - then.beam_nm).T).min() > 0.9 * BOND_NM, "a carbon stands there"


def test_carbon_that_jumps_slowly_is_looked_at_less_often() -> None:
    now, around = Situation(WAYS[1:], WAYS[0], 0.2), Surroundings(WAYS, WAYS[:1])
    quick, slow = (decide(now, around, theta(0.0), replace(CLOCK, filling_s=s)) for s in (10.0, 200.0))
    assert quick.towards == slow.towards == FILL
    assert CLOCK.dwells_s[quick.dwell] < CLOCK.dwells_s[slow.dwell]


def test_the_vacancy_behind_a_lone_neighbour_is_filled_from_its_other_side() -> None:
    now = Situation(WAYS[:1], 3.0 * WAYS[0], 0.3)
    carbon = carbon_outside(now, WAYS, np.vstack([WAYS[1:], BEHIND]))
    assert carbon is not None
    assert np.hypot(*(carbon - BEHIND)) == pytest.approx(BOND_NM, rel=1e-6)
    assert np.hypot(*carbon) > 1.9 * BOND_NM
    assert carbon_outside(now, WAYS, WAYS[1:]) is None, "the neighbour has nowhere to jump to"
    both = Situation(WAYS[:2], 3.0 * WAYS[0], 0.3)
    assert carbon_outside(both, WAYS, np.vstack([WAYS[2:], BEHIND])) is None, "the other neighbour stays"
    near = Situation(WAYS[:1], 3.0 * WAYS[0], 0.1)
    assert carbon_outside(near, WAYS, np.vstack([WAYS[1:], BEHIND])) is None, "the beam does not reach so far"


def test_only_fourfold_silicon_waits_for_that() -> None:
    now = Situation(WAYS[:1], 3.0 * WAYS[0], 0.2)
    around = Surroundings(WAYS, np.vstack([WAYS[1:], BEHIND]))
    assert decide(now, around, theta(1.0), CLOCK).towards == CLOSE
    assert decide(now, around, theta(0.0), CLOCK).towards not in (CLOSE, FILL)


def test_a_carbon_that_no_look_shows_has_jumped_when_it_had_time() -> None:
    around = Surroundings(WAYS, np.vstack([WAYS[1:], BEHIND]))
    for _ in range(3):
        around = around.closed(OUTSIDE + 0.01, 6.0, 10.0)
        assert any(np.allclose(place, BEHIND) for place in around.vacant_nm)
    around = around.closed(OUTSIDE + 0.01, 6.0, 10.0)
    assert not any(np.allclose(place, BEHIND) for place in around.vacant_nm)
    assert any(np.allclose(place, OUTSIDE) for place in around.vacant_nm)
    assert len(around.vacant_nm) == 3


def test_how_long_a_jump_takes_is_learned_saved_and_restored() -> None:
    agent = LearningHops(particles=90)
    agent.begin(PROBLEM, 0)
    agent.around = Surroundings(WAYS, WAYS)
    before = agent._filling_s
    decision = agent.act(seen())
    assert decision.figures["towards"] == FILL
    after = {**seen(0), "last": np.array([6.0, 0.0])}
    agent.tell(Transition(0, decision, 3.0, np.ones(1, bool), 0.0, after, seconds=7.5))
    assert agent.filled.tolist() == [66.0, 2.0]
    assert agent._filling_s == pytest.approx(33.0)
    assert before == pytest.approx(60.0)
    again = LearningHops(particles=90)
    again.begin(PROBLEM, 0)
    again.restore(agent.state())
    assert again.filled.tolist() == [66.0, 2.0]
    old = {name: value for name, value in agent.state().items() if name != "filled"}
    with pytest.raises(AgentError, match="older version"):
        again.restore(old)


def test_waiting_for_a_carbon_that_is_not_there_says_nothing_of_jumps() -> None:
    agent = LearningHops(particles=90)
    agent.begin(PROBLEM, 0)
    agent.around = Surroundings(WAYS, WAYS)
    seconds = []
    for step in range(60):
        decision = agent.act(seen())
        assert decision.figures["towards"] == FILL
        agent.tell(Transition(step, decision, 3.0, np.ones(step + 1, bool), 0.0, seen(), seconds=7.5))
        seconds.append(float(agent.filled[0]))
    assert max(seconds) > 200.0
    assert seconds.count(60.0) >= 1, "the first carbon was given up"
    assert agent.filled[1] == 1.0
