"""Training policies: what part of the time the environment takes, and how a trained policy does beside the planner."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import training_curves
from benchmarks.registry import Measured, figure

_STEPS: Final = 65_536
_ROUNDS: Final = 5
_FEW: Final = ("copies=64", "trainer.rollout=64", "instrument.core.threads=1", "task.threads=1")
_EPISODES: Final = 100
_SEED: Final = 2**41
_SEEDS: Final = (0, 1, 2, 3, 4)
_MASKED, _PLAIN = "move_dopant", "move_dopant_plain"


@figure("train.env_share", "fraction")
def env_share() -> Measured:
    """Part of a training's time that the environment takes: PPO at its default network, as `move_dopant_plain`."""
    shares = [_training(True) for _ in range(_ROUNDS)]
    free = [_training(False) for _ in range(_ROUNDS)]
    few = [_training(True, *_FEW) for _ in range(_ROUNDS)]
    share = statistics.median(inside / whole for inside, whole in shares)
    end_to_end = statistics.median(_STEPS / whole for _, whole in shares)
    ceiling = statistics.median(_STEPS / whole for _, whole in free)
    alone = _STEPS / statistics.median(inside for inside, _ in shares)
    return Measured(
        value=share,
        reference=1.0 - end_to_end / ceiling,
        compared="part of the wall time spent in steps and resets of 512 copies on two threads, the network on one, "
        "against what is lost end to end beside an environment that costs nothing (it hands out the same observations)",
        limit=0.2,
        threads=2,
        details={
            "with_64_copies_on_one_thread": statistics.median(inside / whole for inside, whole in few),
            "rounds": [inside / whole for inside, whole in shares],
            "environment_steps_per_s": alone,
            "plain_python_in_DummyVecEnv_steps_per_s": _dummy_steps_per_s(),
            "end_to_end_steps_per_s": end_to_end,
            "zero_cost_steps_per_s": ceiling,
            "steps": _STEPS,
            "plain_python": "a point moved towards a target, a few lines of NumPy, 64 of them in DummyVecEnv",
        },
    )


@figure("train.ppo_score", "ratio")
def ppo_score() -> Measured:
    """Return of PPO with atom observations on move_dopant over the planner's: masked choices, and plain numbers."""
    planner, greedy = _returns(_planner), _returns(_greedy)
    runs = {name: [_trained(name, seed) for seed in _SEEDS] for name in (_MASKED, _PLAIN)}
    found = {name: [_returns(lambda p=run.policy: _acting(p)) for run in of] for name, of in runs.items()}
    fresh = {name: _untrained(name) for name in runs}
    before = {name: _returns(lambda p=policy: _acting(p)) for name, (policy, _) in fresh.items()}
    scores = {name: [float(returns.mean() / planner.mean()) for returns in of] for name, of in found.items()}
    curves = {name: [run.curve for run in of] for name, of in runs.items()}
    training_curves.draw(curves, {name: known for name, (_, known) in fresh.items()}, training_curves.PICTURE)
    return Measured(
        value=statistics.median(scores[_MASKED]),
        reference=float(before[_MASKED].mean() / planner.mean()),
        compared=f"median over {len(_SEEDS)} trainings of the mean return over the planner's (LearningHops), against "
        f"the same for the network before training, which has choices and mask already; {_EPISODES} samples of the "
        "default twin that nothing was tuned on; details also of plain PPO, which learns without them",
        limit=0.9,
        limit_is_least=True,
        details={
            "greedy_over_planner": float(greedy.mean() / planner.mean()),
            "planner_return": float(planner.mean()),
            "trainings": {
                name: {
                    "scores": scores[name],
                    "interval_95_over_samples": _interval(np.mean(found[name], axis=0), planner),
                    "untrained": float(before[name].mean() / planner.mean()),
                    "cpu_s_a_training": [run.cpu_s for run in runs[name]],
                    "curves": training_curves.told(curves[name]),
                }
                for name in runs
            },
        },
    )


class _Run(NamedTuple):
    """A training: its policy, the CPU seconds that it took, and return against environment steps."""

    policy: Any
    cpu_s: float
    curve: list[tuple[float, float]]


def _trained(name: str, seed: int) -> _Run:
    from tempfile import TemporaryDirectory

    from experiments.training import session
    from experiments.training.settings import compose_training

    with TemporaryDirectory() as runs:
        wanted = [f"runs={runs}", f"training={name}", "tracking.enabled=false", f"seed={seed}"]
        began = time.process_time()
        folder = session.train(compose_training(wanted), lambda line: None).folder
        return _read(folder, time.process_time() - began)


def _read(folder: Path, cpu_s: float) -> _Run:
    from agents.reinforcement.policy import load
    from experiments.training import folder as places

    curve = [(row["steps"], row["return"]) for row in places.rows(folder)]
    return _Run(load(str(folder / "policy.npz")), cpu_s, curve)


def _untrained(name: str) -> tuple[Any, float]:
    """The network before training, and its return on the samples that curves are of."""
    from experiments.training.evaluation import evaluate
    from experiments.training.session import _copies
    from experiments.training.settings import build_training, compose_training

    settings = compose_training([f"training={name}"])
    parts = build_training(settings)
    copies = _copies(settings, parts)
    parts.trainer.begin(copies, 0)
    policy = parts.trainer.policy(copies.signature, {}, settings.physics)
    return policy, float(evaluate(policy, settings, parts).returns.mean())


def _interval(one: Any, other: Any) -> list[float]:
    rows = np.random.default_rng(0).integers(0, len(one), size=(4000, len(one)))
    return [float(v) for v in np.quantile(one[rows].mean(1) / other[rows].mean(1), [0.025, 0.975])]


def _acting(policy: Any) -> Any:
    from agents.reinforcement.trained import TrainedPolicy

    agent = TrainedPolicy()
    agent._loaded = policy
    return agent


def _planner() -> Any:
    from agents.planning.learning_hops import LearningHops

    return LearningHops()


def _greedy() -> Any:
    from agents.planning.greedy_hops import GreedyHops

    return GreedyHops()


def _returns(make: Any) -> Any:
    """Returns of an agent on samples of its own, one episode each."""
    from benchmarks.episodes import begun, episode
    from environments.environment import Environment
    from environments.tasks.move_dopant import MoveDopant
    from instruments.embedded import Embedded
    from instruments.twins.stem.microscope import StemMicroscope

    returns, core = [], StemMicroscope()
    for seed in range(_SEED, _SEED + _EPISODES):
        env = Environment(Embedded(core), MoveDopant(), scenario={"name": "matched"})
        agent = make()
        observation, _ = begun(agent, env, seed)
        returns.append(sum(turn.told.reward for turn in episode(agent, env, observation)))
    return np.array(returns)


def _training(real: bool, *other: str) -> tuple[float, float]:
    """Seconds in the environment and altogether of plain PPO at its default network for `_STEPS` steps."""
    from agents.bayesian.surrogate import one_thread
    from experiments.training.session import _copies
    from experiments.training.settings import build_training, compose_training

    settings = compose_training([f"training={_PLAIN}", *other])
    parts = build_training(settings)
    copies = _copies(settings, parts)
    clock = _Clock(copies.environment, real)
    copies.environment = clock
    with one_thread():
        parts.trainer.begin(copies, 0)
        parts.trainer.learn(4096)
        clock.seconds, began = 0.0, time.perf_counter()
        parts.trainer.learn(_STEPS)
    return clock.seconds, time.perf_counter() - began


class _Clock:
    """An environment and the seconds spent in it; one that is not `real` answers with what it answered first."""

    def __init__(self, environment: Any, real: bool) -> None:
        self.inner, self.real, self.seconds = environment, real, 0.0
        self._answer: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def reset(self, **arguments: Any) -> Any:
        return self.inner.reset(**arguments)

    def step(self, actions: Any) -> Any:
        began = time.perf_counter()
        answer = self._answer
        if answer is None or self.real:
            self._answer = answer = self.inner.step(actions)
        self.seconds += time.perf_counter() - began
        return answer


def _dummy_steps_per_s() -> float:
    """Steps a second of a plain Python environment, 64 of them in Stable-Baselines3's DummyVecEnv."""
    import gymnasium
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Point(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-10.0, 10.0, (14,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            super().reset(seed=seed)
            self.place, self.count = self.np_random.uniform(-1.0, 1.0, 14).astype(np.float32), 0
            return self.place.copy(), {}

        def step(self, action: Any) -> Any:
            self.place[:3] = np.clip(self.place[:3] + 0.1 * action, -10.0, 10.0)
            self.count += 1
            return self.place.copy(), -float(np.hypot(*self.place[:2])), False, self.count >= 100, {}

    many = DummyVecEnv([Point for _ in range(64)])
    many.reset()
    actions, began, steps = np.zeros((64, 3), np.float32), time.perf_counter(), 0
    while time.perf_counter() - began < 1.0:
        many.step(actions)
        steps += 64
    return steps / (time.perf_counter() - began)
