"""What `export` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.cli.exits import DONE


def export(folders: Sequence[Path], name: str) -> int:
    """Write the campaigns in `folders` as the Minari data set `name`; the last line printed is its folder."""
    from experiments.config import ConfigError
    from experiments.offline import minari_sets, sources

    if not folders or not name:
        raise ConfigError("say which campaigns and under which name: probewright export runs/NAME-* --minari NAME-v0")
    minari_sets.free_place(name)
    recording = sources.read([str(folder) for folder in folders])
    place = minari_sets.write(recording, name)
    print(f"{len(recording.episodes)} episodes, {recording.steps} steps")
    print(f"learn from it  probewright train training=clone data=minari:{name}")
    print(place, flush=True)
    return DONE
