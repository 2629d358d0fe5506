"""Policies that do what no policy should; the benchmark must say of each what it did, and go on."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from typing import Any

import numpy as np

from agents.baselines.random_search import RandomSearch
from agents.protocol import Decision


class Crashes(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        if self.told == 2:
            raise ZeroDivisionError("a bug of\nseveral lines")
        return super().act(observation, **options)


class CrashesInBegin(RandomSearch):
    def begin(self, problem: Any, seed: int) -> None:
        raise KeyError("weights")


class SaysNan(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        return Decision(np.array([np.nan, 0.0]), "the model diverged")


class SaysNothing(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Any:
        return None


class IsLate(RandomSearch):
    def act(self, observation: Any, *, pending: Any = (), deadline_s: float | None = None) -> Decision:
        if self.told == 1:
            assert deadline_s is not None
            time.sleep(deadline_s + 0.05)
        return super().act(observation, pending=pending)


class Hangs(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        while True:
            time.sleep(60.0)


class Repeats(RandomSearch):
    """The same place, under different indices."""

    def act(self, observation: Any, **options: Any) -> Decision:
        decision = super().act(observation, **options)
        return Decision(self.problem.candidates[7], "here it was good", decision.candidate)


class Exits(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        os._exit(3)


class Quits(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        sys.exit("no licence")


class Kills(RandomSearch):
    def act(self, observation: Any, **options: Any) -> Decision:
        os.kill(os.getpid(), 9)
        raise AssertionError


class AsksTheInstrument(RandomSearch):
    """Finds what the campaign acts on, and asks it."""

    name, attribute = "Tripwire", "truth"

    def act(self, observation: Any, **options: Any) -> Decision:
        for found in gc.get_objects():
            if type(found).__name__ == self.name:
                with contextlib.suppress(AttributeError, PermissionError):
                    getattr(found, self.attribute)()
        return super().act(observation, **options)


class AsksForTheCore(AsksTheInstrument):
    attribute = "core"


class AsksTheTwin(AsksTheInstrument):
    """Finds the twin behind."""

    name = "Embedded"


class AsksAloud(RandomSearch):
    """Falls over what it gets."""

    def act(self, observation: Any, **options: Any) -> Decision:
        twin = next(found for found in gc.get_objects() if type(found).__name__ == "Tripwire")
        return Decision(twin.truth()["optimum_nm"], "the truth")


class WalksFrames(RandomSearch):
    """Looks for true values in the variables of whoever called it, and would crash if there were any."""

    def act(self, observation: Any, **options: Any) -> Decision:
        frame = sys._getframe()
        while frame is not None:
            for name, value in frame.f_locals.items():
                if "truth" in name and isinstance(value, np.ndarray):
                    raise AssertionError(f"{name} in {frame.f_code.co_name}")
            frame = frame.f_back  # type: ignore[assignment]
        return super().act(observation, **options)


class Prints(RandomSearch):
    """Honest, and chatty."""

    def act(self, observation: Any, **options: Any) -> Decision:
        print("thinking", flush=True)
        return super().act(observation, **options)
