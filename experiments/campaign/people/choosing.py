"""From a person's answer to a decision in the problem's own terms."""

from __future__ import annotations

import numpy as np

from agents.options import Box, options_of
from agents.protocol import Agent, Decision, Predicts, Problem
from experiments.campaign.people.questions import Answer


def chosen(answer: Answer, problem: Problem, agent: Agent) -> Decision:
    """The decision that an answer asks for, with what the agent predicts of it; raises ValueError where there is none.

    A position means the nearest candidate.
    """
    options = options_of(problem)
    reason = f"a person chose it: {answer.note}" if answer.note else "a person chose it"
    if answer.action is not None:
        return Decision(_action(answer.action, problem), reason, figures={"by_person": 1.0})
    if isinstance(options, Box) or not options.listed:
        raise ValueError("this task lists no candidates: say measure action=A,B,..")
    row = _nearest(answer, problem)
    if not 0 <= row < len(options):
        raise ValueError(f"there are candidates 0 to {len(options) - 1}, not {row}")
    return options.decide(row, reason, {"by_person": 1.0, **_predicted(agent, row)})


def _action(numbers: tuple[float, ...], problem: Problem) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    low, high = np.ravel(problem.low), np.ravel(problem.high)
    action = np.asarray(numbers, dtype=np.float64)
    if action.shape != low.shape or np.any(action < low) or np.any(action > high):
        bounds = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
        raise ValueError(f"an action here is {len(low)} numbers: {bounds}")
    if problem.choices is not None:
        return np.asarray(round(numbers[0]))
    return action.reshape(np.shape(problem.low))


def _nearest(answer: Answer, problem: Problem) -> int:
    if answer.candidate is not None:
        return answer.candidate
    if problem.positions_nm is None:
        raise ValueError("the candidates of this task have no position: say measure candidate=N")
    assert answer.at_nm is not None
    if problem.extent_nm is not None:
        left, right, top, bottom = problem.extent_nm
        if not (left <= answer.at_nm[0] <= right and top <= answer.at_nm[1] <= bottom):
            raise ValueError(f"the field reaches from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) nm")
    away = np.asarray(problem.positions_nm) - np.asarray(answer.at_nm)
    return int(np.argmin(np.sum(away**2, axis=1)))


def _predicted(agent: Agent, row: int) -> dict[str, float]:
    prediction = agent.predict() if isinstance(agent, Predicts) else None
    return {} if prediction is None else {"mean": float(prediction.mean[row]), "std": float(prediction.std[row])}
