"""Ax's default strategy (Sobol points, then its Gaussian process) as a policy: `python with_ax.py`.

The library searches the box; the nearest free candidate is measured, and told to it as a trial of its own.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field

import torch
from ax.api.client import Client
from ax.api.configs import RangeParameterConfig
from conversation import Known, converse

START = 6
"""Trials of the default strategy before its model: the centre, and Sobol points."""


@dataclass
class Session:
    """A client, how many of the places it was told, and the trial that waits for its value."""

    client: Client
    seed: int
    told: list[int] = field(default_factory=list)
    waiting: tuple[int, list[float]] | None = None

    @staticmethod
    def of(known: Known) -> Session:
        client = Client(random_seed=known.seed % 2**31)
        bounds = zip(known.problem["low"], known.problem["high"], strict=True)
        client.configure_experiment(
            parameters=[
                RangeParameterConfig(name=f"x{i}", parameter_type="float", bounds=(low, high))
                for i, (low, high) in enumerate(bounds)
            ]
        )
        client.configure_optimization(objective="value")
        client.configure_generation_strategy(initialization_random_seed=known.seed % 2**31)
        return Session(client, known.seed)

    def ask(self, known: Known, step: int) -> list[float]:
        """Where the library wants to measure next; asked again, it says the same."""
        if self.waiting is None:
            torch.manual_seed(known.seed_at(step))
            ((number, at),) = self.client.get_next_trials(max_trials=1).items()
            self.waiting = number, [float(at[f"x{i}"]) for i in range(len(at))]
        return self.waiting[1]

    def tell(self, known: Known, step: int) -> None:
        """What came of the trial that waits.

        The strategy counts only its own trials as its beginning; later ones are told where they really were.
        """
        place, value = known.taken[step], dict(known.measured).get(known.taken[step])
        self.ask(known, step)
        assert self.waiting
        number = self.waiting[0]
        if value is None:
            self.client.mark_trial_failed(number)
        elif step < START:
            self.client.complete_trial(number, raw_data={"value": value})
        else:
            self.client.mark_trial_abandoned(number)
            at = {f"x{i}": float(v) for i, v in enumerate(known.places[place])}
            self.client.complete_trial(self.client.attach_trial(parameters=at), raw_data={"value": value})
        self.told.append(place)
        self.waiting = None


def choose(known: Known) -> int:
    """Goes on with the session of the last step; a policy that was restored goes through all steps again."""
    global session
    if session is None or session.seed != known.seed or session.told != known.taken[: len(session.told)]:
        session = Session.of(known)
    for step in range(len(session.told), len(known.taken)):
        session.tell(known, step)
    return known.nearest_free(session.ask(known, len(known.taken)))


session: Session | None = None

if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    converse(choose)
