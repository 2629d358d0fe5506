"""Agents that go where the task itself says that it knows least."""
