"""Bayesian optimisation of a few numbers that may be anything in a box: lens currents, gains, pulse heights."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.checked import must_be_one_of
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.quick_model import quick_model
from agents.bayesian.surrogate import location_and_scale, one_thread, standardised
from agents.bayesian.thinning import spread_over
from agents.options import Box
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

if TYPE_CHECKING:
    import torch

Acquisition = Literal["log_expected_improvement", "upper_confidence_bound"]
_WORDS = {
    "log_expected_improvement": "highest log expected improvement",
    "upper_confidence_bound": "highest upper confidence bound",
}
_WORDS_OF_MINIMUM = _WORDS | {"upper_confidence_bound": "lowest lower confidence bound"}
_MOST_AXES = 20
_MOST_VALUES = 1000
"""Values that are learned from: of more, so many spread evenly over the steps."""
_SEARCH_S = 0.1
"""Time set aside for the search before it was ever measured [s]."""


class ContinuousGaussianProcess(Remembering):
    """Sobol points first, then the point of the box that a Gaussian process of all accepted values makes most of.

    For problems without a list of candidates and with 1 to 20 numbers in an action. The hyper-parameters are fitted
    anew at every decision, from the medians of their priors; BoTorch searches the box from `restarts` of
    `raw_samples` starting points drawn by seed and step. The improvement is over the highest (for a task that
    minimises, the lowest) posterior mean of the measured points. Pending decisions are taken to bring what the model
    expects. Every decision follows from what was told, the seed and the step; one that missed `deadline_s` follows
    from the clock too, says so and carries the figure `fallback` = 1.
    """

    def __init__(
        self,
        acquisition: Acquisition = "log_expected_improvement",
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 0, 10_000)] = 0,
        restarts: Annotated[int, Bounds("starts", 1, 100)] = 4,
        raw_samples: Annotated[int, Bounds("points", 1, 100_000)] = 256,
    ) -> None:
        """`seeds` = 0 takes twice as many as there are numbers in an action, and 5 at the least.

        Raises ValueError for an unknown acquisition, and where there are fewer `raw_samples` than `restarts`.
        """
        must_be_one_of("acquisition", acquisition, Acquisition)
        if raw_samples < restarts:
            raise ValueError(f"raw_samples must be at least restarts={restarts}, got {raw_samples}: raise it")
        self.acquisition, self.beta, self.seeds = acquisition, beta, seeds
        self.restarts, self.raw_samples = restarts, raw_samples

    def begin(self, problem: Problem, seed: int) -> None:
        import botorch  # noqa: F401  # paid here, not within the deadline of the first decision

        super().begin(problem, seed)
        if not isinstance(self.options, Box):
            raise AgentError("this task lists its candidates: use agent=gaussian_process")
        if not 1 <= self.options.axes <= _MOST_AXES:
            raise AgentError(
                f"an action has {self.options.axes} numbers, a Gaussian process is sure of 1 to {_MOST_AXES}"
            )
        if problem.objective == "map":
            raise AgentError("this agent looks for the best point of a box and maps nothing: use sobol")
        self._sign = -1.0 if problem.objective == "minimise" else 1.0
        self._names = tuple(f"axis_{i}" for i in range(self.options.axes))
        self._search_s = _SEARCH_S

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Box)
        ends = None if deadline_s is None else time.monotonic() + deadline_s
        wanted = self.seeds or max(5, 2 * self.options.axes)
        number = self.told + len(pending)
        if int(self.usable.sum()) < max(wanted, 2):
            point = sobol_point(self.options.axes, self.seed, number)
            return self.options.decide(point, f"point {number + 1} of {wanted} before the first model")
        with one_thread(), _rounding_allowed():
            return self._best(self._unit([*pending]), number, ends)

    # The model

    def _best(self, ahead: NDArray[np.float64], number: int, ends: float | None) -> Decision:
        from agents.bayesian.fitting import fit

        some = np.flatnonzero(self.usable)
        some = some[spread_over(len(some), _MOST_VALUES)]
        inputs, values = self._inputs()[some], self._sign * self.values[some]
        self._location, self._scale = location_and_scale(values)
        targets = standardised(values)
        left = None if ends is None else ends - time.monotonic() - self._search_s
        found = fit(inputs, targets, self._names, left) if left is None or left > 0 else None
        given = found or prior_medians(self._names)
        model = _believing(inputs, targets, given, ahead)
        began = time.monotonic()
        point, score = self._search(model, inputs, number, None if ends is None else ends - began)
        self._search_s = time.monotonic() - began
        return self._decision(model, given, point, score, late=found is None and ends is not None)

    def _search(
        self, model: Any, inputs: NDArray[np.float64], number: int, timeout_s: float | None
    ) -> tuple[NDArray[np.float64], float]:
        import torch
        from botorch.optim import optimize_acqf

        cube = torch.stack([torch.zeros(inputs.shape[1]), torch.ones(inputs.shape[1])]).double()
        seed = int(np.random.default_rng([self.seed, number, 0xB0]).integers(2**31))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            point, score = optimize_acqf(
                self._worth(model, inputs),
                cube,
                q=1,
                num_restarts=self.restarts,
                raw_samples=self.raw_samples,
                options={"seed": seed, "maxiter": 50},
                timeout_sec=None if timeout_s is None else max(timeout_s, 1e-3),
            )
        return point[0].numpy(), float(score)

    def _worth(self, model: Any, inputs: NDArray[np.float64]) -> Any:
        from botorch.acquisition import LogExpectedImprovement, UpperConfidenceBound

        if self.acquisition == "upper_confidence_bound":
            return UpperConfidenceBound(model, beta=self.beta)
        return LogExpectedImprovement(model, best_f=float(_moments(model, inputs)[0].max()))

    def _decision(
        self, model: Any, given: Hyperparameters, point: NDArray[np.float64], score: float, late: bool
    ) -> Decision:
        assert isinstance(self.options, Box)
        (mean,), (std,) = _moments(model, point[None])
        mean, std = self._location + self._scale * mean, self._scale * std
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        better = min if self._sign < 0 else max
        best = better(self.values[self.usable].tolist())
        named = _WORDS_OF_MINIMUM[self.acquisition] if self._sign < 0 else _WORDS[self.acquisition]
        reason = f"{named}: predicted {self._sign * mean:.3g} ± {std:.2g}{unit}, best so far {best:.3g}{unit}"
        figures = {"mean": self._sign * float(mean), "std": float(std), "acquisition": score}
        figures |= {f"lengthscale_{name}": float(v) for name, v in zip(self._names, given.lengthscales, strict=True)}
        if late:
            figures["fallback"] = 1.0
            reason += "; with the prior's hyper-parameters, for their fit failed or would have missed the deadline"
        decided = self.options.decide(point, reason)
        return Decision(decided.action, reason, figures=figures)

    def _inputs(self) -> NDArray[np.float64]:
        return self._in_cube(self.actions)

    def _unit(self, pending: Sequence[Decision]) -> NDArray[np.float64]:
        assert isinstance(self.options, Box)
        return self._in_cube(np.array([np.ravel(d.action) for d in pending]).reshape(-1, self.options.axes))

    def _in_cube(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        assert isinstance(self.options, Box)
        span = np.where(self.options.high > self.options.low, self.options.high - self.options.low, 1.0)
        return np.clip((actions - self.options.low) / span, 0.0, 1.0)


def _believing(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], given: Hyperparameters, ahead: NDArray[np.float64]
) -> Any:
    """The model, points that are still `ahead` taken to bring what it expects."""
    model = quick_model(inputs, targets, given)
    if not len(ahead):
        return model
    believed = _moments(model, ahead)[0]
    return quick_model(np.vstack([inputs, ahead]), np.append(targets, believed), given)


@contextmanager
def _rounding_allowed() -> Iterator[None]:
    """At a measured point a line search may round to no progress; BoTorch then starts again, and warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimization failed in", RuntimeWarning)
        yield


def _moments(model: Any, at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation, without noise, at inputs [n, d]."""
    import torch

    with torch.no_grad():
        posterior = model.posterior(torch.from_numpy(at)[:, None, :])
        mean: torch.Tensor = posterior.mean[:, 0, 0]
        return mean.numpy(), posterior.variance[:, 0, 0].sqrt().numpy()
