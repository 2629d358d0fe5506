"""What `train` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.cli.exits import DONE, INTERRUPTED

_RESUME = "resume="


def train(overrides: Sequence[str], config_dirs: Sequence[Path]) -> int:
    """Train a policy, or go on with one; the last line printed is the folder."""
    from experiments.training import session
    from experiments.training.settings import compose_training, from_plain

    going_on = [text.removeprefix(_RESUME) for text in overrides if text.startswith(_RESUME)]
    if going_on:
        trained = session.resume(_only(going_on, overrides), _say)
        settings = from_plain(_config(trained.folder))
    else:
        settings = compose_training(overrides, config_dirs)
        trained = session.train(settings, _say)
    if not trained.finished:
        print(f"interrupted; to go on: probewright train resume={trained.folder}", file=sys.stderr)
        print(trained.folder, flush=True)
        return INTERRUPTED
    if settings.tracking.enabled:
        from experiments.training.telling import tell

        _say(tell(settings, trained))
    print(f"policy         {trained.folder / 'policy.npz'}")
    print(f"curve          {trained.folder / 'curve.png'}")
    print(f"use it         probewright run task=... agent=trained agent.policy={trained.folder / 'policy.npz'}")
    print(trained.folder, flush=True)
    return DONE


def _only(going_on: Sequence[str], overrides: Sequence[str]) -> Path:
    from experiments.config import ConfigError

    if len(overrides) > 1:
        raise ConfigError("resume=FOLDER stands alone: what was asked for stands in the folder's config.yaml")
    return Path(going_on[0])


def _config(folder: Path) -> dict[str, object]:
    import yaml

    content: dict[str, object] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return content


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
