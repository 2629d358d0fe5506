"""Deep kernel learning: what a measurement will bring is learned from how the place looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.acquisition import Acquisition
from agents.bayesian.candidate_search import CandidateSearch, Initial, highest_of, open_rows
from agents.bayesian.checked import must_be_one_of
from agents.bayesian.deep_kernel.ensemble import Ensemble
from agents.bayesian.deep_kernel.likelihood import LogPosterior
from agents.bayesian.deep_kernel.networks import Prior, Shape
from agents.bayesian.deep_kernel.sampling import Chains, moved
from agents.bayesian.deep_kernel.seeing import seen
from agents.bayesian.features import Kind
from agents.bayesian.surrogate import one_thread, standardised
from agents.bayesian.thinning import conditioned_on
from agents.bayesian.worth import worth_of_moments
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Prediction, Problem, Transition
from physics_priors.bounds import Bounds

_LEARNING = 0xDEE9
_MOST = 1000
"""Values that the posterior of each member is conditioned on at once, as `thinning` has it."""


class DeepKernel(CandidateSearch):
    """Begins and seeks as `GaussianProcess` does, with an ensemble of deep kernels for its model.

    Networks and hyper-parameters are drawn from their posterior by one chain for each of `members`. Chains begin with
    `warm_up` proposals at the first model, and go on by `proposals` from where they were after every `refit_every`
    values that were told: learning happens in `tell`, and a decision only scores. A value that no longer stands after
    chains have learned from it makes them begin anew. Beyond `learn_from` values, networks learn from that many of
    them, drawn by seed and step; what is predicted follows from all.

    Where there is no image, the networks see the position; there are never more latent inputs than features. Values are
    scaled by the measured ones alone.
    """

    _chains: Chains | None
    _learned: NDArray[np.int64]
    """The transitions whose values were there when chains last moved."""
    _at: int
    """How many transitions had been told then."""
    _model_now: Ensemble | None
    """The model since chains last moved; built again where it is missing."""

    def __init__(
        self,
        acquisition: Acquisition = "log_expected_improvement",
        features: Kind = "auto",
        patch_pixels: Annotated[int, Bounds("pixels", 1, 255)] = 5,
        components: Annotated[int, Bounds("components", 1, 64)] = 8,
        rotation_invariant: bool = False,
        members: Annotated[int, Bounds("members", 1, 64)] = 8,
        hidden: Annotated[int, Bounds("units", 1, 256)] = 16,
        latent: Annotated[int, Bounds("inputs", 1, 8)] = 3,
        warm_up: Annotated[int, Bounds("proposals", 1, 10_000)] = 40,
        proposals: Annotated[int, Bounds("proposals", 1, 1000)] = 4,
        learn_from: Annotated[int, Bounds("values", 2, 2000)] = 200,
        beta: Annotated[float, Bounds("", 0.0, 1000.0)] = 4.0,
        seeds: Annotated[int, Bounds("values", 1, 10_000)] = 5,
        refit_every: Annotated[int, Bounds("steps", 1, 10_000)] = 1,
        test_points: Annotated[int, Bounds("candidates", 1, 4096)] = 256,
        images: Sequence[str] = (),
        initial: Initial = "auto",
        cache_MiB: Annotated[int, Bounds("MiB", 1, 1_000_000)] = 512,
    ) -> None:
        """Nothing is rewritten: what makes no sense raises ValueError."""
        must_be_one_of("acquisition", acquisition, Acquisition)
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
        if min(members, hidden, latent, warm_up, proposals, learn_from - 1) < 1:
            raise ValueError("members, hidden, latent, warm_up and proposals start at 1, learn_from at 2")
        self._seeks: Acquisition = acquisition
        self.rotation_invariant, self.members, self.hidden, self.latent = rotation_invariant, members, hidden, latent
        self.warm_up, self.proposals, self.learn_from = warm_up, proposals, learn_from

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        assert isinstance(self.options, Options)
        self._seen = seen(
            problem,
            self.options,
            self.features,
            self.patch_pixels,
            self.components,
            self.images,
            self.rotation_invariant,
        )
        self._features = self._seen.plain
        width = self._seen.features.shape[1]
        shape = Shape(width, self._seen.positions.shape[1], self.hidden, min(self.latent, width))
        with one_thread():
            self._prior = Prior(shape)
        self._set(None, np.zeros(0, np.int64), 0)

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        if not self.usable[self._learned].all():
            self._set(None, self._learned[:0], 0)
        if self.ready and (self._chains is None or self.told - self._at >= self.refit_every):
            usable = np.flatnonzero(self.usable)
            if not np.array_equal(usable, self._learned):
                with one_thread():
                    self._set(self._moved(usable), usable, self.told)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Options)
        free = self.open_options(self.options, pending)
        if self._chains is None:
            return self.first_point(free, pending)
        ahead = np.array([self.options.index(decision) for decision in pending], dtype=np.int64)
        with one_thread():
            return self._best(free, self._ensemble(), ahead)

    def predict(self) -> Prediction | None:
        if self._chains is None:
            return None
        with one_thread():
            return self.predicted(self._ensemble())

    @property
    def kept_bytes(self) -> int:
        """Memory that the posterior holds."""
        return 0 if self._model_now is None else self._model_now.kept_bytes

    def state(self) -> dict[str, Any]:
        chains = None if self._chains is None else self._chains.plain()
        return {**super().state(), "chains": chains, "learned": self._learned.copy(), "at": self._at}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        if not {"chains", "learned", "at"} <= state.keys():
            raise AgentError("this state is of an older version of the deep kernels: start anew")
        chains = None if state["chains"] is None else Chains.from_plain(state["chains"])
        if chains is not None and chains.xi.shape != (self.members, self._prior.shape.size):
            raise AgentError("this state is of deep kernels of another shape, or that see something else: start anew")
        self._set(chains, np.array(state["learned"], dtype=np.int64), int(state["at"]))

    # The model

    def _set(self, chains: Chains | None, learned: NDArray[np.int64], at: int) -> None:
        self._chains, self._learned, self._at, self._model_now = chains, learned, at, None

    def _moved(self, usable: NDArray[np.int64]) -> Chains:
        """The chains after they followed the values of transitions `usable`, or begun on them."""
        rng = np.random.default_rng([self.seed, self.told, _LEARNING])
        if len(usable) > self.learn_from:
            usable = np.sort(rng.choice(usable, self.learn_from, replace=False))
        target = self._target(self.taken[usable], self._sign * self.values[usable])
        if self._chains is not None:
            return moved(self._chains, target, self.proposals, rng)
        begun = Chains.begun(self.members, self._prior.shape.size, rng)
        return moved(begun, target, self.warm_up, rng)

    def _target(self, taken: NDArray[np.int64], values: NDArray[np.float64]) -> LogPosterior:
        import torch

        told = self._seen.positions[taken], self._seen.features[taken], standardised(values)
        return LogPosterior(self._prior, *(torch.from_numpy(table) for table in told))

    def _ensemble(self) -> Ensemble:
        """The model with all that was told; what was known when chains last moved goes in at once."""
        assert self._chains is not None
        if self._model_now is None:
            self._model_now = Ensemble(
                self._prior,
                self._chains.xi,
                self._seen.positions,
                self._seen.features,
                cache_bytes=self.cache_MiB * 2**20,
                seed=self.seed,
                tested=self.tested(),
            )
        taken, values = self.learned_from()
        some, block = conditioned_on(max(1, int(self.usable[: self._at].sum())), len(taken), _MOST)
        return self._model_now.follow(taken[some], values[some], block)

    def _best(self, free: NDArray[np.int64], model: Ensemble, ahead: NDArray[np.int64]) -> Decision:
        taken, _ = self.learned_from()
        scores = worth_of_moments(self._seeks, model, taken, ahead, self.beta).numpy()
        row = highest_of(scores, open_rows(model, free))
        figures = {"noise": model.scale * model.noise**0.5}
        share = {"structure_share": model.share} if self._prior.shape.axes else {}
        return self.decided(model, row, float(scores[row]), ahead, figures | share, {})
