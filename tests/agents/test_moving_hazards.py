"""What a planner that moves silicon keeps away from: the border, places too bright to watch, running out of sight."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from agents.planning.hop_border import NO_BORDER, held_back, room_of
from agents.planning.hop_glare import NO_GLARE, carried_along, dimmed, seen_in_vain
from agents.planning.hop_plan import Beams, Clock, best, lost_per_s
from agents.planning.hops import Situation
from agents.planning.learning_hops import LearningHops
from agents.protocol import AgentError, Problem, Transition
from physics_priors.beam.hop import BOND_NM, HopLaw

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
GAIN = np.array([1.0, -1.0, -1.0])
THETA = np.array([[0.3, 0.85, HopLaw().width, 0.0, 0.0, 0.0, 0.0, 1e-3, 1e-2, 0.0]])


def told(target_bonds: np.ndarray, seconds: float, moved: bool) -> dict[str, np.ndarray]:
    return {"neighbours": np.ravel(WAYS) / 0.2, "target": target_bonds, "last": np.array([seconds, float(moved)])}


def test_room_is_what_is_left_of_the_field() -> None:
    room = room_of({"dopant": np.array([-1.0, 0.5])}, (0.0, 4.0, 10.0, 12.0))
    np.testing.assert_allclose(room, [[0.0, 4.0], [1.5, 0.5]])
    assert np.isinf(room_of({"dopant": np.zeros(2)}, None)).all()


def test_hops_towards_the_border_are_held_back_and_those_away_from_it_gain() -> None:
    far = held_back(GAIN, WAYS, np.full((2, 2), 5.0))
    np.testing.assert_array_equal(far, GAIN)
    np.testing.assert_array_equal(held_back(GAIN, WAYS, NO_BORDER), GAIN)
    at_the_right = np.array([[5.0, 1.5 * BOND_NM], [5.0, 5.0]])
    gain = np.array([1.0, 1.0, -1.0])
    near = held_back(gain, WAYS, at_the_right)
    assert near[0] == pytest.approx(1.0 - 2.0)
    assert (near[1:] > gain[1:]).all()


def test_where_the_only_way_is_along_the_border_a_planner_does_not_wait() -> None:
    at_the_right = np.array([[5.0, 1.5 * BOND_NM], [5.0, 5.0]])
    np.testing.assert_array_equal(held_back(GAIN, WAYS, at_the_right), GAIN)
    leaving = held_back(GAIN, WAYS, np.array([[5.0, 1.1 * BOND_NM], [5.0, 5.0]]))
    assert leaving[0] == -2.0
    assert sorted(leaving[1:]) == [-1.0, 0.3]  # inwards, since there is nothing else


def test_the_best_place_near_the_border_is_not_towards_it() -> None:
    clock = Clock(np.array([1.5, 15.0]), 1.5, True)
    room = np.array([[5.0, BOND_NM], [5.0, 5.0]])
    now = Situation(WAYS, 3.0 * WAYS[0], 0.2)
    assert best(now, GAIN, np.zeros(3), THETA, clock).towards == 0
    inwards = best(now, held_back(GAIN, WAYS, room), np.zeros(3), THETA, clock)
    assert inwards.towards != 0
    assert inwards.bonds_per_s > 0.0


def test_a_place_is_too_bright_when_the_trace_ended_two_dwells_there() -> None:
    place = 0.85 * WAYS[0]
    glare = seen_in_vain(NO_GLARE, place, 15.0, 15.0)
    assert not len(glare)
    for _ in range(2):
        assert dimmed(place[None], glare)[0] == 1.0
        glare = seen_in_vain(glare, place, 0.1, 15.0)
    assert dimmed(np.array([place, -place]), glare).tolist() == [0.02, 1.0]
    moved = carried_along(glare, WAYS[0])
    np.testing.assert_allclose(moved, glare - WAYS[0])
    assert dimmed(place[None] - WAYS[0], moved)[0] == 0.02
    assert not len(carried_along(glare, np.array([1.0, 0.0])))


def test_a_planner_goes_elsewhere_when_a_place_is_too_bright() -> None:
    clock = Clock(np.array([1.5, 15.0]), 1.5, True)
    now = Situation(WAYS, 3.0 * WAYS[0], 0.2)
    first = best(now, GAIN, np.zeros(3), THETA, clock)
    dazzled = Situation(WAYS, now.target_nm, 0.2, glare_nm=np.repeat(first.beam_nm[None], 2, axis=0))
    second = best(dazzled, GAIN, np.zeros(3), THETA, clock)
    assert np.hypot(*(second.beam_nm - first.beam_nm)) > 0.025
    assert second.bonds_per_s > 0.0


def test_silicon_is_lost_as_often_as_three_hops_fall_into_a_dwell() -> None:
    clock = Clock(np.array([2.0, 20.0]), 1.5, False)
    theta = THETA.copy()
    theta[0, 1] = 0.0  # the same to all neighbours, with the beam on the silicon
    theta[0, 0] = 0.1
    beams = Beams.at(np.zeros((1, 2)), Situation(WAYS, 3.0 * WAYS[0], 0.2), theta, clock.watched)
    found = lost_per_s(beams, theta, clock)[0, 0]
    expected = poisson.sf(2, 0.3 * clock.dwells_s) / (clock.dwells_s + 1.5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    watched = replace(beams, ends=np.ones_like(beams.ends), own=beams.rates[..., 0])
    rarely = lost_per_s(watched, theta, replace(clock, seen=0.9))[0, 0]
    np.testing.assert_allclose(rarely, (1.0 - 0.9 / 3.0) * expected, rtol=1e-6)
    theta[0, 9] = 1.0  # fourfold silicon has to become threefold first
    unfolded = 1.0 - np.exp(-1e-2 * beams.struck.sum() * clock.dwells_s)
    np.testing.assert_allclose(lost_per_s(beams, theta, clock)[0, 0], unfolded * expected, rtol=1e-6)


def test_at_the_border_two_hops_are_enough_and_dwells_are_short() -> None:
    clock = Clock(np.array([0.5, 2.0, 8.0]), 1.0, False)
    beams = Beams.at(0.85 * WAYS[:1], Situation(WAYS, 3.0 * WAYS[0], 0.2), THETA, False)
    found = lost_per_s(beams, THETA, clock, True)[0, 0] * (clock.dwells_s + 1.0)
    np.testing.assert_allclose(found, poisson.sf(1, beams.rates[0, 0].sum() * clock.dwells_s), rtol=1e-9)
    middle, border = (
        best(Situation(WAYS, 3.0 * WAYS[0], 0.2, room_nm=np.full((2, 2), room)), GAIN, np.zeros(3), THETA, clock)
        for room in (5.0, 1.5 * BOND_NM)
    )
    assert border.dwell < middle.dwell


def test_a_state_without_bright_places_is_refused() -> None:
    agent = LearningHops(particles=90)
    agent.begin(Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds"), 0)
    for what in ("glare_nm", "carbons_nm", "seen"):
        older = {name: value for name, value in agent.state().items() if name != what}
        with pytest.raises(AgentError, match="older version"):
            agent.restore(older)


def test_a_place_that_loses_ground_is_no_better_for_being_bright() -> None:
    clock = Clock(np.array([1.5, 15.0]), 1.5, True)
    away = -np.ones(3)
    plain = best(Situation(WAYS, 3.0 * WAYS[0], 0.2), away, np.zeros(3), THETA, clock)
    everywhere = np.concatenate([np.outer(np.linspace(0.2, 1.3, 40), way) for way in WAYS] * 2)
    dazzled = Situation(WAYS, 3.0 * WAYS[0], 0.2, glare_nm=everywhere)
    assert best(dazzled, away, np.zeros(3), THETA, clock).bonds_per_s <= plain.bonds_per_s < 0.0


def test_dwells_are_shorter_where_the_trace_did_not_end_them() -> None:
    dwells_s = np.geomspace(0.15, 15.0, 6)
    theta = THETA.copy()
    theta[0, 0] = 0.3
    now = Situation(WAYS, 3.0 * WAYS[0], 0.2)
    plans = [best(now, GAIN, np.zeros(3), theta, Clock(dwells_s, 1.5, True, seen=seen)) for seen in (1.0, 0.5)]
    assert plans[1].dwell < plans[0].dwell


def test_a_planner_learns_whether_the_trace_ends_dwells() -> None:
    agent = LearningHops(particles=90)
    agent.begin(Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds"), 0)
    for step, (stamped, expected) in enumerate(((True, [6.0, 0.25]), (False, [6.0, 1.25]))):
        target = np.array([3.0, 0.0])
        decision = agent.act(told(target, 0.0, False))
        beam = np.array([decision.figures["x_nm"], decision.figures["y_nm"]])
        under = int(np.argmin(np.hypot(*(WAYS - beam).T)))
        seconds = (0.5 if stamped else 1.0) * decision.figures["longest_s"]
        after = told(target - WAYS[under] / BOND_NM, seconds, True)
        agent.tell(Transition(step, decision, 2.0, np.ones(step + 1, bool), 0.0, after, seconds=seconds))
        assert agent.seen.tolist() == expected
