"""People in the loop: what they answer is journalled before anything moves, held against the guard, and replayed."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, field

import numpy as np
import pytest

from benchmarks.trajectories import final_state, measured_twice, trajectory
from experiments import report
from experiments.campaign import resume, run, status
from experiments.campaign.people.mailbox import Answered, Mailbox
from experiments.campaign.people.questions import Answer, Question
from experiments.campaign.people.wording import answer_of
from experiments.config.errors import ConfigError

APPROVE = Answer("approve", by="test")
VETO = Answer("veto", by="test", note="a scratch")


@dataclass
class Person:
    """Answers by (step, number), and approves all else; remembers what was asked."""

    says: dict[tuple[int, int], Answer] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    def offer(self, question):
        self.asked.append(question)

    def poll(self, question):
        return self.says.get((question.step, question.number), APPROVE)


class Silent(Person):
    def poll(self, question):
        return None


@pytest.fixture
def asking(settings):
    return lambda *more: settings("hitl=approve", "agent=gaussian_process", "agent.seeds=2", "budget.steps=4", *more)


def test_approval_changes_nothing(asking, events):
    person = Person()
    approved, alone = run(asking(), terminal=person).folder, run(asking("hitl=off")).folder
    assert trajectory(approved) == trajectory(alone)
    assert [(q.step, q.number) for q in person.asked] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert [e.payload["verb"] for e in events(approved, "answer")] == ["approve"] * 4
    assert events(alone, "question", "answer") == []


def test_the_question_and_then_the_answer_are_durable_before_anything_moves(asking, events):
    folder = run(asking(), terminal=Person()).folder
    kinds = [e.kind for e in events(folder, "question", "answer", "decision", "command") if e.step == 3]
    assert kinds == ["question", "answer", "decision", "command"]


def test_a_question_shows_the_terms_and_the_report_keeps_them(asking):
    person = Person({(3, 0): VETO})
    folder = run(asking(), terminal=person).folder
    third = person.asked[2]
    assert {"mean", "std", "acquisition"} <= set(third.decision.figures)
    assert third.worst is not None
    assert 0 < third.worst.seconds < 60
    text = report.write(folder).read_text()
    assert "What people decided" in text
    assert "a scratch" in text
    assert f"at most {third.worst.seconds:.4g} s" in text
    assert json.loads((folder / "summary.json").read_text())["answers"] == {
        "approve": 4,
        "veto": 1,
        "measure": 0,
        "timeout": 0,
    }


def test_what_is_vetoed_is_never_measured(asking, events):
    person = Person({(2, 0): VETO, (2, 1): VETO, (3, 0): VETO})
    folder = run(asking(), terminal=person).folder
    vetoed = [q.decision.candidate for q in person.asked if (q.step, q.number) in person.says]
    measured = [e.payload["candidate"] for e in events(folder, "decision")]
    assert len(set(vetoed)) == 3
    assert not set(vetoed) & set(measured)
    assert len(measured) == 4


def test_a_person_measures_what_they_like_and_the_agent_learns_from_it(asking, events):
    person = Person({(3, 0): Answer("measure", candidate=17, by="test", note="looks odd")})
    folder = run(asking(), terminal=person).folder
    third = events(folder, "decision")[2].payload
    assert third["candidate"] == 17
    assert "looks odd" in third["reason"]
    assert np.isfinite(third["figures"]["mean"])
    outcomes = events(folder, "outcome")
    assert np.isfinite(outcomes[2].payload["value"])
    alone = events(run(asking("hitl=off")).folder, "decision")
    assert events(folder, "decision")[3].payload["candidate"] != alone[3].payload["candidate"]


def test_a_position_means_the_nearest_candidate(asking, events):
    place = (301.0, -290.0)
    folder = run(asking(), terminal=Person({(1, 0): Answer("measure", at_nm=place, by="test")})).folder
    positions = events(folder, "brief")[0].payload["positions_nm"]
    nearest = int(np.argmin(np.hypot(*(positions - np.array(place)).T)))
    assert events(folder, "decision")[0].payload["candidate"] == nearest


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer("measure", candidate=99_999), "0 to 1023"),
        (Answer("measure", at_nm=(1e6, 0.0)), "field reaches"),
        (Answer("measure", action=(0.5,)), "2 numbers"),
    ],
)
def test_what_cannot_be_measured_is_asked_again(asking, events, answer, why):
    person = Person({(1, 0): answer})
    folder = run(asking("budget.steps=1"), terminal=person).folder
    first = events(folder, "answer")[0].payload
    assert not first["taken"]
    assert why in first["why"]
    assert [(q.step, q.number) for q in person.asked] == [(1, 0), (1, 1)]
    assert len(events(folder, "command")) == 2


def test_people_are_held_to_the_guard_like_the_agent(asking, events):
    person = Person({(1, 0): Answer("measure", candidate=17)})
    folder = run(asking("budget.steps=1", "guard.bias_V=1"), terminal=person).folder
    answers = [e.payload for e in events(folder, "answer")]
    assert [(a["verb"], a["taken"]) for a in answers] == [("measure", False), ("approve", True)]
    assert "the guard refuses it" in answers[0]["why"]
    assert "V" in person.asked[1].guard  # shown with the agent's own proposal too, which a person may not approve past
    assert len(events(folder, "refused")) == 1
    assert [e.payload["purpose"] for e in events(folder, "command")] == ["survey"]


def test_several_are_approved_at_once(asking, events):
    person = Person({(1, 0): Answer("approve", count=3)})
    folder = run(asking(), terminal=person).folder
    assert [q.step for q in person.asked] == [1, 4]
    assert len(events(folder, "outcome")) == 4


def test_nobody_answers_and_it_stops_and_asks_again(asking, events):
    stopped = run(asking("hitl.timeout_s=0.2"), terminal=Silent())
    assert (stopped.status, stopped.exit_code) == ("interrupted", 130)
    assert "0.2 s" in stopped.message
    assert events(stopped.folder, "decision") == []
    person = Person()
    assert resume(stopped.folder, terminal=person).status == "finished"
    assert person.asked[0].step == 1
    assert len([e for e in events(stopped.folder, "question") if e.step == 1]) == 1


def test_nobody_answers_and_it_goes_on_where_that_was_wanted(asking, events):
    result = run(asking("hitl.timeout_s=0.05", "hitl.on_timeout=approve"))
    assert result.status == "finished"
    assert {e.payload["by"] for e in events(result.folder, "answer")} == {"timeout"}


def test_it_says_that_it_waits(asking):
    seen = []

    class Looking(Person):
        def poll(self, question):
            seen.append(status(folder()))
            return APPROVE

    wanted = asking("budget.steps=1")
    folder = lambda: next(wanted.runs.iterdir())  # noqa: E731
    run(wanted, terminal=Looking())
    assert seen[0].state == "waiting"
    assert "probewright answer" in seen[0].message


def test_the_first_answer_counts(tmp_path, asking):
    person = Person()
    run(asking("budget.steps=1"), terminal=person)
    box = Mailbox(tmp_path)
    box.leave(person.asked[0], VETO)
    with pytest.raises(Answered):
        box.leave(person.asked[0], APPROVE)
    assert box.poll(person.asked[0]) == VETO


def test_a_spoilt_answer_is_nobodys(tmp_path, asking):
    person = Person()
    run(asking("budget.steps=1"), terminal=person)
    box = Mailbox(tmp_path)
    box.leave(person.asked[0], VETO)
    (tmp_path / "answers" / "000001-0.json").write_text('{"verb": "obey"}')
    assert box.poll(person.asked[0]) is None
    box.leave(person.asked[0], APPROVE)
    assert box.poll(person.asked[0]) == APPROVE


@pytest.mark.parametrize(
    "words", [["obey"], ["veto", "2"], ["approve", "0"], ["measure"], ["measure", "at=1"], ["measure", "at=a,b"],
              ["measure", "candidate=1.5"], ["measure", "candidate=-1"], ["measure", "there"], ["measure", "at=nan,1"]]
)  # fmt: skip
def test_words_that_make_no_answer(words):
    with pytest.raises(ConfigError, match=r"answer|at=|number|finite"):
        answer_of(words, "test")


PEOPLE = {
    (2, 0): VETO,
    (2, 1): Answer("measure", candidate=17, by="test"),
    (3, 0): Answer("measure", candidate=99_999, by="test"),
    (3, 1): Answer("approve", count=2, by="test"),
}


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("at", ["before question", "after question", "before answer", "after answer", "after command"])
def test_killed_between_question_and_answer_it_goes_on_bit_for_bit(asking, tmp_path, events, at):
    whole = run(asking(f"runs={tmp_path / 'whole'}"), terminal=Person(PEOPLE)).folder
    asked = {(e.step, e.payload["number"]) for e in events(whole, "question")}
    for nth in (1, 3, 4):
        wanted = asking(f"runs={tmp_path / f'{nth}'}")
        assert _killed(wanted, at, nth) == -signal.SIGKILL
        (folder,) = wanted.runs.glob("*s0*")
        person = Person(PEOPLE)
        assert resume(folder, terminal=person).status == "finished"
        assert trajectory(folder) == trajectory(whole)
        assert final_state(folder) == final_state(whole)
        assert measured_twice(folder) == []
        found = [(e.step, e.payload["number"]) for e in events(folder, "question")]
        assert found == sorted(asked)
        assert [(e.step, e.payload["number"]) for e in events(folder, "answer")] == found


def _killed(settings, name, nth):
    left = [nth]

    def kill(at):
        left[0] -= at == name
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        try:
            run(settings, boundary=kill, terminal=Person(PEOPLE))
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
