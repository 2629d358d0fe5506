"""Hypothesis learning: laws compete for the data, each inside a Gaussian process, "none of them" among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.checked import must_be_one_of
from agents.bayesian.coordinates import Coordinates, places_of_law
from agents.bayesian.structured import Fitted, Hypothesis, shares
from agents.bayesian.surrogate import location_and_scale, one_thread
from agents.options import Options
from agents.protocol import Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.laws.law import Law

Acquisition = Literal["uncertainty", "log_expected_improvement", "upper_confidence_bound"]
Floats = NDArray[np.float64]
_CHUNK, _SHOWN = 2048, 64


@dataclass(frozen=True)
class _Belief:
    """What is believed after `told` values: the draws of each hypothesis, their shares, and the data they are of."""

    told: int
    fits: tuple[Fitted, ...]
    share: Floats
    hypotheses: tuple[Hypothesis, ...]
    rows: NDArray[np.int64]
    values: Floats
    location: float

    def moments(self, at: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Mean and variance [C, m] by each draw of each hypothesis at candidates `at`, and the draws' weights [C]."""
        parts, weights = [], []
        for hypothesis, fit, share in zip(self.hypotheses, self.fits, self.share, strict=True):
            if share < 1e-3:
                continue
            parts.append(hypothesis.moments(fit, self.rows, self.values, self.location, at))
            weights.append(np.full(len(fit.process), share / len(fit.process)))
        weight = np.concatenate(weights)
        return np.vstack([mean for mean, _ in parts]), np.vstack([v for _, v in parts]), weight / weight.sum()


class CompetingLaws(Remembering):
    """Chooses among candidates with a model that averages over laws and over their parameters.

    Each law of `laws` is the mean of a Gaussian process of its own; without `none` one of them must be right, with it a
    plain Gaussian process is the rival of all, so that a wrong law loses its say as data come in: it is the guard on
    the prior. Shares are posterior probabilities of equally likely hypotheses. `uncertainty` measures where the
    averaged model is least sure, disagreement between laws included. `coordinates` says what the laws take for x: the
    action as it is, or the position [nm]. Costs grow with the cube of the values told: meant for up to a hundred.
    """

    def __init__(
        self,
        laws: Sequence[Law],
        none: bool = True,
        acquisition: Acquisition = "uncertainty",
        coordinates: Coordinates = "action",
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 2, 10_000)] = 4,
        draws: Annotated[int, Bounds("draws", 64, 100_000)] = 400,
    ) -> None:
        """Raises ValueError where nothing competes, two laws share a name, or a word is not known."""
        must_be_one_of("acquisition", acquisition, Acquisition)
        must_be_one_of("coordinates", coordinates, Coordinates)
        names = [law.name for law in laws]
        if not laws or len(set(names)) != len(names):
            raise ValueError(f"give one law or more, each with a name of its own; got {names}")
        self.laws, self.none, self.acquisition, self.coordinates = tuple(laws), none, acquisition, coordinates
        self.beta, self.seeds, self.draws = beta, seeds, draws

    def begin(self, problem: Problem, seed: int) -> None:
        import torch  # noqa: F401  # paid here, not within the first decision

        super().begin(problem, seed)
        self._x = places_of_law(problem, self.options, self.coordinates)
        self._sign = -1.0 if problem.objective == "minimise" else 1.0
        self._belief: _Belief | None = None

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        if int(self.usable.sum()) < self.seeds:
            number = self.told + len(pending)
            spread = round(number / max(self.seeds - 1, 1) * (len(free) - 1)) if number < self.seeds else len(free) // 2
            chosen = int(free[min(spread, len(free) - 1)])
            return self.options.decide(chosen, f"point {number + 1} of {self.seeds} before laws are compared")
        with one_thread():
            return self._best(self._believing(), free)

    def predict(self) -> Prediction | None:
        if int(self.usable.sum()) < self.seeds:
            return None
        assert isinstance(self.options, Options)
        with one_thread():
            mean, variance = self._averaged(self._believing(), np.arange(len(self.options)))
        return Prediction(mean, np.sqrt(variance))

    def beliefs(self) -> Mapping[str, Any]:
        """Names and shares of the hypotheses, and of each law its parameters' names, means and 95 % intervals."""
        if int(self.usable.sum()) < self.seeds:
            return {}
        with one_thread():
            belief = self._believing()
        said: dict[str, Any] = {"hypotheses": [h.name for h in belief.hypotheses], "probability": belief.share.copy()}
        for hypothesis, fit in zip(belief.hypotheses, belief.fits, strict=True):
            if hypothesis.law is not None:
                said[hypothesis.name] = {
                    "parameters": list(hypothesis.law.parameters.names),
                    "mean": fit.theta.mean(0),
                    "interval": np.quantile(fit.theta, [0.025, 0.975], axis=0),
                }
        return said

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._belief = None

    # The model

    def _believing(self) -> _Belief:
        """Inferred anew from all that was told; a function of it, the seed and the step."""
        if self._belief is None or self._belief.told != self.told:
            self._belief = self._inferred()
        return self._belief

    def _inferred(self) -> _Belief:
        assert isinstance(self.options, Options)
        rows, values = self.taken[self.usable], self.values[self.usable]
        location, scale = location_and_scale(values)
        rivals = (*self.laws, None) if self.none else self.laws
        hypotheses = tuple(Hypothesis(law, self.options.unit, self._x, scale) for law in rivals)
        fits = [
            hypothesis.fitted(rows, values, location, self.draws, [self.seed, self.told, number])
            for number, hypothesis in enumerate(hypotheses)
        ]
        share = shares(np.array([fit.log_evidence for fit in fits]))
        kept = np.linspace(0, self.draws - 1, _SHOWN).astype(int)
        some = tuple(Fitted(fit.theta[kept], fit.process[kept], fit.log_evidence) for fit in fits)
        return _Belief(self.told, some, share, hypotheses, rows, values, location)

    def _averaged(self, belief: _Belief, at: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Mean and variance [m] of the average, differences between its members included."""
        found = []
        for start in range(0, len(at), _CHUNK):
            mean, variance, weight = belief.moments(at[start : start + _CHUNK])
            middle = weight @ mean
            found.append((middle, weight @ (variance + np.square(mean - middle))))
        return np.concatenate([m for m, _ in found]), np.concatenate([v for _, v in found])

    def _best(self, belief: _Belief, free: NDArray[np.int64]) -> Decision:
        assert isinstance(self.options, Options)
        mean, variance = self._averaged(belief, free)
        score = self._score(belief, free, mean, variance)
        row = int(np.argmax(score))
        leading = int(np.argmax(belief.share))
        name, share = belief.hypotheses[leading].name, float(belief.share[leading])
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        spread = float(np.sqrt(variance[row]))
        reason = (
            f"highest {self.acquisition.replace('_', ' ')}: predicted {mean[row]:.3g} ± {spread:.2g}{unit}; "
            f"of the laws, {name} leads with a probability of {share:.2f}"
        )
        figures = {"mean": float(mean[row]), "std": spread, "acquisition": float(score[row])}
        figures |= {
            f"probability_{h.name.replace(' ', '_')}": float(p)
            for h, p in zip(belief.hypotheses, belief.share, strict=True)
        }
        return self.options.decide(int(free[row]), reason, figures)

    def _score(self, belief: _Belief, free: NDArray[np.int64], mean: Floats, variance: Floats) -> Floats:
        if self.acquisition == "uncertainty":
            return np.asarray(np.sqrt(variance))
        if self.acquisition == "upper_confidence_bound":
            return np.asarray(self._sign * mean + np.sqrt(self.beta * variance))
        return self._log_improvement(belief, free)

    def _log_improvement(self, belief: _Belief, free: NDArray[np.int64]) -> Floats:
        """Log of the expected improvement [m] over the best mean at a measured place, averaged over the members."""
        import torch
        from scipy.special import logsumexp

        from agents.bayesian.acquisition import log_expected_improvement

        best = float((self._sign * self._averaged(belief, belief.rows)[0]).max())
        found = []
        for start in range(0, len(free), _CHUNK):
            mean, variance, weight = belief.moments(free[start : start + _CHUNK])
            middle, spread = torch.from_numpy(self._sign * mean.ravel()), torch.from_numpy(variance.ravel())
            each = log_expected_improvement(middle, spread, best).numpy().reshape(mean.shape)
            found.append(logsumexp(each + np.log(weight)[:, None], axis=0))
        return np.concatenate(found)
