"""Deep kernels as an agent: decides the same again, resumes bit for bit, learns from what stands, is calibrated."""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from agents.bayesian.deep_kernel.agent import DeepKernel
from agents.bayesian.gaussian_process import GaussianProcess
from agents.check import CHECKS, Trial
from agents.protocol import Agent, AgentError, Decision, Prediction, Problem, Transition

Field = NDArray[np.float64]
CONF = Path(__file__).resolve().parents[2] / "conf" / "agent"
SMALL: dict[str, Any] = {"members": 2, "hidden": 4, "latent": 2, "warm_up": 4, "proposals": 1}
"""As quick as can be."""

TRIALS = {
    "maximise": Trial(partial(DeepKernel, **SMALL), steps=10),
    "map": Trial(partial(DeepKernel, "integrated_variance", test_points=20, refit_every=3, **SMALL), steps=9),
}


@pytest.mark.parametrize("one", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", TRIALS)
def test_it_passes_the_public_suite(name: str, one: Callable[[Trial], None]) -> None:
    one(TRIALS[name])


@pytest.mark.parametrize("name", ["deep_kernel", "deep_kernel_narrow"])
def test_the_configuration_spells_out_every_option_with_its_default(name: str) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    if "defaults" in node:
        node = {**yaml.safe_load((CONF / "deep_kernel.yaml").read_text()), **node, "patch_pixels": 5}
        del node["defaults"]
    module, _, cls = node.pop("_target_").rpartition(".")
    declared = inspect.signature(getattr(importlib.import_module(module), cls)).parameters
    assert node == {k: list(p.default) if isinstance(p.default, tuple) else p.default for k, p in declared.items()}


def labyrinth(seed: int, side: int = 24) -> tuple[Field, Field]:
    """A noisy image of domains, and values that are high on their walls, which no linear map of a patch tells."""
    rng = np.random.default_rng([9, seed])
    smooth = gaussian_filter(rng.normal(size=(side, side)), 1.5, mode="wrap")
    image = np.tanh(3.0 * smooth / smooth.std())
    walls = np.hypot(*np.gradient(gaussian_filter(image, 1.0)))
    values = walls / walls.std() + 0.1 * rng.normal(size=walls.shape)
    return image + 0.1 * rng.normal(size=image.shape), values


def problem(image: Field | None, side: int = 24) -> Problem:
    axis = np.linspace(-1.0, 1.0, side)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    pixels = np.stack(np.divmod(np.arange(side**2), side), axis=-1)
    images = {} if image is None else {"domains": image}
    bounds = np.full(2, -1.0), np.full(2, 1.0)
    return Problem(*bounds, "maximise", "response", "pm", candidates=grid, pixels=pixels, images=images)


def started(image: Field | None, seed: int = 0, side: int = 24, **options: Any) -> DeepKernel:
    agent = DeepKernel(**options)
    agent.begin(problem(image, side), seed)
    return agent


def tell(agent: Agent, place: int, step: int, value: float, accepted: NDArray[np.bool_] | None = None) -> None:
    grid = agent.problem.candidates  # type: ignore[attr-defined]
    stands = np.ones(step, bool) if accepted is None else accepted
    agent.tell(Transition(step, Decision(grid[place], "given", candidate=place), value, stands, 0.0, {}))


def tell_random(agent: Agent, values: Field, count: int, seed: int, scale: float = 1.0) -> NDArray[np.intp]:
    """Tell `count` values at random places; the places not told."""
    order = np.random.default_rng([3, seed]).permutation(values.size)
    for step, place in enumerate(order[:count], start=1):
        tell(agent, int(place), step, scale * float(values.ravel()[place]))
    return order[count:]


def play(agent: Agent, values: Field, start: int, stop: int) -> list[Decision]:
    decisions = []
    for step in range(start, stop + 1):
        decision = agent.act({})
        assert decision.candidate is not None
        tell(agent, decision.candidate, step, float(values.ravel()[decision.candidate]))
        decisions.append(decision)
    return decisions


def predicted(agent: DeepKernel) -> Prediction:
    prediction = agent.predict()
    assert prediction is not None
    return prediction


def held_out(agent: DeepKernel | GaussianProcess, values: Field, rest: NDArray[np.intp]) -> tuple[float, float]:
    """Mean negative log likelihood of values that were not told, and the coverage of 90 % intervals."""
    prediction = agent.predict()
    assert prediction is not None
    spread = np.hypot(prediction.std, agent.act({}).figures["noise"])[rest]
    away = (values.ravel() - prediction.mean)[rest] / spread
    return float(np.mean(0.5 * away**2 + np.log(spread))), float(np.mean(np.abs(away) < 1.645))


def spelled(decision: Decision) -> list[Any]:
    """A decision to the last bit."""
    return [decision.candidate, decision.reason, {k: float(v).hex() for k, v in decision.figures.items()}]


RESUME = """
import json, pickle, sys
sys.path[:0] = [{tests!r}]
import test_deep_kernel as t
decided = []
for state, options in pickle.load(open("states.pickle", "rb")):
    agent = t.started(t.labyrinth(1, 16)[0], 3, 16, **options)
    agent.restore(state)
    decided += [t.spelled(decision) for decision in t.play(agent, t.labyrinth(1, 16)[1], 10, 13)]
print(json.dumps(decided))
"""


def test_a_fresh_process_decides_the_same_bit_for_bit(own_folder: Path) -> None:
    image, values = labyrinth(1, 16)
    kept, expected = [], []
    for options in (SMALL, {**SMALL, "refit_every": 3}, {**SMALL, "acquisition": "integrated_variance"}):
        agent = started(image, 3, 16, **options)
        play(agent, values, 1, 9)
        kept.append((agent.state(), options))
        expected += [spelled(decision) for decision in play(agent, values, 10, 13)]
    (own_folder / "states.pickle").write_bytes(pickle.dumps(kept))
    script = RESUME.format(tests=str(Path(__file__).parent))
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(output) == expected


def test_the_number_of_threads_outside_changes_nothing() -> None:
    image, values = labyrinth(0, 16)
    before, runs = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            runs.append([spelled(d) for d in play(started(image, 0, 16, **SMALL), values, 1, 9)])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_the_unit_of_the_value_does_not_matter(scale: float) -> None:
    image, values = labyrinth(2, 16)
    plain, scaled = (started(image, 0, 16, **SMALL) for _ in range(2))
    tell_random(plain, values, 12, 0)
    tell_random(scaled, values, 12, 0, scale)
    assert scaled.act({}).candidate == plain.act({}).candidate
    assert predicted(scaled).mean == pytest.approx(scale * predicted(plain).mean, rel=1e-4, abs=1e-4 * scale)
    assert predicted(scaled).std == pytest.approx(scale * predicted(plain).std, rel=1e-3)


def test_values_that_were_never_measured_scale_nothing() -> None:
    """Two worlds that differ where nothing was measured give one belief; one measured value more changes it."""
    image, values = labyrinth(3, 16)
    other, beliefs = values.copy(), []
    order = np.random.default_rng([3, 0]).permutation(values.size)
    other.ravel()[order[12:]] *= 1e3
    for world, count in ((values, 12), (other, 12), (other, 13)):
        agent = started(image, 0, 16, **SMALL)
        tell_random(agent, world, count, 0)
        beliefs.append(predicted(agent).mean)
    assert np.array_equal(beliefs[0], beliefs[1])
    assert not np.allclose(beliefs[1], beliefs[2])


@pytest.mark.parametrize("what", ["one place", "constant", "two values", "missing", "outlier"])
def test_poor_data_do_not_stop_it(what: str) -> None:
    image, values = labyrinth(4, 12)
    agent = started(image, 0, 12, **{**SMALL, "seeds": 2})
    for step in range(1, 11):
        place = 7 if what == "one place" else 11 * step
        odd = {"constant": 3.5, "two values": float(step > 5), "missing": np.nan if step % 2 else 1.0 * step}
        value = odd.get(what, float(values.ravel()[place]))
        tell(agent, place, step, 1e9 if what == "outlier" and step == 3 else value)
    decision, prediction = agent.act({}), predicted(agent)
    assert np.isfinite(list(decision.figures.values())).all()
    assert np.isfinite(prediction.mean).all()
    assert (prediction.std > 0).all()


def test_before_two_values_there_is_no_model() -> None:
    agent = started(labyrinth(0, 12)[0], 0, 12, **{**SMALL, "seeds": 1})
    tell(agent, 5, 1, 1.0)
    assert agent.predict() is None
    assert agent.act({}).reason.startswith("least like those measured")
    tell(agent, 6, 2, 2.0)
    assert agent.predict() is not None


def test_a_value_that_is_missing_changes_nothing() -> None:
    image, values = labyrinth(4, 16)
    agent = started(image, 0, 16, **SMALL)
    tell_random(agent, values, 8, 0)
    before = predicted(agent)
    tell(agent, 3, 9, np.nan)
    assert np.array_equal(predicted(agent).mean, before.mean)


def test_of_a_value_unmasked_later_nothing_is_left() -> None:
    """Whatever it was: the chains that saw it are given up."""
    image, values = labyrinth(5, 16)
    means = []
    for wrong in (50.0, -3.0):
        agent = started(image, 0, 16, **SMALL)
        for step in range(1, 11):
            value = wrong if step == 2 else float(values.ravel()[20 * step])
            tell(agent, 20 * step, step, value, np.arange(1, step + 1) != (2 if step == 10 else 0))
        means.append(predicted(agent).mean)
    assert np.array_equal(means[0], means[1])


def test_networks_learn_at_the_steps_of_the_schedule_only() -> None:
    image, values = labyrinth(6, 16)
    agent = started(image, 0, 16, **{**SMALL, "refit_every": 3})
    noises: list[float | None] = []
    for step in range(1, 12):
        tell(agent, 20 * step, step, float(values.ravel()[20 * step]))
        noises.append(None if agent._chains is None else agent._chains.xi[0, 0])
    assert noises[:4] == [None] * 4
    assert noises[4] == noises[5] == noises[6] != noises[7]
    assert noises[7] == noises[8] == noises[9] != noises[10]


def test_beyond_learn_from_networks_learn_from_some_and_the_prediction_follows_from_all() -> None:
    image, values = labyrinth(6, 16)
    agent = started(image, 0, 16, **{**SMALL, "learn_from": 20})
    rest = tell_random(agent, values, 40, 1)
    away = np.abs(predicted(agent).mean - values.ravel())
    known = np.setdiff1d(np.arange(values.size), rest)
    assert away[known].mean() < 0.5 * away[rest].mean()
    every = started(image, 0, 16, **{**SMALL, "learn_from": 40})
    tell_random(every, values, 40, 1)
    assert not np.array_equal(predicted(every).mean, predicted(agent).mean)


def test_it_follows_as_well_as_if_it_were_trained_anew_and_covers_what_it_has_not_seen() -> None:
    """Held-out negative log likelihood per value: against a training from scratch, and against the plain process."""
    following: list[float] = []
    anew: list[float] = []
    plain: list[float] = []
    covered: list[float] = []
    for seed in range(2):
        image, values = labyrinth(seed)
        following_one, anew_one = started(image, seed), started(image, seed, seeds=30, warm_up=60)
        agents: list[DeepKernel | GaussianProcess] = [following_one, anew_one, GaussianProcess()]
        agents[-1].begin(problem(image), seed)
        for agent, into in zip(agents, (following, anew, plain), strict=True):
            rest = tell_random(agent, values, 30, seed)
            nll, coverage = held_out(agent, values, rest)
            into.append(nll)
            if agent is agents[0]:
                covered.append(coverage)
    assert np.mean(following) < np.mean(anew) + 0.1
    assert np.mean(following) < np.mean(plain)
    assert 0.83 <= np.mean(covered) <= 0.97


def test_without_an_image_networks_see_the_position() -> None:
    values = labyrinth(0, 12)[1]
    agent = started(None, 0, 12, **SMALL)
    last = play(agent, values, 1, 8)[-1]
    assert "deep kernel: position only, for there is no image" in last.reason
    assert set(last.figures) == {"mean", "std", "acquisition", "noise", "structure_share"}


def test_every_option_does_something() -> None:
    image, values = labyrinth(7, 16)
    base = {**SMALL, "patch_pixels": 3, "components": 4, "features": "position_and_patch"}
    tried: list[dict[str, Any]] = [
        {},
        {"acquisition": "upper_confidence_bound"},
        {"acquisition": "upper_confidence_bound", "beta": 0.1},
        {"acquisition": "integrated_variance"},
        {"acquisition": "integrated_variance", "test_points": 12},
        {"features": "position"},
        {"features": "patch"},
        {"patch_pixels": 7},
        {"components": 3},
        {"rotation_invariant": True},
        {"members": 3},
        {"hidden": 5},
        {"latent": 3},
        {"warm_up": 5},
        {"proposals": 3},
        {"learn_from": 8},
        {"seeds": 7},
        {"refit_every": 6},
        {"initial": "sobol"},
    ]
    last = [play(started(image, 0, 16, **{**base, **options}), values, 1, 10)[-1] for options in tried]
    seen = {(d.candidate, d.figures["mean"], d.figures["acquisition"]) for d in last}
    assert len(seen) == len(tried)


@pytest.mark.parametrize(
    "options",
    [
        {"acquisition": "thompson"},
        {"members": 0},
        {"hidden": 0},
        {"latent": 0},
        {"warm_up": 0},
        {"proposals": 0},
        {"learn_from": 1},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DeepKernel(**options)


def test_a_state_of_another_shape_is_refused() -> None:
    image, values = labyrinth(0, 12)
    agent = started(image, 0, 12, **SMALL)
    tell_random(agent, values, 6, 0)
    for options in ({"members": 3}, {"hidden": 5}, {"components": 4}):
        with pytest.raises(AgentError, match="start anew"):
            started(image, 0, 12, **{**SMALL, **options}).restore(agent.state())


def test_importing_it_is_light() -> None:
    code = "import sys, agents.bayesian.deep_kernel.agent; print('torch' in sys.modules, 'scipy' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False False"
