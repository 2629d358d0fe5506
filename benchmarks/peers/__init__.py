"""Optimisers that others use, as policies in a Python of their own (docs/peers.md)."""
