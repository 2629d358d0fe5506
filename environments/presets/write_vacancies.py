"""Write a line of sulphur vacancies into the default sheet of WS2."""

from __future__ import annotations

from environments.tasks.write_vacancies import WriteVacancies
from instruments.twins.stem.sulphur_sheet import SulphurSheet


def core_and_task() -> tuple[SulphurSheet, WriteVacancies]:
    """The twin's core and the task, with their defaults."""
    return SulphurSheet(), WriteVacancies()
