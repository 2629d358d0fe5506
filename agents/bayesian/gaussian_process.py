"""Plain Bayesian optimisation with a Gaussian process over the candidates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior, NoiseFactors
from agents.bayesian.candidate_search import CandidateSearch, Initial, highest_of, open_rows
from agents.bayesian.checked import must_be_one_of, must_be_told
from agents.bayesian.features import Kind, features
from agents.bayesian.hyperparameters import (
    NOISE,
    Hyperparameters,
    LogNormal,
    known_noise_variance,
    prior_medians,
)
from agents.bayesian.local_rates import local_rates
from agents.bayesian.noise import Noise, fit_with_noise, noise_factors
from agents.bayesian.spending import Unit, foreseen
from agents.bayesian.surrogate import location_and_scale, one_thread, standardised
from agents.bayesian.terms import Terms
from agents.bayesian.thinning import MOST, conditioned_on, spread_over
from agents.bayesian.worth import DIVISIBLE, Choice, Situation, weighed, worth
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem, Transition
from physics_priors.bounds import ANY, Bounds

if TYPE_CHECKING:
    import torch

_SCORING_S = 0.05
"""Time set aside for scoring the candidates before it was ever measured [s]."""

_MOST_FITTED = 2000
"""Values that hyper-parameters are fitted to: of more, so many spread evenly over the steps."""


class GaussianProcess(CandidateSearch):
    """Measures points that are spread out first, then the candidate that a Gaussian process of all accepted values
    makes most of.

    Until there are `seeds` values to learn from, and two at the least, the points are Sobol's; where `initial` is
    spread, every second of them is the candidate least like those measured, farthest from the nearest of them in the
    model's inputs. auto spreads where the model sees patches.

    Every `refit_every` steps the hyper-parameters are fitted anew, from the prior medians or from the last fit. Values
    that are NaN or not accepted are not learned from. Pending decisions are taken to bring what the model expects: the
    mean stays, the variance around them shrinks, and they are not chosen again. The improvement is over the highest
    posterior mean of the measured candidates, which noise moves less than the highest value. `acquisition` among the
    figures is in units of the standardised values.

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
        acquisition: Choice = "log_expected_improvement",
        features: Kind = "auto",
        patch_pixels: Annotated[int, Bounds("pixels", 1, 255)] = 5,
        components: Annotated[int, Bounds("components", 1, 16)] = 3,
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 1, 10_000)] = 5,
        refit_every: Annotated[int, Bounds("steps", 1, 10_000)] = 1,
        test_points: Annotated[int, Bounds("candidates", 1, 4096)] = 256,
        images: Sequence[str] = (),
        initial: Initial = "auto",
        cache_MiB: Annotated[int, Bounds("MiB", 1, 1_000_000)] = 512,
        level: Annotated[float, ANY] | None = None,
        cost_aware: Unit = "none",
        feasibility: bool = False,
        noise: Noise = "equal",
        noise_std: Annotated[float, Bounds("", 0.0, open_low=True)] | None = None,
    ) -> None:
        """`noise_std` is the standard deviation of a measurement, in the value's unit, where repeats have told it.

        Nothing is rewritten: an unknown name or an even `patch_pixels` raises ValueError, and so do a level that
        no level_set asks for, and a cost or a chance for an acquisition that cannot be weighed with one.
        """
        must_be_one_of("acquisition", acquisition, Choice)
        must_be_one_of("cost_aware", cost_aware, Unit)
        must_be_one_of("noise", noise, Noise)
        must_be_told(noise_std)
        if level is not None and acquisition != "level_set":
            raise ValueError(f"level={level:g} is for acquisition=level_set, not for {acquisition}")
        if acquisition not in DIVISIBLE and (feasibility or cost_aware != "none"):
            what = "feasibility" if feasibility else f"cost_aware={cost_aware}"
            raise ValueError(f"{what} weighs a gain, and {acquisition} is none: choose one of {', '.join(DIVISIBLE)}")
        super().__init__(
            acquisition,
            features,
            patch_pixels,
            components,
            beta,
            seeds,
            refit_every,
            test_points,
            images,
            initial,
            cache_MiB,
        )
        self.level = level
        self.cost_aware, self.feasibility, self.noise, self.noise_std = cost_aware, feasibility, noise, noise_std

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        assert isinstance(self.options, Options)
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components, self.images)
        self._model = CandidatePosterior(
            self._features.inputs,
            self._features.names,
            cache_bytes=self.cache_MiB * 2**20,
            seed=self.seed,
            tested=self.tested(),
        )
        if self.cost_aware != "none" and problem.positions_nm is None:
            raise AgentError("this task's candidates have no position: use cost_aware=none")
        self._spent = np.zeros(0)
        self._kept = None
        self._forget_fits()

    def tell(self, transition: Transition) -> None:
        if self._refit_due and (self.refit_every > 1 or self._late):
            with one_thread():
                self._kept = (self.told, self._fitted(None) or self._last)
        self._late = False
        super().tell(transition)
        self._spent = np.append(
            self._spent, {"seconds": transition.seconds, "electrons": transition.electrons}.get(self.cost_aware, 0.0)
        )

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        started = time.monotonic()
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        if not self.ready:
            return self.first_point(free, pending)
        with one_thread():
            left = None if deadline_s is None else deadline_s - self._scoring_s - (time.monotonic() - started)
            given = self._hyperparameters(left)
            fitted = time.monotonic()
            ahead = np.array([self.options.index(decision) for decision in pending], dtype=np.int64)
            decision = self._best(free, self._following(given or self._last), ahead, late=given is None)
            self._scoring_s = time.monotonic() - fitted
        return decision

    @property
    def kept_bytes(self) -> int:
        """Memory that the posterior holds."""
        return self._model.kept_bytes

    def predict(self) -> Prediction | None:
        if not self.ready:
            return None
        with one_thread():
            return self.predicted(self._following(self._hyperparameters(None) or self._last))

    def state(self) -> dict[str, Any]:
        kept = None if self._kept is None else {"at": self._kept[0], **self._kept[1].plain()}
        return {**super().state(), "kept": kept, "spent": self._spent.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        if not {"kept", "spent"} <= state.keys():
            raise AgentError("this state is of an older version of the Gaussian process: start anew")
        kept = state["kept"]
        self._kept = None if kept is None else (int(kept["at"]), self._own(Hyperparameters.from_plain(kept)))
        self._spent = np.array(state["spent"], dtype=np.float64)
        self._forget_fits()

    # The model

    @property
    def _refit_due(self) -> bool:
        return self.ready and (self._kept is None or self.told - self._kept[0] >= self.refit_every)

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
        if self._memo is not None and self._memo[0] == self.told:
            return self._memo[1]
        found = None
        if timeout_s is None or timeout_s > 0:
            taken, values = self.learned_from()
            some = spread_over(len(taken), _MOST_FITTED)
            taken, values = taken[some], values[some]
            inputs, names = self._features.inputs[taken], self._features.names
            believed = self._noise_believed(values)
            found = fit_with_noise(self.noise, inputs, standardised(values), names, timeout_s, believed, self._before)
            if found is not None and found.excess is not None:
                excess = np.full(self.told, np.nan)
                excess[np.flatnonzero(self.usable)[some]] = found.excess
                found = replace(found, excess=excess)
        self._late = found is None and timeout_s is not None
        if not self._late:
            self._memo = (self.told, found)
        return found

    @property
    def _before(self) -> Hyperparameters | None:
        """What a fit may start from; nothing where all are fitted anew, for what is kept then came of a deadline."""
        return self._kept[1] if self._kept is not None and self.refit_every > 1 else None

    def _noise_believed(self, values: NDArray[np.float64]) -> LogNormal:
        """Prior of the noise's variance, in units of the standardised values."""
        return NOISE if self.noise_std is None else known_noise_variance(self.noise_std / location_and_scale(values)[1])

    def _following(self, given: Hyperparameters) -> CandidatePosterior:
        """The model with all that was told; what was known when its hyper-parameters were fitted goes in at once."""
        at = self.told if self._kept is None or given is not self._kept[1] else self._kept[0]
        taken, values = self.learned_from()
        some, block = conditioned_on(max(1, int(self.usable[:at].sum())), len(taken), MOST)
        return self._model.follow(taken[some], values[some], block, given, self._noise_factors(given, some))

    def _noise_factors(self, given: Hyperparameters, some: NDArray[np.int64]) -> NoiseFactors | None:
        """Of the usable values `some` [m], and of coming ones; None where all noise is equal."""
        if given.excess is None:
            return None
        told, inputs, names = self.taken, self._features.inputs, self._features.names
        factors = noise_factors(self.noise, given.excess, told, self.usable, inputs, names)
        return replace(factors, told=factors.told[some])

    # The decision

    def _best(
        self, free: NDArray[np.int64], model: CandidatePosterior, ahead: NDArray[np.int64], late: bool
    ) -> Decision:
        rows, terms = open_rows(model, free), self._terms(model, ahead)
        scores = self._scores(model, ahead, rows, terms).numpy()
        row = highest_of(scores, rows)
        figures, also = terms.told(row)
        if late:
            figures["fallback"] = 1.0
            also += "; with the last hyper-parameters, for their fit failed or would have missed the deadline"
        return self.decided(model, row, float(scores[row]), ahead, self._model_figures(model), figures, also)

    def _scores(
        self, model: CandidatePosterior, ahead: NDArray[np.int64], free: NDArray[np.int64], terms: Terms
    ) -> torch.Tensor:
        """What a measurement is worth at each candidate seen, `free` [m] of which may be chosen."""
        taken, values = self.learned_from()
        level = None if self.level is None else (self._sign * self.level - model.location) / model.scale
        rng = np.random.default_rng([self.seed, self.told + len(ahead), 0xD4A3])
        values = (values - model.location) / model.scale
        now = Situation(model, taken, values, ahead, free, rng, self.beta, level)
        return weighed(self.acquisition, worth(self.acquisition, now), terms.chance, terms.cost)

    def _terms(self, model: CandidatePosterior, ahead: NDArray[np.int64]) -> Terms:
        chance = cost = None
        if self.feasibility:
            inputs, names = self._features.inputs, self._features.names
            chance = local_rates("chance", self.taken, self.usable.astype(np.float64), inputs, names)[model.seen]
        if self.cost_aware != "none":
            assert self.problem.positions_nm is not None
            cost = foreseen(self.cost_aware, self._spent, self.taken, self.problem.positions_nm, ahead)[model.seen]
        return Terms(chance, cost, self.cost_aware)

    def _model_figures(self, model: CandidatePosterior) -> dict[str, float]:
        lengthscales = {
            f"lengthscale_{name}": float(value)
            for name, value in zip(self._features.names, model.given.lengthscales, strict=True)
        }
        return {"noise": model.scale * model.given.noise**0.5, **lengthscales}
