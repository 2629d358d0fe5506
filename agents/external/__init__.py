"""Policies that live in another environment or language: a child process spoken to in line-delimited JSON.

`External` is the agent, `child` the process, `messages` the schema, `example.py` a policy that needs nothing but
Python. Imports `agents` only. docs/own_policy.md describes the protocol for whoever writes the other side.
"""

from agents.external.policy import External

__all__ = ["External"]
