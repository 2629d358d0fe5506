"""Twins: simulators that behave like instruments, each a core (`instruments.embedded.Core`) run by `Embedded`.

Imports `instruments` and `physics_priors` only. `flat` is the one to read first, `ferroelectric_film` the default. To
add one, write one file here and one YAML in `conf/instrument/`, and run it through `instruments.check`.
"""
