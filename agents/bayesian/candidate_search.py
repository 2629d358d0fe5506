"""What agents share that choose among candidates by a model of them: the first points, and how a choice is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.candidate_model import CandidateModel
from agents.bayesian.checked import must_be_one_of, must_have_a_centre
from agents.bayesian.features import Features, Kind
from agents.bayesian.worth import TESTED, WORDS, WORDS_OF_MINIMUM, Choice
from agents.options import Options
from agents.protocol import AgentError, Decision, Prediction, Problem
from agents.remembering import Remembering

Initial = Literal["auto", "sobol", "spread"]
Rows = NDArray[np.int64]


class CandidateSearch(Remembering):
    """Measures points that are spread out first; what is measured then, an agent built on it decides."""

    _features: Features
    """What the model sees of the candidates; set by the agent when it begins."""

    def __init__(
        self,
        acquisition: Choice,
        features: Kind,
        patch_pixels: int,
        components: int,
        beta: float,
        seeds: int,
        refit_every: int,
        test_points: int,
        images: Sequence[str],
        initial: Initial,
        cache_MiB: int,
    ) -> None:
        """Raises ValueError for an unknown word, an even `patch_pixels` and a number below its bound."""
        must_be_one_of("features", features, Kind)
        must_be_one_of("initial", initial, Initial)
        must_have_a_centre(patch_pixels)
        if min(components, seeds, refit_every, test_points) < 1 or beta < 0:
            raise ValueError("components, seeds, refit_every and test_points start at 1, beta at 0")
        self.acquisition, self.features, self.beta = acquisition, features, beta
        self.patch_pixels, self.components, self.images = patch_pixels, components, tuple(images)
        self.seeds, self.refit_every, self.test_points, self.initial = seeds, refit_every, test_points, initial
        self.cache_MiB = cache_MiB

    def begin(self, problem: Problem, seed: int) -> None:
        import botorch  # noqa: F401  # paid here, not within the deadline of the first decision

        super().begin(problem, seed)
        if not isinstance(self.options, Options) or self.options.discrete:
            raise AgentError("a Gaussian process chooses among candidates that lie somewhere, and this task lists none")
        self._sign = -1.0 if problem.objective == "minimise" else 1.0

    @property
    def ready(self) -> bool:
        """Whether there is enough to learn from for a model."""
        return int(self.usable.sum()) >= max(self.seeds, 2)

    def learned_from(self) -> tuple[Rows, NDArray[np.float64]]:
        """The candidates and values that may be learned from, turned round where the smallest is wanted."""
        return self.taken[self.usable], self._sign * self.values[self.usable]

    def tested(self) -> Rows | None:
        """The candidates that the acquisition looks at beside the one that would be measured, where it does."""
        if self.acquisition not in TESTED:
            return None
        assert isinstance(self.options, Options)
        return drawn_to_test(self.seed, self.test_points, len(self.options))

    def first_point(self, free: Rows, pending: Sequence[Decision]) -> Decision:
        """A point of `free` before the first model."""
        assert isinstance(self.options, Options)
        number = self.told + len(pending)
        of = f"{number + 1} of {self.seeds}" if number < self.seeds else f"{number + 1}"
        reason = f"point {of} before the first model ({self._features.label})"
        spreads = self.initial == "spread" or (self.initial == "auto" and self._features.sees_patches)
        if spreads and number % 2:
            known = [*self.taken, *(self.options.index(decision) for decision in pending)]
            chosen = least_alike(self._features.inputs, free, known)
            return self.options.decide(chosen, f"least like those measured: {reason}")
        point = sobol_point(self.options.axes, self.seed, number // 2 if spreads else number)
        return self.options.decide(self.options.nearest(point, free), f"Sobol {reason}")

    def predicted(self, model: CandidateModel) -> Prediction:
        """What a model says of all candidates, in units of the values."""
        mean, variance = model.everywhere()
        location, scale = model.location, model.scale
        return Prediction(self._sign * (location + scale * mean.numpy()), scale * np.sqrt(variance.numpy()))

    def decided(
        self,
        model: CandidateModel,
        row: int,
        score: float,
        ahead: Rows,
        of_model: Mapping[str, float],
        more: Mapping[str, float],
        also: str = "",
    ) -> Decision:
        """The decision for the seen candidate at `row`: figures and reason, `more` and `also` at their ends."""
        assert isinstance(self.options, Options)
        predicted = self._sign * (model.location + model.scale * float(model.mean()[row]))
        spread = model.scale * float(model.ahead(ahead)[row]) ** 0.5
        figures = {"mean": predicted, "std": spread, "acquisition": score, **of_model}
        if self.acquisition == "integrated_variance":
            figures["map_std"] = model.scale * model.tested_variance() ** 0.5
        reason = self._reason(predicted, spread) + also
        return self.options.decide(int(model.seen[row]), reason, {**figures, **more})

    def _reason(self, predicted: float, spread: float) -> str:
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        best = self._sign * float((self._sign * self.values[self.usable]).max())
        words = WORDS[self.acquisition] if self._sign > 0 else WORDS_OF_MINIMUM[self.acquisition]
        return (
            f"{words} ({self._features.label}): predicted {predicted:.3g} ± {spread:.2g}{unit}, "
            f"best so far {best:.3g}{unit}"
        )


def drawn_to_test(seed: int, count: int, candidates: int) -> Rows:
    """`count` of the candidates, or all where there are fewer, in increasing order."""
    rng = np.random.default_rng([seed, 0x7E57])
    return np.sort(rng.choice(candidates, min(count, candidates), replace=False))


def least_alike(inputs: NDArray[np.float64], free: Rows, known: Sequence[int] | Rows) -> int:
    """The option of `free` farthest, in the model's inputs [N, d], from the nearest of `known`."""
    squares = np.full(len(free), np.inf)
    for row in known:
        squares = np.minimum(squares, np.sum((inputs[free] - inputs[row]) ** 2, axis=1))
    return int(free[np.argmax(squares)])


def open_rows(model: CandidateModel, free: Rows) -> Rows:
    """At which rows of the seen candidates those of `free` are."""
    return np.flatnonzero(np.isin(model.seen, free, assume_unique=True))


def highest_of(scores: NDArray[np.float64], rows: Rows) -> int:
    """The row with the highest score among `rows`, among all where there are none."""
    return int(rows[np.argmax(scores[rows])]) if len(rows) else int(np.argmax(scores))
