"""The loop: act, price, check, journal, acquire, journal, update, tell.

It is written once for a fresh campaign and for one that is resumed: what the journal already holds is gone over
again from the start, with decisions and measurements taken from it instead of from agent and instrument.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.protocol import Agent, Believes, Decision, Observation, Predicts, Transition
from environments.environment import Environment, Step
from experiments.campaign.commander import Commander, Purpose
from experiments.campaign.computed import is_computed
from experiments.campaign.ended import Ended
from experiments.campaign.housekeeping import Registration
from experiments.campaign.past import Past
from experiments.campaign.people.asking import People
from experiments.campaign.people.choosing import chosen
from experiments.campaign.people.questions import Answer, plain_decision
from experiments.campaign.problem import brief_to_plain, problem_of
from experiments.campaign.signals import StopRequest
from experiments.campaign.tally import Place, Tally
from experiments.campaign.watch import Nobody, Watch
from experiments.config.settings import CampaignSettings
from instruments.bridge.spoken import capabilities_to_plain
from instruments.cost import Cost
from instruments.embedded import Embedded
from instruments.errors import InvalidRequest
from instruments.measurement import Measurement
from instruments.requests import Request

FAILURES_IN_A_ROW = 10


@dataclass
class Loop:
    """A campaign between its opening and its end."""

    campaign_id: str
    settings: CampaignSettings
    environment: Environment
    agent: Agent
    commander: Commander
    stop: StopRequest
    watch: Watch = field(default_factory=Nobody)
    tally: Tally = field(default_factory=Tally)
    people: People | None = None
    """Asked about every decision; None: nobody is."""
    decide_s: list[float] = field(default_factory=list)
    value_name: str = ""
    value_unit: str = ""

    @property
    def past(self) -> Past:
        """What the journal held when this process took it."""
        return self.commander.past

    def run(self) -> Ended:
        """Go on until something ends the campaign; says what did. Everything but the end itself is journalled."""
        try:
            self._open()
            while True:
                self._check_end()
                self._housekeep()
                self._step()
        except Ended as ended:
            return ended

    def _open(self) -> None:
        requests = self.environment.open(self.settings.seed)
        survey = [self._carry_out("survey", i, r) for i, r in enumerate(requests)]
        self._stop_after_survey(survey)
        self.observation: Observation = self.environment.surveyed(survey)
        brief = self.environment.brief()
        self.tally.objective = brief.objective
        self.value_name, self.value_unit = brief.value_name, brief.value_unit
        self.registration = Registration(
            self.settings.housekeeping, survey[0] if survey else None, self.environment.capabilities
        )
        self.commander.note("brief", 0, {"task": self.environment.task.name} | brief_to_plain(brief))
        self._note_capabilities()
        self.problem = problem_of(brief, self.environment.action_space)
        self.agent.begin(self.problem, self.settings.seed)
        if self.past.checkpoint is not None:
            self.agent.restore(self.past.checkpoint[1])
        self.terminated = False

    def _note_capabilities(self) -> None:
        """What a task needs to go over the journal again, of an instrument that settings cannot make anew."""
        if not (isinstance(self.environment.instrument, Embedded) and is_computed(self.settings.instrument)):
            self.commander.note("capabilities", 0, capabilities_to_plain(self.environment.capabilities))

    def _stop_after_survey(self, survey: list[Measurement | None]) -> None:
        if all(m is not None and m.complete for m in survey):
            return
        if self.stop.is_set():
            raise Ended("interrupted", "interrupted", f"stopped by {self.stop.why} during the survey")
        if self.commander.refusal:
            raise Ended("refused", "guard", f"the survey was refused: {self.commander.refusal}")
        raise Ended("failed", "failed", "the survey failed: see the journal's failed events")

    def _check_end(self) -> None:
        budget, spent, steps = self.settings.budget, self.commander.spent, self.tally.steps
        if steps + 1 in self.past.decisions:
            return
        if self.terminated:
            raise Ended("finished", "task", "the task is complete")
        if budget.steps is not None and steps >= budget.steps:
            raise Ended("finished", "steps", f"the budget of {budget.steps} steps is used up")
        if budget.seconds is not None and spent.seconds >= budget.seconds:
            raise Ended("finished", "seconds", f"the budget of {budget.seconds:g} s is used up")
        if budget.electrons is not None and spent.electrons >= budget.electrons:
            raise Ended("finished", "electrons", f"the budget of {budget.electrons:g} electrons is used up")
        if self.stop.is_set():
            raise Ended("interrupted", "interrupted", f"stopped by {self.stop.why}")
        self._check_failures()

    def _check_failures(self) -> None:
        if self.tally.failed_in_a_row < FAILURES_IN_A_ROW:
            return
        why = f"{FAILURES_IN_A_ROW} measurements in a row gave nothing"
        if self.commander.refusal:
            raise Ended("refused", "guard", f"{why}; the last refusal: {self.commander.refusal}")
        raise Ended("failed", "failed", f"{why}; see the failed events in the report")

    def _housekeep(self) -> None:
        if not self.registration.due(self.commander.spent.seconds):
            return
        found = self.registration.run(
            self.commander.spent.seconds, lambda i, request: self._carry_out("housekeeping", i, request)
        )
        self.commander.note("housekeeping", self._number, found)

    def _step(self) -> None:
        decision = self._decide()
        try:
            requests = self.environment.requests(decision.action)
        except (InvalidRequest, ValueError) as error:
            self.commander.flush("refused", ("refused", self._number, self._no_action(str(error))))
            raise Ended("failed", "failed", f"step {self._number}: the agent gave no valid action: {error}") from None
        measurements = [self._carry_out("action", i, request) for i, request in enumerate(requests)]
        self._learn(decision, measurements)

    def _no_action(self, why: str) -> dict[str, Any]:
        return {"id": f"{self._id('action', 0)}-invalid", "request": None, "why": why}

    def _decide(self) -> Decision:
        step = self._number
        if (decided := self.past.decisions.get(step)) is not None:
            self.decide_s.append(self.past.decide_s[step])
            return decided
        if self.people is None:
            decision, took = self._propose(())
        else:
            self.people.value_unit = self.value_unit
            decision, took = self.people.decide(step, self._propose, self._foresee, self._instead)
        self.decide_s.append(took)
        self.commander.note("decision", step, {**plain_decision(decision), "decide_s": took})
        return decision

    def _propose(self, vetoed: Sequence[Decision]) -> tuple[Decision, float]:
        """The agent's decision, with those that people vetoed held back as pending, and the seconds it took."""
        began = time.perf_counter()
        decision = self.agent.act(self.observation, pending=tuple(vetoed), deadline_s=self.settings.deadline_s)
        return decision, time.perf_counter() - began

    def _foresee(self, decision: Decision) -> tuple[Cost | None, str, Place]:
        try:
            requests = self.environment.requests(decision.action)
        except (InvalidRequest, ValueError) as error:
            return None, str(error), None
        places = [request.places_nm() for request in requests]
        first = next((p[0] for p in places if len(p)), None)
        return *self.commander.foresee(requests), None if first is None else (float(first[0]), float(first[1]))

    def _instead(self, answer: Answer) -> Decision:
        return chosen(answer, self.problem, self.agent)

    def _learn(self, decision: Decision, measurements: list[Measurement | None]) -> None:
        step, place = self._number, _place(measurements)
        before, done = self.observation, self.environment.update(decision.action, measurements)
        self.tally.add(decision, done.value, done.accepted, place, any(m is not None for m in measurements))
        self.observation, self.terminated = done.observation, done.terminated
        if self.past.checkpoint is None or step > self.past.checkpoint[0]:
            self.agent.tell(_transition(step, decision, before, done, measurements))
        self.commander.note("outcome", step, self._outcome(done, place))
        if step % self.settings.checkpoint_every == 0:
            self._checkpoint(step)
        self.watch.step(self.tally, self.commander.spent)

    def _outcome(self, done: Step, place: Place) -> dict[str, Any]:
        best, spent = self.tally.best(), self.commander.spent
        return {
            "value": done.value,
            "accepted": done.accepted,
            "reward": done.reward,
            "terminated": done.terminated,
            "best_value": math.nan if best is None else self.tally.values[best],
            "best_step": None if best is None else best + 1,
            "seconds": spent.seconds,
            "electrons": spent.electrons,
            "position_nm": place,
            **({"also": done.also} if self.problem.also_name else {}),
        }

    def _checkpoint(self, step: int) -> None:
        if ("checkpoint", step) in self.past.written:
            return
        self.commander.note("checkpoint", step, {"agent": self.agent.state()})
        self.note_model()

    def note_model(self) -> None:
        """Have the agent's present model and beliefs journalled, where it has any."""
        beliefs = self.agent.beliefs() if isinstance(self.agent, Believes) else {}
        if beliefs:
            self.commander.note("belief", self.tally.steps, beliefs)
        prediction = self.agent.predict() if isinstance(self.agent, Predicts) else None
        if prediction is not None:
            maps: dict[str, Any] = {n: np.asarray(getattr(prediction, n), np.float32) for n in ("mean", "std")}
            self.commander.note("model", self.tally.steps, maps)

    @property
    def _number(self) -> int:
        return self.tally.steps + 1

    def _id(self, purpose: Purpose, index: int) -> str:
        step = 0 if purpose == "survey" else self._number
        return f"{self.campaign_id}-{step:06d}-{purpose}-{index}"

    def _carry_out(self, purpose: Purpose, index: int, request: Request) -> Measurement | None:
        step = 0 if purpose == "survey" else self._number
        return self.commander.carry_out(self._id(purpose, index), step, purpose, request)


def _transition(
    step: int, decision: Decision, before: Observation, done: Step, measurements: list[Measurement | None]
) -> Transition:
    return Transition(
        step=step,
        decision=decision,
        value=done.value,
        accepted=done.accepted,
        reward=done.reward,
        observation=done.observation,
        terminated=done.terminated,
        seconds=sum(m.cost.seconds for m in measurements if m),
        electrons=sum(m.cost.electrons for m in measurements if m),
        also=done.also,
        before=before,
    )


def _place(measurements: list[Measurement | None]) -> Place:
    for measurement in measurements:
        if measurement is None:
            continue
        if measurement.position_nm is not None and all(map(math.isfinite, measurement.position_nm)):
            return measurement.position_nm
        if len(places := measurement.request.places_nm()):
            return (float(places[0, 0]), float(places[0, 1]))
    return None
