"""Decide: agents that map observations to decisions, with their own plain types (`agents.protocol`).

Imports `physics_priors` only: an agent never sees an instrument, a task or truth. To add an agent, write one
file in `agents/<family>/` and one YAML in `conf/agent/`; `agents.check` is the suite to run it through.
"""
