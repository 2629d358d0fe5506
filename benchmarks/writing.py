"""Writing domains: how far from a blind raster to an oracle the adaptive agent comes; how fast the twin is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Agent, Observation, Transition
from agents.writing.adaptive_writing import AdaptiveWriting
from agents.writing.raster_writing import RasterWriting
from agents.writing.strokes import Canvas
from benchmarks.registry import Measured, figure
from environments.environment import Environment
from environments.rows import take
from environments.tasks.write_domains import WriteDomains, agreement
from experiments.campaign.problem import problem_of
from instruments import keys
from instruments.batch import RequestBatch
from instruments.embedded import Embedded
from instruments.twins.spm.scanning_probe import ScanningProbe

Floats = NDArray[np.float64]
STROKES, SEEDS = 20, range(200, 206)
_TASK = WriteDomains(goal=1.0)
_SLOW = (0.2, 0.5, 0.8)


@figure("write_domains.gap_closed", "fraction")
def gap_closed() -> Measured:
    """Fraction of the gap from blind raster to greedy oracle that the adaptive agent closes, 20 strokes, 6 seeds."""
    curves = {name: np.array([play(seed) for seed in SEEDS]) for name, play in _PLAYERS.items()}
    area = {name: float(curve.mean()) for name, curve in curves.items()}
    closed = (area["adaptive"] - area["raster"]) / (area["oracle"] - area["raster"])
    return Measured(
        value=closed,
        reference=1.0,
        compared="(adaptive - raster) / (oracle - raster) in mean true agreement over the strokes; the oracle is 1: it "
        "tries 48 strokes on a copy of the sample, without noise, and takes the best",
        details={
            "mean_agreement": area,
            "last_agreement": {name: float(curve[:, -1].mean()) for name, curve in curves.items()},
            "per_seed": {name: curve.mean(1).round(4).tolist() for name, curve in curves.items()},
        },
    )


@figure("spm_twin.loops_per_s", "1/s")
def loops_per_s() -> Measured:
    """Hysteresis loops of 64 steps, each written and read, that the twin computes a second; against NumPy's update."""
    core, roots = ScanningProbe(), keys.keys(range(8))
    world = core.begin(roots, {})
    places = np.random.default_rng(0).uniform(-300, 300, (8, 2))
    sweep = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 0.01, "cycles": 1}
    batch = RequestBatch("BiasSpectroscopy", 8, {"position_nm": places}, sweep)
    best = min(_seconds(lambda: core.perform(world, batch, roots)) for _ in range(5))
    size, steps, plain = _plain_update(core)
    return Measured(
        value=8 / best,
        reference=plain,
        compared=f"against the same window of {size} x {size} pixels in plain NumPy, {steps} steps of the equation, "
        "which is at most what a loop takes (the compiled loop stops where nothing changes)",
        limit=None,
        details={"rows": 8, "grid": core.grid},
    )


def _follow(make: Callable[[], Agent]) -> Callable[[int], Floats]:
    def play(seed: int) -> Floats:
        return _played(seed, make(), lambda agent, seen, env: agent.act(seen).action)

    return play


def _oracle(seed: int) -> Floats:
    return _played(seed, AdaptiveWriting(), lambda agent, seen, env: _best_stroke(agent, seed, env))


_PLAYERS: dict[str, Callable[[int], Floats]] = {
    "raster": _follow(RasterWriting),
    "adaptive": _follow(AdaptiveWriting),
    "oracle": _oracle,
}


def _played(seed: int, agent: Any, choose: Callable[[Any, Observation, Environment], Any]) -> Floats:
    """True agreement [STROKES] after every stroke."""
    env = Environment(Embedded(ScanningProbe()), _TASK)
    seen, _ = env.reset(seed=seed)
    agent.begin(problem_of(env.brief(), env.action_space), seed)
    found = []
    for step in range(STROKES):
        action = np.asarray(choose(agent, seen, env))
        decision = replace(agent.act(seen), action=action)
        seen, reward, _, _, info = env.step(action)
        agent.tell(Transition(step + 1, decision, info["value"], np.ones(step + 1, bool), reward, seen))
        found.append(float(_true_agreement(env, seed, None)[0]))
    return np.array(found)


def _best_stroke(agent: AdaptiveWriting, seed: int, env: Environment) -> Floats:
    """The best of strokes around the agent's proposals, each tried on a copy of the sample."""
    canvas = Canvas.of(problem_of(env.brief(), env.action_space))
    plans = sorted(agent.plans(), key=lambda p: -p.worth)
    tried = [canvas.action(p.stroke, p.bias, slow) for p in plans for slow in _SLOW]
    rng = np.random.default_rng([seed, agent.told])
    while len(tried) < 48:
        tried.append(np.clip(tried[len(tried) % 3] + 0.08 * rng.normal(size=6), -1.0, 1.0))
    actions = np.array(tried)
    return np.asarray(actions[int(np.argmax(_true_agreement(env, seed, actions)))])


def _true_agreement(env: Environment, seed: int, actions: Floats | None) -> Floats:
    """Agreement [n] in a scan without noise after each of actions [n, 6]; as it is, [1], where there is none."""
    twin = env.instrument
    assert isinstance(twin, Embedded)
    core = twin.core.flawless()
    own: dict[str, Any] = {name: np.array(value) for name, value in twin.snapshot()["world"].items()}
    world = replace(core.begin(keys.keys(seed), {}), **own)
    count = 1 if actions is None else len(actions)
    world, fresh = take(world, np.zeros(count, np.intp)), keys.keys(np.arange(count))
    state = _TASK.start(fresh, core.describe())
    batches = _TASK.survey(state) if actions is None else _TASK.requests(state, actions)
    for batch in batches:
        world, result = core.perform(world, batch, fresh)
    return agreement(result.values[_TASK.channel].reshape(count, -1), state.target)


def _plain_update(core: ScanningProbe) -> tuple[int, int, float]:
    """Side of the window, steps of a loop of the median sample, and loops a second of NumPy's update of it."""
    size, steps = 27, round(128 * 0.005 / 2e-4 / 0.2)
    p = np.full((size + 2, size + 2), -1.0)
    field = np.zeros((size, size))
    few = 300

    def run() -> None:
        for _ in range(few):
            m = p[1:-1, 1:-1]
            sides = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
            corners = p[:-2, :-2] + p[2:, :-2] + p[:-2, 2:] + p[2:, 2:]
            lap = (4.0 * sides + corners - 20.0 * m) / 6.0
            p[1:-1, 1:-1] = m + 0.2 * (0.95 * m - m**3 + 0.1 * lap + field)

    best = min(_seconds(run) for _ in range(5))
    return size, steps, few / best / steps


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
