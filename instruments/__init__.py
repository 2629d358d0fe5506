"""What can physically be done: requests, measurements, the guard, twins, replay, and vendor drivers.

Imports `physics_priors` only. To add an instrument, write one file here that fulfils `instruments.seam.Instrument`
and one YAML in `conf/instrument/`; `instruments.check` is the conformance suite to run it through.
"""
