"""Random, raster and Sobol choose as they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.baselines.random_search import RandomSearch
from agents.baselines.raster import Raster, scan_order
from agents.baselines.sobol import Sobol, sobol_point
from agents.options import Options, options_of
from agents.protocol import Agent, AgentError, Decision, Problem, Transition


def grid(columns: int, rows: int) -> Problem:
    """Candidates in [-1, 1]^2, line by line."""
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    candidates = np.stack([x.ravel(), y.ravel()], axis=1)
    return Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm", candidates=candidates)


def box(low: tuple[float, ...], high: tuple[float, ...]) -> Problem:
    return Problem(np.array(low), np.array(high), "maximise", "height", "nm")


def play(agent: Agent, problem: Problem, steps: int, seed: int = 0) -> list[Decision]:
    agent.begin(problem, seed)
    decisions = []
    for step in range(1, steps + 1):
        decisions.append(agent.act({}))
        agent.tell(Transition(step, decisions[-1], 0.0, np.ones(step, dtype=bool), 0.0, {}))
    return decisions


def test_random_is_uniform_over_the_open_options() -> None:
    drawn = Counter(play(RandomSearch(), grid(4, 2), 3, seed)[2].candidate for seed in range(800))
    assert set(drawn) == set(range(8))
    assert sum((n - 100) ** 2 / 100 for n in drawn.values()) < 24.3  # chi squared, 7 degrees: 1 in 1000


def test_choices_without_candidates_come_as_integers() -> None:
    problem = replace(box((0.0,), (4.0,)), choices=5)
    for agent in (RandomSearch(), Sobol(), Raster(points=3)):
        actions = [decision.action for decision in play(agent, problem, 5)]
        assert sorted(int(action) for action in actions) == [0, 1, 2, 3, 4]
        assert all(action.dtype == np.int64 and action.shape == () for action in actions)


def test_a_box_without_candidates_is_covered_in_its_own_units() -> None:
    problem = box((-2.0, 10.0), (2.0, 30.0))
    for agent in (RandomSearch(), Sobol(), Raster(points=16)):
        actions = np.array([decision.action for decision in play(agent, problem, 16)])
        unit = (actions - problem.low) / (problem.high - problem.low)
        assert np.all((unit >= 0) & (unit <= 1))
        assert all(len(np.unique(np.floor(axis * 4))) == 4 for axis in unit.T)


def test_sobol_is_scipys_sequence_snapped() -> None:
    from scipy.stats import qmc

    sequence = qmc.Sobol(2, rng=np.random.default_rng(3)).random_base2(4)
    assert np.array([sobol_point(2, 3, i) for i in range(16)]) == pytest.approx(sequence, abs=1e-12)
    actions = np.array([decision.action for decision in play(Sobol(), grid(65, 65), 16, seed=3)])
    assert np.abs((actions + 1) / 2 - sequence).max() <= 0.5 / 64 + 1e-9


def test_sobol_fills_space_better_than_random() -> None:
    from scipy.stats import qmc

    def discrepancy(agent: Agent, seed: int) -> float:
        decisions = play(agent, grid(32, 32), 32, seed)
        return float(qmc.discrepancy(np.array([(d.action + 1) / 2 for d in decisions])))

    assert np.mean([discrepancy(Sobol(), s) for s in range(5)]) < 0.2 * np.mean(
        [discrepancy(RandomSearch(), s) for s in range(5)]
    )


def test_raster_covers_the_field_in_serpentine_lines() -> None:
    actions = np.array([d.action for d in play(Raster(points=16), grid(64, 64), 16)]).reshape(4, 4, 2)
    assert np.ptp(actions[:, :, 1], axis=1).max() == 0.0  # a line has one height
    assert np.all(np.diff(actions[:, 0, 1]) > 0.4)
    assert np.all(np.diff(actions[0, :, 0]) > 0.4)
    assert np.array_equal(actions[1, :, 0], actions[0, ::-1, 0])
    everywhere = grid(64, 64).candidates
    assert everywhere is not None
    away = np.linalg.norm(everywhere[:, None] - actions.reshape(-1, 2), axis=2).min(axis=1)
    assert away.max() < 0.4  # half the diagonal of a cell is 0.354


def test_raster_with_points_for_all_goes_line_by_line_to_the_neighbour() -> None:
    actions = np.array([d.action for d in play(Raster(points=35), grid(7, 5), 35)])
    steps = np.abs(np.diff(actions, axis=0)) / [2 / 6, 2 / 4]
    assert steps.sum(axis=1) == pytest.approx(np.ones(34))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 100))
def test_raster_visits_every_candidate_once(columns: int, rows: int, points: int) -> None:
    options = options_of(grid(columns, rows))
    assert isinstance(options, Options)
    assert sorted(scan_order(options, points)) == list(range(columns * rows))


def test_raster_refuses_three_axes() -> None:
    with pytest.raises(AgentError, match="one or two axes"):
        Raster().begin(box((0.0,) * 3, (1.0,) * 3), 0)
    with pytest.raises(ValueError, match="at least 1"):
        Raster(points=0)


@pytest.mark.parametrize(
    ("candidates", "says"),
    [
        (np.array([[0.0, 1.5]]), "outside"),
        (np.array([[0.0, np.nan]]), "not numbers"),
        (np.empty((0, 2)), "at least one"),
        (np.zeros(3), "table"),
    ],
)
def test_candidates_that_make_no_sense_are_refused(candidates: np.ndarray, says: str) -> None:
    with pytest.raises(AgentError, match=says):
        RandomSearch().begin(replace(grid(2, 2), candidates=candidates), 0)


def test_an_unbounded_box_is_refused() -> None:
    with pytest.raises(AgentError, match="finite"):
        RandomSearch().begin(box((-np.inf,), (np.inf,)), 0)


def test_accepted_must_speak_of_every_transition() -> None:
    agent = RandomSearch()
    agent.begin(grid(3, 3), 0)
    with pytest.raises(AgentError, match="one entry for each of the 1"):
        agent.tell(Transition(1, agent.act({}), 0.0, np.ones(2, dtype=bool), 0.0, {}))


def test_an_unknown_candidate_is_refused() -> None:
    agent = RandomSearch()
    agent.begin(grid(3, 3), 0)
    with pytest.raises(AgentError, match="not one of the problem's 9"):
        agent.tell(Transition(1, Decision(np.zeros(2), "?", candidate=9), 0.0, np.ones(1, dtype=bool), 0.0, {}))
