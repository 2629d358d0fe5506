"""Recorded data as an instrument: reading files, what is in them, and answering requests from them.

May import the rest of `instruments` and `physics_priors`. A new format is one file in `readers/`, named in its table.
"""
