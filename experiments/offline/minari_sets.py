"""Data sets in Minari's format (Farama Foundation, minari 0.5): written without loss, and read back as they were.

They lie in the folder MINARI_DATASETS_PATH, else where Minari keeps them; nothing is ever downloaded. Observations keep
their types (float32 in our tasks), actions and rewards are float64, choices int64; images are not compressed as JPEG,
which Minari does by default. The twin, the task and the scenario stand in the set's metadata under `probewright`.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np

from experiments.campaign.provenance import versions
from experiments.config import ConfigError
from experiments.offline.episodes import Episode, Recording

_OWN: Final = "probewright"
_NAME: Final = re.compile(r"([\w-]+/)*[\w-]+-v\d+")


def free_place(name: str) -> Path:
    """The folder that a new data set `name`, say lab/moves-v0, will have; ConfigError where it cannot be written."""
    _minari()
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name of a Minari data set: write NAME-v0, or GROUP/NAME-v0")
    place = _place(name)
    if place.exists():
        raise ConfigError(f"there is a data set {name} already, in {place.parent}: choose another name or version")
    return place


def write(recording: Recording, name: str) -> Path:
    """Write a new data set `name`; its folder. Raises as `free_place` does."""
    minari, place = _minari(), free_place(name)
    buffers = [_buffer(minari, episode) for episode in recording.episodes]
    spaces = {"observation_space": recording.observation_space, "action_space": _as_kept(recording.action_space)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it asks for an author, and for an environment by id
            made = minari.create_dataset_from_buffers(name, buffers, **spaces, data_format="hdf5", jpeg_encoding=False)
        made.storage.update_metadata({_OWN: json.dumps(_about(recording)), **_said(recording)})
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)  # half of it would hold the name
        raise
    return place


def parts_of(name: str) -> dict[str, Any]:
    """The nodes instrument, task and scenario of a set that we wrote; nothing of one of others."""
    own = _opened(name).storage.metadata.get(_OWN)
    return {} if own is None else dict(json.loads(own)["parts"])


def read(name: str) -> Recording:
    """A data set by name or folder; ConfigError where it is not there, or its observations have no names."""
    known = _opened(name)
    if not isinstance(known.observation_space, gymnasium.spaces.Dict):
        raise ConfigError(
            f"minari:{name}: observations of tasks have names (a Dict), its are {known.observation_space}"
        )
    own = json.loads(known.storage.metadata.get(_OWN, '{"parts": {}, "sources": []}'))
    told = known.storage.get_episode_metadata(known.episode_indices)
    episodes = [
        _episode(one, about.get("seed"), _source(own, name, number))
        for number, (one, about) in enumerate(zip(known.iterate_episodes(), told, strict=True))
    ]
    return Recording(known.observation_space, known.action_space, own["parts"], tuple(episodes))


def _minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise ConfigError(f"Minari is not installed ({error}): pip install 'probewright[offline]'") from None
    return minari


def _place(name: str) -> Path:
    from minari.storage.datasets_root_dir import get_dataset_path

    return Path(get_dataset_path(name))


def _opened(name: str) -> Any:
    minari = _minari()
    folder = Path(name).expanduser()
    place = folder if (folder / "data").is_dir() else _place(name)
    if not (place / "data").is_dir():
        raise ConfigError(f"there is no Minari data set {name}: {place} holds none (MINARI_DATASETS_PATH says where)")
    try:
        return minari.MinariDataset(str(place / "data"))
    except (ValueError, KeyError, AssertionError, OSError) as error:
        raise ConfigError(f"the Minari data set {name} cannot be read: {error}") from None


def _buffer(minari: Any, episode: Episode) -> Any:
    from minari.data_collector.episode_buffer import EpisodeBuffer

    steps = len(episode.rewards)
    over = np.zeros(steps, dtype=bool)
    over[-1:] = True
    return EpisodeBuffer(
        seed=episode.seed,
        observations={name: np.asarray(values) for name, values in episode.observations.items()},
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=over & episode.terminated,
        truncations=over & (not episode.terminated),
    )


def _as_kept(space: gymnasium.Space[Any]) -> gymnasium.Space[Any]:
    """The action space in float64, in which actions are decided and kept."""
    if isinstance(space, gymnasium.spaces.Box):
        return gymnasium.spaces.Box(space.low.astype(np.float64), space.high.astype(np.float64), dtype=np.float64)
    return space


def _about(recording: Recording) -> dict[str, Any]:
    sources = [episode.source for episode in recording.episodes]
    return {"parts": dict(recording.parts), "sources": sources, "versions": versions()}


def _said(recording: Recording) -> dict[str, str]:
    """What Minari shows of it."""
    task = str(recording.parts.get("task", {}).get("_target_", "")).rpartition(".")[2]
    return {"description": f"Campaigns of Probewright, task {task}, made again from their journals."}


def _episode(one: Any, seed: int | None, source: str) -> Episode:
    ends = np.asarray(one.terminations)
    actions = np.asarray(one.actions)
    kept = actions.astype(np.int64 if actions.dtype.kind in "iu" else np.float64)
    rewards = np.asarray(one.rewards, dtype=np.float64)
    return Episode(dict(one.observations), kept, rewards, bool(len(ends) and ends[-1]), seed, source)


def _source(own: Mapping[str, Any], name: str, number: int) -> str:
    sources: Sequence[str] = own["sources"]
    return sources[number] if number < len(sources) else f"{name}#{number}"
