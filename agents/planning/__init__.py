"""Agents that plan with a model of what an action does; imports `physics_priors` and `agents` only.

To add a planner, write a class with the methods of `agents.protocol.Agent` in a file of its own and name it in a YAML.
"""
