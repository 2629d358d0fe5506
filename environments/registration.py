"""The environments that `gymnasium.make("environments:<id>")` finds: a default twin with a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from environments.environment import Environment
from environments.task import Task
from environments.vector import VectorEnvironment
from instruments.embedded import Core, Embedded


def spectroscopy_map(**options: Any) -> Environment:
    """Find the largest hysteresis loop of the default ferroelectric film; `options` as for `Environment`."""
    core, task = _film_and_map()
    return Environment(Embedded(core), task, **options)


def spectroscopy_map_vector(num_envs: int = 1, **options: Any) -> VectorEnvironment:
    """As `spectroscopy_map`, many at once; `options` as for `VectorEnvironment`."""
    core, task = _film_and_map()
    return _vector(core, task, num_envs, options)


def find_peak(**options: Any) -> Environment:
    """The trivial task on the flat twin; `options` as for `Environment`."""
    core, task = _flat_and_peak()
    return Environment(Embedded(core), task, **options)


def find_peak_vector(num_envs: int = 1, **options: Any) -> VectorEnvironment:
    """As `find_peak`, many at once; `options` as for `VectorEnvironment`."""
    core, task = _flat_and_peak()
    return _vector(core, task, num_envs, options)


def register() -> None:
    """Tell Gymnasium; once is enough, again does no harm."""
    for id, name, kwargs in (
        ("SpectroscopyMap-v0", "spectroscopy_map", {"max_steps": 60}),
        ("FindPeak-v0", "find_peak", {}),
    ):
        if id not in gymnasium.registry:
            gymnasium.register(
                id=id,
                entry_point=f"environments.registration:{name}",
                vector_entry_point=f"environments.registration:{name}_vector",
                kwargs=kwargs,
            )


def _vector(core: Core[Any], task: Task[Any], num_envs: int, options: Mapping[str, Any]) -> VectorEnvironment:
    """Gymnasium writes modes as text in a spec that was saved; a vector environment draws nothing."""
    own = dict(options)
    own["autoreset_mode"] = AutoresetMode(own.get("autoreset_mode", AutoresetMode.NEXT_STEP))
    if own.pop("render_mode", None) is not None:
        raise ValueError("a vector environment draws no pictures: use vectorization_mode='sync' for render_mode")
    return VectorEnvironment(core, task, num_envs, **own)


def _film_and_map() -> tuple[Core[Any], Task[Any]]:
    from environments.scalarisers import LoopArea
    from environments.tasks.spectroscopy_map import SpectroscopyMap
    from instruments.twins.ferroelectric_film import FerroelectricFilm

    return FerroelectricFilm(), SpectroscopyMap(LoopArea())


def _flat_and_peak() -> tuple[Core[Any], Task[Any]]:
    from environments.tasks.find_peak import FindPeak
    from instruments.twins.flat import Flat

    return Flat(), FindPeak()
