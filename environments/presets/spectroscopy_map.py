"""Find the largest hysteresis loop of the default ferroelectric film."""

from __future__ import annotations

from environments.scalarisers import LoopArea
from environments.tasks.spectroscopy_map import SpectroscopyMap
from instruments.twins.ferroelectric_film import FerroelectricFilm


def core_and_task() -> tuple[FerroelectricFilm, SpectroscopyMap]:
    """The twin's core and the task, with their defaults."""
    return FerroelectricFilm(), SpectroscopyMap(LoopArea())
