"""Bayesian optimisation with a physics prior for the mean, and a guard that takes its say away where it is wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from agents.baselines.sobol import sobol_point
from agents.bayesian.acquisition import Acquisition
from agents.bayesian.candidate_search import drawn_to_test, least_alike
from agents.bayesian.checked import must_be_one_of, must_be_told, must_have_a_centre
from agents.bayesian.coordinates import Coordinates, places_of_law
from agents.bayesian.features import Kind, features
from agents.bayesian.hyperparameters import known_noise
from agents.bayesian.physics_mean_belief import Belief, Members, Mixture, Rival, draws_for
from agents.bayesian.physics_mean_hypothesis import NOISE, Floats, Hypothesis, MeanFunction, Rows, Space, unit_of
from agents.bayesian.physics_mean_sampling import LateError
from agents.bayesian.surrogate import location_and_scale
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.laws import Law, Pair

_LEAST_SHARE = 0.01
"""A law with less say is set aside, and the decision is that of the plain Gaussian process."""
_NO_SHARE = 1e-6
_CHUNK = 2048
"""Candidates that are worked on at a time."""


class PhysicsGaussianProcess(Remembering):
    """A Gaussian process around a law whose parameters are inferred with it, beside a plain one.

    All that is unknown is sampled, and the two are averaged by their evidence (`trust` is the law's probability
    beforehand): a law that predicts worse than none loses its say, and below one percent is set aside, which the
    decision then says (figure `prior_set_aside`). With the probability `second`, a law that holds has another of its
    kind beside it (a mode, a phase): where one was found, the other may lie wherever nothing was measured yet, and is
    looked for there (its say: `second_share`). In the choice of where to measure the plain process has a say of at
    least `doubt`, however well the law predicts (figure `say_in_choice`: what is left to the law), and every
    `doubt_every`-th choice is where a measurement takes most variance off the map of the plain process alone (figure
    `doubting`; 0: none): values from where the law would never look are what can prove it wrong, and once the law's
    own optimum is known there is more to win there. Each decision names the law's say (`prior_share`) and what it
    alone predicts (`prior_mean`). `coordinates` says what the law takes for x: the action as it is, or the position
    [nm]. Until there are `seeds` values the points are Sobol's. Parameters are inferred anew at every `refit_every`-th
    step; later values are conditioned on. Where that misses deadline_s, the point is the one farthest from those
    measured, and the decision says so.
    Costs grow with the cube of the values told: meant for up to two hundred, among up to 20000 candidates.
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
        doubt_every: Annotated[int, Bounds("steps", 0, 10_000)] = 5,
        doubt: Annotated[float, Bounds("", 0.0, 0.999)] = 0.4,
        noise_std: Annotated[float, Bounds("", 0.0, open_low=True)] | None = None,
        second: Annotated[float, Bounds("", 0.0, 0.999)] = 0.5,
    ) -> None:
        """`noise_std` is the standard deviation of a measurement, in the value's unit, where repeats have told it.

        Raises ValueError on an unknown word, a number out of its bounds, or a trust that leaves nothing to learn.
        """
        must_be_one_of("acquisition", acquisition, Acquisition)
        must_be_one_of("features", features, Kind)
        must_be_one_of("coordinates", coordinates, Coordinates)
        must_have_a_centre(patch_pixels)
        must_be_told(noise_std)
        if min(components, seeds - 1, refit_every, test_points, doubt_every + 1) < 1 or beta < 0:
            raise ValueError(
                "components, refit_every and test_points start at 1, seeds at 2, beta and doubt_every at 0"
            )
        if not 0.0 < trust < 1.0:
            raise ValueError(f"trust is a probability above 0 and below 1, got {trust!r}")
        for name, share in (("second", second), ("doubt", doubt)):
            if not 0.0 <= share < 1.0:
                raise ValueError(f"{name} is a probability from 0 to below 1, got {share!r}")
        self.prior, self.coordinates, self.trust, self.acquisition = prior, coordinates, trust, acquisition
        self.second = second
        self.features, self.patch_pixels, self.components = features, patch_pixels, components
        self.beta, self.seeds, self.refit_every, self.test_points = beta, seeds, refit_every, test_points
        self.doubt_every, self.doubt, self.noise_std = doubt_every, doubt, noise_std

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        x = places_of_law(problem, self.options, self.coordinates)
        assert isinstance(self.options, Options)
        self._features = features(problem, self.options, self.features, self.patch_pixels, self.components)
        self._sign = -1.0 if problem.objective == "minimise" else 1.0
        self._mean = MeanFunction(self.prior, x, self._sign)
        self._pair = MeanFunction(Pair(self.prior), x, self._sign)
        missing = int(np.count_nonzero(~np.isfinite(self._mean.at(np.zeros((1, self._mean.count)), np.arange(len(x))))))
        if missing:
            raise AgentError(f"{self.prior.name!r} has no value at {missing} of {len(x)} candidates: check coordinates")
        self._tested = drawn_to_test(self.seed, self.test_points, len(self.options))
        self._expected = self._mean.spread(drawn_to_test(self.seed, _CHUNK, len(self.options)))
        self._held: tuple[bytes, Belief] | None = None

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
        rows = np.arange(len(self.options))
        mixture = self._mixture(self._rivals(), len(rows))
        parts = [mixture.at(rows[some : some + _CHUNK]) for some in range(0, len(rows), _CHUNK)]
        mean, variance = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Prediction(self._sign * mean, np.sqrt(variance))

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats] | None:
        """Central interval of a new measurement, noise included, at every candidate: low and high, [n] each.

        Quantiles of the average over all draws, which need not look like a Gaussian; None before the first model.
        Raises ValueError where `level` is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level is a probability above 0 and below 1, got {level!r}")
        if not self._ready:
            return None
        assert isinstance(self.options, Options)
        rows = np.arange(len(self.options))
        mixture = self._mixture(self._rivals(), len(rows))
        ends = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        low, high = np.concatenate(
            [mixture.quantiles(rows[i : i + _CHUNK], ends) for i in range(0, len(rows), _CHUNK)], 1
        )
        return (low, high) if self._sign > 0 else (-high, -low)

    def beliefs(self) -> Mapping[str, Any]:
        """The law's say, and names, means and 95 % intervals of its parameters: alone, and as one of two."""
        if not self._ready:
            return {}
        rivals = self._rivals()
        of_law = {r.hypothesis.mean.law.name: self._said(r) for r in rivals if r.hypothesis.mean is not None}
        return {"prior": self.prior.name, "prior_share": _share(rivals), **of_law}

    def _said(self, rival: Rival) -> dict[str, Any]:
        mean = rival.hypothesis.mean
        assert mean is not None
        draws = rival.draws.even(1000, np.random.default_rng([self.seed, 0xB1]))
        theta = mean.theta(draws[:, : mean.count])
        said = {"parameters": list(mean.law.parameters.names), "mean": theta.mean(0), "share": rival.share}
        return {**said, "interval": np.quantile(theta, [0.025, 0.975], axis=0)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._held = None

    @property
    def _ready(self) -> bool:
        return int(self.usable.sum()) >= self.seeds

    def _rivals(self, ends: float = math.inf) -> list[Rival]:
        """The law, two of its kind and no law, inferred from what was told by the last step at which that is due.

        A function of that and the seed: values are learned from one step at a time, again from the first one where
        some were rejected since.
        """
        due = [at for at in range(self.told + 1) if self._is_due(at)]
        last = due[-1]
        key = self.usable[:last].tobytes()
        if self._held is None or not key.startswith(self._held[0]) or self._held[1].known == 0:
            self._held = (self.usable[: due[0]].tobytes(), self._begun(due[0]))
        learned, belief = self._held
        for at in due:
            if at > len(learned) or not belief.known:
                belief.learn(*self._learned_from(at), ends)
                self._held = (self.usable[:at].tobytes(), belief)
        return belief.rivals()

    def _is_due(self, at: int) -> bool:
        enough = int(self.usable[:at].sum()) >= self.seeds
        first = enough and int(self.usable[: at - 1].sum()) < self.seeds
        return first or (enough and at % self.refit_every == 0)

    def _begun(self, at: int) -> Belief:
        """What is believed before any value, in units that the first `at` of them bear out."""
        location, scale = location_and_scale(self._learned_from(at)[1])
        unit = unit_of(scale, self._expected)
        noise = NOISE if self.noise_std is None else known_noise(self.noise_std / unit)
        space = Space(self._features.inputs, self._features.names, location, unit, noise)
        means = (self._mean, self._pair, None)
        before = (self.trust * (1.0 - self.second), self.trust * self.second, 1.0 - self.trust)
        held = [(Hypothesis(mean, space), share) for mean, share in zip(means, before, strict=True) if share > 0.0]
        return Belief([hypothesis for hypothesis, _ in held], [share for _, share in held], self.seed)

    def _learned_from(self, at: int) -> tuple[Rows, Floats]:
        """Candidates and values, turned so that the largest is wanted, of the first `at` told."""
        usable = self.usable[:at]
        return self.taken[:at][usable], self._sign * self.values[:at][usable]

    def _mixture(self, rivals: Sequence[Rival], candidates: int) -> Mixture:
        """Of those that have anything to say, given all values."""
        rows, values = self._learned_from(self.told)
        aside = _share(rivals) < _LEAST_SHARE
        kept = [r for r in rivals if r.share > _NO_SHARE and (r.hypothesis.mean is None or not aside)]
        total, rng = sum(rival.share for rival in kept), np.random.default_rng([self.seed, self.told, 0x1B])
        count = draws_for(len(rows), candidates)
        return Mixture([Members(r.hypothesis, r.draws.even(count, rng), r.share / total, rows, values) for r in kept])

    def _doubted(self, rivals: Sequence[Rival], doubt: float) -> list[Rival]:
        """The same, with no more say than 1 - `doubt` left to the law."""
        share = _share(rivals)
        left = min(share, 1.0 - doubt)
        cut = left / share if share > 0.0 else 1.0
        return [replace(r, share=1.0 - left if r.hypothesis.mean is None else cut * r.share) for r in rivals]

    def _late(self, free: Rows) -> Decision:
        """The open option farthest from those measured: what needs no model."""
        assert isinstance(self.options, Options)
        chosen = least_alike(self._features.inputs, free, self.taken)
        reason = "farthest from what was measured, for the inference of the prior would have missed the deadline"
        return self.options.decide(chosen, reason, {"fallback": 1.0})

    def _best(self, rivals: Sequence[Rival], free: Rows, ahead: Rows) -> Decision:
        assert isinstance(self.options, Options)
        mixture = self._mixture(rivals, len(free)).ahead(ahead)
        doubting = self.doubt_every > 0 and (self.told + len(ahead)) % self.doubt_every == 0 and mixture.has_law
        doubted = self._doubted(rivals, 1.0 if doubting else self.doubt)
        sought: Acquisition = "integrated_variance" if doubting else self.acquisition
        scores = self._scores(self._mixture(doubted, len(free)).ahead(ahead), free, sought)
        row = int(np.argmax(scores))
        chosen = free[[row]]
        mean, variance = mixture.at(chosen)
        predicted, spread, share = self._sign * float(mean[0]), float(variance[0]) ** 0.5, _share(rivals)
        figures = {"mean": predicted, "std": spread, "acquisition": float(scores[row]), "prior_share": share}
        figures["noise"] = math.sqrt(mixture.noise)
        if mixture.has_law:
            figures["prior_mean"] = self._sign * float(mixture.law_at(chosen)[0])
            figures["second_share"] = _share(rivals, self._pair)
            figures["say_in_choice"] = left = _share(doubted)
            say = f"{self.prior.name!r} has {share:.0%} of the say"
            say += f", {left:.0%} in this choice" if left < share else ""
            figures |= {"doubting": 1.0} if doubting else {}
        else:
            figures["prior_set_aside"] = 1.0
            say = f"{self.prior.name!r} predicts worse than no law and is set aside"
        unit = f" {self.problem.value_unit}" if self.problem.value_unit else ""
        words = sought.replace("_", " ")
        reason = f"highest {words}: predicted {predicted:.3g} ± {spread:.2g}{unit}; {say}"
        return self.options.decide(int(chosen[0]), reason, figures)

    def _scores(self, mixture: Mixture, free: Rows, sought: Acquisition) -> Floats:
        """What a measurement is worth at each of `free`; nothing where the fitted law has no value."""
        rows, values = self._learned_from(self.told)
        best, scale = float(mixture.at(rows)[0].max()), location_and_scale(values)[1]
        some = [free[start : start + _CHUNK] for start in range(0, len(free), _CHUNK)]
        parts = [self._worth(mixture, rows, sought, best, scale) for rows in some]
        scores = np.concatenate(parts)
        return np.where(np.isnan(scores), -np.inf, scores)

    def _worth(self, mixture: Mixture, free: Rows, sought: Acquisition, best: float, scale: float) -> Floats:
        """What a measurement is worth at each of `free`, averaged over the draws."""
        if sought == "upper_confidence_bound":
            mean, variance = mixture.at(free)
            return np.asarray(mean + np.sqrt(self.beta * variance))
        if sought == "integrated_variance":
            return mixture.gain(self._tested, free)
        from scipy.special import logsumexp

        each, variances, weights = mixture.parts(free)
        return np.asarray(logsumexp(_log_improvement(each, variances, best, scale), b=weights[:, None], axis=0))


def _share(rivals: Sequence[Rival], of: MeanFunction | None = None) -> float:
    """The say of all that hold the law, or of one form of it."""
    means = [(r.hypothesis.mean, r.share) for r in rivals]
    return sum(share for mean, share in means if mean is not None and of in (None, mean))


def _log_improvement(mean: Floats, variance: Floats, best: float, scale: float) -> Floats:
    """Log of the improvement to expect, in standard deviations `scale` of the values."""
    import torch

    from agents.bayesian.acquisition import log_expected_improvement

    over, spread = (torch.from_numpy(each.ravel()) for each in ((mean - best) / scale, variance / scale**2))
    return log_expected_improvement(over, spread, 0.0).numpy().reshape(mean.shape)
