"""Optuna's Gaussian-process or TPE sampler as a policy: `python with_optuna.py gp|tpe`.

The library searches the box; the nearest free candidate is measured.
"""

from __future__ import annotations

import sys
import warnings

import optuna
from conversation import Known, converse

START = 10
"""Points before a model; the library's own default."""


def sampler(kind: str, seed: int) -> optuna.samplers.BaseSampler:
    """By the word on the command line, with the library's own options."""
    if kind == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=START)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=START, multivariate=True)


def choose(known: Known) -> int:
    """What the sampler asks for, given all that stands; a study is made anew at each step."""
    box = {
        f"x{i}": optuna.distributions.FloatDistribution(low, high)
        for i, (low, high) in enumerate(zip(known.problem["low"], known.problem["high"], strict=True))
    }
    study = optuna.create_study(direction="maximize", sampler=sampler(sys.argv[1], known.step_seed))
    for place, value in known.measured:
        at = {f"x{i}": number for i, number in enumerate(known.places[place])}
        study.add_trial(optuna.trial.create_trial(params=at, distributions=box, value=value))
    asked = study.ask(box)
    return known.nearest_free([asked.params[name] for name in box])


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    converse(choose)
