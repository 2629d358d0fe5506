"""Agents whose prior is a lattice model: they choose the image that is expected to tell most of the interactions."""
