"""The environments that `gymnasium.make("environments:<id>")` finds: a default twin with a task."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from environments.environment import Environment
from environments.task import Task
from environments.vector import VectorEnvironment
from instruments.embedded import Core, Embedded

PRESETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ArrangeDopants-v0": ("arrange_dopants", {}),
    "FindPeak-v0": ("find_peak", {}),
    "IdentifySwitching-v0": ("identify_switching", {}),
    "ImageWithinDose-v0": ("image_within_dose", {"max_steps": 40}),
    "LearnInteractions-v0": ("learn_interactions", {}),
    "MapPhaseDiagram-v0": ("map_phase_diagram", {}),
    "Recognise-v0": ("recognise", {"max_steps": 80}),
    "MoveDopant-v0": ("move_dopant", {}),
    "Reconstruct-v0": ("reconstruct", {}),
    "SearchComposition-v0": ("search_composition", {}),
    "SpectroscopyMap-v0": ("spectroscopy_map", {"max_steps": 60}),
    "TuneAberrations-v0": ("tune_aberrations", {}),
    "TuneScan-v0": ("tune_scan", {}),
    "WriteDomains-v0": ("write_domains", {}),
    "WriteVacancies-v0": ("write_vacancies", {"max_steps": 60}),
}
"""By id: the file in `environments.presets`, and default options of the environment."""


def single(preset: str, **options: Any) -> Environment:
    """A preset's environment; `options` as for `Environment`."""
    core, task = _core_and_task(preset)
    return Environment(Embedded(core), task, **options)


def vector(preset: str, num_envs: int = 1, **options: Any) -> VectorEnvironment:
    """As `single`, many at once; `options` as for `VectorEnvironment`.

    Gymnasium writes modes as text in a spec that was saved; a vector environment draws nothing.
    """
    own = dict(options)
    own["autoreset_mode"] = AutoresetMode(own.get("autoreset_mode", AutoresetMode.NEXT_STEP))
    if own.pop("render_mode", None) is not None:
        raise ValueError("a vector environment draws no pictures: use vectorization_mode='sync' for render_mode")
    core, task = _core_and_task(preset)
    return VectorEnvironment(core, task, num_envs, **own)


def register() -> None:
    """Tell Gymnasium; once is enough, again does no harm."""
    for id, (preset, options) in PRESETS.items():
        if id not in gymnasium.registry:
            gymnasium.register(
                id=id,
                entry_point="environments.registration:single",
                vector_entry_point="environments.registration:vector",
                kwargs={"preset": preset, **options},
            )


def _core_and_task(preset: str) -> tuple[Core[Any], Task[Any]]:
    made: tuple[Core[Any], Task[Any]] = importlib.import_module(f"environments.presets.{preset}").core_and_task()
    return made
