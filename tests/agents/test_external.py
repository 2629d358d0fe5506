"""A policy in a process of its own: passes the public suite, fails in one line, and leaves no process behind."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.check import CHECKS, Trial, trivial_problem
from agents.external import External
from agents.external.policy import EXAMPLE
from agents.protocol import AgentError, Decision, Problem, Transition

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_policy.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="External needs a POSIX system")


def child(*lines: str) -> list[str]:
    """A command: for every message `m` these lines fill the answer `a`."""
    body = "\n    ".join(lines)
    text = (
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line); a = {'id': m['id']}\n"
        "    if m['do'] == 'act': a['candidate'] = 3\n"
        f"    {body}\n"
        "    print(json.dumps(a), flush=True)\n"
    )
    return [sys.executable, "-S", "-c", text]


def begun(*lines: str, timeout_s: float = 30.0, problem: Problem | None = None) -> External:
    agent = External(child(*lines), timeout_s=timeout_s)
    agent.begin(problem or trivial_problem(), 1)
    return agent


def said(agent: External, observation: Any = None) -> str:
    with pytest.raises(AgentError) as caught:
        agent.act(observation or {})
    (line,) = str(caught.value).splitlines()
    return line


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def gone(pid: int, within_s: float = 20.0) -> bool:
    until = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


@pytest.mark.parametrize("one", CHECKS, ids=lambda c: c.__name__)
def test_the_example_passes_the_public_suite(one: Callable[[Trial], None]) -> None:
    one(Trial(External))


def test_the_example_is_the_documented_one() -> None:
    documented = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]
    assert Path(EXAMPLE[1]).read_text().partition('"""\n\n')[2] == documented


def test_every_message_is_documented_and_every_documented_message_is_sent(tmp_path: Path) -> None:
    log = tmp_path / "messages"
    agent = begun(f"open({str(log)!r}, 'a').write(line)", "a.update(state=1) if m['do'] == 'state' else None")
    decision = agent.act({"image": np.zeros(3)}, pending=[Decision(np.array([0.3, 0.1]), "by hand")], deadline_s=2.0)
    agent.tell(Transition(1, decision, float("nan"), np.array([False]), 0.0, {"image": np.array([np.inf, 1.0])}))
    agent.restore(agent.state())
    sent = {message["do"]: message for message in map(json.loads, log.read_text().splitlines())}
    table = PAGE.partition("### Messages")[2].partition("### ")[0]
    rows = dict(re.findall(r"^\| `((?!do)\w+)` \| (.*?) ?\|", table, flags=re.MULTILINE))
    assert sent.keys() == rows.keys()
    for do, message in sent.items():
        assert set(re.findall(r"`(\w+)`", rows[do])) == message.keys() - {"id", "do"}
    problem, transition = sent["begin"]["problem"], sent["tell"]["transition"]
    schema = PAGE.partition("- `problem`:")[2]
    assert all(f"`{name}`" in schema for name in [*problem, *transition, *transition["decision"]])
    assert transition["value"] is None
    assert transition["observation"] == {"image": [None, 1.0]}
    assert sent["act"]["deadline_s"] == 2.0
    candidate = sent["act"]["pending"][0]["candidate"]
    np.testing.assert_allclose(problem["candidates"][candidate], [1 / 3, 0.0])


def test_observations_are_left_out_on_request(tmp_path: Path) -> None:
    log = tmp_path / "messages"
    agent = External(child(f"open({str(log)!r}, 'a').write(line)"), observations=False)
    agent.begin(trivial_problem(), 0)
    decision = agent.act({"image": np.zeros(3)})
    seen = {"image": np.zeros(3)}
    agent.tell(Transition(1, decision, 1.0, np.array([True]), 0.0, seen, before=seen))
    assert "observation" not in log.read_text()
    assert "before" not in log.read_text()


def test_an_action_may_be_given_where_there_are_no_candidates() -> None:
    box = Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm")
    agent = begun("a.pop('candidate', 0); a.update(action=[0.25, -1], figures={'mean': 2})", problem=box)
    decision = agent.act({})
    assert decision.action.tolist() == [0.25, -1.0]
    assert decision.candidate is None
    assert decision.figures == {"mean": 2.0}
    choices = Problem(np.zeros(1), np.full(1, 3.0), "maximise", "height", "nm", choices=4)
    assert begun("a.pop('candidate', 0); a.update(action=2)", problem=choices).act({}).action == 2
    assert "0 .. 3" in said(begun("a.pop('candidate', 0); a.update(action=4)", problem=choices))
    assert "lists no candidates" in said(begun("", problem=box))


WRONG = {
    "a = 'hello'": "no JSON object",
    "print('hello')": "no JSON object: 'hello' (print answers only, log to stderr)",
    "a['id'] = 7": "id 7 instead of 2",
    "a['candidate'] = 49": "candidate 49 is not one of 0 .. 48",
    "a['candidate'] = True": "candidate True",
    "a['candidate'] = None": "candidate None",
    "a['action'] = [0, 0]": "either a `candidate` or an `action`",
    "a.pop('candidate')": "either a `candidate` or an `action`",
    "a.pop('candidate'); a['action'] = [0.1, None]": "action [0.1, null] is not a list of 2 numbers",
    "a.pop('candidate'); a['action'] = [[0.1, 0.2]]": "is not a list of 2 numbers",
    "a.pop('candidate'); a['action'] = [0.1]": "is not a list of 2 numbers",
    "a.pop('candidate'); a['action'] = [1, [2]]": "is not a list of 2 numbers",
    "a.pop('candidate'); a['action'] = {'x': 1}": "is not a list of 2 numbers",
    "a['reason'] = 3": "`reason` must be text",
    "a['figures'] = {'mean': 'x'}": 'figures.mean="x" must be a number',
    "a['error'] = 'out of\\nideas'": "cannot act: out of ideas",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_said_in_one_line(wrong: str) -> None:
    agent = begun(f"if m['do'] == 'act': {wrong}")
    assert WRONG[wrong] in said(agent)


def test_nan_and_a_wrong_state_are_refused() -> None:
    agent = begun("if m['do'] == 'act': a.pop('candidate'); a['action'] = [float('nan'), 0]")
    assert "is not a list of 2 numbers" in said(agent)
    with pytest.raises(AgentError, match="without a `state`"):
        agent.state()
    with pytest.raises(AgentError, match="this state is of RandomSearch"):
        agent.restore({"agent": "RandomSearch"})


def test_another_protocol_is_refused() -> None:
    with pytest.raises(AgentError, match="speaks protocol 2, this is 1"):
        begun("a['protocol'] = 2")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program", "x.py"], "no program 'no-such-program'"),
        ("no-such-program x.py", "no program 'no-such-program'"),
        ([], "the command is empty"),
        ("", "the command is empty"),
    ],
)
def test_a_command_that_cannot_be_is_an_error_before_anything_starts(command: Any, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        External(command)


def test_a_child_that_dies_is_quoted_and_a_later_begin_starts_another(caplog: pytest.LogCaptureFixture) -> None:
    agent = begun("if m['do'] == 'act': sys.stderr.write('loading\\n'); sys.exit('no licence')")
    with caplog.at_level(logging.INFO, "agents.external.child"):
        assert re.search(r"ended with exit code 1 before it answered 'act': no licence$", said(agent))
    assert "loading" in caplog.text
    assert "does not run" in said(agent)
    agent.begin(trivial_problem(), 1)
    assert "no licence" in said(agent)
    assert "was killed by signal 9" in said(begun("if m['do'] == 'act': os.kill(os.getpid(), 9)"))


def test_a_child_that_does_not_answer_is_killed() -> None:
    agent = begun("if m['do'] == 'act': time.sleep(600)", timeout_s=10.0)
    agent.timeout_s = 0.3
    process = pid_of(agent)
    assert re.search("did not answer 'act' within 0.3 s and was ended$", said(agent))
    assert gone(process)


def test_a_child_that_does_not_listen_is_killed_too() -> None:
    """A message larger than a pipe holds must not block for ever."""
    agent = External([sys.executable, "-S", "-c", "import time; time.sleep(600)"], timeout_s=0.5)
    images = {"height": np.zeros((300, 300))}
    box = Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm", images=images)
    with pytest.raises(AgentError, match=r"did not answer 'begin' within 0\.5 s"):
        agent.begin(box, 0)


def test_large_messages_go_both_ways() -> None:
    agent = begun("a.update(reason='x' * 300000) if m['do'] == 'act' else None")
    decision = agent.act({"image": np.arange(90000.0).reshape(300, 300)})
    assert len(decision.reason) == 300000


def pid_of(agent: External) -> int:
    assert agent._child is not None
    return agent._child._process.pid


def test_the_process_ends_with_the_agent_and_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    grandchild = (
        f"import subprocess; p = subprocess.Popen(['sleep', '600']); open({str(note)!r}, 'w').write(str(p.pid))"
    )
    agent = begun(f"if m['do'] == 'act': {grandchild}")
    agent.act({})
    process, started = pid_of(agent), int(note.read_text())
    assert alive(process)
    assert alive(started)
    del agent
    gc.collect()
    assert gone(process)
    assert gone(started)


@pytest.mark.parametrize("end", ["leave", "kill"])
def test_the_process_ends_with_its_parent_even_when_stuck(end: str, tmp_path: Path) -> None:
    stuck = child("if m['do'] == 'act': time.sleep(600)")
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, threading\n"
        "from agents.check import trivial_problem\n"
        "from agents.external import External\n"
        f"agent = External({stuck!r})\n"
        "agent.begin(trivial_problem(), 0)\n"
        "if sys.argv[1] == 'kill':\n"
        "    threading.Thread(target=agent.act, args=({},), daemon=True).start()\n"
        "print(agent._child._process.pid, flush=True)\n"
        "if sys.argv[1] == 'kill':\n"
        "    threading.Event().wait()\n"
    )
    with subprocess.Popen([sys.executable, str(script), end], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        process = int(parent.stdout.readline())
        if end == "kill":
            assert alive(process)
            parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert gone(process)
