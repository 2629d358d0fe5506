"""The true value of every candidate: the task's own scalar, measured on the same sample without its imperfections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from environments.rows import take
from experiments.campaign.provenance import config_hash
from experiments.config import ConfigError, Parts, to_plain
from experiments.config.settings import CampaignSettings
from instruments import keys
from instruments.batch import ResultBatch
from instruments.capabilities import Capabilities
from instruments.embedded import Embedded

CHUNK = 64
"""Candidates measured at once: as many copies of the world are in memory."""


@runtime_checkable
class Appraises(Protocol):
    """A task that can say what results of all its candidates are worth, in their order."""

    def appraise(self, capabilities: Capabilities, results: Sequence[ResultBatch]) -> NDArray[np.float64]:
        """Values [n]; NaN where a result is none, or is a failure among the recorded ones."""
        ...


def true_values(settings: CampaignSettings, parts: Parts, cache: Path) -> NDArray[np.float64]:
    """Values [n] at all candidates, NaN where there is none (a failed fit of a recording); kept in `cache`.

    Raises ConfigError where the instrument has no truth or the task no candidates.
    """
    kept = cache / f"{_key(settings)}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(temporary, _measured(settings, parts))
        temporary.replace(kept)
    return np.asarray(np.load(kept), dtype=np.float64)


def kept_values(settings: CampaignSettings, cache: Path) -> NDArray[np.float64] | None:
    """What `true_values` has left in `cache` for these settings; None before it was asked."""
    kept = cache / f"{_key(settings)}.npy"
    return np.asarray(np.load(kept), dtype=np.float64) if kept.exists() else None


def _key(settings: CampaignSettings) -> str:
    plain: dict[str, Any] = to_plain(settings)
    return config_hash({name: plain[name] for name in ("instrument", "task", "scenario", "seed")})[:16]


def _measured(settings: CampaignSettings, parts: Parts) -> NDArray[np.float64]:
    """Every candidate measured on the flawless instrument from the same sample; nothing is journalled."""
    if not isinstance(parts.instrument, Embedded) or not isinstance(parts.task, Appraises):
        raise ConfigError("a benchmark needs a twin or a recording, and a task that knows its true values")
    core, capabilities = parts.instrument.core.flawless(), parts.instrument.describe()
    key = keys.keys(settings.seed)
    world = core.begin(key, settings.scenario)
    state = parts.task.start(key, capabilities)
    candidates = parts.task.brief(state, 0).candidates
    if candidates is None:
        raise ConfigError(f"task {parts.task.name!r} has no candidates: there is no truth to compare with")
    results: list[ResultBatch] = []
    for first in range(0, len(candidates), CHUNK):
        some = np.asarray(candidates[first : first + CHUNK], np.float32)
        rows = np.zeros(len(some), np.intp)
        (request,) = parts.task.requests(take(state, rows), some)
        result = core.perform(take(world, rows), request, keys.fold(key[rows], first + 1 + np.arange(len(some))))[1]
        results += [take(result, np.array([row])) for row in range(len(some))]
    return parts.task.appraise(capabilities, results)
