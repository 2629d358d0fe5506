"""Putting decisions to people: the question is journalled, then the answer, and only then does anything move.

What the journal holds of both is gone over again after a kill: a question is not put to the agent anew, an answer that
was given stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.protocol import Decision
from experiments.campaign.commander import Commander
from experiments.campaign.ended import Ended
from experiments.campaign.people.questions import Answer, Asked, Place, Question, Source
from experiments.campaign.people.wording import lines
from experiments.campaign.signals import StopRequest
from experiments.campaign.watch import Watch
from experiments.config.settings import HumanInTheLoop
from instruments.cost import Cost

POLL_S = 0.1

Propose = Callable[[Sequence[Decision]], tuple[Decision, float]]
"""The agent's decision when those given were vetoed, and the seconds that it took."""
Foresee = Callable[[Decision], tuple[Cost | None, str, Place | None]]
"""What a decision may cost, why the guard would refuse it (empty: it would not), and where it leads."""
Instead = Callable[[Answer], Decision]
"""The decision that a person's answer asks for; raises ValueError where there is none."""


@dataclass
class People:
    """The people of a campaign. `sources` are the ways that answers come in; any one may answer first."""

    settings: HumanInTheLoop
    commander: Commander
    stop: StopRequest
    watch: Watch
    folder: Path
    sources: Sequence[Source]
    value_unit: str = ""
    vetoed: list[Decision] = field(init=False)

    def __post_init__(self) -> None:
        self.known: Asked = self.commander.past.asked
        self.vetoed = self.known.vetoed()
        self._approved_until = self.known.approved_until()

    def decide(self, step: int, propose: Propose, foresee: Foresee, instead: Instead) -> tuple[Decision, float]:
        """The decision of a step that people agree to, and the seconds that the agent took over it.

        Raises Ended where a stop is asked for, or where nobody answers in time and that is to stop.
        """
        number, took = 0, 0.0
        while True:
            question = self.known.questions.get((step, number))
            if question is None:
                decision, seconds = propose(self.vetoed)
                if step <= self._approved_until:
                    return decision, took + seconds
                question = Question(step, number, decision, seconds, *foresee(decision))
                self._put(question)
            took += question.decide_s
            if (agreed := self._agreed(question, foresee, instead)) is not None:
                return agreed, took
            number += 1

    def _agreed(self, question: Question, foresee: Foresee, instead: Instead) -> Decision | None:
        """What the answer to a question leads to; None where another one has to be put."""
        answer = self.known.answers.get((question.step, question.number))
        chosen = None
        if answer is None:
            answer, chosen = self._followed(self._wait(question), foresee, instead)
            self.commander.flush("answer", ("answer", question.step, {"number": question.number, **answer.plain()}))
            self.known.answers[question.step, question.number] = answer
            self._take_in(question, answer)
        elif answer.verb == "measure" and answer.taken:
            chosen = instead(answer)
        return question.decision if answer.verb == "approve" else chosen

    def _take_in(self, question: Question, answer: Answer) -> None:
        if answer.verb == "veto":
            self.vetoed.append(question.decision)
        if answer.verb == "approve":
            self._approved_until = question.step + answer.count - 1
        if not answer.taken:
            self.watch.say(f"step {question.step}: {answer.why}")

    def _followed(self, answer: Answer, foresee: Foresee, instead: Instead) -> tuple[Answer, Decision | None]:
        """A person's own choice, held against the task and the guard before it counts."""
        if answer.verb != "measure":
            return answer, None
        try:
            chosen = instead(answer)
            refusal = foresee(chosen)[1]
        except ValueError as error:
            return answer.refused(str(error)), None
        return (answer.refused(f"the guard refuses it: {refusal}"), None) if refusal else (answer, chosen)

    def _put(self, question: Question) -> None:
        self.commander.flush("question", ("question", question.step, question.plain()))
        self.known.questions[question.step, question.number] = question

    def _wait(self, question: Question) -> Answer:
        self.watch.ask([*lines(question, self.value_unit), self._how(question)])
        for source in self.sources:
            source.offer(question)
        began = time.monotonic()
        while not self.stop.is_set():
            for source in self.sources:
                if (answer := source.poll(question)) is not None:
                    return answer
            if self.settings.timeout_s is not None and time.monotonic() - began >= self.settings.timeout_s:
                return self._late(question)
            time.sleep(POLL_S)
        raise Ended("interrupted", "interrupted", f"stopped by {self.stop.why} while step {question.step} was asked")

    def _how(self, question: Question) -> str:
        return f"step {question.step} waits for: probewright answer {self.folder} approve | veto | measure at=X,Y"

    def _late(self, question: Question) -> Answer:
        within = f"nobody answered within {self.settings.timeout_s:g} s"
        if self.settings.on_timeout == "stop":
            raise Ended("interrupted", "interrupted", f"{within} at step {question.step}; resume asks again")
        return Answer("approve", by="timeout", note=within)
