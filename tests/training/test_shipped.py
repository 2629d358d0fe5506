"""Policies that come with the package: they say what made them, and act out of the box."""

from __future__ import annotations

import numpy as np
import pytest

from agents.protocol import AgentError
from agents.reinforcement.policy import SHIPPED, load
from experiments.cli.app import main
from experiments.config.composing import to_plain
from experiments.training import session
from experiments.training.evaluation import evaluate
from experiments.training.settings import build_training, compose_training

NAMES = sorted(path.stem for path in SHIPPED.glob("*.npz"))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_policy_says_the_training_that_made_it(name) -> None:
    """The committed configuration still is the one that made it: name, task, seed, physics and steps."""
    settings, policy = compose_training([f"training={name}"]), load(f"shipped:{name}")
    assert policy.about["name"] == settings.name
    assert policy.about["seed"] == settings.seed
    assert policy.about["task"] == build_training(settings).task.name
    assert settings.steps <= policy.about["steps"] < settings.steps + settings.evaluate_every
    assert policy.physics == settings.physics
    assert (SHIPPED / f"{name}.npz").stat().st_size < 200_000


def test_a_shipped_policy_does_better_than_an_untrained_network() -> None:
    settings = compose_training(["training=find_peak", "episodes=60", "tracking=off"])
    parts = build_training(settings)
    parts.trainer.begin(session._copies(settings, parts), 0)
    policy = load("shipped:find_peak")
    before = evaluate(parts.trainer.policy(policy.signature, {}, settings.physics), settings, parts)
    after = evaluate(policy, settings, parts)
    assert after.returns.mean() > before.returns.mean() + 5 * before.standard_error


def test_training_anew_gives_a_policy_as_good(tmp_path) -> None:
    """The same on one machine; on another sums may end in other bits, so returns are compared."""
    settings = compose_training(["training=find_peak", f"runs={tmp_path}", "tracking=off", "episodes=60"])
    again = load(str(session.train(settings, lambda line: None).folder / "policy.npz"))
    parts, shipped = build_training(settings), load("shipped:find_peak")
    one, other = (evaluate(policy, settings, parts) for policy in (shipped, again))
    assert abs(one.returns.mean() - other.returns.mean()) < 3 * np.hypot(one.standard_error, other.standard_error)
    assert again.signature == shipped.signature
    assert to_plain(again.physics) == to_plain(shipped.physics)


@pytest.mark.parametrize(
    "run",
    [
        ["campaign=find_peak", "scenario=shifted"],
        ["campaign=si_atom_move", "budget.steps=6"],
        ["campaign=write_vacancies", "budget.steps=4"],
        ["campaign=write_domains", "budget.steps=4"],
    ],
    ids=["peak", "atom", "line", "picture"],
)
def test_a_shipped_policy_runs_a_campaign(tmp_path, capsys, run) -> None:
    name = {"campaign=si_atom_move": "move_dopant"}.get(run[0], run[0].removeprefix("campaign="))
    own = [f"agent.policy=shipped:{name}", "tracking=off", f"runs={tmp_path}"]
    assert main(["run", *run, "agent=trained", *own]) == 0
    assert "finished" in capsys.readouterr().out


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(AgentError, match="there are find_peak, move_dopant, write_domains, write_vacancies"):
        load("shipped:everything")
