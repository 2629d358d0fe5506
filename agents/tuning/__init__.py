"""Agents that tune an instrument with a model of it."""
