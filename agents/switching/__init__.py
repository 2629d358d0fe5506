"""Agents that choose bias waveforms to learn how a spot switches."""
