"""Identify switching: the task on the spot, its agents, the oracle, and the report's sections."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agents.protocol import AgentError, Decision, Problem, Transition
from agents.switching import designs
from agents.switching.adaptive import AdaptiveWaveform
from agents.switching.triangular import Triangular
from benchmarks.switching import Ended, _lower, _share, episode
from environments.environment import Environment, task_keys
from environments.tasks.identify_switching import IdentifySwitching
from environments.vector import VectorEnvironment
from instruments import keys
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.guard import Limits
from instruments.twins.flat import Flat
from instruments.twins.spm.scanning_probe import ScanningProbe
from instruments.twins.spm.switching import Switching
from physics_priors.lgd import loops

SMALL: dict[str, Any] = {"particles": 60, "waveforms": 6}
TYPICAL = loops.PRIOR.ordered({})[None]


def small(**more: Any) -> Environment:
    return Environment(Embedded(Switching()), IdentifySwitching(**(SMALL | more)))


def play(agent: Any, seed: int, steps: int, environment: Environment | None = None) -> tuple[Environment, list[Any]]:
    environment = environment or small(waveforms=32)
    observation, _ = environment.reset(seed=seed)
    brief, space = environment.brief(), environment.action_space
    agent.begin(Problem(space.low.astype(float), space.high.astype(float), brief.objective, "doubt", "V"), seed)
    accepted, decisions = [], []
    for step in range(steps):
        decision = agent.act(observation)
        observation, reward, ended, _, info = environment.step(decision.action)
        accepted.append(info["accepted"])
        value = info.get("value", np.nan)
        agent.tell(Transition(step, decision, value, np.array(accepted), reward, observation, ended))
        decisions.append(decision)
        if ended:
            break
    return environment, decisions


def test_the_environment_is_one() -> None:
    check_env(small(), skip_render_check=True)


def test_a_vector_environment_is_as_many_single_ones() -> None:
    task = IdentifySwitching(**SMALL)
    vector = VectorEnvironment(Switching(), task, 3)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 3, 8)).astype(np.float32)
    vector.reset(seed=5)
    seen = [vector.step(a) for a in actions]
    for row in range(3):
        environment = small()
        environment.reset(seed=5 + row)
        for index, a in enumerate(actions):
            observation, reward, *_ = environment.step(a[row])
            for name, values in observation.items():
                np.testing.assert_array_equal(values, seen[index][0][name][row])
            assert reward == seen[index][1][row]


def test_doubt_falls_with_what_is_read_and_rewards_add_up() -> None:
    environment = small()
    first, _ = environment.reset(seed=1)
    rewards, value = [], np.nan
    for action in (np.linspace(-1, 1, 8), np.linspace(1, -1, 8), np.linspace(-0.6, 0.6, 8)):
        observation, reward, _, _, info = environment.step(action.astype(np.float32))
        rewards.append(reward)
        value = info["value"]
    assert value == pytest.approx(np.sqrt(np.mean(observation["believed"][2:] ** 2)), rel=1e-5)
    start = np.sqrt(np.mean(first["believed"][2:] ** 2))
    assert np.sum(rewards) == pytest.approx(np.log(start / value), rel=1e-4)
    assert value < 0.5 * start
    assert observation["progress"][0] == pytest.approx(0.5)


def test_it_ends_when_both_voltages_are_known_or_the_waveforms_are_used_up() -> None:
    environment = small(bound_V=5.0)
    environment.reset(seed=0)
    assert environment.step(np.zeros(8, np.float32))[2]
    environment = small(waveforms=2, bound_V=1e-6)
    environment.reset(seed=0)
    assert [environment.step(np.zeros(8, np.float32))[2] for _ in range(2)] == [False, True]


def test_a_refused_waveform_is_one_that_never_was() -> None:
    environment = Environment(Embedded(Switching()), IdentifySwitching(**SMALL), guard=Limits(bias_V=5.0))
    environment.reset(seed=0)
    before = environment._state
    _, reward, _, _, info = environment.step(np.ones(8, np.float32))
    assert info["refused"]
    assert "value" not in info
    assert reward == 0.0
    assert not info["accepted"]
    assert environment._state.applied[0] == before.applied[0] == 0
    assert environment.step(np.full(8, 0.4, np.float32))[4]["accepted"]


def test_the_scanning_probe_serves_too() -> None:
    """Another twin, with domains that grow under the tip: the same task, agent and requests."""
    twin = Embedded(ScanningProbe(field_nm=400.0, grid=40))
    task = IdentifySwitching(limit_V=8.0, **SMALL)
    environment, decisions = play(AdaptiveWaveform(particles=60, draws=40), 1, 3, Environment(twin, task))
    assert environment._state.applied[0] == 8 * len(decisions)
    assert np.isfinite(environment._state.mean_V).all()


def test_what_cannot_serve_is_told_so() -> None:
    with pytest.raises(NotSupported, match="BiasWaveform"):
        Environment(Embedded(Flat()), IdentifySwitching())
    with pytest.raises(OutOfReach, match="limit_V=12"):
        Environment(Embedded(Switching()), IdentifySwitching(limit_V=12.0))


def test_nothing_an_agent_sees_holds_truth() -> None:
    environment = small()
    environment.reset(seed=2)
    secrets = np.array(list(environment.instrument.truth()["parameters"].values()))
    for _ in range(3):
        observation = environment.step(environment.action_space.sample())[0]
        seen = np.concatenate([np.ravel(v) for v in observation.values()])
        assert not np.isclose(seen[:, None], secrets, rtol=1e-6, atol=0).any()


@pytest.mark.parametrize("make", [lambda: AdaptiveWaveform(particles=60, draws=40), lambda: Triangular(particles=60)])
def test_agents_survive_save_and_restore_and_keep_to_their_seed(make: Any) -> None:
    agent = make()
    _, decisions = play(agent, 3, 4)
    again = make()
    _, same = play(again, 3, 4)
    for one, two in zip(decisions, same, strict=True):
        np.testing.assert_array_equal(one.action, two.action)
    restored = make()
    restored.begin(agent.problem, 3)
    restored.restore(agent.state())
    observation = {"settings": np.array([10.0, 1e-3, 6.0]), "readings": np.zeros(8)}
    np.testing.assert_array_equal(restored.act(observation).action, agent.act(observation).action)
    assert restored.beliefs().keys() == agent.beliefs().keys()
    np.testing.assert_array_equal(restored.beliefs()["mean_V"], agent.beliefs()["mean_V"])


def test_the_triangle_is_a_triangle_and_counts_what_is_pending() -> None:
    agent = Triangular(points=16)
    _, decisions = play(agent, 0, 2)
    np.testing.assert_allclose(np.concatenate([d.action for d in decisions]), loops.staircase(-1, 1, 16))
    pending = [Decision(decisions[0].action, "")]
    observation = {"settings": np.array([10.0, 1e-3, 6.0]), "readings": np.zeros(8)}
    np.testing.assert_allclose(agent.act(observation, pending=pending).action, decisions[1].action)


def test_the_adaptive_agent_probes_where_the_switching_voltages_are_believed() -> None:
    agent = AdaptiveWaveform(particles=150)
    environment, decisions = play(agent, 1, 6, small(waveforms=32, bound_V=0.0))
    truth = environment.instrument.truth()
    late = 10.0 * np.concatenate([d.action for d in decisions[3:]])
    near = np.minimum(*(np.abs(late - truth["imprint_V"] - s * truth["coercive_V"]) for s in (1, -1)))
    assert np.mean(near < 1.5) > 0.5
    assert decisions[-1].figures["expected_sd_V"] < decisions[1].figures["expected_sd_V"]
    assert abs(agent.beliefs()["mean_V"][0] - truth["coercive_V"]) < 0.3


def test_agents_want_the_actions_and_the_observation_of_the_task() -> None:
    with pytest.raises(AgentError, match="waveforms"):
        AdaptiveWaveform().begin(Problem(np.zeros(2), np.ones(2), "minimise", "doubt", "V"), 0)
    agent = AdaptiveWaveform()
    agent.begin(Problem(-np.ones(8), np.ones(8), "minimise", "doubt", "V"), 0)
    with pytest.raises(AgentError, match="readings"):
        agent.act({})


def test_designs_that_tell_more_leave_less_doubt() -> None:
    theta = loops.PRIOR.sample(np.random.default_rng(0).uniform(0.3, 0.7, size=(200, 8)))
    up, down = loops.switching_V(theta, 1e-3)
    across = np.concatenate([[-10.0], np.linspace(up.min(), up.max(), 7)])
    waveforms = np.stack([np.zeros(8), across])
    parts = loops.Ensembles.fresh(theta).ahead(theta, waveforms, 1e-3)
    left = designs.gains(theta, parts, 6.0, 1e-3)
    before = np.trace(np.cov(loops.targets_V(theta, 1e-3).T, bias=True))
    assert left[1] < 0.7 * left[0] <= 0.7 * before * 1.001
    library = designs.candidates_V(np.quantile(up, [0.2, 0.8]), np.quantile(down, [0.2, 0.8]), 0.5, 10.0, 8)
    assert library.shape[1] == 8
    assert np.abs(library).max() <= 10.0
    assert len(np.unique(library, axis=0)) == len(library)


def test_the_oracle_is_quick_and_the_gap_is_counted_right() -> None:
    ended = episode("oracle", 0, "matched")
    assert ended.seconds < 0.4
    assert Ended(1.0, (0.05, -0.11), False).within is False
    seconds = {"triangular": np.array([4.0, 4.0]), "adaptive": np.array([2.0, 2.0]), "oracle": np.array([1.0, 1.0])}
    assert _share(seconds) == pytest.approx(2 / 3) == _lower(seconds, 10)


def test_the_report_shows_pulses_loop_and_density(tmp_path: Path) -> None:
    from experiments.cli import main

    arguments = ["run", "campaign=identify_switching", "tracking=off", "budget.steps=2", "task.particles=60"]
    assert main([*arguments, "agent.particles=60", f"runs={tmp_path}"]) == 0
    (page,) = tmp_path.glob("*/report.html")
    text = page.read_text()
    for said in ("How the spot switches", "posterior says of them", "FORC", "Correlations in the posterior"):
        assert said in text
    assert "could not be drawn" not in text


def test_ended_early_the_rest_of_a_waveform_was_never_applied() -> None:
    task = IdentifySwitching(**SMALL)
    core = Switching()
    world, state = core.begin(keys.keys(0), {}), task.start(task_keys(0), core.describe())
    actions = np.full((1, 8), 0.9)
    (batch,) = task.requests(state, actions)
    _, part = core.perform_part(world, batch, keys.keys(1), 0.5)
    after, outcome = task.update(state, actions, [part])
    assert after.applied[0] == 4
    assert np.isfinite(outcome.value[0])
