"""The conformance suite over any `Instrument`: `check(instrument)` gives a `Report` of named checks.

Runs on twins, replays, drivers and remote instruments alike; from pytest, `check(instrument).raise_for_failures()` is
a whole test. `python -m instruments.check module:Class` runs it from a shell. It acquires for real: on hardware, hand
it the requests that the sample may bear. It closes the instrument. Checks are functions in `instruments.check.checks`.
"""

from __future__ import annotations

from instruments.check.bench import check
from instruments.check.examples import examples
from instruments.check.report import Finding, Report

__all__ = ["Finding", "Report", "check", "examples"]
