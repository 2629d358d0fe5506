"""Locate the atoms around the vacancies of a sheet of WS2."""

from __future__ import annotations

from environments.tasks.image_within_dose import ImageWithinDose
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.sulphur_sheet import SulphurSheet


def core_and_task() -> tuple[SulphurSheet, ImageWithinDose]:
    """The twin's core, a sheet with four vacancies, and the task with its defaults."""
    sample = Dichalcogenide("W", 6.0, 6.0, top_vacancies=2, bottom_vacancies=2, margin_nm=0.6)
    return SulphurSheet(sample=sample), ImageWithinDose()
