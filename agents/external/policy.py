"""An agent that passes every question on to a policy in another process."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from agents.external import messages
from agents.external.child import Child
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from physics_priors.bounds import Bounds

EXAMPLE = (sys.executable, str(Path(__file__).with_name("example.py")))

Seconds = Annotated[float, Bounds("s", 0.0, 86_400.0, open_low=True)]


class External:
    """Asks a child process: one line of JSON each, on its standard input and output (docs/own_policy.md).

    The process is started by the first `begin` and ended with the agent. An answer that does not come, or is none,
    is an AgentError of one line.
    """

    def __init__(
        self, command: list[str] | str | None = None, timeout_s: Seconds = 60.0, observations: bool = True
    ) -> None:
        """`command` is a list of words, or a text that a shell would split so; None is the example of the document.

        timeout_s bounds every answer, that to `begin` too. Without `observations`, which may be large, the policy
        lives on values alone.
        """
        if os.name != "posix":
            raise AgentError("policies in a process of their own need a POSIX system (Linux or macOS)")
        words = EXAMPLE if command is None else shlex.split(command) if isinstance(command, str) else tuple(command)
        if not words or not words[0]:
            raise AgentError("the command is empty: give the program to start, say [python, my_policy.py]")
        if shutil.which(words[0]) is None:
            raise AgentError(f"there is no program {words[0]!r} to start the policy with")
        self.command, self.timeout_s, self.observations = tuple(words), timeout_s, observations
        self._child: Child | None = None
        self._asked = 0

    def begin(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        if self._child is None or not self._child.running:
            self._start()
        answer = self._ask("begin", protocol=messages.PROTOCOL, problem=messages.problem_out(problem), seed=seed)
        if answer.get("protocol", messages.PROTOCOL) != messages.PROTOCOL:
            raise self._wrong(f"speaks protocol {answer['protocol']!r}, this is {messages.PROTOCOL}")

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        seen = {"observation": messages.plain(observation)} if self.observations else {}
        waiting = [messages.decision_out(decision, self.problem) for decision in pending]
        answer = self._ask("act", pending=waiting, deadline_s=deadline_s, **seen)
        try:
            return messages.decision_in(answer, self.problem)
        except AgentError as error:
            raise self._wrong(f"answered 'act' wrongly: {error}") from None

    def tell(self, transition: Transition) -> None:
        self._ask("tell", transition=messages.transition_out(transition, self.problem, self.observations))

    def state(self) -> dict[str, Any]:
        answer = self._ask("state")
        if "state" not in answer:
            raise self._wrong("answered 'state' without a `state`")
        return {"agent": "External", "protocol": messages.PROTOCOL, "state": answer["state"]}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("agent") != "External" or state.get("protocol") != messages.PROTOCOL:
            raise AgentError(f"this state is of {state.get('agent', 'no agent')!s}, not of a policy in a process")
        self._ask("restore", state=messages.plain(state["state"]))

    def _start(self) -> None:
        self._child = Child(self.command)
        weakref.finalize(self, self._child.end)

    def _ask(self, do: str, **message: Any) -> dict[str, Any]:
        if self._child is None or self._child.ended:
            raise AgentError(f"the policy was asked to {do!r}, but does not run: `begin` starts it")
        self._asked += 1
        sent = messages.line({"id": self._asked, "do": do, **message})
        return self._read(self._child.ask(sent, do, self.timeout_s), do)

    def _read(self, said: bytes, do: str) -> dict[str, Any]:
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            shown = repr(said[:80].decode(errors="replace"))
            raise self._wrong(f"answered {do!r} with no JSON object: {shown} (print answers only, log to stderr)")
        if "error" in answer:
            raise self._wrong(f"cannot {do}: {' '.join(str(answer['error']).split())}")
        if answer.get("id") != self._asked:
            raise self._wrong(f"answered {do!r} with id {answer.get('id')!r} instead of {self._asked}")
        return answer

    def _wrong(self, what: str) -> AgentError:
        assert self._child
        return AgentError(f"the policy {self._child.name!r} {what}")
