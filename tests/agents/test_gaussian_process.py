"""The Gaussian-process agent: finds peaks, resumes bit for bit, learns from what stands, keeps its promises."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.baselines.random_search import RandomSearch
from agents.bayesian.features import patches, principal_components
from agents.bayesian.gaussian_process import GaussianProcess
from agents.protocol import Agent, AgentError, Decision, Problem, Transition

Field = NDArray[np.float64]


def peaks(seed: int, side: int = 64) -> Field:
    """Four small Gaussian peaks on a flat field, the highest at 1."""
    rng = np.random.default_rng([77, seed])
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    field = np.zeros((side, side))
    for height, x0, y0, width in rng.uniform([0.4, 0, 0, 0.05], [1, 1, 1, 0.1], size=(4, 4)):
        field += height * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 2 / width**2)
    return np.asarray(field / field.max())


def problem(side: int = 64, **images: Field) -> Problem:
    axis = np.linspace(-1, 1, side)
    candidates = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    pixels = np.stack(np.divmod(np.arange(side**2), side), axis=-1)
    low, high = np.full(2, -1.0), np.full(2, 1.0)
    return Problem(low, high, "maximise", "piezoresponse", "pm", candidates=candidates, pixels=pixels, images=images)


def tell(agent: Agent, decision: Decision, step: int, value: float, accepted: NDArray[np.bool_] | None = None) -> None:
    agent.tell(Transition(step, decision, value, np.ones(step, bool) if accepted is None else accepted, 0.0, {}))


def play(agent: Agent, field: Field, start: int, stop: int, scale: float = 1.0, **options: Any) -> list[Decision]:
    """Steps start to stop (counted from 1) with 4 % noise that depends on the step alone."""
    decisions = []
    for step in range(start, stop + 1):
        decision = agent.act({}, **options)
        assert decision.candidate is not None
        noise = 0.04 * np.random.default_rng([5, step]).normal()
        tell(agent, decision, step, scale * (field.ravel()[decision.candidate] + noise))
        decisions.append(decision)
    return decisions


def started(side: int, seed: int = 0, image: Field | None = None, **options: Any) -> GaussianProcess:
    agent = GaussianProcess(**options)
    agent.begin(problem(side) if image is None else problem(side, image=image), seed)
    return agent


def chosen(decisions: list[Decision]) -> list[int | None]:
    return [decision.candidate for decision in decisions]


def test_it_finds_peaks_where_random_does_not() -> None:
    lost: list[float] = []
    lost_at_random: list[float] = []
    for seed in range(4):
        field = peaks(seed, 48)
        dice = RandomSearch()
        dice.begin(problem(48), seed)
        for agent, into in ((started(48, seed), lost), (dice, lost_at_random)):
            into.append(1.0 - max(field.ravel()[d.candidate or 0] for d in play(agent, field, 1, 35)))
    assert np.mean(lost) < 0.05
    assert np.mean(lost_at_random) > 4 * np.mean(lost)


def test_patches_predict_what_the_image_shows_better_than_position() -> None:
    """The value is high where a fine-grained image is bright around a pixel: position tells little of it."""
    rough = np.random.default_rng(3).normal(size=(24, 24))
    image = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1) + np.roll(rough, (1, 1), (0, 1))) / 4
    pixels = problem(24).pixels
    assert pixels is not None
    around = patches(image, pixels, 3).mean(axis=1).reshape(24, 24)
    value = 1 / (1 + np.exp(-around / around.std()))
    correlation = {}
    for kind in ("position", "patch", "position_and_patch"):
        agent = started(24, 1, image, features=kind, patch_pixels=3, seeds=40)
        play(agent, value, 1, 40)
        prediction = agent.predict()
        assert prediction is not None
        correlation[kind] = np.corrcoef(prediction.mean, value.ravel())[0, 1]
    assert min(correlation["patch"], correlation["position_and_patch"]) > 0.9
    assert correlation["position"] < 0.7


def spelled(decision: Decision) -> list[Any]:
    """A decision to the last bit."""
    return [decision.candidate, decision.reason, {k: float(v).hex() for k, v in decision.figures.items()}]


RESUME = """
import json, pickle, sys
sys.path[:0] = [{tests!r}]
import test_gaussian_process as t
decided = []
for state, options in pickle.load(open("states.pickle", "rb")):
    agent = t.started(16, 3, t.peaks(1, 16), **options)
    agent.restore(state)
    decided += [t.spelled(decision) for decision in t.play(agent, t.peaks(1, 16), 10, 13)]
print(json.dumps(decided))
"""


def test_a_fresh_process_decides_the_same_bit_for_bit(own_folder: Path) -> None:
    field, expected, kept = peaks(1, 16), [], []
    for options in ({"seeds": 5, "refit_every": 3}, {"seeds": 5, "acquisition": "integrated_variance"}):
        agent = started(16, 3, field, **options)
        play(agent, field, 1, 9)
        kept.append((agent.state(), options))
        expected += [spelled(decision) for decision in play(agent, field, 10, 13)]
    (own_folder / "states.pickle").write_bytes(pickle.dumps(kept))
    script = RESUME.format(tests=str(Path(__file__).parent))
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(output) == expected


def test_the_number_of_threads_outside_changes_nothing() -> None:
    before = torch.get_num_threads()
    runs = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            runs.append([dict(d.figures) for d in play(started(12, seeds=4), peaks(0, 12), 1, 9)])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert runs[0] == runs[1]


def test_values_rejected_or_missing_are_not_learned_from() -> None:
    field = peaks(2, 16)
    predictions = []
    for odd, stands in ((1e6, False), (np.nan, True), (np.nan, False)):
        agent = started(16, seeds=6)
        decisions = play(agent, field, 1, 6)
        tell(agent, decisions[0], 7, odd, np.array([True] * 6 + [stands]))
        prediction = agent.predict()
        assert prediction is not None
        predictions.append(prediction.mean)
    assert np.array_equal(predictions[0], predictions[1])
    assert np.array_equal(predictions[0], predictions[2])


def test_failed_points_do_not_count_towards_the_first_model() -> None:
    agent = started(12, seeds=3)
    reasons = []
    for step, value in enumerate([1.0, np.nan, 2.0, np.nan, 3.0, 2.5], start=1):
        decision = agent.act({})
        reasons.append(decision.reason.split()[0])
        tell(agent, decision, step, value)
    assert reasons == ["Sobol"] * 5 + ["highest"]


def test_a_value_unmasked_later_is_unlearned() -> None:
    field = peaks(2, 16)
    agent, clean = started(16, seeds=6), started(16, seeds=6)
    for one, wrong in ((agent, 50.0), (clean, np.nan)):
        for step in range(1, 9):
            decision = Decision(np.array([step / 10, 0.0]), "given")
            stands = np.arange(1, step + 1) != (2 if step == 8 else 0)
            tell(one, decision, step, wrong if step == 2 else field.ravel()[step * 20], stands)
    assert np.array_equal(agent.predict().mean, clean.predict().mean)  # type: ignore[union-attr]


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_the_value_does_not_matter(scale: float) -> None:
    field = peaks(3, 16)
    plain, scaled = (play(started(16, seeds=5), field, 1, 15, s) for s in (1.0, scale))
    assert chosen(plain) == chosen(scaled)
    assert scaled[-1].figures["mean"] == pytest.approx(scale * plain[-1].figures["mean"], rel=1e-6)


def test_every_option_does_something() -> None:
    field = peaks(4, 16)
    image = field + 0.1 * np.random.default_rng(0).normal(size=field.shape)
    base: dict[str, Any] = {"seeds": 5, "features": "position_and_patch", "patch_pixels": 3, "components": 2}
    tried: list[dict[str, Any]] = [
        {},
        {"acquisition": "upper_confidence_bound"},
        {"acquisition": "upper_confidence_bound", "beta": 0.1},
        {"acquisition": "integrated_variance"},
        {"acquisition": "integrated_variance", "test_points": 12},
        {"features": "position"},
        {"features": "patch"},
        {"patch_pixels": 7},
        {"components": 1},
        {"seeds": 7},
        {"refit_every": 6},
        {"initial": "sobol"},
    ]
    last = [play(started(16, 0, image, **{**base, **options}), field, 1, 14)[-1] for options in tried]
    assert len({(decision.candidate, decision.figures["mean"]) for decision in last}) == len(tried)


def test_every_second_of_the_first_points_is_least_like_those_measured() -> None:
    image = np.random.default_rng(2).normal(size=(12, 12))
    agent, sobol = started(12, 0, image, seeds=6), started(12, 0, image, seeds=6, initial="sobol")
    waiting: list[Decision] = []
    for _ in range(4):  # nothing is told: what is pending counts as measured
        waiting.append(agent.act({}, pending=waiting))
    inputs, taken = agent._features.inputs, np.array(chosen(waiting), dtype=np.int64)
    for number in (1, 3):
        away = np.linalg.norm(inputs[:, None] - inputs[taken[:number]], axis=-1).min(axis=1)
        assert away[taken[number]] == away.max()
        assert waiting[number].reason.startswith(f"least like those measured: point {number + 1} of 6 before")
    assert taken[::2].tolist() == chosen(play(sobol, image, 1, 2))
    assert taken.tolist() == chosen(play(agent, image, 1, 4))


def test_without_patches_the_first_points_are_sobols_unless_asked_otherwise() -> None:
    field = peaks(1, 12)
    auto, sobol, spread = (chosen(play(started(12, initial=kind), field, 1, 4)) for kind in ("auto", "sobol", "spread"))
    assert auto == sobol != spread


def test_a_state_of_other_inputs_is_refused() -> None:
    field = peaks(1, 12)
    agent = started(12, 0, field, seeds=3, refit_every=2)
    play(agent, field, 1, 6)
    other = started(12, seeds=3, refit_every=2)
    with pytest.raises(AgentError, match="other inputs"):
        other.restore(agent.state())


def test_a_state_of_an_older_version_is_refused_in_one_line() -> None:
    agent = started(12, seeds=3)
    older = {name: kept for name, kept in agent.state().items() if name != "spent"}
    with pytest.raises(AgentError, match="older version of the Gaussian process: start anew"):
        agent.restore(older)


def test_values_whose_squares_overflow_are_refused_in_one_line() -> None:
    agent = started(12, seeds=3)
    for step, value in enumerate((1e200, -1e200, 3e200), start=1):
        tell(agent, agent.act({}), step, value)
    with pytest.raises(AgentError, match=r"up to 3e\+200 are too large to be standardised: use another unit"):
        agent.act({})


def test_hyperparameters_stay_between_two_refits() -> None:
    decisions = play(started(16, seeds=4, refit_every=3), peaks(0, 16), 1, 12)
    scales = [decision.figures["lengthscale_position_0"] for decision in decisions[4:]]
    assert len(set(scales[0:3])) == len(set(scales[3:6])) == 1
    assert len(set(scales)) == 3


def test_a_missed_deadline_is_told_and_made_up_for() -> None:
    field = peaks(1, 16)
    agent, undisturbed = started(16, seeds=5), started(16, seeds=5)
    play(agent, field, 1, 8)
    play(undisturbed, field, 1, 8)
    late = agent.act({}, deadline_s=1e-9)
    assert late.figures["fallback"] == 1.0
    assert "deadline" in late.reason
    assert late.figures["lengthscale_position_0"] == 0.25  # the prior's median: nothing was kept yet
    in_time = undisturbed.act({}, deadline_s=1e6)
    assert "fallback" not in in_time.figures
    for one in (agent, undisturbed):
        tell(one, in_time, 9, 0.5)
    assert agent.act({}, deadline_s=1e-9).figures["lengthscale_position_0"] == in_time.figures["lengthscale_position_0"]
    assert dict(agent.act({}).figures) == dict(undisturbed.act({}).figures)


def test_reason_and_figures_say_what_was_expected() -> None:
    agent, field = started(16, seeds=5), peaks(1, 16)
    first, *_, last = play(agent, field, 1, 8, scale=100.0)
    assert first.reason == "Sobol point 1 of 5 before the first model (position only, for there is no image)"
    assert last.reason.startswith("highest log expected improvement (position only, for there is no image): predicted")
    assert " pm, best so far " in last.reason
    assert set(last.figures) == {
        "mean",
        "std",
        "acquisition",
        "noise",
        "lengthscale_position_0",
        "lengthscale_position_1",
    }
    with_image = started(16, 0, field, seeds=5).act({})
    assert with_image.reason.endswith("(position and patch)")


def test_a_problem_that_does_not_suit_is_refused() -> None:
    grid = problem(4)
    flat = np.full((4, 4), 3.0)
    blank = replace(grid, images={"flat": flat, "missing": flat * np.nan})
    refused: list[tuple[dict[str, Any], Problem, str]] = [
        ({"features": "patch"}, grid, "no structural image"),
        (
            {"features": "position_and_patch"},
            blank,
            "no structural image",
        ),
        ({"features": "patch"}, replace(grid, images={"i": np.eye(3)}), "outside the image"),
        ({"features": "patch"}, replace(grid, images={"i": np.eye(4)}, pixels=np.zeros((3, 2), int)), "shape"),
        (
            {"images": ["phase", "a"]},
            replace(grid, images={"a": np.eye(4), "b": np.eye(4)}),
            "'phase'.* there is a, b$",
        ),
        ({"images": ["phase"]}, grid, "none at all"),
        ({}, replace(grid, candidates=None), "lists none"),
        ({}, replace(grid, candidates=None, choices=4), "lists none"),
    ]
    for options, unsuitable, says in refused:
        with pytest.raises(AgentError, match=says):
            GaussianProcess(**options).begin(unsuitable, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"acquisition": "ei"},
        {"features": "pixels"},
        {"patch_pixels": 8},
        {"seeds": 0},
        {"beta": -1.0},
        {"initial": "far"},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        GaussianProcess(**options)


def test_patches_are_mirrored_at_the_edge() -> None:
    image = np.arange(20.0).reshape(4, 5)
    pixels = np.array([[0, 0], [3, 4], [2, 1]])

    def mirrored(i: int, size: int) -> int:
        return size - 1 - abs(size - 1 - abs(i))

    for pixel, patch in zip(pixels, patches(image, pixels, 3), strict=True):
        around = [(pixel[0] + i, pixel[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        assert patch.tolist() == [image[mirrored(i, 4), mirrored(j, 5)] for i, j in around]


def test_missing_pixels_do_not_spoil_the_features() -> None:
    image = peaks(1, 16)
    image[12:] = np.nan  # a scan that was stopped
    decisions = play(started(16, 0, image, seeds=4, features="patch"), peaks(1, 16), 1, 7)
    assert all(np.isfinite(list(d.figures.values())).all() for d in decisions)


def test_patches_are_cut_from_the_named_images_and_each_has_components_of_its_own() -> None:
    grid, rng = problem(8), np.random.default_rng(0)
    one, other = rng.normal(size=(2, 8, 8))

    def inputs(chosen: Sequence[str], **images: Field) -> Field:
        agent = GaussianProcess(patch_pixels=3, components=2, images=chosen)
        agent.begin(replace(grid, images=images), 0)
        return agent._features.inputs[:, 2:]

    first, second = inputs([], a=one), inputs([], b=other)
    assert first.shape == (64, 2)
    assert np.array_equal(inputs([], a=one, b=other), np.hstack([first, second]))
    assert np.array_equal(inputs(["b"], a=one, b=other), second)
    assert np.array_equal(inputs(["a", "b"], a=one, b=other, c=one.T), np.hstack([first, second]))


def test_principal_components_explain_the_table_and_have_a_fixed_sign() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 9)) + 7.0
    scores = principal_components(table, 5)
    assert scores.shape == (50, 2)  # the other three explain nothing
    centred = table - table.mean(axis=0)
    assert scores @ np.linalg.lstsq(scores, centred, rcond=None)[0] == pytest.approx(centred, abs=1e-9)
    assert principal_components(table[::-1], 5)[::-1] == pytest.approx(scores, abs=1e-9)


@pytest.mark.parametrize(
    "loads", ["agents.baselines.random_search", "agents.bayesian.gaussian_process", "agents.check"]
)
def test_importing_an_agent_is_light(loads: str) -> None:
    code = f"import sys, {loads}; print([m for m in ('torch', 'botorch', 'gpytorch', 'scipy') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_baselines_never_load_torch() -> None:
    code = (
        "import sys; from agents.check import *; from agents.baselines import random_search, raster, sobol\n"
        "for made in (random_search.RandomSearch, raster.Raster, sobol.Sobol): check_decisions(Trial(made))\n"
        "print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
