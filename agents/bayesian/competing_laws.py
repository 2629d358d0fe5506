"""Hypothesis learning: laws compete for the data, each inside a Gaussian process, "none of them" among them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_search import least_alike
from agents.bayesian.checked import must_be_one_of
from agents.bayesian.competing_belief import Candidates, CompetingBelief, Members
from agents.bayesian.coordinates import Coordinates, places_of_law
from agents.bayesian.surrogate import location_and_scale, one_thread
from agents.bayesian.tempering import LateError
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.laws.law import Law

Acquisition = Literal["uncertainty", "log_expected_improvement", "upper_confidence_bound"]
Proposer = Literal["average", "epsilon_greedy", "softmax"]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_CHUNK, _SUMMARISED = 2048, 1000
_LEAST_VARIANCE = 1e-9
"""Below 1e-10, GPyTorch takes a variance for a mistake and says so."""


class CompetingLaws(Remembering):
    """Chooses among candidates with a model that averages over laws and over their parameters.

    Each law of `laws` is the mean of a Gaussian process of its own; without `none` one of them must be right, with it a
    plain Gaussian process is the rival of all, so that a wrong law loses its say as data come in: it is the guard on
    the prior. Shares are posterior probabilities of equally likely hypotheses. `uncertainty` measures where the
    averaged model is least sure, disagreement between laws included. `coordinates` says what the laws take for x: the
    action as it is, or the position [nm].

    `proposer` says whose model a decision is made with: the average of all; the most probable one, or with probability
    `epsilon` any (epsilon_greedy); or one drawn by its share to the power of 1 / `temperature` (softmax). Predictions
    and beliefs are of the average always.

    Costs grow with the square of the values told and more: meant for up to a hundred; more than two hundred are refused
    (AgentError). Where inference misses deadline_s, the point is the one farthest from those measured, and says so.
    """

    def __init__(
        self,
        laws: Sequence[Law],
        none: bool = True,
        acquisition: Acquisition = "uncertainty",
        coordinates: Coordinates = "action",
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 2, 200)] = 4,
        draws: Annotated[int, Bounds("draws", 64, 100_000)] = 4096,
        proposer: Proposer = "average",
        epsilon: Annotated[float, Bounds("", 0.0, 1.0)] = 0.4,
        temperature: Annotated[float, Bounds("", 0.01, 100.0)] = 1.0,
    ) -> None:
        """Raises ValueError where nothing competes, two laws share a name, a word is not known, or a number is out of
        its bounds.
        """
        must_be_one_of("acquisition", acquisition, Acquisition)
        must_be_one_of("coordinates", coordinates, Coordinates)
        must_be_one_of("proposer", proposer, Proposer)
        names = [law.name for law in laws]
        if not laws or len(set(names)) != len(names):
            raise ValueError(f"give one law or more, each with a name of its own; got {names}")
        if not (0.0 <= epsilon <= 1.0 and temperature > 0.0):
            raise ValueError(f"epsilon is a probability and temperature above 0, got {epsilon} and {temperature}")
        self.laws, self.none, self.acquisition, self.coordinates = tuple(laws), none, acquisition, coordinates
        self.beta, self.seeds, self.draws = beta, seeds, draws
        self.proposer, self.epsilon, self.temperature = proposer, epsilon, temperature

    def begin(self, problem: Problem, seed: int) -> None:
        import torch  # noqa: F401  # paid here, not within the first decision

        super().begin(problem, seed)
        x = places_of_law(problem, self.options, self.coordinates)
        assert isinstance(self.options, Options)
        for law in self.laws:
            missing = int(np.count_nonzero(~np.isfinite(law.mean(law.parameters.medians[None], x))))
            if missing:
                raise AgentError(f"{law.name!r} has no value at {missing} of {len(x)} candidates: check coordinates")
        rivals = (*self.laws, None) if self.none else self.laws
        candidates = Candidates(self.options.unit, x)
        self._belief = CompetingBelief(rivals, candidates, self.draws, self.seeds, self.seed)
        self._sign = -1.0 if problem.objective == "minimise" else 1.0

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        ends = math.inf if deadline_s is None else time.monotonic() + deadline_s
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        if not self._ready:
            return self._first_point(self.options, free, self.told + len(pending))
        ahead = np.array([self.options.index(decision) for decision in pending], dtype=np.int64)
        with one_thread():
            try:
                members = self._members(len(free), ends)
            except LateError:
                return self._late(free, ahead)
            return self._best(members, free, ahead, self._proposing(members.share, pending))

    def predict(self) -> Prediction | None:
        if not self._ready:
            return None
        assert isinstance(self.options, Options)
        rows = np.arange(len(self.options))
        with one_thread():
            members = self._members(len(rows))
            mean, variance = _averaged(members, rows, members.share)
        return Prediction(mean, np.sqrt(variance))

    def beliefs(self) -> Mapping[str, Any]:
        """Names and shares of the hypotheses, and of each law its parameters' names, means and 95 % intervals.

        `left_out` is the standard deviation of what a law leaves to its residual process: 2.5 %, median, 97.5 %. One
        that is likely and leaves much out is only the best of those given.
        """
        if not self._ready:
            return {}
        with one_thread():
            self._members(1)
        belief = self._belief
        said: dict[str, Any] = {"hypotheses": [h.name for h in belief.hypotheses], "probability": belief.share.copy()}
        for number, hypothesis in enumerate(belief.hypotheses):
            if hypothesis.law is not None:
                draws = belief.even(number, _SUMMARISED)
                theta = hypothesis.parameters(draws)[0]
                said[hypothesis.name] = {
                    "parameters": list(hypothesis.law.parameters.names),
                    "mean": theta.mean(0),
                    "interval": np.quantile(theta, [0.025, 0.975], axis=0),
                    "left_out": np.quantile(hypothesis.left_out(draws), [0.025, 0.5, 0.975]),
                }
        return said

    # The decision

    @property
    def _ready(self) -> bool:
        return int(self.usable.sum()) >= self.seeds

    def _first_point(self, options: Options, free: Rows, number: int) -> Decision:
        """Evenly spread over the list, its ends among them."""
        place = number / (self.seeds - 1) if number < self.seeds else 0.5
        chosen = free[np.argmin(np.abs(free - round(place * (len(options) - 1))))]
        return options.decide(int(chosen), f"point {number + 1} of {self.seeds} before laws are compared")

    def _members(self, candidates: int, ends: float = math.inf) -> Members:
        """What predicts at so many candidates, given all that was told."""
        self._belief.follow(self.taken[self.usable], self.values[self.usable], ends)
        return self._belief.members(candidates)

    def _proposing(self, share: Floats, pending: Sequence[Decision]) -> Floats:
        """How much say each hypothesis has in this decision [H]."""
        if self.proposer == "average":
            return share
        rng = self.generator(pending)
        possible = np.flatnonzero(share > 0.0)
        if self.proposer == "softmax":
            log = np.log(share[possible]) / self.temperature
            weight = np.exp(log - log.max())
            chosen = rng.choice(possible, p=weight / weight.sum())
        else:
            chosen = rng.choice(possible) if rng.random() < self.epsilon else np.argmax(share)
        return np.asarray(np.arange(len(share)) == chosen, dtype=np.float64)

    def _late(self, free: Rows, ahead: Rows) -> Decision:
        """The open option farthest from those measured: what needs no model."""
        assert isinstance(self.options, Options)
        chosen = least_alike(self.options.unit, free, np.append(self.taken, ahead))
        reason = "farthest from what was measured, for comparing the laws would have missed the deadline"
        return self.options.decide(chosen, reason, {"fallback": 1.0})

    def _best(self, members: Members, free: Rows, ahead: Rows, say: Floats) -> Decision:
        assert isinstance(self.options, Options)
        mean, variance = _averaged(members, free, say, ahead)
        score = self._score(members, free, say, ahead, mean, variance)
        row = int(np.argmax(np.where(np.isnan(score), -np.inf, score)))
        names = [hypothesis.name for hypothesis in members.hypotheses]
        leading = int(np.argmax(members.share))
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        spread = float(np.sqrt(variance[row]))
        reason = (
            f"highest {self.acquisition.replace('_', ' ')}: predicted {mean[row]:.3g} ± {spread:.2g}{unit}; "
            f"of the laws, {names[leading]} leads with a probability of {float(members.share[leading]):.2f}"
        )
        figures = {"mean": float(mean[row]), "std": spread, "acquisition": float(score[row])}
        figures |= {
            f"probability_{name.replace(' ', '_')}": float(p) for name, p in zip(names, members.share, strict=True)
        }
        if self.proposer != "average":
            proposing = int(np.argmax(say))
            reason += f"; proposed by {names[proposing]}"
            figures["proposer"] = float(proposing)
        return self.options.decide(int(free[row]), reason, figures)

    def _score(self, members: Members, free: Rows, say: Floats, ahead: Rows, mean: Floats, variance: Floats) -> Floats:
        if self.acquisition == "uncertainty":
            return np.asarray(np.sqrt(variance))
        if self.acquisition == "upper_confidence_bound":
            return np.asarray(self._sign * mean + np.sqrt(self.beta * variance))
        best = float((self._sign * _averaged(members, members.rows, say)[0]).max())
        scale = location_and_scale(self.values[self.usable])[1]
        return _log_improvement(members, free, say, ahead, self._sign, best, scale)


_NONE = np.zeros(0, np.int64)


def _averaged(members: Members, at: Rows, say: Floats, ahead: Rows = _NONE) -> tuple[Floats, Floats]:
    """Mean and variance [m] of the average, differences between its members included."""
    found = []
    for start in range(0, len(at), _CHUNK):
        mean, variance, weight = members.parts(at[start : start + _CHUNK], say, ahead)
        middle = weight @ mean
        found.append((middle, weight @ (variance + np.square(mean - middle))))
    return np.concatenate([m for m, _ in found]), np.concatenate([v for _, v in found])


def _log_improvement(
    members: Members, free: Rows, say: Floats, ahead: Rows, sign: float, best: float, scale: float
) -> Floats:
    """Log of the improvement [m] to expect over `best`, in units of `scale`, averaged over the members."""
    import torch
    from scipy.special import logsumexp

    from agents.bayesian.acquisition import log_expected_improvement

    found = []
    for start in range(0, len(free), _CHUNK):
        mean, variance, weight = members.parts(free[start : start + _CHUNK], say, ahead)
        over = torch.from_numpy((sign * mean.ravel() - best) / scale)
        spread = torch.from_numpy(np.maximum(variance.ravel() / scale**2, _LEAST_VARIANCE))
        each = log_expected_improvement(over, spread, 0.0).numpy().reshape(mean.shape)
        found.append(logsumexp(each + np.log(weight)[:, None], axis=0))
    return np.concatenate(found)
