"""The lines of JSON of docs/own_policy.md, for policies that list candidates; needs only Python.

A policy is a function of what is known, so that `state` and `restore` are the history itself and the same history,
seed and step give the same choice again.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Known:
    """What a policy has been told: the problem, and every place that was taken with its value (None: failed)."""

    problem: dict[str, Any]
    seed: int
    taken: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    stands: list[bool] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)

    @property
    def places(self) -> list[list[float]]:
        """Actions [n, d] to choose from."""
        found: list[list[float]] = self.problem["candidates"]
        return found

    @property
    def free(self) -> list[int]:
        """Candidates not asked for yet; all of them when none is left."""
        asked = {*self.taken, *self.pending}
        left = [i for i in range(len(self.places)) if i not in asked]
        return left or list(range(len(self.places)))

    @property
    def measured(self) -> list[tuple[int, float]]:
        """(candidate, value) of what still stands; the larger the better, whatever the objective."""
        sign = -1.0 if self.problem["objective"] == "minimise" else 1.0
        every = zip(self.taken, self.values, self.stands, strict=True)
        return [(place, sign * value) for place, value, stands in every if stands and value is not None]

    @property
    def step_seed(self) -> int:
        """A seed for the libraries, another one for every step."""
        return self.seed_at(len(self.taken) + len(self.pending))

    def seed_at(self, step: int) -> int:
        """The seed of a step, from 0."""
        return random.Random(f"{self.seed} {step}").randrange(2**31)

    def at_random(self) -> int:
        """A free candidate, each as likely."""
        return random.Random(self.step_seed).choice(self.free)

    def nearest_free(self, action: list[float]) -> int:
        """The free candidate next to an action."""
        return min(self.free, key=lambda i: sum((a - b) ** 2 for a, b in zip(self.places[i], action, strict=True)))


Choose = Callable[[Known], int]


def converse(choose: Choose) -> None:
    """Answer every line on standard input; what a library prints goes to standard error."""
    answers, known = sys.stdout, Known({}, 0)
    for line in sys.stdin:
        message = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            known, answer = _answered(message, known, choose)
        answers.write(json.dumps({"id": message["id"], **answer}) + "\n")
        answers.flush()


def _answered(message: dict[str, Any], known: Known, choose: Choose) -> tuple[Known, dict[str, Any]]:
    do = message["do"]
    if do == "begin":
        if message["problem"]["candidates"] is None:
            return known, {"error": "these policies choose among candidates, and the task lists none"}
        if message["problem"]["objective"] == "map":
            return known, {"error": "these policies look for the best place, and the task is to map"}
        return Known(message["problem"], message["seed"]), {}
    if do == "tell":
        news = message["transition"]
        known.taken.append(news["decision"]["candidate"])
        known.values.append(news["value"])
        known.stands = list(news["accepted"])
    elif do == "act":
        known.pending = [decision["candidate"] for decision in message["pending"]]
        return known, {"candidate": choose(known)}
    elif do == "state":
        return known, {"state": [known.taken, known.values, known.stands]}
    elif do == "restore":
        known.taken, known.values, known.stands = message["state"]
    return known, {}
