"""Choose the image with the largest expected information about a lattice prior's parameters.

The problem's static context says under which conditions every candidate is taken (two images named by the prior), every
observation brings the last image's histogram of local configurations. The prior is guarded: when the images disagree
with it by more than `most_misfit` (chi^2 per degree of freedom), the interactions may be others than it knows of, and
the agent spreads its images over the conditions instead, those farthest from all that was seen first. Because a few
images seldom show that a term is missing, every `explore_every`-th image goes where conditions are farthest from all
that was seen, among those that are expected to tell at least a third as much as the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.options import Box, Options
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.bounds import Bounds
from physics_priors.ising.alloy_prior import AlloyPrior
from physics_priors.ising.design import Belief, expected_gain
from physics_priors.ising.layer_prior import FieldPrior

Floats = NDArray[np.float64]
_FEWEST_TO_JUDGE, _TELLING = 4, 1 / 3


class InformationGain(Remembering):
    """Greedy expected information gain with a guard on its prior; `repeat` says whether a candidate may be taken again.

    `sites` is how many sites an image is expected to show before the first was seen; `explore_every` 0 never explores.
    """

    def __init__(
        self,
        prior: AlloyPrior | FieldPrior,
        *,
        repeat: bool = False,
        sites: Annotated[float, Bounds("sites", 1.0)] = 500.0,
        most_misfit: Annotated[float, Bounds("", 1.0)] = 6.0,
        explore_every: Annotated[int, Bounds("images", 0, 1000)] = 0,
    ) -> None:
        self.prior, self.repeat = prior, repeat
        self._sites, self._most_misfit, self._explore_every = sites, most_misfit, explore_every

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        missing = [name for name in self.prior.context if name not in problem.images]
        if isinstance(self.options, Box) or problem.pixels is None or missing:
            raise AgentError(f"information_gain needs candidates with {' and '.join(self.prior.context)} as images")
        row, column = problem.pixels.T
        known = [np.asarray(problem.images[name], np.float64)[row, column] for name in self.prior.context]
        self.conditions = np.stack(known, axis=1)
        self.histograms = np.empty((0, int(np.prod(self.prior.bins))))

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        options = self.options
        assert isinstance(options, Options)
        free = np.arange(len(options)) if self.repeat else self.open_options(options, pending)
        belief, step = self.belief(), self.told + len(pending)
        if belief.misfit > self._most_misfit and belief.images >= _FEWEST_TO_JUDGE:
            chosen = self._farthest(free)
            said = f"the prior does not fit (chi^2 {belief.misfit:.1f}): farthest from the conditions seen"
            return options.decide(chosen, said, {"misfit": belief.misfit})
        gain = expected_gain(self.prior, belief, self.conditions[free], self._seen(), seed=self.seed + 7919 * step)
        if self._explore_every and (step + 1) % self._explore_every == 0 and len(self.taken):
            telling = free[gain >= _TELLING * gain.max()]
            said = "farthest from the conditions seen, of those that tell enough"
            return options.decide(self._farthest(telling), said, {"misfit": belief.misfit})
        chosen = int(free[gain.argmax()])
        where = ", ".join(f"{n} {v:g}" for n, v in zip(self.prior.context, self.conditions[chosen], strict=True))
        figures = {"expected_nats": float(gain.max()), "misfit": belief.misfit}
        return options.decide(chosen, f"{gain.max():.2f} nats expected at {where}", figures)

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        histogram = np.asarray(transition.observation.get("histogram", ()), np.float64)
        if histogram.shape != (self.histograms.shape[1],):
            raise AgentError(f"the observation's histogram must have {self.histograms.shape[1]} bins")
        failed = not np.isfinite(transition.value)
        self.histograms = np.vstack([self.histograms, np.zeros_like(histogram) if failed else histogram])

    def belief(self) -> Belief:
        """What is believed of the parameters now."""
        seen = self.histograms.sum(1) > 0
        return self.prior.believed(self.conditions[self.taken[seen]], list(self.histograms[seen]))

    def beliefs(self) -> Mapping[str, Any]:
        """Parameters with their covariance, and the misfit."""
        belief = self.belief()
        return {
            "names": list(self.prior.names),
            "mean": belief.mean.copy(),
            "covariance": belief.covariance.copy(),
            "misfit": belief.misfit,
            "images": belief.images,
        }

    def state(self) -> dict[str, Any]:
        return super().state() | {"histograms": self.histograms.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.histograms = np.array(state["histograms"], dtype=np.float64)

    def _seen(self) -> float:
        """Sites of an image, as many as the last ones showed."""
        sizes = self.histograms.sum(1)
        return float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else self._sites

    def _farthest(self, free: NDArray[np.int64]) -> int:
        span = np.ptp(self.conditions, axis=0)
        place = self.conditions / np.where(span > 0, span, 1.0)
        away = np.linalg.norm(place[free][:, None] - place[self.taken], axis=-1).min(1)
        return int(free[away.argmax()])
