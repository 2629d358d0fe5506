"""Tune the aberrations of the optical bench."""

from __future__ import annotations

from environments.tasks.tune_aberrations import TuneAberrations
from instruments.twins.stem.optical_bench import OpticalBench


def core_and_task() -> tuple[OpticalBench, TuneAberrations]:
    """The twin's core and the task, with their defaults."""
    return OpticalBench(), TuneAberrations()
