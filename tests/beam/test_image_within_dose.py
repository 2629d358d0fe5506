"""Locating atoms within a dose: what is claimed is true, and looking where it is needed costs a fraction."""

from typing import Any

import numpy as np
import pytest

from agents.baselines.look_where_needed import LookWhereNeeded
from agents.protocol import AgentError, Transition
from environments.environment import Environment
from environments.localising import first, updated
from environments.presets.image_within_dose import core_and_task
from environments.registration import single, vector
from environments.tasks.find_peak import FindPeak
from environments.tasks.image_within_dose import ImageWithinDose
from experiments.campaign.problem import problem_of
from instruments.embedded import Embedded
from instruments.errors import CalibrationUnknown, NotSupported
from instruments.twins.flat import Flat


def played(agent: LookWhereNeeded, seed: int) -> tuple[Environment, float, int]:
    core, task = core_and_task()
    env = Environment(Embedded(core), task)
    observation, info = env.reset(seed=seed)
    agent.begin(problem_of(env.brief(), env.action_space), seed)
    electrons, accepted, ended = info["electrons"], [], False
    while not ended:
        decision = agent.act(observation)
        observation, reward, terminated, truncated, info = env.step(decision.action)
        electrons, ended = electrons + info["electrons"], terminated or truncated
        accepted.append(info["accepted"])
        value = info.get("value", np.nan)
        agent.tell(Transition(len(accepted) - 1, decision, value, np.array(accepted), reward, observation))
    return env, electrons, len(accepted)


def test_estimates_of_two_and_more_looks_are_as_exact_as_they_say() -> None:
    rng = np.random.default_rng(0)
    rows, atoms = 40, 60
    grid = np.stack(np.meshgrid(np.arange(10) * 0.3, np.arange(6) * 0.3), axis=-1).reshape(-1, 2)
    true = grid + rng.uniform(-0.02, 0.02, (rows, atoms, 2))
    bright = rng.uniform(0.5, 2.0, (rows, atoms))

    def look(fluence: float, drift: float) -> np.ndarray:
        spread = np.where(np.arange(atoms) < 30, 0.008, 0.004) / np.sqrt(fluence * bright)
        return true + drift + rng.normal(size=true.shape) * spread[..., None]

    covered = np.ones((rows, atoms), dtype=bool)
    species = np.where(np.arange(atoms) < 30, 16.0, 74.0) * np.ones((rows, 1))
    known = first(look(1.0, 0.0), bright, np.full(rows, 1.0), species)
    assert np.isinf(known.sd_nm).all()
    for fluence, drift in ((2.0, 0.03), (0.5, 0.05), (6.0, 0.08)):
        known = updated(known, look(fluence, drift), bright, np.full(rows, fluence), covered)
    error = known.places_nm - true
    error -= np.median(error, axis=1, keepdims=True)
    assert (error / known.sd_nm[..., None]).std() == pytest.approx(1.0, rel=0.05)
    unit = known.sd_nm * np.sqrt(9.5 * bright)
    np.testing.assert_allclose(unit[:, :30], 0.008, rtol=0.35)
    np.testing.assert_allclose(unit[:, 30:], 0.004, rtol=0.35)
    np.testing.assert_allclose(known.shift_nm, 0.08, atol=0.01)


def test_an_atom_that_a_look_should_have_seen_is_lost_and_may_come_back() -> None:
    place = np.array([[[0.0, 0.0], [1.0, 0.0]]])
    ones, fluence = np.ones((1, 2)), np.ones(1)
    known = first(place, ones, fluence)
    gone = place.copy()
    gone[0, 1] = np.nan
    after = updated(known, gone, ones, fluence, np.array([[True, True]]))
    assert after.lost.tolist() == [[False, True]]
    assert np.isinf(after.sd_nm[0, 1])
    unseen = updated(known, gone, ones, fluence, np.array([[True, False]]))
    assert not unseen.lost.any()
    assert not updated(after, place, ones, fluence, np.array([[True, True]])).lost.any()


def test_the_survey_finds_the_vacancies_and_what_is_around_them() -> None:
    core, task = core_and_task()
    env = Environment(Embedded(core), task)
    env.reset(seed=0)
    truth, state = env.instrument.truth(), env._state
    gone = truth["positions_nm"][(truth["species"] == 0) & (truth["home"] == 16), :2]
    found = state.atoms.places_nm[0][state.defect[0][state.defect[0] >= 0]]
    away = np.linalg.norm(gone[:, None] - found[None], axis=-1).min(axis=1)
    assert (away < 0.05).all()
    assert len(found) <= 6
    assert 20 <= state.interest[0].sum() <= 80


def test_looking_where_it_is_needed_costs_a_fraction_of_looking_everywhere() -> None:
    adaptive = [played(LookWhereNeeded(), seed) for seed in range(3)]
    everywhere = played(LookWhereNeeded(everywhere=True), 0)
    assert all(env._state.settled[0] >= 0.95 for env, _, _ in adaptive)
    assert np.mean([electrons for _, electrons, _ in adaptive]) < 0.3 * everywhere[1]


def test_what_is_claimed_is_true() -> None:
    env, _, _ = played(LookWhereNeeded(), 1)
    state, places = env._state, env.instrument.core.probed.columns.positions_nm
    error, known = state.atoms.places_nm[0] - places, state.atoms.sd_nm[0] <= 5e-4
    ratios = []
    for defect in state.defect[0][state.defect[0] >= 0]:
        near = known & (np.linalg.norm(places - places[defect], axis=1) < 0.36)
        patch = error[near] - np.median(error[near], axis=0)
        ratios.append(patch.std() / np.sqrt(np.square(state.atoms.sd_nm[0][near]).mean()))
    assert 0.6 < np.mean(ratios) < 1.5


def test_frames_are_moved_into_the_field_and_rewards_count_electrons() -> None:
    env = single("image_within_dose")
    env.reset(seed=0)
    before = env._state.settled[0]
    (request,) = env.requests(np.array([1.0, -1.0, -1.0, 0.0]))
    assert env.capabilities.field.contains(request.places_nm())
    assert request.frame.size_nm == pytest.approx((0.4, 0.4))
    _, reward, _, _, info = env.step(np.array([1.0, -1.0, -1.0, 0.0]))
    assert reward == pytest.approx(env._state.settled[0] - before - 1e-9 * info["electrons"])
    (whole,) = env.requests(np.array([0.3, 0.0, 1.0, 0.0]))
    assert whole.frame.size_nm == env.capabilities.field.size_nm


def test_rows_of_a_vector_environment_are_single_ones() -> None:
    many = vector("image_within_dose", 2)
    observation, _ = many.reset(seed=5)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 2, 4)) * [1, 1, 1, 0.3]
    steps = [many.step(a) for a in actions]
    for row in range(2):
        one = single("image_within_dose")
        first_, _ = one.reset(seed=5 + row)
        np.testing.assert_array_equal(first_["unsettled"], observation["unsettled"][row])
        for action, step in zip(actions, steps, strict=True):
            seen, reward, *_ = one.step(action[row])
            for name, values in seen.items():
                np.testing.assert_array_equal(values, step[0][name][row])
            assert reward == step[1][row]


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(NotSupported, match="AtomPositions"):
        Environment(Embedded(Flat()), ImageWithinDose())
    core, _ = core_and_task()
    with pytest.raises(NotSupported, match="smallest_nm"):
        Environment(Embedded(core), ImageWithinDose(smallest_nm=20.0))
    with pytest.raises(ValueError, match="shortest_s"):
        ImageWithinDose(shortest_s=1.0)
    unknown: Any = without_current(core)
    with pytest.raises(CalibrationUnknown, match="current"):
        ImageWithinDose().check(unknown)
    env = Environment(Embedded(Flat()), FindPeak())
    env.reset(seed=0)
    with pytest.raises(AgentError, match="size, dwell"):
        LookWhereNeeded().begin(problem_of(env.brief(), env.action_space), 0)


def without_current(core: Any) -> Any:
    import dataclasses

    described = core.describe()
    return dataclasses.replace(described, calibration=dataclasses.replace(described.calibration, current_pA=None))
