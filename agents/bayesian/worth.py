"""What measuring each candidate is worth, by the acquisition that was chosen; and for what it costs, and may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.acquisition import Acquisition, log_expected_improvement, upper_confidence_bound
from agents.bayesian.candidate_model import CandidateModel
from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.knowledge_gradient import knowledge_gradient
from agents.bayesian.level_sets import log_contour_improvement
from agents.bayesian.noisy_improvement import noisy_expected_improvement
from agents.bayesian.novelty import expected_novelty
from agents.bayesian.thompson import thompson

if TYPE_CHECKING:
    import torch

Choice = Literal[
    "log_expected_improvement",
    "noisy_expected_improvement",
    "upper_confidence_bound",
    "integrated_variance",
    "knowledge_gradient",
    "thompson",
    "level_set",
    "novelty",
]
Floats = NDArray[np.float64]

WORDS: dict[str, str] = {
    "log_expected_improvement": "highest log expected improvement",
    "noisy_expected_improvement": "highest log expected improvement over what noise hides",
    "upper_confidence_bound": "highest upper confidence bound",
    "integrated_variance": "takes most variance off the whole map",
    "knowledge_gradient": "raises the highest mean most",
    "thompson": "highest in one draw of the map",
    "level_set": "likeliest to tell on which side of the level",
    "novelty": "expected farthest from all values so far",
}
WORDS_OF_MINIMUM = WORDS | {
    "upper_confidence_bound": "lowest lower confidence bound",
    "knowledge_gradient": "lowers the lowest mean most",
    "thompson": "lowest in one draw of the map",
}
TESTED = ("integrated_variance", "knowledge_gradient")
"""Those that look at what a measurement does to the tested candidates."""
LOGARITHMS = ("log_expected_improvement", "noisy_expected_improvement", "level_set")
DIVISIBLE = (*LOGARITHMS, "integrated_variance", "knowledge_gradient", "novelty")
"""Those whose worth is a gain, or its logarithm, and so may be divided by a cost or multiplied by a chance."""


@dataclass(frozen=True)
class Situation:
    """What a choice is made from; values are standardised, and turned round where the smallest is wanted.

    taken [n] and values [n] are of the measured candidates, `ahead` [p] are pending, `free` [m] the places among the
    seen candidates that may be chosen. level: None takes half-way between the lowest and the highest mean.
    """

    model: CandidatePosterior
    taken: NDArray[np.int64]
    values: Floats
    ahead: NDArray[np.int64]
    free: NDArray[np.int64]
    rng: np.random.Generator
    beta: float
    level: float | None


def worth(choice: Choice, now: Situation) -> torch.Tensor:
    """What a measurement is worth at each candidate seen."""
    model, ahead = now.model, now.ahead
    if choice == "knowledge_gradient":
        return knowledge_gradient(model, ahead)
    if choice == "noisy_expected_improvement":
        return noisy_expected_improvement(model, now.taken, ahead, now.rng)
    if choice == "thompson":
        return thompson(model, now.free, ahead, now.rng)
    if choice == "level_set":
        mean = model.mean()
        return log_contour_improvement(mean, model.ahead(ahead), _level(now, mean))
    if choice == "novelty":
        known = np.concatenate([now.values, model.at(ahead)[0].numpy()])
        return expected_novelty(model.mean(), model.ahead(ahead), known)
    return worth_of_moments(choice, model, now.taken, ahead, now.beta)


def worth_of_moments(
    choice: Acquisition, model: CandidateModel, taken: NDArray[np.int64], ahead: NDArray[np.int64], beta: float
) -> torch.Tensor:
    """The same, where means and variances are all that is needed: of any model of the candidates."""
    if choice == "integrated_variance":
        return model.gain(ahead)
    mean, variance = model.mean(), model.ahead(ahead)
    if choice == "upper_confidence_bound":
        return upper_confidence_bound(mean, variance, beta)
    return log_expected_improvement(mean, variance, model.highest(taken))


def weighed(choice: Choice, scores: torch.Tensor, chance: Floats | None, cost: Floats | None) -> torch.Tensor:
    """Scores [n] times the chance [n] that the value counts, over its cost [n]; logarithms stay logarithms."""
    import torch

    for factor, times in ((chance, 1.0), (cost, -1.0)):
        if factor is not None:
            log = times * torch.from_numpy(np.log(factor))
            scores = scores + log if choice in LOGARITHMS else scores * log.exp()
    return scores


def _level(now: Situation, mean: torch.Tensor) -> float:
    return float(mean.min() + mean.max()) / 2.0 if now.level is None else now.level
