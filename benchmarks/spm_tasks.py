"""Is choosing where to measure worth it on scanning probes: class maps from few spectra, images from few strokes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SPECTRA, STROKES, SEEDS = 100, 40, 6


@figure("recognise.error", "fraction")
def recognise() -> Measured:
    """Places put into the wrong class after 100 of 1024 recorded spectra; right is what the network says of each."""
    from agents.adaptive.most_uncertain import MostUncertain
    from agents.baselines.random_search import RandomSearch
    from agents.baselines.sobol import Sobol

    policies = {"most_uncertain": lambda: MostUncertain(seeds=24), "random": RandomSearch, "sobol": Sobol}
    found = {name: [_wrong_classes(make(), seed) for seed in range(SEEDS)] for name, make in policies.items()}
    return _measured(found, "most_uncertain", "random")


@figure("reconstruct.error", "standard deviations of the image")
def reconstruct() -> Measured:
    """Rms error of a film's response rebuilt from 40 strokes, in the image's own standard deviations."""
    from agents.adaptive.uncertain_path import UncertainPath
    from agents.baselines.spiral import Serpentine, Spiral

    policies: dict[str, Callable[[], Any]] = {
        "uncertain_path": UncertainPath,
        "serpentine": lambda: Serpentine(STROKES // 4, 4),
        "spiral": lambda: Spiral(STROKES, 0.7 * STROKES / np.pi),
    }
    found = {name: [_wrong_image(make(), seed) for seed in range(SEEDS)] for name, make in policies.items()}
    return _measured(found, "uncertain_path", "serpentine")


def _measured(found: Mapping[str, list[float]], ours: str, reference: str) -> Measured:
    pairs = np.array(found[ours]) - np.array(found[reference])
    details: dict[str, Any] = {name: float(np.mean(values)) for name, values in found.items()}
    details |= {"seeds": SEEDS, "seeds_won": int((pairs < 0).sum()), "paired_difference_se": _standard_error(pairs)}
    return Measured(
        value=details[ours],
        reference=details[reference],
        compared=f"{ours} (value) and {reference} (reference), paired seeds; the other baselines in the details",
        details=details,
    )


def _standard_error(pairs: Floats) -> float:
    return float(pairs.std(ddof=1) / np.sqrt(len(pairs)))


def _wrong_classes(agent: Any, seed: int) -> float:
    from environments.environment import Environment
    from environments.recognition.recogniser import Recogniser
    from environments.sweeps import Spectrum
    from environments.tasks.recognise import Recognise
    from experiments.spm_data.sets import data_folder
    from instruments.embedded import Embedded
    from instruments.replay.replay import Replay

    path = data_folder() / "be-spectra-32x32" / "bepfm_test_data.npy"
    core = Replay(str(path), value_name="amplitude", unit_nm=10.0)
    task = Recognise(Recogniser(classes=2), sweep=Spectrum(axis_unit=""), outliers=None)
    env = Environment(Embedded(core), task)
    observation = _walk(env, agent, seed, SPECTRA)
    assert core.recording.spectra is not None
    every = np.asarray(core.recording.spectra.values, dtype=np.float64).reshape(len(observation["class_map"]), -1)
    return float(np.mean((observation["class_map"] > 0.5) != task.verdicts(env._state, 0, every)))


def _wrong_image(agent: Any, seed: int) -> float:
    from environments.environment import Environment
    from environments.tasks.reconstruct import Reconstruct
    from instruments.embedded import Embedded
    from instruments.requests import ScanImage
    from instruments.twins.ferroelectric_film import FerroelectricFilm

    core, task = FerroelectricFilm(), Reconstruct("piezoresponse", strokes=STROKES)
    env = Environment(Embedded(core), task)
    _walk(env, agent, seed, STROKES)
    true = Embedded(core.flawless())
    true.reset(seed, {})
    frame = ScanImage((0.0, 0.0), (core.field_nm, core.field_nm), task.shape, 1e-3)
    image = true.acquire(frame, id="true", stop=threading.Event()).channels["piezoresponse"].values.ravel()
    return float(np.sqrt(np.mean(np.square(env._state.mean[0] - image))) / image.std())


def _walk(env: Any, agent: Any, seed: int, steps: int) -> Mapping[str, NDArray[Any]]:
    """An episode; the last observation."""
    from agents.protocol import Problem, Transition

    observation, _ = env.reset(seed=seed)
    brief, space = env.brief(), env.action_space
    agent.begin(
        Problem(space.low, space.high, brief.objective, brief.value_name, "", candidates=brief.candidates), seed
    )
    for step in range(steps):
        decision = agent.act(observation)
        observation, reward, *_ = env.step(decision.action)
        told = Transition(step, decision, 0.0, np.ones(step + 1, dtype=bool), float(reward), observation)
        agent.tell(told)
    return dict(observation)
