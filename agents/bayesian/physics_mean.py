"""Bayesian optimisation with a physics prior for the mean, and a guard that takes its say away where it is wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.acquisition import Acquisition
from agents.bayesian.candidate_search import drawn_to_test, least_alike
from agents.bayesian.checked import must_be_one_of, must_have_a_centre
from agents.bayesian.coordinates import Coordinates, places_of_law
from agents.bayesian.features import Kind, features
from agents.bayesian.physics_mean_belief import Data, Predicting, Rival, averaged, believed
from agents.bayesian.physics_mean_fit import Floats, LateError, MeanFunction, Rows
from agents.bayesian.surrogate import location_and_scale
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.laws.law import Law

_LEAST_SHARE = 0.01
"""A law with less say is set aside, and the decision is that of the plain Gaussian process."""


class PhysicsGaussianProcess(Remembering):
    """A Gaussian process around a law whose parameters are inferred with it, beside a plain one.

    The two are averaged by their evidence (`trust` is the law's probability beforehand): a law that predicts worse than
    none loses its say, and below one percent is set aside, which the decision then says (figure `prior_set_aside`).
    Each decision names the law's say (`prior_share`) and what it alone predicts (`prior_mean`). `coordinates` says what
    the law takes for x: the action as it is, or the position [nm]. Until there are `seeds` values the points are
    Sobol's. Parameters are inferred anew at every `refit_every`-th step; later values are conditioned on. Where that
    misses deadline_s, the point is the one farthest from those measured, and the decision says so.
    Costs grow with the cube of the values told: meant for a few hundred, among up to 20000 candidates.
    """

    def __init__(
        self,
        prior: Law,
        coordinates: Coordinates = "action",
        trust: Annotated[float, Bounds("", 0.001, 0.999)] = 0.5,
        acquisition: Acquisition = "log_expected_improvement",
        features: Kind = "position",
        patch_pixels: Annotated[int, Bounds("pixels", 1, 255)] = 5,
        components: Annotated[int, Bounds("components", 1, 16)] = 3,
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 2, 10_000)] = 5,
        refit_every: Annotated[int, Bounds("steps", 1, 10_000)] = 1,
        test_points: Annotated[int, Bounds("candidates", 1, 4096)] = 256,
    ) -> None:
        """Raises ValueError on an unknown word, a number out of its bounds, or a trust that leaves nothing to learn."""
        must_be_one_of("acquisition", acquisition, Acquisition)
        must_be_one_of("features", features, Kind)
        must_be_one_of("coordinates", coordinates, Coordinates)
        must_have_a_centre(patch_pixels)
        if min(components, seeds - 1, refit_every, test_points) < 1 or beta < 0:
            raise ValueError("components, refit_every and test_points start at 1, seeds at 2, beta at 0")
        if not 0.0 < trust < 1.0:
            raise ValueError(f"trust is a probability above 0 and below 1, got {trust!r}")
        self.prior, self.coordinates, self.trust, self.acquisition = prior, coordinates, trust, acquisition
        self.features, self.patch_pixels, self.components = features, patch_pixels, components
        self.beta, self.seeds, self.refit_every, self.test_points = beta, seeds, refit_every, test_points

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        x = places_of_law(problem, self.options, self.coordinates)
        assert isinstance(self.options, Options)
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components)
        self._sign = -1.0 if problem.objective == "minimise" else 1.0
        self._mean = MeanFunction(self.prior, x, self._sign)
        missing = int(np.count_nonzero(~np.isfinite(self._mean.at(np.zeros((1, self._mean.count)), np.arange(len(x))))))
        if missing:
            raise AgentError(f"{self.prior.name!r} has no value at {missing} of {len(x)} candidates: check coordinates")
        self._tested = drawn_to_test(self.seed, self.test_points, len(self.options))
        self._held: tuple[tuple[int, bytes], list[Rival]] | None = None

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        ends = math.inf if deadline_s is None else time.monotonic() + deadline_s
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        number = self.told + len(pending)
        if not self._ready:
            point = self.options.nearest(sobol_point(self.options.axes, self.seed, number), free)
            return self.options.decide(point, f"Sobol point {number + 1} before the first model")
        try:
            rivals = self._rivals(ends)
        except LateError:
            return self._late(free)
        ahead = np.array([self.options.index(decision) for decision in pending], dtype=np.int64)
        return self._best(rivals, free, ahead)

    def predict(self) -> Prediction | None:
        if not self._ready:
            return None
        assert isinstance(self.options, Options)
        mean, variance = averaged(self._models(self._rivals()), np.arange(len(self.options)))
        return Prediction(self._sign * mean, np.sqrt(variance))

    def beliefs(self) -> Mapping[str, Any]:
        """The law's say and, at its most probable mode, names, values and 95 % intervals of its parameters."""
        with_law = [rival for rival in self._rivals() if rival.mean is not None] if self._ready else []
        if not with_law:
            return {}
        chosen = max(with_law, key=lambda rival: rival.share)
        model = Predicting(self._data(), chosen)
        rng = np.random.default_rng([self.seed, 0xB1])
        theta = self._mean.theta(rng.multivariate_normal(chosen.mode.z, model.around, 1000))
        said = {"parameters": list(self.prior.parameters.names), "mean": self._mean.theta(chosen.mode.z)}
        said["interval"] = np.quantile(theta, [0.025, 0.975], axis=0)
        return {"prior": self.prior.name, "prior_share": _prior_share(with_law), self.prior.name: said}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._held = None

    @property
    def _ready(self) -> bool:
        return int(self.usable.sum()) >= self.seeds

    def _rivals(self, ends: float = math.inf) -> list[Rival]:
        """Inferred from what was told by the last step at which that is due; a function of that and the seed."""
        at = self.told - self.told % self.refit_every
        at = at if int(self.usable[:at].sum()) >= self.seeds else self.told
        key = (at, self.usable[:at].tobytes())
        if self._held is None or self._held[0] != key:
            rng = np.random.default_rng([self.seed, at, 0x1A])
            before = np.array([self.trust, 1.0 - self.trust])
            self._held = (key, believed(self._data(at), (self._mean, None), before, rng, ends))
        return self._held[1]

    def _data(self, at: int | None = None) -> Data:
        """What may be learned from of the first `at` values, of all without it."""
        usable = self.usable[:at]
        values = self._sign * self.values[:at][usable]
        location, scale = location_and_scale(values)
        return Data(self._features.inputs, self._features.names, self.taken[:at][usable], values, location, scale)

    def _models(self, rivals: Sequence[Rival]) -> list[Predicting]:
        """Those that have anything to say; without the law where it is set aside."""
        aside = _prior_share(rivals) < _LEAST_SHARE
        kept = [rival for rival in rivals if not (aside and rival.mean is not None)]
        total = sum(rival.share for rival in kept)
        data = self._data()
        return [Predicting(data, Rival(r.mean, r.mode, r.share / total)) for r in kept if r.share > 1e-6 * total]

    def _late(self, free: Rows) -> Decision:
        """The open option farthest from those measured: what needs no model."""
        assert isinstance(self.options, Options)
        chosen = least_alike(self._features.inputs, free, self.taken)
        reason = "farthest from what was measured, for the inference of the prior would have missed the deadline"
        return self.options.decide(chosen, reason, {"fallback": 1.0})

    def _best(self, rivals: Sequence[Rival], free: Rows, ahead: NDArray[np.int64]) -> Decision:
        assert isinstance(self.options, Options)
        models = self._models(rivals)
        best = float(averaged(models, self._data().rows)[0].max())
        models = [model.ahead(ahead) for model in models]
        scores = self._worth(models, free, best)
        scores = np.where(np.isnan(scores), -np.inf, scores)  # places where the fitted law has no value
        row = int(np.argmax(scores))
        chosen = free[[row]]
        mean, variance = averaged(models, chosen)
        predicted, spread, share = self._sign * float(mean[0]), float(variance[0]) ** 0.5, _prior_share(rivals)
        noise = math.sqrt(sum(model.share * model.noise for model in models))
        figures = {"mean": predicted, "std": spread, "acquisition": float(scores[row]), "prior_share": share}
        figures["noise"] = noise
        laws = [model for model in models if model.has_law]
        if laws:
            alone = sum(m.share * float(m.law_at(chosen)[0]) for m in laws) / sum(m.share for m in laws)
            figures["prior_mean"] = self._sign * alone
            say = f"{self.prior.name!r} has {share:.0%} of the say"
        else:
            figures["prior_set_aside"] = 1.0
            fitted = any(rival.mean is not None for rival in rivals)
            say = f"{self.prior.name!r} {'predicts worse than no law' if fitted else 'fits nowhere'} and is set aside"
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        words = self.acquisition.replace("_", " ")
        reason = f"highest {words}: predicted {predicted:.3g} ± {spread:.2g}{unit}; {say}"
        return self.options.decide(int(chosen[0]), reason, figures)

    def _worth(self, models: Sequence[Predicting], free: Rows, best: float) -> Floats:
        """What a measurement is worth at each of `free`, averaged over the models."""
        if self.acquisition == "upper_confidence_bound":
            mean, variance = averaged(models, free)
            return np.asarray(mean + np.sqrt(self.beta * variance))
        if self.acquisition == "integrated_variance":
            return np.asarray(sum(m.share * self._gain(m, free) for m in models))
        from scipy.special import logsumexp

        scale = self._data().scale
        logs = [math.log(m.share) + _log_improvement(*m.at(free), best, scale) for m in models]
        return np.asarray(logsumexp(np.array(logs), axis=0))

    def _gain(self, model: Predicting, free: Rows) -> Floats:
        """By how much a measurement of each lowers the mean variance of the tested candidates."""
        return np.asarray(np.square(model.between(self._tested, free)).mean(0) / (model.at(free)[1] + model.noise))


def _log_improvement(mean: Floats, variance: Floats, best: float, scale: float) -> Floats:
    """Log of the improvement to expect, in standard deviations `scale` of the values."""
    import torch

    from agents.bayesian.acquisition import log_expected_improvement

    over, spread = torch.from_numpy((mean - best) / scale), torch.from_numpy(variance / scale**2)
    return log_expected_improvement(over, spread, 0.0).numpy()


def _prior_share(rivals: Sequence[Rival]) -> float:
    return sum(rival.share for rival in rivals if rival.mean is not None)
