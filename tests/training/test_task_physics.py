"""What physics knows of each task: choices, masks, priors, potentials and beliefs do what they say, in every row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.baselines.write_targets import PRIOR
from agents.protocol import AgentError, Problem, Transition
from agents.reinforcement import domain_actions, hop_actions, vacancy_actions
from agents.reinforcement.beliefs import Beliefs
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Policy
from agents.reinforcement.task_physics import known, of_task
from agents.reinforcement.trained import TrainedPolicy
from agents.writing.adaptive_writing import AdaptiveWriting
from environments.environment import Environment
from environments.tasks.move_dopant import MoveDopant
from environments.tasks.write_domains import WriteDomains
from environments.tasks.write_vacancies import WriteVacancies
from environments.vacancies import Looks
from environments.vector import VectorEnvironment
from experiments.campaign.problem import problem_of
from experiments.training.environments import Copies, signature_of
from instruments.embedded import Embedded
from instruments.twins.spm.scanning_probe import ScanningProbe
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.sulphur_sheet import SulphurSheet
from physics_priors.beam.events import stamped
from physics_priors.beam.hop import HopLaw

ROWS, STEPS = 4, 7
BLOCK = ("......", "..##..", ".####.", ".####.", "..##..", "......")
TWINS: dict[str, Any] = {
    "move_dopant": (StemMicroscope(), MoveDopant(tries=STEPS)),
    "write_vacancies": (
        SulphurSheet(sample=Dichalcogenide("W", 2.4, 2.4)),
        WriteVacancies(length_nm=1.4, looks=Looks(shape=(16, 16), dwell_s=1e-4), sample_s=1e-2, tries=STEPS),
    ),
    "write_domains": (
        ScanningProbe(grid=24, field_nm=480.0, rest_steps=10),
        WriteDomains(pattern=BLOCK, size_nm=300.0, shape=(12, 12), dwell_s=1e-3, goal=1.0, tries=STEPS),
    ),
}
ALL = Physics("choices", mask=True, prior=1.0, belief=True)
each_task = pytest.mark.parametrize("name", TWINS)


def environment(name: str, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> VectorEnvironment:
    return VectorEnvironment(*TWINS[name], ROWS, autoreset_mode=mode)


def random_policy(env: VectorEnvironment, physics: Physics) -> Policy:
    rng, signature = np.random.default_rng(0), signature_of(env)
    names = [name for name, _ in signature.observation]
    outputs = physics.outputs(np.array(signature.low), np.array(signature.high), signature.choices, names)
    count, size = outputs[2] or len(outputs[0]), signature.width(physics)
    layers = ((rng.normal(size=(count, size)), rng.normal(size=count)),)
    return Policy(signature, layers, np.zeros(size), np.ones(size), 10.0, {}, physics=physics)


def played(name: str, physics: Physics = ALL, steps: int = 5) -> list[tuple[Any, Any, Any, Any]]:
    """(before, actions, after, electrons) of rows that go on, with what is believed."""
    env = environment(name)
    policy, beliefs = random_policy(env, physics), Beliefs(physics)
    observation, found = beliefs.begin(env.reset(seed=11)[0]), []
    for _ in range(steps):
        actions = policy.act(observation)
        after, _, terminated, _, info = env.step(actions)
        if terminated.any():
            break
        after = beliefs.after(observation, actions, after, info["electrons"])
        found.append((observation, actions, after, info["electrons"]))
        observation = after
    assert len(found) >= 3
    return found


@each_task
def test_the_module_is_found_by_what_the_task_shows(name) -> None:
    env = environment(name)
    task = of_task(env.single_observation_space.spaces, env.single_action_space.shape[0])
    assert name == task.TASK
    assert len({module.TASK for module in known()}) == len(known()) == len(TWINS)
    with pytest.raises(AgentError, match="move_dopant, write_vacancies, write_domains"):
        of_task(["place"], 2)
    with pytest.raises(AgentError, match="nothing is known"):
        of_task(task.OBSERVED, 7)


@each_task
def test_choices_are_actions_of_the_task_and_some_is_always_allowed(name) -> None:
    env = environment(name)
    size = env.single_action_space.shape[0]
    task = of_task(env.single_observation_space.spaces, size)
    for before, actions, _, _ in played(name):
        allowed = task.allowed(before, size)
        assert allowed.shape == (ROWS, task.CHOICES)
        assert allowed.any(1).all()
        options = np.stack([task.chosen(before, np.full(ROWS, c), size) for c in range(task.CHOICES)], axis=1)
        assert np.abs(options).max() <= 1.0
        same = np.isclose(options, actions[:, None]).all(-1)
        assert (same & allowed).any(1).all()
        assert task.greedy(before, size).shape == (ROWS, size)
        assert np.isfinite(task.log_prior(before, size)).all()


@each_task
def test_masked_choices_are_never_taken_in_training(name) -> None:
    from agents.reinforcement.ppo import MaskedPPO

    copies = Copies(environment(name, AutoresetMode.SAME_STEP), 3, ALL, 0.9)
    taken: list[bool] = []
    barred: list[bool] = []
    plain = copies.step_async

    def watched(choices: Any) -> None:
        allowed = copies.action_masks()
        taken.extend(allowed[np.arange(ROWS), np.asarray(choices, dtype=np.int64)].tolist())
        barred.append(not allowed.all())
        plain(choices)

    copies.step_async = watched  # type: ignore[method-assign]
    trainer = MaskedPPO(rollout=8, batch_size=16)
    trainer.begin(copies, 0)
    trainer.learn(ROWS * 16)
    assert len(taken) == ROWS * 16
    assert all(taken)
    assert any(barred)


@each_task
def test_shaping_adds_up_to_what_there_was_to_begin_with(name) -> None:
    gamma, rewards, first = 0.9, {}, None
    for weight in (0.0, 2.0):
        physics = Physics("choices", potential=weight, belief=True)
        copies = Copies(environment(name, AutoresetMode.SAME_STEP), 5, physics, gamma)
        copies.reset()
        first = copies.physics.shaping(copies._seen)
        rewards[weight], over = [], np.zeros(ROWS, bool)
        for step in range(STEPS):
            copies.step_async(np.full(ROWS, step % 5))
            _, reward, ended, _ = copies.step_wait()
            rewards[weight].append(np.where(over, 0.0, reward))
            over |= ended
        assert over.all()
        returns = [total for total, _, _ in copies.finished[:ROWS]]
        rewards[f"finished {weight}"] = sorted(returns)
    gap = gamma ** np.arange(STEPS) @ (np.array(rewards[2.0]) - np.array(rewards[0.0]))
    assert np.abs(first).min() > 0.01
    assert gap == pytest.approx(-first, abs=1e-4)
    assert rewards["finished 0.0"] == rewards["finished 2.0"]


def test_potentials_are_largest_where_nothing_is_left_to_pay() -> None:
    far = {"target": np.array([[1.0, 0.0], [4.0, 3.0]])}
    assert hop_actions.value(far)[0] > hop_actions.value(far)[1]
    missing = np.array([[0.0, 0.0, 0.0, -1.0], [1.0, 0.0, 1.0, -1.0]])
    assert vacancy_actions.value({"missing": missing, "last": np.zeros((2, 4))}) == pytest.approx(
        [1.0 - 3e-3, 1.0 / 3.0 - 1e-3]
    )


def test_the_belief_of_hops_is_the_gamma_posterior() -> None:
    hops, exposure, law = np.zeros(ROWS), np.zeros(ROWS), HopLaw()
    for before, actions, after, _ in played("move_dopant"):
        found = 0.2 * before["neighbours"].reshape(ROWS, 3, 2).astype(float)
        ways = [way[np.hypot(*way.T) > 0.01] for way in found]
        law_here = [HopLaw(bond_nm=float(np.hypot(*way.T).mean())) for way in ways]
        rates = [own.rates_per_s(0.2 * a[:2], way).sum() for own, a, way in zip(law_here, actions, ways, strict=True)]
        exposure += after["last"][:, 0] * np.array(rates) / law.largest_rate_s
        hops += after["last"][:, 1]
        mean = (1.0 + hops) / (1.0 / law.largest_rate_s + exposure)
        assert np.exp(after["belief"][:, 0]) * law.largest_rate_s == pytest.approx(mean, rel=1e-5)
        assert after["belief"][:, 1] == pytest.approx((1.0 + hops) ** -0.5)
    assert hops.sum() > 0


def test_the_belief_of_losses_is_the_gamma_posterior() -> None:
    drops, spent = np.zeros((0, ROWS)), np.zeros((0, ROWS))
    for _, _, after, electrons in played("write_vacancies"):
        _, dwelt, dropped, level = after["last"].T
        on = (dwelt > 0) & ((dropped > 0) | (level >= 0.88))
        drops, spent = np.vstack([drops, on * dropped]), np.vstack([spent, on * electrons * 1e-6])
        for row in range(ROWS):
            belief = stamped(PRIOR, drops[:, row], spent[:, row])
            mean = PRIOR.shape / PRIOR.rate * np.exp(after["belief"][row, 0])
            assert mean == pytest.approx(belief.shape / belief.rate)
            assert after["belief"][row, 1] == pytest.approx(belief.shape**-0.5)
    assert drops.sum() > 0


def test_strokes_and_the_belief_of_their_width_are_the_adaptive_agent_s() -> None:
    core, task = TWINS["write_domains"]
    env, agent = Environment(Embedded(core), task), AdaptiveWriting()
    observation, _ = env.reset(seed=3)
    problem = problem_of(env.brief(), env.action_space)
    agent.begin(problem, 0)
    side = 12
    agent._rate = domain_actions.REACH * side
    beliefs = Beliefs(Physics("choices", belief=True))
    seen = beliefs.begin({name: values[None] for name, values in observation.items()})
    for step in range(6):
        strokes, worth = domain_actions._strokes(seen, 6)
        for k, bias in enumerate(domain_actions.BIASES):
            for sense, sign in enumerate((1.0, -1.0)):
                plan = agent._best(float(bias), sign)
                assert worth[0, 2 * k + sense] == pytest.approx(plan.worth, abs=1e-9)
                assert strokes[0, 2 * k + sense] == pytest.approx([*plan.stroke.first, *plan.stroke.last])
        decision = agent.act({})
        observation, reward, _, _, info = env.step(decision.action)
        agent.tell(Transition(step + 1, decision, info["value"], np.ones(step + 1, bool), reward, observation))
        after = {name: values[None] for name, values in observation.items()}
        seen = beliefs.after(seen, decision.action[None], after, np.zeros(1))
        assert domain_actions.REACH * np.exp(seen["belief"][0, 0]) * side == pytest.approx(agent._rate)
        assert seen["_tried"][0] == pytest.approx(agent._tried.ravel())
    assert seen["belief"][0, 1] < domain_actions.SPREAD / domain_actions.WEIGHT**0.5
    assert agent._tried.any()


def test_what_the_law_favours() -> None:
    three = np.array([[0.71, 0.0, -0.355, 0.615, -0.355, -0.615]])
    hop = {"neighbours": three, "target": np.array([[2.0, 0.0]])}
    hop_prior = hop_actions.log_prior(hop).reshape(3, 3)
    assert hop_prior[0].argmax() == 2
    assert hop_prior[0, 2] > hop_prior[1:].max() + 1.0
    quick = hop_actions.log_prior({**hop, "belief": np.array([[3.0, 0.3]])}).reshape(3, 3)
    assert quick[0, 2] - quick[0, 0] < 0.1 < hop_prior[0, 2] - hop_prior[0, 0]
    looked = {"targets": np.zeros((1, 6)), "missing": np.array([[1.0, 0.0, 0.0]]), "since_look": np.ones((1, 1))}
    fine = vacancy_actions.log_prior({**looked, "last": np.array([[0.0, 1.0, 1.0, 1.0]])})[0]
    vain = vacancy_actions.log_prior({**looked, "last": np.array([[0.0, 1.0, 0.0, 0.5]])})[0]
    assert fine.argmax() in (3, 6)
    assert vain.argmax() == 0
    assert vacancy_actions.allowed({**looked, "since_look": np.zeros((1, 1))}).tolist() == [[False] + [True] * 6]
    assert vacancy_actions.allowed({**looked, "missing": np.ones((1, 3))}).tolist() == [[True] + [False] * 6]


def test_pulses_are_single_places() -> None:
    observation = environment("write_domains").reset(seed=2)[0]
    action = domain_actions.chosen(observation, np.arange(ROWS), 4)
    assert action.shape == (ROWS, 4)
    with pytest.raises(AgentError, match="square of pixels"):
        domain_actions.chosen({**observation, "image": np.zeros((ROWS, 143))}, np.zeros(ROWS), 6)


@each_task
def test_one_agent_decides_as_a_row_of_many_and_goes_on_from_its_state(name, tmp_path) -> None:
    env = environment(name)
    policy = random_policy(env, ALL)
    policy.save(tmp_path / "policy.npz")
    beliefs = Beliefs(ALL)
    observation, many = beliefs.begin(env.reset(seed=21)[0]), []
    one = Environment(Embedded(TWINS[name][0]), TWINS[name][1])
    seen, _ = one.reset(seed=21)
    problem = problem_of(one.brief(), one.action_space)
    agent = TrainedPolicy(str(tmp_path / "policy.npz"))
    agent.begin(problem, 0)
    for step in range(4):
        if step == 2:
            state = agent.state()
            agent = TrainedPolicy(str(tmp_path / "policy.npz"))
            agent.begin(problem, 0)
            agent.restore(state)
            assert state["statistics"] == pytest.approx(beliefs.statistics[:1], rel=1e-5)
        actions = policy.act(observation)
        many.append(actions[0])
        after, _, terminated, _, info = env.step(actions)
        decision = agent.act(seen)
        assert decision.action == pytest.approx(actions[0], abs=1e-6)
        previous, (seen, reward, over, _, own) = seen, one.step(decision.action)
        told = {"electrons": own["electrons"], "before": previous}
        agent.tell(Transition(step + 1, decision, 0.0, np.ones(step + 1, bool), reward, seen, **told))
        if over or terminated[0]:
            break
        observation = beliefs.after(observation, actions, after, info["electrons"])
    assert step >= 2


def test_a_row_that_ends_forgets_and_others_do_not() -> None:
    copies = Copies(environment("write_vacancies", AutoresetMode.SAME_STEP), 1, Physics("choices", belief=True), 0.9)
    first = copies.reset()[:, -2:]
    copies.step_async(np.full(ROWS, 3))
    second = copies.step_wait()[0][:, -2:]
    assert (second != first).any(1).all()
    infos: list[Any] = []
    for _ in range(STEPS - 1):
        copies.step_async(np.full(ROWS, 3))
        seen, _, ended, infos = copies.step_wait()
        assert seen[ended, -2:] == pytest.approx(first[ended])
        assert (seen[~ended, -2:] != first[~ended]).any(1).all()
    assert all((infos[row]["terminal_observation"][-2:] != first[row]).any() for row in np.flatnonzero(ended))
    assert ended.any()


def test_what_is_not_known_or_not_there_is_refused() -> None:
    env = environment("write_vacancies", AutoresetMode.SAME_STEP)
    with pytest.raises(AgentError, match=r"no observation 'image', only fidelity, last, missing"):
        Copies(env, 0, Physics(hide=("image",)))
    with pytest.raises(AgentError, match="say choices for write_vacancies"):
        Copies(env, 0, Physics("hops"))
    with pytest.raises(AgentError, match="nothing is known"):
        Physics(belief=True).outputs(-np.ones(2), np.ones(2), None, ["place"])
    with pytest.raises(ValueError, match=r"physics\.prior wants physics\.action=choices"):
        Physics("plain", prior=1.0)
    policy = random_policy(env, Physics("choices", belief=True))
    with pytest.raises(AgentError, match="keeps a belief"):
        policy.act(env.reset(seed=1)[0])


def test_a_problem_names_what_is_offered() -> None:
    agent = TrainedPolicy("shipped:write_domains")
    with pytest.raises(AgentError, match="this task has 2 numbers"):
        agent.begin(Problem(-np.ones(2), np.ones(2), "maximise", "height", "nm"), 0)
