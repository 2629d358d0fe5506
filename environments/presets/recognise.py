"""Two classes of switching behaviour in the default ferroelectric film, on a coarse grid."""

from __future__ import annotations

from environments.recognition.recogniser import Recogniser
from environments.tasks.recognise import Recognise
from instruments.twins.ferroelectric_film import FerroelectricFilm


def core_and_task() -> tuple[FerroelectricFilm, Recognise]:
    """The twin's core and the task."""
    return FerroelectricFilm(), Recognise(Recogniser(classes=2, members=2, rounds=60), shape=(16, 16))
