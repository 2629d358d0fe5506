"""Bayesian optimisation of two numbers at once: what can be had of one for how much of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.candidate_search import highest_of, open_rows
from agents.bayesian.checked import must_be_one_of, must_have_a_centre
from agents.bayesian.features import Kind, features
from agents.bayesian.fitting import fit
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.hypervolume import expected_improvement, front, hypervolume
from agents.bayesian.surrogate import one_thread, standardised
from agents.bayesian.thinning import MOST, conditioned_on, spread_over
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

Wanted = Literal["largest", "smallest"]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_MOST_FITTED, _MARGIN = 2000, 0.1
"""Values that hyper-parameters are fitted to; by what part of the range the reference lies below the worst."""


class ParetoGaussianProcess(Remembering):
    """Measures the candidate expected to add most to the area that the measured ones dominate (hypervolume).

    For tasks that read two numbers of each measurement (`also`): the value, of which the task says whether the largest
    or the smallest is wanted, and a second, of which `also_wanted` says it. Each has an exact Gaussian process of its
    own, independent of the other. What is dominated is told by the posterior means at the measured candidates, above a
    reference a tenth of their range below the worst of them, or at `reference` (the two numbers, in their units).

    Only measurements count that stand and brought both. Hyper-parameters are fitted at every `refit_every`-th step.
    Pending decisions are taken to bring what is expected. Everything follows from what was told, the seed and the step.
    """

    def __init__(
        self,
        also_wanted: Wanted = "largest",
        reference: Sequence[float] | None = None,
        features: Kind = "auto",
        patch_pixels: Annotated[int, Bounds("pixels", 1, 255)] = 5,
        components: Annotated[int, Bounds("components", 1, 16)] = 3,
        seeds: Annotated[int, Bounds("values", 2, 10_000)] = 5,
        refit_every: Annotated[int, Bounds("steps", 1, 10_000)] = 1,
        images: Sequence[str] = (),
        cache_MiB: Annotated[int, Bounds("MiB", 1, 1_000_000)] = 512,
    ) -> None:
        """Raises ValueError for an unknown word, a number below its bound, and a reference that is not two numbers."""
        must_be_one_of("also_wanted", also_wanted, Wanted)
        must_be_one_of("features", features, Kind)
        must_have_a_centre(patch_pixels)
        if min(components, seeds - 1, refit_every, cache_MiB) < 1:
            raise ValueError("components, refit_every and cache_MiB start at 1, seeds at 2")
        if reference is not None and (len(reference) != 2 or not np.isfinite(reference).all()):
            raise ValueError(f"reference is two numbers, one for each value, got {list(reference)}")
        self.also_wanted, self.features, self.images = also_wanted, features, tuple(images)
        self.reference = None if reference is None else np.array(reference, dtype=np.float64)
        self.patch_pixels, self.components = patch_pixels, components
        self.seeds, self.refit_every, self.cache_MiB = seeds, refit_every, cache_MiB

    def begin(self, problem: Problem, seed: int) -> None:
        import botorch  # noqa: F401  # paid here, not within the first decision

        super().begin(problem, seed)
        if not isinstance(self.options, Options) or self.options.discrete:
            raise AgentError("this agent chooses among candidates that lie somewhere, and this task lists none")
        if not problem.also_name:
            raise AgentError(
                "this task reads one number of a measurement: set task.also, or use agent=gaussian_process"
            )
        if problem.objective == "map":
            raise AgentError("this agent seeks the best of two numbers and maps nothing: use agent=gaussian_process")
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components, self.images)
        self._signs = np.array(
            [-1.0 if problem.objective == "minimise" else 1.0, -1.0 if self.also_wanted == "smallest" else 1.0]
        )
        room = self.cache_MiB * 2**19
        self._models = [
            CandidatePosterior(self._features.inputs, self._features.names, cache_bytes=room, seed=self.seed)
            for _ in range(2)
        ]
        self._fitted: tuple[bytes, list[Hyperparameters]] | None = None

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        number = self.told + len(pending)
        if not self._ready:
            point = self.options.nearest(sobol_point(self.options.axes, self.seed, number), free)
            return self.options.decide(point, f"Sobol point {number + 1} before the first model")
        ahead = np.array([self.options.index(decision) for decision in pending], dtype=np.int64)
        with one_thread():
            return self._best(free, ahead)

    def predict(self) -> Prediction | None:
        """Of the value; the second number is in the figures of each decision."""
        if not self._ready:
            return None
        with one_thread():
            model = self._following()[0]
            mean, variance = model.everywhere()
        values = self._signs[0] * (model.location + model.scale * mean.numpy())
        return Prediction(values, model.scale * np.sqrt(variance.numpy()))

    def beliefs(self) -> Mapping[str, Any]:
        """The front: candidates that no other measured one dominates, and what is believed of them, [n] each."""
        if not self._ready:
            return {}
        with one_thread():
            models = self._following()
            taken = np.unique(self.taken[self._both])
            means = self._means(models, taken)
        best = front(means)
        values = self._signs * np.stack([m.location + m.scale * means[best, i] for i, m in enumerate(models)], axis=-1)
        return {"front": taken[best], "value": values[:, 0], "also": values[:, 1]}

    @property
    def _both(self) -> NDArray[np.bool_]:
        """Which measurements stand and brought both numbers, [steps]."""
        return self.usable & np.isfinite(self.also)

    @property
    def _ready(self) -> bool:
        return int(self._both.sum()) >= self.seeds

    def _learned(self) -> tuple[Rows, Floats]:
        """Candidates [n] and both numbers [n, 2], turned so that the largest are wanted."""
        both = self._both
        return self.taken[both], self._signs * np.stack([self.values[both], self.also[both]], axis=-1)

    def _following(self) -> list[CandidatePosterior]:
        """The models with all that was told; what was known at the last fit goes in at once."""
        due = self.told - self.told % self.refit_every
        known = int(self._both[:due].sum())
        if known < self.seeds:
            known = int(self._both.sum())
        taken, values = self._learned()
        some, block = conditioned_on(known, len(taken), MOST)
        given = self._given(taken[:known], values[:known])
        for i, model in enumerate(self._models):
            model.follow(taken[some], values[some, i], block, given[i])
        return self._models

    def _given(self, taken: Rows, values: Floats) -> list[Hyperparameters]:
        """Hyper-parameters of both, fitted to values [n, 2]; done once for the same ones."""
        key = taken.tobytes() + values.tobytes()
        if self._fitted is None or self._fitted[0] != key:
            some, names = spread_over(len(taken), _MOST_FITTED), self._features.names
            inputs = self._features.inputs[taken[some]]
            fits = [fit(inputs, standardised(values[some, i].copy()), names) for i in range(2)]
            self._fitted = (key, [found or prior_medians(names) for found in fits])
        return self._fitted[1]

    def _best(self, free: Rows, ahead: Rows) -> Decision:
        assert isinstance(self.options, Options)
        models = self._following()
        taken = np.unique(np.concatenate([self.taken[self._both], ahead]))
        known = self._means(models, taken)
        reference = self._reference(models, known)
        mean = np.stack([model.mean().numpy() for model in models], axis=-1)
        spread = np.sqrt(np.stack([model.ahead(ahead).numpy() for model in models], axis=-1))
        scores = expected_improvement(known, reference, mean, spread)
        rows = open_rows(models[0], free)
        row = highest_of(scores if scores[rows].any() else spread.sum(1), rows)
        area = hypervolume(known, reference)
        return self.options.decide(
            int(models[0].seen[row]), *self._told(models, mean[row], spread[row], scores[row], area)
        )

    def _told(
        self, models: Sequence[CandidatePosterior], mean: Floats, spread: Floats, score: float, area: float
    ) -> tuple[str, dict[str, float]]:
        """Reason and figures of a decision."""
        scale = np.array([model.scale for model in models])
        mean = self._signs * (np.array([model.location for model in models]) + scale * mean)
        spread = scale * spread
        names = (self.problem.value_name, self.problem.also_name)
        units = (self.problem.value_unit, self.problem.also_unit)
        parts = [
            f"{name} {m:.3g} ± {s:.2g}{f' {unit}' if unit else ''}"
            for name, m, s, unit in zip(names, mean, spread, units, strict=True)
        ]
        figures = {"mean": mean[0], "std": spread[0], "also_mean": mean[1], "also_std": spread[1]}
        figures |= {"acquisition": score, "hypervolume": area}
        reason = f"adds most to what is dominated ({self._features.label}): predicted {' and '.join(parts)}"
        return reason, {name: float(value) for name, value in figures.items()}

    def _means(self, models: Sequence[CandidatePosterior], rows: Rows) -> Floats:
        """Both standardised means [n, 2] at candidates `rows` [n]."""
        return np.stack([model.at(rows)[0].numpy() for model in models], axis=-1)

    def _reference(self, models: Sequence[CandidatePosterior], known: Floats) -> Floats:
        """The reference [2] in standardised values."""
        if self.reference is None:
            return np.asarray(known.min(0) - _MARGIN * np.maximum(np.ptp(known, axis=0), 1e-6))
        location, scale = (np.array([getattr(model, of) for model in models]) for of in ("location", "scale"))
        return np.asarray((self._signs * self.reference - location) / scale)
