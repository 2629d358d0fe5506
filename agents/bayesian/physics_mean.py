"""Bayesian optimisation with a physics prior for the mean, and a guard that takes its say away where it is wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.bayesian.features import Kind, features
from agents.bayesian.physics_mean_belief import Data, Predicting, Rival, averaged, believed
from agents.bayesian.physics_mean_fit import Floats, LateError, MeanFunction, Rows
from agents.bayesian.surrogate import location_and_scale
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.laws.law import Law

Coordinates = Literal["action", "position"]
Acquisition = Literal["log_expected_improvement", "upper_confidence_bound", "integrated_variance"]
_LEAST_SHARE, _MOST = 0.01, 20_000
"""A law with less say is set aside, and the decision is that of the plain Gaussian process; most candidates."""


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
        """Raises ValueError on an unknown word, or a trust that leaves nothing to learn."""
        words = (("acquisition", acquisition, Acquisition), ("features", features, Kind))
        for name, value, allowed in (*words, ("coordinates", coordinates, Coordinates)):
            if value not in get_args(allowed):
                raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}, got {value!r}")
        if not 0.0 < trust < 1.0:
            raise ValueError(f"trust is a probability above 0 and below 1, got {trust!r}")
        self.prior, self.coordinates, self.trust, self.acquisition = prior, coordinates, trust, acquisition
        self.features, self.patch_pixels, self.components = features, patch_pixels, components
        self.beta, self.seeds, self.refit_every, self.test_points = beta, seeds, refit_every, test_points

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if not isinstance(self.options, Options) or self.options.discrete:
            raise AgentError("a prior is evaluated at candidates that lie somewhere, and this task lists none")
        if len(self.options) > _MOST:
            raise AgentError(f"{len(self.options)} candidates are more than {_MOST}: use agent=gaussian_process")
        if self.coordinates == "position" and problem.positions_nm is None:
            raise AgentError("this task's candidates have no position: use coordinates=action")
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components)
        x = problem.positions_nm if self.coordinates == "position" else self.options.actions
        self._sign = -1.0 if problem.objective == "minimise" else 1.0
        self._mean = MeanFunction(self.prior, np.asarray(x, dtype=np.float64), self._sign)
        rng = np.random.default_rng([self.seed, 0x7E57])
        count = min(self.test_points, len(self.options))
        self._tested = np.sort(rng.choice(len(self.options), count, replace=False))
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
        inputs = self._features.inputs
        away = np.square(inputs[free][:, None] - inputs[self.taken][None]).sum(-1).min(1)
        reason = "farthest from what was measured, for the inference of the prior would have missed the deadline"
        return self.options.decide(int(free[np.argmax(away)]), reason, {"fallback": 1.0})

    def _best(self, rivals: Sequence[Rival], free: Rows, ahead: NDArray[np.int64]) -> Decision:
        assert isinstance(self.options, Options)
        models = self._models(rivals)
        best = float(averaged(models, self._data().rows)[0].max())
        models = [model.ahead(ahead) for model in models]
        scores = self._worth(models, free, best)
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
            say = f"{self.prior.name!r} predicts worse than no law and is set aside"
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

        logs = [math.log(m.share) + _log_improvement(*m.at(free), best) for m in models]
        return np.asarray(logsumexp(np.array(logs), axis=0))

    def _gain(self, model: Predicting, free: Rows) -> Floats:
        """By how much a measurement of each lowers the mean variance of the tested candidates."""
        return np.asarray(np.square(model.between(self._tested, free)).mean(0) / (model.at(free)[1] + model.noise))


def _log_improvement(mean: Floats, variance: Floats, best: float) -> Floats:
    import torch

    from agents.bayesian.acquisition import log_expected_improvement

    return log_expected_improvement(torch.from_numpy(mean), torch.from_numpy(variance), best).numpy()


def _prior_share(rivals: Sequence[Rival]) -> float:
    return sum(rival.share for rival in rivals if rival.mean is not None)
