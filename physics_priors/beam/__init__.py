"""What an electron beam does to a sample: cross sections, rates and limits, each with units, source and uncertainty.

It imports only `physics_priors`. To add a channel of damage, write one file with the formula, the parameters with
their distributions, and the source of every number; a number that nobody knows is a `Parameter`, not a constant.
"""
