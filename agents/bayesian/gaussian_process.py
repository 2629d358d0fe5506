"""Plain Bayesian optimisation with a Gaussian process over the candidates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.acquisition import (
    Acquisition,
    integrated_variance,
    log_expected_improvement,
    upper_confidence_bound,
)
from agents.bayesian.features import Kind, features
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.surrogate import Posterior, one_thread, standardised
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem, Transition
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

if TYPE_CHECKING:
    import torch

_SCORING_S = 0.05
"""Time set aside for scoring the candidates before it was ever measured [s]."""

Initial = Literal["auto", "sobol", "spread"]

_WORDS = {
    "log_expected_improvement": "highest log expected improvement",
    "upper_confidence_bound": "highest upper confidence bound",
    "integrated_variance": "takes most variance off the whole map",
}


def _must_be_one_of(name: str, value: str, allowed: Any) -> None:
    if value not in get_args(allowed):
        raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}, got {value!r}")


class GaussianProcess(Remembering):
    """Measures points that are spread out first, then the candidate that a Gaussian process of all accepted values
    makes most of.

    Until there are `seeds` values to learn from, and two at the least, the points are Sobol's; where `initial` is
    spread, every second of them is the candidate least like those measured, farthest from the nearest of them in the
    model's inputs. auto spreads where the model sees patches.

    Every `refit_every` steps the hyper-parameters are fitted anew, from the prior medians. Values that are NaN or not
    accepted are not learned from. Pending decisions are taken to bring what the model expects: the mean stays, the
    variance around them shrinks, and they are not chosen again. The improvement is over the highest posterior mean
    of the measured candidates, which noise moves less than the highest value. `acquisition` among the figures is in
    units of the standardised values.

    deadline_s holds for the fit: one that does not end in time is dropped for this decision, which then uses the last
    hyper-parameters, says so and carries the figure `fallback` = 1; `tell` makes up for it. Only such a decision
    depends on the clock; all others follow from what was told, the seed and the step alone.
    """

    _kept: tuple[int, Hyperparameters] | None
    """Hyper-parameters kept for later steps, and how many transitions had been told when they were fitted."""
    _memo: tuple[int, Hyperparameters | None] | None
    """The last fit, and what it was a fit of: saves repeating it, changes nothing."""
    _late: bool
    """Whether the fit that is due missed the deadline."""
    _scoring_s: float

    def __init__(
        self,
        acquisition: Acquisition = "log_expected_improvement",
        features: Kind = "auto",
        patch_pixels: Annotated[int, Bounds("pixels", 1, 255)] = 5,
        components: Annotated[int, Bounds("components", 1, 16)] = 3,
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 1, 10_000)] = 5,
        refit_every: Annotated[int, Bounds("steps", 1, 10_000)] = 1,
        test_points: Annotated[int, Bounds("candidates", 1, 4096)] = 256,
        images: Sequence[str] = (),
        initial: Initial = "auto",
    ) -> None:
        """Nothing is rewritten: an unknown name or an even `patch_pixels` raises ValueError."""
        _must_be_one_of("acquisition", acquisition, Acquisition)
        _must_be_one_of("features", features, Kind)
        _must_be_one_of("initial", initial, Initial)
        if patch_pixels % 2 == 0:
            raise ValueError(f"patch_pixels must be odd, so that a patch has a centre, got {patch_pixels}")
        if min(patch_pixels, components, seeds, refit_every, test_points) < 1 or beta < 0:
            raise ValueError("patch_pixels, components, seeds, refit_every and test_points start at 1, beta at 0")
        self.acquisition, self.features, self.beta = acquisition, features, beta
        self.patch_pixels, self.components, self.images = patch_pixels, components, tuple(images)
        self.seeds, self.refit_every, self.test_points, self.initial = seeds, refit_every, test_points, initial

    def begin(self, problem: Problem, seed: int) -> None:
        import botorch  # noqa: F401  # paid here, not within the deadline of the first decision

        super().begin(problem, seed)
        if not isinstance(self.options, Options) or self.options.discrete:
            raise AgentError("a Gaussian process chooses among candidates that lie somewhere, and this task lists none")
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components, self.images)
        rng = np.random.default_rng([self.seed, 0x7E57])
        count = min(self.test_points, len(self.options))
        self._tested = np.sort(rng.choice(len(self.options), count, replace=False))
        self._kept = None
        self._forget_fits()

    def tell(self, transition: Transition) -> None:
        if self._refit_due and (self.refit_every > 1 or self._late):
            with one_thread():
                self._kept = (self.told, self._fitted(None) or self._last)
        self._late = False
        super().tell(transition)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        started = time.monotonic()
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        if not self._ready:
            return self._seed_point(free, pending)
        with one_thread():
            left = None if deadline_s is None else deadline_s - self._scoring_s - (time.monotonic() - started)
            given = self._hyperparameters(left)
            fitted = time.monotonic()
            ahead = self._features.inputs[[self.options.index(decision) for decision in pending]]
            decision = self._best(free, self._posterior(given or self._last, ahead), late=given is None)
            self._scoring_s = time.monotonic() - fitted
        return decision

    def predict(self) -> Prediction | None:
        if not self._ready:
            return None
        with one_thread():
            posterior = self._posterior(self._hyperparameters(None) or self._last)
            mean, variance = posterior.marginal(self._features.inputs)
        location, scale = posterior.location, posterior.scale
        return Prediction(location + scale * mean.numpy(), scale * np.sqrt(variance.numpy()))

    def state(self) -> dict[str, Any]:
        kept = None if self._kept is None else {"at": self._kept[0], **self._kept[1].plain()}
        return {**super().state(), "kept": kept}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        kept = state["kept"]
        self._kept = None if kept is None else (int(kept["at"]), self._own(Hyperparameters.from_plain(kept)))
        self._forget_fits()

    # The model

    @property
    def _ready(self) -> bool:
        return int(self.usable.sum()) >= max(self.seeds, 2)

    @property
    def _refit_due(self) -> bool:
        return self._ready and (self._kept is None or self.told - self._kept[0] >= self.refit_every)

    @property
    def _last(self) -> Hyperparameters:
        return self._kept[1] if self._kept is not None else prior_medians(self._features.names)

    def _own(self, given: Hyperparameters) -> Hyperparameters:
        if not given.suits(self._features.names):
            raise AgentError(
                "this state is of a Gaussian process with other inputs, or of an older version: start anew"
            )
        return given

    def _forget_fits(self) -> None:
        self._memo = None
        self._late, self._scoring_s = False, _SCORING_S

    def _hyperparameters(self, timeout_s: float | None) -> Hyperparameters | None:
        """Those due now; None where a fit is due that failed or does not end within the time left."""
        return self._fitted(timeout_s) if self._refit_due else self._last

    def _fitted(self, timeout_s: float | None) -> Hyperparameters | None:
        """The fit to all that was told, done once; a fit cut short is not kept."""
        from agents.bayesian.fitting import fit

        if self._memo is not None and self._memo[0] == self.told:
            return self._memo[1]
        found = None
        if timeout_s is None or timeout_s > 0:
            inputs, values = self._data()
            found = fit(inputs, standardised(values), self._features.names, timeout_s)
        self._late = found is None and timeout_s is not None
        if not self._late:
            self._memo = (self.told, found)
        return found

    def _data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._features.inputs[self.taken[self.usable]], self.values[self.usable]

    def _posterior(self, given: Hyperparameters, pending: NDArray[np.float64] | None = None) -> Posterior:
        return Posterior(*self._data(), self._features.names, given, pending)

    # The decision

    def _seed_point(self, free: NDArray[np.int64], pending: Sequence[Decision]) -> Decision:
        assert isinstance(self.options, Options)
        number = self.told + len(pending)
        of = f"{number + 1} of {self.seeds}" if number < self.seeds else f"{number + 1}"
        reason = f"point {of} before the first model ({self._features.label})"
        if self._spreads and number % 2:
            known = [*self.taken, *(self.options.index(decision) for decision in pending)]
            return self.options.decide(self._least_alike(free, known), f"least like those measured: {reason}")
        point = sobol_point(self.options.axes, self.seed, number // 2 if self._spreads else number)
        return self.options.decide(self.options.nearest(point, free), f"Sobol {reason}")

    @property
    def _spreads(self) -> bool:
        return self.initial == "spread" or (self.initial == "auto" and self._features.sees_patches)

    def _least_alike(self, free: NDArray[np.int64], known: Sequence[int]) -> int:
        """The option of `free` farthest, in the model's inputs, from the nearest of `known`."""
        inputs = self._features.inputs
        squares = np.full(len(free), np.inf)
        for row in known:
            squares = np.minimum(squares, np.sum((inputs[free] - inputs[row]) ** 2, axis=1))
        return int(free[np.argmax(squares)])

    def _best(self, free: NDArray[np.int64], posterior: Posterior, late: bool) -> Decision:
        assert isinstance(self.options, Options)
        mean, variance = posterior.marginal(self._features.inputs[free])
        scores = self._scores(posterior, free, mean, variance).numpy()
        row = int(np.argmax(scores))
        predicted = posterior.location + posterior.scale * float(mean[row])
        spread = posterior.scale * float(variance[row]) ** 0.5
        figures = {
            "mean": predicted,
            "std": spread,
            "acquisition": float(scores[row]),
            **self._model_figures(posterior),
        }
        reason = self._reason(predicted, spread)
        if late:
            figures["fallback"] = 1.0
            reason += "; with the last hyper-parameters, for their fit failed or would have missed the deadline"
        return self.options.decide(int(free[row]), reason, figures)

    def _scores(
        self, posterior: Posterior, free: NDArray[np.int64], mean: torch.Tensor, variance: torch.Tensor
    ) -> torch.Tensor:
        if self.acquisition == "integrated_variance":
            inputs = self._features.inputs
            return integrated_variance(posterior, inputs[free], inputs[self._tested])
        if self.acquisition == "upper_confidence_bound":
            return upper_confidence_bound(mean, variance, self.beta)
        best = float(posterior.marginal(self._data()[0])[0].max())
        return log_expected_improvement(mean, variance, best)

    def _model_figures(self, posterior: Posterior) -> dict[str, float]:
        lengthscales = {
            f"lengthscale_{name}": float(value)
            for name, value in zip(self._features.names, posterior.given.lengthscales, strict=True)
        }
        return {"noise": posterior.scale * posterior.given.noise**0.5, **lengthscales}

    def _reason(self, predicted: float, spread: float) -> str:
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        best = float(self.values[self.usable].max())
        return (
            f"{_WORDS[self.acquisition]} ({self._features.label}): predicted {predicted:.3g} ± {spread:.2g}{unit}, "
            f"best so far {best:.3g}{unit}"
        )
