"""The figure of ingredients: what it tells of censored steps, and that a stopped one goes on from its notes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import ingredient_runs as runs
from benchmarks import ingredients
from experiments.training.settings import build_training, compose_training

INF = float("inf")


def test_a_median_that_most_did_not_reach_is_not_known() -> None:
    said = ingredients.summary(np.array([100.0, 200.0, 300.0, 400.0, INF]), 1000)
    assert (said["median"], said["not_reached"], said["said"]) == (300.0, 1, "")
    assert said["interval_95"][0] == 100.0
    said = ingredients.summary(np.array([100.0, INF, INF]), 1000)
    assert said["median"] is None
    assert said["interval_95"][1] is None
    assert "not reached by most in 1000" in said["said"]
    json.dumps(said, allow_nan=False)


def test_a_ratio_to_what_was_not_reached_is_an_upper_bound() -> None:
    known = ingredients.ratio(np.full(10, 100.0), np.full(10, 500.0), 1000)
    assert known == {"ratio": 0.2, "bound_95": 0.2, "is_upper_bound": False}
    above = ingredients.ratio(np.full(10, 100.0), np.full(10, INF), 1000)
    assert above == {"ratio": 0.1, "bound_95": 0.1, "is_upper_bound": True}
    assert ingredients.ratio(np.full(10, INF), np.full(10, INF), 1000)["ratio"] == 1.0


@pytest.mark.parametrize("task", runs.CASES)
@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_every_variant_is_a_training_of_its_own(task, variant) -> None:
    own, plain = (compose_training(runs.overrides(task, name, 3)) for name in (variant, "plain"))
    built = build_training(own)
    assert built.task == build_training(plain).task
    assert own.seed == 3
    changed = own.physics != plain.physics or own.instrument != plain.instrument
    assert changed == (variant != "plain")


def test_a_stopped_figure_goes_on_from_its_notes(tmp_path, monkeypatch, capsys) -> None:
    notes = tmp_path / "trainings.jsonl"
    reference = {"untrained": -0.1, "planner": 0.9, "score": 0.7}
    lines = [{"task": "write_vacancies", "reference": reference}]
    names = [name for name in runs.VARIANTS if name != "residual"]
    for name in names:
        own = {"steps": 2048, "reached": name == "best", "curve": [[0, 0.25], [2048, 0.5]], "cpu_s": 1.0}
        lines.append({"task": "write_vacancies", "variant": name, "seed": 0, "most": 2048, **own})
    notes.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"task": "wri')
    found, references = ingredients.measured(tmp_path, [0], ["write_vacancies"], 2048)
    assert references["write_vacancies"] == reference
    assert list(found["write_vacancies"]) == names
    told = ingredients._task(found["write_vacancies"], reference, 2048)
    assert told["variants"]["best"]["median"] == 2048.0
    assert told["return_before_training"]["best"] == 0.25
    assert told["variants"]["plain"]["median"] is None
    assert "left out" in told["residual"]
    assert capsys.readouterr().out == ""
