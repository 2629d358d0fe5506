"""What the key `data` names: run folders, folders of runs, globs of either, and data sets of Minari."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from experiments.config import ConfigError
from experiments.offline import journals, minari_sets
from experiments.offline.episodes import Recording

MINARI: Final = "minari:"


def parts_of(names: Sequence[str]) -> dict[str, Any]:
    """The nodes instrument, task and scenario, those in which all sources agree; nothing else is read."""
    known = [_parts(name) for name in _each(names)]
    first, _ = known[0]
    for parts, where in known[1:]:
        _same_task(first, parts, where)
    return {n: node for n, node in first.items() if node and all(parts.get(n) == node for parts, _ in known)}


def read(names: Sequence[str]) -> Recording:
    """All episodes that hold a step, as one recording; ConfigError where they are of different tasks, or none."""
    whole: Recording | None = None
    for name in _each(names):
        one = _read(name)
        whole = one if whole is None else _joined(whole, one, str(name))
    assert whole is not None
    held = tuple(episode for episode in whole.episodes if len(episode.rewards))
    if not held:
        raise ConfigError(f"data={list(names)}: there is no step in it to learn from")
    return replace(whole, episodes=held)


def _each(names: Sequence[str]) -> list[str | Path]:
    found = [one for name in names for one in ([name] if name.startswith(MINARI) else _folders(name))]
    if not found:
        raise ConfigError("data is empty: name run folders, or minari:NAME-v0")
    return list(dict.fromkeys(found))


def _folders(name: str) -> list[Path]:
    """The runs that a folder, a folder of runs or a glob of either names, in order of their names."""
    places = [Path(found) for found in sorted(glob.glob(str(Path(name).expanduser())))]
    runs = [run for place in places for run in ([place] if _is_run(place) else sorted(place.glob("*"))) if _is_run(run)]
    if not runs:
        raise ConfigError(f"data={name}: there is no campaign (no {journals.JOURNAL}); `probewright run` makes one")
    return runs


def _is_run(folder: Path) -> bool:
    return (folder / journals.JOURNAL).is_file()


def _parts(name: str | Path) -> tuple[Mapping[str, Any], str]:
    if isinstance(name, Path):
        return journals.parts_of(name), str(name)
    return minari_sets.parts_of(name.removeprefix(MINARI)), name


def _read(name: str | Path) -> Recording:
    if isinstance(name, Path):
        return journals.read_journal(name)
    return minari_sets.read(name.removeprefix(MINARI))


def _joined(whole: Recording, one: Recording, where: str) -> Recording:
    _same_task(whole.parts, one.parts, where)
    for kind in ("observation_space", "action_space"):
        if getattr(whole, kind) != getattr(one, kind):
            raise ConfigError(
                f"{where}: its {kind.replace('_', ' ')} is not that of the other data: learn from one task"
            )
    return replace(whole, episodes=(*whole.episodes, *one.episodes))


def _same_task(first: Mapping[str, Any], other: Mapping[str, Any], where: str) -> None:
    one, two = first.get("task"), other.get("task")
    if one and two and one != two:
        differing = sorted(name for name in {*one, *two} if one.get(name) != two.get(name))
        raise ConfigError(f"{where} is of another task than the first of the data ({', '.join(differing)} differ)")
