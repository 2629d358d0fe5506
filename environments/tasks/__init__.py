"""The tasks, one file each, read from top to bottom: spaces, survey, requests, update, observation, brief.

`find_peak` is the trivial one, for tests and to be read first. May import `instruments`, `physics_priors` and the
rest of `environments`.
"""
