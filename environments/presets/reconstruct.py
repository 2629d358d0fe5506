"""Rebuild the response of the default ferroelectric film from a path of strokes."""

from __future__ import annotations

from environments.tasks.reconstruct import Reconstruct
from instruments.twins.ferroelectric_film import FerroelectricFilm


def core_and_task() -> tuple[FerroelectricFilm, Reconstruct]:
    """The twin's core and the task."""
    return FerroelectricFilm(), Reconstruct("piezoresponse", shape=(16, 16), strokes=40)
