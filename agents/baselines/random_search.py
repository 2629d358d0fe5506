"""Random search: the baseline that every other agent has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from agents.options import Box
from agents.protocol import Decision, Observation
from agents.remembering import Remembering


class RandomSearch(Remembering):
    """Draws uniformly from the options not measured yet, or from the box where the problem lists none."""

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        rng = self.generator(pending)
        if isinstance(self.options, Box):
            return self.options.decide(rng.uniform(size=self.options.axes), "drawn at random from the whole box")
        free = self.open_options(self.options, pending)
        return self.options.decide(int(rng.choice(free)), f"drawn at random from {len(free)} open options")
