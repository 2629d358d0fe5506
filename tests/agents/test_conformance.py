"""The agents here pass the public suite, and agents that are broken on purpose do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from agents import check
from agents.baselines.random_search import RandomSearch
from agents.baselines.raster import Raster
from agents.baselines.sobol import Sobol
from agents.bayesian.gaussian_process import GaussianProcess
from agents.check import CHECKS, CheckFailed, Trial
from agents.protocol import Decision, Transition

CONF = Path(__file__).resolve().parents[2] / "conf" / "agent"

TRIALS = {
    "random": Trial(RandomSearch),
    "sobol": Trial(Sobol),
    "raster": Trial(partial(Raster, points=9), stochastic=False),
    "gaussian_process": Trial(partial(GaussianProcess, seeds=5, refit_every=5), solves_within=12, steps=12),
    "gaussian_process_map": Trial(
        partial(GaussianProcess, "integrated_variance", "position", seeds=5, refit_every=4, test_points=20), steps=9
    ),
}


@pytest.mark.parametrize("one", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", TRIALS)
def test_agents_pass_the_public_suite(name: str, one: Callable[[Trial], None]) -> None:
    one(TRIALS[name])


def test_check_agent_runs_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    check.check_agent(TRIALS["random"])
    with pytest.raises(CheckFailed, match="measured again"):
        check.check_agent(Trial(ForgetsPeople))


class RandomState(RandomSearch):
    """Draws from a generator that lives on between calls."""

    rng = np.random.default_rng(0)

    def generator(self, pending: Any = ()) -> np.random.Generator:
        return self.rng


class Unseeded(RandomSearch):
    def generator(self, pending: Any = ()) -> np.random.Generator:
        return np.random.default_rng(self.told + len(pending))


class LearnsInAct(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        self.values = np.append(self.values, 0.0)[: len(self.values)] + 1.0
        return decision


class Repeats(RandomSearch):
    def open_options(self, options: Any, pending: Any) -> Any:
        return np.arange(len(options))


class Stuck(RandomSearch):
    def open_options(self, options: Any, pending: Any) -> Any:
        return np.arange(1)


class ForgetsPending(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        return super().act(observation)


class ForgetsPeople(RandomSearch):
    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        if transition.decision.candidate is None:
            self.taken[-1] = 0


class KeepsNoHistory(RandomSearch):
    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.taken = self.taken[:0]


class SharesState(RandomSearch):
    log: list[int]

    def begin(self, problem: Any, seed: int) -> None:
        super().begin(problem, seed)
        self.log = []

    def state(self) -> dict[str, Any]:
        return {**super().state(), "log": self.log}

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        self.log.append(1)


class StateOfObjects(RandomSearch):
    def state(self) -> dict[str, Any]:
        return {**super().state(), "problem": self.problem}


class TakesAnyState(RandomSearch):
    def restore(self, state: dict[str, Any]) -> None:
        if "values" in state:
            super().restore(state)


class TripsOverNan(RandomSearch):
    def tell(self, transition: Transition) -> None:
        if not np.isfinite(transition.value):
            raise ValueError("not a number")
        super().tell(transition)


class Outside(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        return Decision(decision.action + 3.0, decision.reason)


class NamesAnother(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        return Decision(decision.action, decision.reason, candidate=(decision.candidate or 0) ^ 1)


class Silent(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        return Decision(decision.action, " ", candidate=decision.candidate)


class InfiniteFigure(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        return Decision(decision.action, "why", decision.candidate, {"mean": float("inf")})


class ShortPrediction(RandomSearch):
    def predict(self) -> Any:
        from agents.protocol import Prediction

        return Prediction(np.zeros(3), np.ones(3))


BROKEN: list[tuple[type[RandomSearch], Callable[[Trial], None], str]] = [
    (RandomState, check.check_seeded, "same seed gave other"),
    (Unseeded, check.check_seeded, "another seed gave the same"),
    (LearnsInAct, check.check_pure, "changed the state"),
    (RandomState, check.check_pure, "asked twice"),
    (Repeats, check.check_no_repeats, "candidates were taken"),
    (Stuck, check.check_solves, "did not find"),
    (ForgetsPending, check.check_pending, "taken again"),
    (ForgetsPeople, check.check_injected, "person chose"),
    (KeepsNoHistory, check.check_state, "decided otherwise"),
    (SharesState, check.check_state, "changed after it was handed out"),
    (StateOfObjects, check.check_state, "plain values"),
    (TakesAnyState, check.check_state, "no state of this agent"),
    (TripsOverNan, check.check_failures, "every third value missing"),
    (Outside, check.check_decisions, "out of bounds"),
    (NamesAnother, check.check_decisions, "not the candidate it names"),
    (Silent, check.check_decisions, "no reason"),
    (InfiniteFigure, check.check_decisions, "not finite"),
    (ShortPrediction, check.check_prediction, "shape"),
]


@pytest.mark.parametrize(("broken", "one", "says"), BROKEN, ids=lambda x: getattr(x, "__name__", None))
def test_a_broken_agent_fails_the_check_it_breaks(
    broken: type[RandomSearch], one: Callable[[Trial], None], says: str
) -> None:
    with pytest.raises(CheckFailed, match=says):
        one(Trial(broken))


@pytest.mark.parametrize("name", ["random", "raster", "sobol", "gaussian_process"])
def test_the_configuration_spells_out_every_option_with_its_default(name: str) -> None:
    import importlib
    import inspect

    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    module, _, cls = node.pop("_target_").rpartition(".")
    target = getattr(importlib.import_module(module), cls)
    declared = {k: p.default for k, p in inspect.signature(target).parameters.items()}
    assert node == {k: list(v) if isinstance(v, tuple) else v for k, v in declared.items()}
